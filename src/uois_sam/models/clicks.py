"""One object from several clicks, a box, or both: the masks of all prompts, ranked by what the user said of them.

SAM's prompt encoder takes several points, labels and boxes at once; decoders of a single point, as the compact model's,
do not. So every click on the object and a lattice of points in the box are decoded by themselves, and of the masks that
come out those count that fit: their box is the box given, they hold the clicks on the object, and not those beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uois_sam.models.postprocess import clean_regions, mask_boxes

LATTICE = 3
"""Points along each side of a box."""
BOX_POWER = 2.0
"""A mask whose box overlaps the one given by IoU b counts b to this power."""
MISSES = 0.8
"""What a mask counts for each click on the object that it does not hold."""
HOLDS_OTHERS = 0.7
"""What a mask counts for each click beside the object that it holds: that part can be cut off."""
VOTE_IOU = 0.8
"""Masks that overlap the best one by this IoU, and count at least half as much, have a vote on its outline."""
OTHERS_SHARE = 0.5
"""The mask of a click beside the object is cut off, where it is the surer of the two, if they share no more than this
share of the object's."""
REACH = 0.35
"""Where it is more, only the surroundings of the click are: a Gaussian of this share of the distance to the object's
nearest click."""
BOX_MARGIN = 0.05
"""A mask may leave its box by this share of the box's sides."""


@dataclass(frozen=True)
class Clicks:
    """What a user says of one object, in cells of the mask grid: the centre of cell i is at i + 0.5."""

    on: Tensor
    """(P, 2) float32 xy: clicks on the object."""
    beside: Tensor
    """(N, 2) float32 xy: clicks beside it."""
    box: tuple[float, float, float, float] | None = None
    """xyxy."""


def lattice(box_xyxy: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    """xy of the points of a box that are decoded, row by row."""
    left, top, right, bottom = box_xyxy
    shares = [(step + 1) / (LATTICE + 1) for step in range(LATTICE)]
    return [(left + (right - left) * x, top + (bottom - top) * y) for y in shares for x in shares]


def combine(
    logits: Tensor, scores: Tensor, others: Tensor, other_scores: Tensor, clicks: Clicks
) -> tuple[Tensor, float]:
    """Make one mask of the masks of all prompts.

    Args:
        logits: (K, h, w) float32, all masks of the points on the object and in the box; above 0 is inside.
        scores: (K,) float32.
        others: (N, 4, h, w) float32, the masks of the clicks beside the object.
        other_scores: (N, 4) float32.
        clicks: what the user said.

    Returns:
        (h, w) float32 in about -1..1, above 0 inside; and the score of the best single mask.
    """
    inside = logits > 0
    worth = _worth(inside, scores, clicks)
    best = int(worth.argmax())
    soft = 2 * logits.sigmoid() - 1
    voters = (_iou(inside, inside[best]) >= VOTE_IOU) & (worth >= 0.5 * worth[best])
    voters[best] = True
    weights = worth[voters].clamp(min=1e-6)
    mask = (soft[voters] * weights[:, None, None]).sum(0) / weights.sum()
    for xy in clicks.on:
        if _at(mask, xy) <= 0:
            mask = _with_part(mask, soft, worth, xy)
    for row, xy in enumerate(clicks.beside):
        if _at(mask, xy) > 0:
            mask = _without_part(mask, 2 * others[row].sigmoid() - 1, other_scores[row], xy, clicks.on)
    if clicks.box is not None:
        mask = _clipped(mask, clicks.box)
    return mask, float(scores[best])


def clean(mask: Tensor, fraction: float) -> Tensor:
    """Remove small islands and holes of one (h, w) mask (:func:`~uois_sam.models.postprocess.clean_regions`)."""
    return clean_regions(mask[None], fraction)[0]


def _worth(inside: Tensor, scores: Tensor, clicks: Clicks) -> Tensor:
    """(K,): how well each mask fits what the user said."""
    worth = scores.clamp(0.05, 1)
    if clicks.box is not None:
        worth = worth * _box_iou(mask_boxes(inside), clicks.box) ** BOX_POWER
    for xy in clicks.on:
        worth = torch.where(_at(inside, xy), worth, MISSES * worth)
    for xy in clicks.beside:
        worth = torch.where(_at(inside, xy), HOLDS_OTHERS * worth, worth)
    return worth


def _with_part(mask: Tensor, soft: Tensor, worth: Tensor, xy: Tensor) -> Tensor:
    """The mask and the best one that holds a click it lacks; a part rather than something larger."""
    size = (soft > 0).flatten(1).sum(dim=1)
    worth = torch.where(_at(soft, xy) > 0, worth, 0) * torch.where(size > (mask > 0).sum(), MISSES, 1.0)
    return torch.maximum(mask, soft[int(worth.argmax())]) if worth.max() > 0 else mask


def _without_part(mask: Tensor, others: Tensor, scores: Tensor, xy: Tensor, on: Tensor) -> Tensor:
    """The mask without what a click beside the object stands for.

    Args:
        mask: (h, w).
        others: (4, h, w), the masks of that click.
        scores: (4,), theirs.
        xy: the click.
        on: (P, 2), the clicks on the object.
    """
    shared = ((others > 0) & (mask > 0)).flatten(1).sum(dim=1) / (mask > 0).sum().clamp(min=1)
    apart = (_at(others, xy) > 0) & (shared <= OTHERS_SHARE)
    for each in on:
        apart &= _at(others, each) <= 0
    if apart.any():
        other = others[int(torch.where(apart, scores, -torch.inf).argmax())]
        mask = torch.where((other > 0) & (other > mask), -mask.abs(), mask)
    level = _at(mask, xy)
    if level > 0:
        nearest = float((on - xy).norm(dim=1).min()) if len(on) else 0.1 * mask.shape[1]
        around = _gaussian(mask, xy, max(2.0, REACH * nearest))
        mask = mask - (level + 1e-3) * around
        mask = torch.where(_gaussian(mask, xy, 1.0) > 0.6, mask.clamp(max=-1e-3), mask)
    return mask


def _clipped(mask: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    left, top, right, bottom = box
    wide, high = BOX_MARGIN * (right - left) + 0.5, BOX_MARGIN * (bottom - top) + 0.5
    xs, ys = _centres(mask)
    within = (xs >= left - wide) & (xs <= right + wide) & (ys >= top - high) & (ys <= bottom + high)
    return torch.where(within, mask, -torch.ones_like(mask))


def _centres(mask: Tensor) -> tuple[Tensor, Tensor]:
    height, width = mask.shape
    ys, xs = (torch.arange(size, device=mask.device) + 0.5 for size in (height, width))
    return xs[None], ys[:, None]


def _gaussian(mask: Tensor, xy: Tensor, sigma: float) -> Tensor:
    xs, ys = _centres(mask)
    return torch.exp(-((xs - xy[0]) ** 2 + (ys - xy[1]) ** 2) / (2 * sigma**2))


def _at(values: Tensor, xy: Tensor) -> Tensor:
    """Values (..., h, w) in the cell of a point."""
    height, width = values.shape[-2:]
    x, y = (int(float(value)) for value in xy)
    return values[..., min(max(0, y), height - 1), min(max(0, x), width - 1)]


def _iou(masks: Tensor, mask: Tensor) -> Tensor:
    shared = (masks & mask).flatten(1).sum(dim=1).float()
    return shared / (masks | mask).flatten(1).sum(dim=1).clamp(min=1)


def _box_iou(boxes: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    given = boxes.new_tensor(box)
    shared = (torch.minimum(boxes[:, 2:], given[2:]) - torch.maximum(boxes[:, :2], given[:2])).clamp(min=0).prod(dim=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) + (given[2:] - given[:2]).prod()
    return shared / (areas - shared).clamp(min=1e-6)

"""One object from several clicks, a box, or both: the masks of all prompts, weighed by what the user said of them.

SAM's prompt encoder takes several points, labels and boxes at once; decoders of a single point, as the compact model's,
do not. So every click on the object and a lattice of points in the box are decoded by themselves, and the masks that
come out are averaged, each as much as it fits: its box is the box given, it holds the clicks on the object, and not
those beside it. The foreground that the prompt generator sees has a say as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from uois_sam.arrays import Array, arange, as_float, in_rows, lerp, namespace, of
from uois_sam.models.postprocess import box_overlap, clean_regions, mask_boxes

LATTICE = 3
"""Points along each side of a box."""
BOX_POWER = 4.0
"""A mask whose box overlaps the one given by IoU b counts b to this power."""
AGAINST = 0.6
"""What a mask counts for each click on the object that it does not hold, and for each beside it that it does."""
SHARPNESS = 3.0
"""Masks have a weight of this power of what they count, relative to the best."""
LEAST_WEIGHT = 0.02
"""Masks of less have none."""
FOREGROUND_SHARE = 0.2
"""Weight of the foreground in a box, beside that of all masks together."""
SMALLER = 0.8
"""What a mask counts, to add what a click shows to be missing, that is larger than all that was found so far."""
OTHERS_SHARE = 0.5
"""The mask of a click beside the object is cut off, where it is the surer of the two, if they share no more than this
share of the object's."""
REACH = 0.35
"""Where it is more, only the surroundings of the click are: a Gaussian of this share of the distance to the object's
nearest click,"""
MOST_REACH = 0.15
"""and at most of this share of the object's size, the square root of its area."""


@dataclass(frozen=True)
class Clicks:
    """What a user says of one object, in cells of the mask grid: the centre of cell i is at i + 0.5."""

    on: Array
    """(P, 2) float32 xy: clicks on the object."""
    beside: Array
    """(N, 2) float32 xy: clicks beside it."""
    box: tuple[float, float, float, float] | None = None
    """xyxy."""


@dataclass(frozen=True)
class Drawn:
    """Masks of all prompts of one object on one grid, as probabilities."""

    masks: Array
    """(K, h, w) float32, all masks of the points on the object and in the box."""
    scores: Array
    """(K,) float32."""
    others: Array
    """(N, T, h, w) float32, the masks of each click beside the object."""
    other_scores: Array
    """(N, T) float32."""
    foreground: Array | None = None
    """(h, w) float32; None for a model that predicts none."""


def lattice(box_xyxy: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    """xy of the points of a box that are decoded, row by row."""
    left, top, right, bottom = box_xyxy
    shares = [(step + 1) / (LATTICE + 1) for step in range(LATTICE)]
    return [(left + (right - left) * x, top + (bottom - top) * y) for y in shares for x in shares]


def combine(drawn: Drawn, clicks: Clicks) -> tuple[Array, float]:
    """Make one mask of the masks of all prompts.

    Returns:
        (h, w) float32 in about -0.5..0.5, above 0 inside; and the score of the mask that fits best.
    """
    inside = drawn.masks > 0.5
    worth = _worth(inside, drawn.scores, clicks)
    if clicks.box is None:
        fitting = worth * _at(inside, clicks.on[0])
        mask = _mean(drawn.masks, fitting)
    else:
        boxes = mask_boxes(inside)
        fitting = worth * box_overlap(boxes, of([clicks.box], boxes))[:, 0] ** BOX_POWER
        mask = _mean(drawn.masks, fitting)
        if drawn.foreground is not None:
            mask = lerp(mask, drawn.foreground, FOREGROUND_SHARE)
    best = int(fitting.argmax())
    if mask.max() <= 0.5:  # nothing that most agree on
        mask = drawn.masks[best]
    for xy in clicks.on:
        if _at(mask, xy) <= 0.5:
            mask = _with_part(mask, drawn.masks, worth, xy)
    mask = mask - 0.5
    for row, xy in enumerate(clicks.beside):
        mask = _without_part(mask, drawn.others[row] - 0.5, drawn.other_scores[row], xy, clicks.on)
    if clicks.box is not None:
        mask = _clipped(mask, clicks.box)
    return mask, float(drawn.scores[best])


def clean(mask: Array, fraction: float) -> Array:
    """Remove small islands and holes of one (h, w) mask (:func:`~uois_sam.models.postprocess.clean_regions`)."""
    return clean_regions(mask[None], fraction)[0]


def _mean(masks: Array, worth: Array) -> Array:
    """(h, w): mean of the masks, weighted by what they count; 0 where none counts."""
    xp = namespace(masks)
    weights = (worth / worth.max().clip(1e-9)) ** SHARPNESS
    weights = xp.where(weights > LEAST_WEIGHT, weights, 0.0)
    return xp.einsum("k,khw->hw", weights, masks) / weights.sum().clip(1e-9)


def _worth(inside: Array, scores: Array, clicks: Clicks) -> Array:
    """(K,): how good each mask is, and how well it fits the clicks."""
    xp, worth = namespace(scores), scores.clip(0.05, 1)
    for xy in clicks.on:
        worth = xp.where(_at(inside, xy), worth, AGAINST * worth)
    for xy in clicks.beside:
        worth = xp.where(_at(inside, xy), AGAINST * worth, worth)
    return worth


def _with_part(mask: Array, masks: Array, worth: Array, xy: Array) -> Array:
    """The mask and those that hold a click it lacks; a part rather than something larger."""
    xp, size = namespace(masks), in_rows(masks > 0.5).sum(1)
    larger = size > (mask > 0.5).sum()
    fitting = worth * (_at(masks, xy) > 0.5) * as_float(xp.where(larger, SMALLER, 1.0))
    return xp.maximum(mask, _mean(masks, fitting))


def _without_part(mask: Array, others: Array, scores: Array, xy: Array, on: Array) -> Array:
    """The mask without what a click beside the object stands for.

    Args:
        mask: (h, w).
        others: (T, h, w), the masks of that click; above 0 is inside.
        scores: (T,), theirs.
        xy: the click.
        on: (P, 2), the clicks on the object.
    """
    xp, within = namespace(mask), mask > 0
    shared = as_float(in_rows((others > 0) & within).sum(1)) / as_float(within.sum().clip(1))
    apart = (_at(others, xy) > 0) & (shared <= OTHERS_SHARE)
    for each in on:
        apart &= _at(others, each) <= 0
    if apart.any():
        other = _mean(others, xp.where(apart, scores.clip(0.05, 1), 0.0))
        mask = xp.where((other > 0) & (other > mask), -abs(mask), mask)
    level = _at(mask, xy)
    if level > 0:
        nearest = float(xp.linalg.norm(on - xy, None, 1).min()) if len(on) else 0.1 * mask.shape[1]
        size = float((mask > 0).sum()) ** 0.5
        mask = mask - (level + 1e-3) * _gaussian(mask, xy, max(2.0, min(REACH * nearest, MOST_REACH * size)))
        mask = xp.where(_gaussian(mask, xy, 1.0) > 0.6, mask.clip(None, -1e-3), mask)
    return mask


def _clipped(mask: Array, box: tuple[float, float, float, float]) -> Array:
    """The mask where cells have their centre in the box, or within half a cell of it."""
    left, top, right, bottom = box
    xs, ys = _centres(mask)
    within = (xs >= left - 0.5) & (xs <= right + 0.5) & (ys >= top - 0.5) & (ys <= bottom + 0.5)
    return namespace(mask).where(within, mask, mask.clip(None, -0.5))


def _centres(mask: Array) -> tuple[Array, Array]:
    height, width = mask.shape
    ys, xs = (as_float(arange(size, mask)) + 0.5 for size in (height, width))
    return xs[None], ys[:, None]


def _gaussian(mask: Array, xy: Array, sigma: float) -> Array:
    xs, ys = _centres(mask)
    return namespace(mask).exp(-((xs - xy[0]) ** 2 + (ys - xy[1]) ** 2) / (2 * sigma**2))


def _at(values: Array, xy: Array) -> Array:
    """Values (..., h, w) in the cell of a point."""
    height, width = values.shape[-2:]
    x, y = (int(float(value)) for value in xy)
    return values[..., min(max(0, y), height - 1), min(max(0, x), width - 1)]

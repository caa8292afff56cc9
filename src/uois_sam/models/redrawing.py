"""Masks of a foundation model for objects that another model has found: beyond the paper, and nothing is trained.

SAM draws good outlines and does not know which of its hierarchical masks (a whole, a part, a part of that) is the
object; a model that was trained on objects knows, and draws worse outlines. So the decoder is prompted with everything
that is known of an object, and of all masks that it draws the one is taken that agrees best with the mask that is
there, where the foreground and the other objects have a say about every cell that differs. What SAM itself thinks of
its masks is not asked; what an HDNet that was trained on it thinks of them counts as much as the agreement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.models.hdnet import HDNet
from uois_sam.models.interfaces import ImageEncoder, MaskFeatures, ObjectPrompts, PromptDecoder
from uois_sam.models.postprocess import mask_iou, vote
from uois_sam.runtime.device import full_precision, in_small_blocks, inference_precision
from uois_sam.types import BoolArray, FloatArray

INNER_POINTS = 3
"""Points of a prompt of several; the object's own is the first."""
SIDING = 0.75
"""What a cell counts in which a candidate differs from the mask that is there, if foreground and other objects are
wholly on the candidate's side; a cell in which they agree counts 1."""
VOTE_IOU = 0.85
"""Candidates that overlap the best one by this IoU have a vote on its outline."""
SURE_LOGIT = 8.0
"""A mask as a prompt has logits up to this: SAM's own, with which it was trained, are in the tens."""
SCORE_SHARE = 0.5
"""Of HDNet's score beside the agreement, where there is one: both guess the IoU with the object."""
OBJECTS_AT_ONCE = 4
"""On a processor: its memory is bounded by that of their candidates. A GPU takes sixteen times as many."""


@dataclass(frozen=True)
class Redrawer:
    """A foundation model that draws what another model has found."""

    name: str
    """E.g. ``sam-vit-l``."""
    encoder: ImageEncoder
    decoder: PromptDecoder
    device: torch.device
    precision: torch.dtype = torch.float32
    hdnet: HDNet | None = None
    """Trained on this decoder; None where there are no trained heads."""

    def computing(self) -> AbstractContextManager[None]:
        """Return the context that its forward passes run in."""
        return inference_precision(self.device, self.precision)


@dataclass(frozen=True)
class KnownObjects:
    """N objects as they were found, and what is known of the scene. Grid: a decoder's, over its mask frame.

    Cells of padding are outside of all masks.
    """

    shares: Tensor
    """(N, h, w) float32 in 0..1: share of each cell that the mask covers."""
    content: Tensor
    """(h, w) bool: cells that show the photo."""
    foreground: Tensor | None = None
    """(h, w) float32: probability of foreground; None where the model does not know."""

    @property
    def masks(self) -> Tensor:
        """(N, h, w) bool."""
        return self.shares > 0.5


@dataclass(frozen=True)
class Redrawn:
    """A mask for each of N objects. Grid: the decoder's."""

    mask_logits: Tensor
    """(N, h, w) float32: 2 p - 1 of the voters' mean; above 0 is inside."""
    agreement: Tensor
    """(N,) float32 in 0..1: of the candidate that was taken with what is known of the object (:func:`merits`)."""


def redraw(
    redrawer: Redrawer, features: MaskFeatures, prompts: tuple[ObjectPrompts, ...], known: KnownObjects
) -> Redrawn:
    """Draw N objects.

    Args:
        redrawer: the decoder.
        features: of the image, by its encoder.
        prompts: every form of prompt for all N objects.
        known: the objects.
    """
    logits, agreement = [], []
    with redrawer.computing():
        for some in _blocks(len(known.shares), redrawer.device):
            asked = tuple(each[some] for each in prompts)
            drawn, scores = draw_candidates(redrawer.decoder, features, asked, redrawer.hdnet)
            drawn = drawn.masked_fill(~known.content, -SURE_LOGIT)
            for index, candidates in enumerate(drawn):
                levels = agreements(candidates > 0, known, some.start + index)
                worth = merits(levels, None if scores is None else scores[index])
                best = worth.argmax()
                logits.append(vote(candidates, best[None], VOTE_IOU)[0])
                agreement.append(worth[best])
    return Redrawn(torch.stack(logits), torch.stack(agreement))


def draw_candidates(
    decoder: PromptDecoder, features: MaskFeatures, prompts: tuple[ObjectPrompts, ...], hdnet: HDNet | None = None
) -> tuple[Tensor, Tensor | None]:
    """All four masks of every form of prompt, for N objects: (N, C, h, w) float32 logits, and (N, C) HDNet's scores."""
    drawn, scores = [], []
    for each in prompts:
        predictions = decoder.decode_prompts(features, each)
        every = torch.arange(MASKS_PER_PROMPT, device=each.points_xy.device).expand(len(each), -1)
        drawn.append(decoder.upscale(features, predictions, each.anchors_xy, every))
        if hdnet is not None:
            scores.append(hdnet(predictions))
    return torch.cat(drawn, dim=1), torch.cat(scores, dim=1) if scores else None


def merits(levels: Tensor, scores: Tensor | None) -> Tensor:
    """What the candidates of an object are chosen by, (C,) float32 in 0..1: agreement, and HDNet's scores if there are.

    A candidate that has nothing in common with the mask that is there (agreement 0) has no merit, whatever its score.
    """
    if scores is None:
        return levels
    both = (1 - SCORE_SHARE) * levels + SCORE_SHARE * scores.clamp(0, 1)
    return torch.where(levels > 0, both, 0.0)


def agreements(candidates: Tensor, known: KnownObjects, row: int) -> Tensor:
    """How well each candidate agrees with what is known of an object.

    Intersection over union with the object's mask, except that a cell in which they differ counts up to ``SIDING``: a
    cell that the candidate adds as much as it is foreground, and of no other object; one that it leaves out as much
    as it is background, or another object's too.

    Args:
        candidates: (C, h, w) bool.
        known: all objects.
        row: which one.

    Returns:
        (C,) float32 in 0..1; 0 for empty candidates.
    """
    with full_precision(candidates.device):  # lower precision would round counts of cells
        own = known.masks[row]
        others = (known.masks.sum(dim=0) - own.int()) > 0
        likely = torch.full_like(known.shares[row], 0.5) if known.foreground is None else known.foreground
        likely = likely.masked_fill(others, 0.0)
        shared = (candidates & own).flatten(1).sum(dim=1)
        union = (candidates | own).flatten(1).sum(dim=1).clamp(min=1)
        added = ((candidates & ~own) * likely).flatten(1).sum(dim=1)
        left_out = ((own & ~candidates) * (1 - likely)).flatten(1).sum(dim=1)
        return torch.where(shared > 0, (shared + SIDING * (added + left_out)) / union, 0.0)


def prompts_for(
    masks: BoolArray, points_xy: FloatArray, to_frame: Callable[[Tensor], Tensor], shares: Tensor | None = None
) -> tuple[ObjectPrompts, ...]:
    """Prompts for N objects in every form: a point; several; the box; box and points; with ``shares`` also the mask.

    Args:
        masks: (N, H, W) bool, none of them empty.
        points_xy: (N, 2) xy, the objects' own points; where one lies outside its mask the deepest inside is taken.
        to_frame: maps (K, 2) xy from the pixels of the masks to the mask frame.
        shares: (N, h, w) float32 on the decoder's grid, as :attr:`KnownObjects.shares`.
    """
    inner = np.stack([inner_points(mask, point) for mask, point in zip(masks, points_xy, strict=True)])
    corners = np.stack([_corners(mask) for mask in masks])
    points = to_frame(torch.from_numpy(inner).flatten(0, 1)).unflatten(0, inner.shape[:2])
    boxes = to_frame(torch.from_numpy(corners).view(-1, 2)).view(-1, 4)
    labels = torch.ones(points.shape[:2], dtype=torch.long, device=points.device)
    together = ObjectPrompts(points, labels, boxes)
    forms = (
        ObjectPrompts(points[:, :1], labels[:, :1]),
        ObjectPrompts(points, labels),
        ObjectPrompts(points[:, :0], labels[:, :0], boxes),
        together,
    )
    if shares is None:
        return forms
    return (*forms, replace(together, mask_logits=SURE_LOGIT * (2 * shares - 1)))


def inner_points(mask: BoolArray, own_xy: FloatArray) -> FloatArray:
    """``INNER_POINTS`` xy inside an (H, W) mask, (P, 2) float32: its own, then those that are far apart and deep.

    One that is outside, as a centre of a ring is, is replaced by the deepest inside.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = rows[0], columns[0]
    cut = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(np.uint8)  # the photo's border is an edge
    depth = np.asarray(cv2.distanceTransform(cut, cv2.DIST_L2, 3)[1:-1, 1:-1], dtype=np.float32)
    x, y = np.clip(np.rint(own_xy).astype(int), 0, (width - 1, height - 1))
    chosen = [own_xy if mask[y, x] else _at_highest(depth) + (left, top)]
    ys, xs = np.indices(depth.shape, dtype=np.float32)
    nearest = np.full(depth.shape, np.inf, dtype=np.float32)
    while len(chosen) < INNER_POINTS:
        nearest = np.minimum(nearest, np.hypot(xs + left - chosen[-1][0], ys + top - chosen[-1][1]))
        chosen.append(_at_highest(np.where(depth > 0, nearest * np.sqrt(depth), -1).astype(np.float32)) + (left, top))
    return np.array(chosen, dtype=np.float32)


def _at_highest(values: FloatArray) -> FloatArray:
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return np.array([column, row], dtype=np.float32)


def _corners(mask: BoolArray) -> FloatArray:
    """(4,) float32: centres of the first and of the last column and row."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], dtype=np.float32)


def _blocks(count: int, device: torch.device) -> Iterator[slice]:
    size = OBJECTS_AT_ONCE if in_small_blocks(device) else 16 * OBJECTS_AT_ONCE
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def keep_apart(masks: Tensor, before: Tensor, iou: float) -> Tensor:
    """Suppress masks that redrawing has brought together.

    Args:
        masks: (N, h, w) bool, best first.
        before: (N, h, w) bool, the same objects before.
        iou: a mask that overlaps a better kept one by more than this, and by more than before, is dropped.

    Returns:
        (K,) int64 indices of the kept masks, in order.
    """
    now, then = mask_iou(masks), mask_iou(before)
    close = ((now > iou) & (now > then)).cpu()
    kept: list[int] = []
    for index in range(len(masks)):
        if not close[index, kept].any():
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long, device=masks.device)

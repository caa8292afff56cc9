"""What is measured of drawn masks, for scores that have seen them. Goes beyond the paper.

Oracle studies say that the compact model draws good masks and ranks them badly: choosing among its own candidates by
their true IoU is worth 16 points of F on photos, more than perfect prompts are. What tells a good mask from half an
object, two objects or a table leg is often plain once the mask is drawn: does the predicted foreground end where the
mask ends, does it hold one heatmap peak's worth of heat, do other prompts inside it find the same mask, is its edge
sharp. :func:`measure_masks` puts that into numbers and
:class:`~uois_sam.models.compact.mask_scorer.MaskScorer` learns what they say about the IoU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from uois_sam.arrays import (
    Array,
    arange,
    as_float,
    as_index,
    copied,
    cosines,
    exactly,
    halved,
    in_rows,
    like,
    max_around,
    merged,
    namespace,
    repeated,
    shrunk,
    sigmoid,
    unit_vectors,
)  # fmt: skip
from uois_sam.config import HEATMAP_SIGMA_OF_SIZE, MASKS_PER_PROMPT
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.types import PromptMaps, TokenPredictions

MASK_FEATURES = (
    "own score", "size", "roughness", "stability", "certainty", "edge certainty", "foreground inside",
    "foreground on the edge", "foreground just outside", "foreground around", "heat an area", "heat at most",
    "heat at the prompt", "prompt heat of most", "foreground at the prompt", "peaks inside", "peak heights inside",
    "agreement", "agreement of any", "prompts inside", "likeness to surroundings", "embedding's likeness",
    "homogeneity", "frame touched",
)  # fmt: skip
"""What is measured of every mask, in order; :func:`_clues` computes them."""
HEAT_OF_ONE = round(2 * math.pi * HEATMAP_SIGMA_OF_SIZE**2, 3)
"""2 pi sigma^2: the heat under one object's Gaussian, as a share of the object's area; rounded, as it was when the
bundled scores were fitted."""
PEAK = 0.05
"""Heatmap maxima below this do not count as peaks."""
MOST_PEAKS, MOST_PROMPTS = 8, 6
"""Counts are cut here: beyond, they say nothing new."""


def evidence_width(token_width: int) -> int:
    """Numbers a mask: the clues, which of the four it is, both tokens, and the embedding inside and around it."""
    return len(MASK_FEATURES) + MASKS_PER_PROMPT + 4 * token_width


def measure_masks(
    features: MaskFeatures, maps: PromptMaps, predictions: TokenPredictions, logits: Array, points_xy: Array
) -> Array:
    """Everything that the mask scorer reads, on a grid of half the mask grid's resolution.

    Args:
        features: what the masks were decoded from; needs finer maps.
        maps: foreground and heatmap of the same frame.
        predictions: the decoder's, of M prompts.
        logits: (M, 4, h, w) float32 mask logits on the mask grid.
        points_xy: (M, 2) float32, the prompts, in the mask frame.

    Returns:
        (M, 4, E) float32.
    """
    with exactly(logits):  # lower precision would round counts of cells
        return _measured(features, maps, predictions, logits, points_xy)


def _measured(
    features: MaskFeatures, maps: PromptMaps, predictions: TokenPredictions, logits: Array, points_xy: Array
) -> Array:
    scene = _scene(features, maps, logits)
    masks = _Masks.of(merged(halved(logits)))
    frame_hw = maps.heatmap.shape[-2:]
    cells = _cells(points_xy, (frame_hw[0], frame_hw[1]), masks.inside.shape[-2:])
    embedding = as_float(features.grid[0])
    grid_hw = embedding.shape[1], embedding.shape[2]
    inside, around = (
        _pooled(shrunk(where[:, None], grid_hw)[:, 0], embedding) for where in (masks.inside, masks.around)
    )
    clues = _clues(scene, masks, predictions.scores.reshape(-1), cells, (inside, around))
    xp, count = namespace(logits), len(points_xy)
    which = like(np.tile(np.eye(MASKS_PER_PROMPT, dtype=np.float32), (count, 1)), logits)
    iou_tokens = repeated(as_float(predictions.iou_token), MASKS_PER_PROMPT)
    mask_tokens = merged(as_float(predictions.mask_tokens))
    rows = xp.concatenate([clues, which, iou_tokens, mask_tokens, inside, around], 1)
    return rows.reshape(count, MASKS_PER_PROMPT, rows.shape[1])


@dataclass(frozen=True)
class _Scene:
    """Maps shared by all masks of an image."""

    foreground: Array
    """(h, w): probability."""
    heat: Array
    """(h, w): heatmap, not below 0."""
    peaks: Array
    """(h, w) float32: 1 at its maxima."""
    look: Array
    """(C, h, w): the finest features, of length 1 in every cell."""


@dataclass(frozen=True)
class _Masks:
    """N masks and what surrounds them, (N, h, w) float32 of 0 and 1 each."""

    inside: Array
    edge: Array
    """The outermost cells inside."""
    outside: Array
    """The cells right outside."""
    around: Array
    """Two cells wide."""
    area: Array
    """(N,) cells, at least 1."""
    certainty: Array
    """(N, h, w) in 0..1: how far the probability is from one half."""
    stability: Array
    """(N,) area at a higher threshold over that at a lower one."""

    @classmethod
    def of(cls, logits: Array) -> _Masks:
        within = logits > 0
        grown, inside = _grown(within), as_float(within)
        area = inside.sum((1, 2)).clip(1)
        stability = as_float((logits > 1).sum((1, 2))) / as_float((logits > -1).sum((1, 2)).clip(1))
        return cls(
            inside=inside,
            edge=as_float(within & _grown(~within)),
            outside=as_float(grown & ~within),
            around=as_float(_grown(grown) & ~within),
            area=area,
            certainty=abs(2 * sigmoid(logits) - 1),
            stability=stability,
        )


def _scene(features: MaskFeatures, maps: PromptMaps, logits: Array) -> _Scene:
    hw = logits.shape[-2] // 2, logits.shape[-1] // 2
    foreground = shrunk(as_float(maps.foreground[None, None]), hw)[0, 0]
    heat = shrunk(as_float(maps.heatmap[None]), hw)[0, 0].clip(0)
    is_peak = (heat == max_around(heat)) & (heat > PEAK)
    look = unit_vectors(shrunk(as_float(features.fine[-1]), hw)[0])
    return _Scene(foreground, heat, as_float(is_peak), look)


def _clues(scene: _Scene, masks: _Masks, scores: Array, cells: Array, embedding: tuple[Array, Array]) -> Array:
    """(N, len(MASK_FEATURES)) float32."""
    xp, (h, w) = namespace(cells), scene.heat.shape
    rows, columns = cells[:, 0], cells[:, 1]
    most = xp.amax(in_rows(masks.inside * scene.heat), 1)
    at_prompt = repeated(scene.heat[rows, columns], MASKS_PER_PROMPT)
    agreement, any_agreement, others = _agreement(masks, scores, cells)
    look_in, look_out = _pooled(masks.inside, scene.look), _pooled(masks.around, scene.look)
    borders = (masks.inside[:, 0], masks.inside[:, -1], masks.inside[:, :, 0], masks.inside[:, :, -1])
    values = (
        as_float(scores),
        xp.sqrt(masks.area / (h * w)),
        masks.edge.sum((1, 2)) / xp.sqrt(masks.area) / 4,
        masks.stability,
        _mean(masks.certainty, masks.inside),
        _mean(masks.certainty, masks.edge),
        *(_mean(scene.foreground, where) for where in (masks.inside, masks.edge, masks.outside, masks.around)),
        (masks.inside * scene.heat).sum((1, 2)) / (HEAT_OF_ONE * masks.area),
        most,
        at_prompt,
        (at_prompt / most.clip(1e-3)).clip(None, 2),
        repeated(scene.foreground[rows, columns], MASKS_PER_PROMPT),
        (masks.inside * scene.peaks).sum((1, 2)).clip(None, MOST_PEAKS),
        (masks.inside * scene.peaks * scene.heat).sum((1, 2)),
        agreement,
        any_agreement,
        others.clip(None, MOST_PROMPTS),
        cosines(look_in, look_out),
        cosines(*embedding),
        xp.linalg.norm(look_in, None, 1),
        xp.amax(xp.stack([border.mean(1) for border in borders]), 0),
    )
    return xp.stack(values, 1)


def _agreement(masks: _Masks, scores: Array, cells: Array) -> tuple[Array, Array, Array]:
    """Of each mask, over the other prompts that lie in it: mean IoU with their best mask, with any of their four
    masks, and how many there are. Three (N,) float32; 0 where there are none."""
    count = len(cells)
    xp, flat = namespace(scores), in_rows(masks.inside)
    shared = flat @ flat.T
    iou = shared / (masks.area[:, None] + masks.area[None] - shared)
    owner = arange(count, flat)
    best = scores.reshape(count, MASKS_PER_PROMPT).argmax(1) + MASKS_PER_PROMPT * owner
    within = masks.inside[:, cells[:, 0], cells[:, 1]]  # (N, M)
    within = within * (repeated(owner, MASKS_PER_PROMPT)[:, None] != owner[None])
    others = within.sum(1)
    any_of_four = xp.amax(iou.reshape(len(iou), count, MASKS_PER_PROMPT), 2)
    agreement, any_agreement = ((within * other).sum(1) / others.clip(1) for other in (iou[:, best], any_of_four))
    return agreement, any_agreement, others


def _cells(points_xy: Array, frame_hw: tuple[int, int], grid_hw: tuple[int, ...]) -> Array:
    """(M, 2) int64 row and column of the grid cell that each point of the frame lies in."""
    column = (points_xy[:, 0] + 0.5) * grid_hw[1] / frame_hw[1]
    row = (points_xy[:, 1] + 0.5) * grid_hw[0] / frame_hw[0]
    return namespace(row).stack([as_index(row).clip(0, grid_hw[0] - 1), as_index(column).clip(0, grid_hw[1] - 1)], 1)


def _grown(masks: Array) -> Array:
    """(N, h, w) bool: with the eight neighbours of every cell. Shifted bytes beat pooled floats by ten."""
    tall = copied(masks)
    tall[:, 1:] |= masks[:, :-1]
    tall[:, :-1] |= masks[:, 1:]
    grown = copied(tall)
    grown[..., 1:] |= tall[..., :-1]
    grown[..., :-1] |= tall[..., 1:]
    return grown


def _mean(values: Array, where: Array) -> Array:
    """(N,): mean of (h, w) or (N, h, w) values where a mask is 1; 0 where it is nowhere."""
    return (where * values).sum((1, 2)) / where.sum((1, 2)).clip(1)


def _pooled(where: Array, features: Array) -> Array:
    """(N, C): mean of (C, h, w) features, weighted by (N, h, w)."""
    weights = in_rows(where)
    return weights @ in_rows(features).T / weights.sum(1)[:, None].clip(1e-3)

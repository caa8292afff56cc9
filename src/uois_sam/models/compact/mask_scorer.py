"""Scores from the drawn masks. Goes beyond the paper, whose HDNet (Sec. III-B) reads the decoder's tokens only.

Oracle studies say that the compact model draws good masks and ranks them badly: choosing among its own candidates by
their true IoU is worth 16 points of F on photos, more than perfect prompts are. What tells a good mask from half an
object, two objects or a table leg is often plain once the mask is drawn: does the predicted foreground end where the
mask ends, does it hold one heatmap peak's worth of heat, do other prompts inside it find the same mask, is its edge
sharp. :func:`measure_masks` puts that into numbers and :class:`MaskScorer` learns what they say about the IoU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.config import HEATMAP_SIGMA_OF_SIZE, MASKS_PER_PROMPT
from uois_sam.models.hdnet import mlp
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.runtime.device import full_precision
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


class MaskScorer(nn.Module):
    """S^'' = S^ + MLP(evidence): refined scores of masks that are drawn already.

    The last layer starts at zero, so an untrained one leaves the decoder's own scores as they are.

    Args:
        token_width: C, channels of the decoder's tokens and of the embedding.
        hidden: hidden width of the MLP.
    """

    def __init__(self, token_width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(evidence_width(token_width), affine=False)
        self.drop = nn.Dropout(0.1)
        self.mlp = mlp(evidence_width(token_width), hidden, 1, depth=3)
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, evidence: Tensor) -> Tensor:
        """(..., E) float32 evidence to (...) float32 scores; not clamped."""
        flat = evidence.flatten(0, -2)
        residual = self.mlp(self.drop(self.norm(flat)))[:, 0]
        return evidence[..., 0] + residual.unflatten(0, evidence.shape[:-1])


def measure_masks(
    features: MaskFeatures, maps: PromptMaps, predictions: TokenPredictions, logits: Tensor, points_xy: Tensor
) -> Tensor:
    """Everything that :class:`MaskScorer` reads, on a grid of half the mask grid's resolution.

    Args:
        features: what the masks were decoded from; needs finer maps.
        maps: foreground and heatmap of the same frame.
        predictions: the decoder's, of M prompts.
        logits: (M, 4, h, w) float32 mask logits on the mask grid.
        points_xy: (M, 2) float32, the prompts, in the mask frame.

    Returns:
        (M, 4, E) float32.
    """
    with full_precision(logits.device):  # lower precision would round counts of cells
        return _measured(features, maps, predictions, logits, points_xy)


def _measured(
    features: MaskFeatures, maps: PromptMaps, predictions: TokenPredictions, logits: Tensor, points_xy: Tensor
) -> Tensor:
    scene = _scene(features, maps, logits)
    masks = _Masks.of(F.avg_pool2d(logits, 2).flatten(0, 1))
    frame_hw = maps.heatmap.shape[-2:]
    cells = _cells(points_xy, (frame_hw[0], frame_hw[1]), masks.inside.shape[-2:])
    embedding = features.grid[0].float()
    grid_hw = embedding.shape[1], embedding.shape[2]
    inside, around = (
        _pooled(F.adaptive_avg_pool2d(where[:, None], grid_hw)[:, 0], embedding)
        for where in (masks.inside, masks.around)
    )
    clues = _clues(scene, masks, predictions.scores.flatten(), cells, (inside, around))
    count = len(points_xy)
    which = torch.eye(MASKS_PER_PROMPT, device=logits.device).repeat(count, 1)
    iou_tokens = predictions.iou_token.float().repeat_interleave(MASKS_PER_PROMPT, dim=0)
    rows = torch.cat([clues, which, iou_tokens, predictions.mask_tokens.float().flatten(0, 1), inside, around], dim=1)
    return rows.unflatten(0, (count, MASKS_PER_PROMPT))


@dataclass(frozen=True)
class _Scene:
    """Maps shared by all masks of an image."""

    foreground: Tensor
    """(h, w): probability."""
    heat: Tensor
    """(h, w): heatmap, not below 0."""
    peaks: Tensor
    """(h, w) float32: 1 at its maxima."""
    look: Tensor
    """(C, h, w): the finest features, of length 1 in every cell."""


@dataclass(frozen=True)
class _Masks:
    """N masks and what surrounds them, (N, h, w) float32 of 0 and 1 each."""

    inside: Tensor
    edge: Tensor
    """The outermost cells inside."""
    outside: Tensor
    """The cells right outside."""
    around: Tensor
    """Two cells wide."""
    area: Tensor
    """(N,) cells, at least 1."""
    certainty: Tensor
    """(N, h, w) in 0..1: how far the probability is from one half."""
    stability: Tensor
    """(N,) area at a higher threshold over that at a lower one."""

    @classmethod
    def of(cls, logits: Tensor) -> _Masks:
        within = logits > 0
        grown, inside = _grown(within), within.float()
        area = inside.sum((1, 2)).clamp(min=1)
        stability = (logits > 1).sum((1, 2)) / (logits > -1).sum((1, 2)).clamp(min=1)
        return cls(
            inside=inside,
            edge=(within & _grown(~within)).float(),
            outside=(grown & ~within).float(),
            around=(_grown(grown) & ~within).float(),
            area=area,
            certainty=(2 * logits.sigmoid() - 1).abs(),
            stability=stability,
        )


def _scene(features: MaskFeatures, maps: PromptMaps, logits: Tensor) -> _Scene:
    hw = logits.shape[-2] // 2, logits.shape[-1] // 2
    foreground = F.adaptive_avg_pool2d(maps.foreground[None, None].float(), hw)[0, 0]
    heat = F.adaptive_avg_pool2d(maps.heatmap[None].float(), hw)[0, 0].clamp(min=0)
    is_peak = (heat == F.max_pool2d(heat[None, None], 3, 1, 1)[0, 0]) & (heat > PEAK)
    look = F.normalize(F.adaptive_avg_pool2d(features.fine[-1].float(), hw)[0], dim=0)
    return _Scene(foreground, heat, is_peak.float(), look)


def _clues(scene: _Scene, masks: _Masks, scores: Tensor, cells: Tensor, embedding: tuple[Tensor, Tensor]) -> Tensor:
    """(N, len(MASK_FEATURES)) float32."""
    h, w = scene.heat.shape
    rows, columns = cells.T
    most = (masks.inside * scene.heat).flatten(1).amax(dim=1)
    at_prompt = scene.heat[rows, columns].repeat_interleave(MASKS_PER_PROMPT)
    agreement, any_agreement, others = _agreement(masks, scores, cells)
    look_in, look_out = _pooled(masks.inside, scene.look), _pooled(masks.around, scene.look)
    borders = (masks.inside[:, 0], masks.inside[:, -1], masks.inside[:, :, 0], masks.inside[:, :, -1])
    values = (
        scores.float(),
        (masks.area / (h * w)).sqrt(),
        masks.edge.sum((1, 2)) / masks.area.sqrt() / 4,
        masks.stability,
        _mean(masks.certainty, masks.inside),
        _mean(masks.certainty, masks.edge),
        *(_mean(scene.foreground, where) for where in (masks.inside, masks.edge, masks.outside, masks.around)),
        (masks.inside * scene.heat).sum((1, 2)) / (HEAT_OF_ONE * masks.area),
        most,
        at_prompt,
        (at_prompt / most.clamp(min=1e-3)).clamp(max=2),
        scene.foreground[rows, columns].repeat_interleave(MASKS_PER_PROMPT),
        (masks.inside * scene.peaks).sum((1, 2)).clamp(max=MOST_PEAKS),
        (masks.inside * scene.peaks * scene.heat).sum((1, 2)),
        agreement,
        any_agreement,
        others.clamp(max=MOST_PROMPTS),
        F.cosine_similarity(look_in, look_out),
        F.cosine_similarity(*embedding),
        look_in.norm(dim=1),
        torch.stack([border.mean(dim=1) for border in borders]).amax(dim=0),
    )
    return torch.stack(values, dim=1)


def _agreement(masks: _Masks, scores: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each mask, over the other prompts that lie in it: mean IoU with their best mask, with any of their four
    masks, and how many there are. Three (N,) float32; 0 where there are none."""
    count = len(cells)
    flat = masks.inside.flatten(1)
    shared = flat @ flat.T
    iou = shared / (masks.area[:, None] + masks.area[None] - shared)
    owner = torch.arange(count, device=flat.device)
    best = scores.view(count, MASKS_PER_PROMPT).argmax(dim=1) + MASKS_PER_PROMPT * owner
    within = masks.inside[:, cells[:, 0], cells[:, 1]]  # (N, M)
    within = within * (owner.repeat_interleave(MASKS_PER_PROMPT)[:, None] != owner[None])
    others = within.sum(dim=1)
    any_of_four = iou.unflatten(1, (count, MASKS_PER_PROMPT)).amax(dim=2)
    agreement, any_agreement = (
        (within * other).sum(dim=1) / others.clamp(min=1) for other in (iou[:, best], any_of_four)
    )
    return agreement, any_agreement, others


def _cells(points_xy: Tensor, frame_hw: tuple[int, int], grid_hw: torch.Size) -> Tensor:
    """(M, 2) int64 row and column of the grid cell that each point of the frame lies in."""
    column = (points_xy[:, 0] + 0.5) * grid_hw[1] / frame_hw[1]
    row = (points_xy[:, 1] + 0.5) * grid_hw[0] / frame_hw[0]
    return torch.stack([row.long().clamp(0, grid_hw[0] - 1), column.long().clamp(0, grid_hw[1] - 1)], dim=1)


def _grown(masks: Tensor) -> Tensor:
    """(N, h, w) bool: with the eight neighbours of every cell. Shifted bytes beat pooled floats by ten."""
    tall = masks.clone()
    tall[:, 1:] |= masks[:, :-1]
    tall[:, :-1] |= masks[:, 1:]
    grown = tall.clone()
    grown[..., 1:] |= tall[..., :-1]
    grown[..., :-1] |= tall[..., 1:]
    return grown


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """(N,): mean of (h, w) or (N, h, w) values where a mask is 1; 0 where it is nowhere."""
    return (where * values).sum((1, 2)) / where.sum((1, 2)).clamp(min=1)


def _pooled(where: Tensor, features: Tensor) -> Tensor:
    """(N, C): mean of (C, h, w) features, weighted by (N, h, w)."""
    weights = where.flatten(1)
    return weights @ features.flatten(1).T / weights.sum(dim=1, keepdim=True).clamp(min=1e-3)

"""Point prompts from the prompt generator's maps: heatmap peaks (Sec. III-A), or a grid (Table IV's baselines)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.config import InferenceConfig
from uois_sam.geometry import grid_points
from uois_sam.types import PointPrompts, PromptMaps


def make_prompts(maps: PromptMaps, selection: InferenceConfig, where: Tensor | None = None) -> PointPrompts:
    """Prompts of one image in the prompt frame, strongest first, by ``selection.prompts``.

    Args:
        maps: foreground and heatmap.
        selection: thresholds, and the number of prompts.
        where: (Hp, Wp) bool, cells that a prompt may lie in; None for all. Prompts elsewhere are not counted.
    """
    if selection.prompts == "heatmap":
        thresholds = selection.foreground_threshold, selection.heatmap_threshold
        return heatmap_peaks(maps, *thresholds, selection.max_prompts, where)
    threshold = selection.foreground_threshold if selection.prompts == "foreground-grid" else None
    return prompts_in(grid_prompts(maps, selection.grid_side, threshold), where)


def prompts_in(prompts: PointPrompts, where: Tensor | None) -> PointPrompts:
    """Prompts that lie in (Hp, Wp) bool cells; all for None."""
    if where is None:
        return prompts
    kept = _look_up(where, prompts.points_xy)
    return PointPrompts(prompts.points_xy[kept], prompts.strengths[kept])


def heatmap_peaks(
    maps: PromptMaps, foreground: float, height: float, most: int, where: Tensor | None = None
) -> PointPrompts:
    """Survivors of a 3x3 maximum filter that lie in the foreground and above a height; the ``most`` highest."""
    heatmap = maps.heatmap[0]
    peaks = (heatmap == _highest_around(heatmap)) & (heatmap > height)
    rows, columns = torch.nonzero(peaks if where is None else peaks & where, as_tuple=True)
    inside = maps.foreground_logits[:, rows, columns].softmax(0)[1] > foreground  # of a few peaks, not of every pixel
    rows, columns = rows[inside], columns[inside]
    strengths = heatmap[rows, columns]
    order = strengths.argsort(descending=True, stable=True)[:most]
    points = torch.stack([columns, rows], dim=1).float()
    return PointPrompts(points[order], strengths[order], left_out=len(points) - len(order))


def _highest_around(values: Tensor) -> Tensor:
    """3x3 maximum filter of an (H, W) map: of rows, then of columns, which on a processor is ten times as fast as
    pooling one channel."""
    padded = F.pad(values, (1, 1, 1, 1), value=-float("inf"))
    of_rows = torch.maximum(torch.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return torch.maximum(torch.maximum(of_rows[:, :-2], of_rows[:, 1:-1]), of_rows[:, 2:])


def uniform_prompts(frame_hw: tuple[int, int], side: int) -> PointPrompts:
    """A uniform grid of side-by-side points where nothing is known about the foreground: all as strong."""
    points = grid_points(frame_hw, side)
    return PointPrompts(points_xy=points, strengths=torch.ones(len(points)))


def grid_prompts(maps: PromptMaps, side: int, foreground: float | None) -> PointPrompts:
    """A uniform grid; only its points in the foreground when a threshold is given."""
    probability = maps.foreground
    points = grid_points((probability.shape[0], probability.shape[1]), side).to(probability.device)
    strengths = _look_up(probability, points)
    if foreground is not None:
        keep = strengths > foreground
        points, strengths = points[keep], strengths[keep]
    order = strengths.argsort(descending=True, stable=True)
    return PointPrompts(points_xy=points[order], strengths=strengths[order])


def _look_up(values: Tensor, points_xy: Tensor) -> Tensor:
    """Values (H, W) at the pixels nearest to (M, 2) xy points."""
    nearest = points_xy.round().long()
    return values[nearest[:, 1].clamp(0, values.shape[0] - 1), nearest[:, 0].clamp(0, values.shape[1] - 1)]

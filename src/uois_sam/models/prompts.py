"""Point prompts from the prompt generator's maps: heatmap peaks (Sec. III-A), or a grid (Table IV's baselines)."""

from __future__ import annotations

import numpy as np

from uois_sam.arrays import Array, as_float, as_index, descending, like, max_around, namespace, nonzero, softmax_of_two
from uois_sam.config import InferenceConfig
from uois_sam.geometry import grid_points
from uois_sam.types import BoolArray, PointPrompts, PromptMaps


def make_prompts(maps: PromptMaps, selection: InferenceConfig, where: BoolArray | None = None) -> PointPrompts:
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


def prompts_in(prompts: PointPrompts, where: BoolArray | None) -> PointPrompts:
    """Prompts that lie in (Hp, Wp) bool cells; all for None."""
    if where is None:
        return prompts
    kept = _look_up(like(where, prompts.points_xy), prompts.points_xy)
    return PointPrompts(prompts.points_xy[kept], prompts.strengths[kept])


def heatmap_peaks(
    maps: PromptMaps, foreground: float, height: float, most: int, where: BoolArray | None = None
) -> PointPrompts:
    """Survivors of a 3x3 maximum filter that lie in the foreground and above a height; the ``most`` highest."""
    heatmap = maps.heatmap[0]
    peaks = (heatmap == max_around(heatmap)) & (heatmap > height)
    rows, columns = nonzero(peaks if where is None else peaks & like(where, peaks))
    inside = softmax_of_two(maps.foreground_logits[:, rows, columns]) > foreground  # of a few peaks, not of every pixel
    rows, columns = rows[inside], columns[inside]
    strengths = heatmap[rows, columns]
    order = descending(strengths)[:most]
    points = as_float(namespace(heatmap).stack([columns, rows], 1))
    return PointPrompts(points[order], strengths[order], left_out=len(points) - len(order))


def uniform_prompts(frame_hw: tuple[int, int], side: int) -> PointPrompts:
    """A uniform grid of side-by-side points where nothing is known about the foreground: all as strong. In NumPy."""
    points = grid_points(frame_hw, side)
    return PointPrompts(points_xy=points, strengths=np.ones(len(points), dtype=np.float32))


def grid_prompts(maps: PromptMaps, side: int, foreground: float | None) -> PointPrompts:
    """A uniform grid; only its points in the foreground when a threshold is given."""
    probability = maps.foreground
    points = like(grid_points((probability.shape[0], probability.shape[1]), side), probability)
    strengths = _look_up(probability, points)
    if foreground is not None:
        keep = strengths > foreground
        points, strengths = points[keep], strengths[keep]
    order = descending(strengths)
    return PointPrompts(points_xy=points[order], strengths=strengths[order])


def _look_up(values: Array, points_xy: Array) -> Array:
    """Values (H, W) at the pixels nearest to (M, 2) xy points."""
    nearest = as_index(points_xy.round())
    return values[nearest[:, 1].clip(0, values.shape[0] - 1), nearest[:, 0].clip(0, values.shape[1] - 1)]

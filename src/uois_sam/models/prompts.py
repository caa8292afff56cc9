"""Point prompts from the prompt generator's maps: heatmap peaks (Sec. III-A), or a grid (Table IV's baselines)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.config import InferenceConfig
from uois_sam.errors import ImageError
from uois_sam.geometry import grid_points
from uois_sam.types import FloatArray, PointPrompts, PromptMaps


def make_prompts(maps: PromptMaps, selection: InferenceConfig) -> PointPrompts:
    """Prompts of one image in the prompt frame, strongest first, by ``selection.prompts``."""
    if selection.prompts == "heatmap":
        return heatmap_peaks(maps, selection.foreground_threshold, selection.heatmap_threshold, selection.max_prompts)
    threshold = selection.foreground_threshold if selection.prompts == "foreground-grid" else None
    return grid_prompts(maps, selection.grid_side, threshold)


def heatmap_peaks(maps: PromptMaps, foreground: float, height: float, most: int) -> PointPrompts:
    """Survivors of a 3x3 maximum filter that lie in the foreground and above a height; the ``most`` highest."""
    heatmap = maps.heatmap[0]
    rows, columns = torch.nonzero((heatmap == _highest_around(heatmap)) & (heatmap > height), as_tuple=True)
    inside = maps.foreground_logits[:, rows, columns].softmax(0)[1] > foreground  # of a few peaks, not of every pixel
    rows, columns = rows[inside], columns[inside]
    strengths = heatmap[rows, columns]
    order = strengths.argsort(descending=True, stable=True)[:most]
    points = torch.stack([columns, rows], dim=1).float()
    return PointPrompts(points_xy=points[order], strengths=strengths[order])


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


def check_points(points: npt.ArrayLike | Sequence[tuple[float, float]], image_hw: tuple[int, int]) -> FloatArray:
    """Check points in a photo and return them as (M, 2) float32 xy.

    Raises:
        ImageError: points of another shape, or outside the photo.
    """
    try:
        given = np.asarray(points, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ImageError(f"points: expected shape (M, 2) as x, y pairs, got something else ({error})") from error
    if given.size == 0:
        return np.zeros((0, 2), dtype=np.float32)  # a detector that found nothing asks for nothing
    if given.ndim != 2 or given.shape[1] != 2:
        raise ImageError(f"points: expected shape (M, 2) as x, y pairs, got {given.shape}")
    limit = np.array([image_hw[1], image_hw[0]]) - 0.5
    if not ((given >= -0.5) & (given <= limit)).all():
        raise ImageError(
            f"points: expected x, y inside a photo {image_hw[1]} wide and {image_hw[0]} high, got {given.tolist()}"
        )
    return given

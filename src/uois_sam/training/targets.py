"""Training targets made from labels: centres, heatmap (Eq. 1) and foreground in the prompt frame, true masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from uois_sam.config import HEATMAP_SIGMA_OF_SIZE
from uois_sam.types import BoolArray, FloatArray


@dataclass(frozen=True)
class HeatmapTarget:
    """Position and size of the heatmap's Gaussians."""

    interior: bool = False
    """Move a centroid that lies outside its own mask to the mask's nearest pixel (rings, occluded objects)."""
    sigma_px: float = 6.0
    """Standard deviation in pixels of a 336x448 frame. The paper gives none."""
    sigma_of_size: float = 0.0
    """If above 0, the standard deviation is this share of the square root of the mask's area, clipped to
    ``sigma_range_px``, instead of ``sigma_px``."""
    sigma_range_px: tuple[float, float] = (2.5, 12.0)


STRIDE = 4
"""Pixels of the input along a cell of the mask grid, on which mask losses are taken."""
COMPACT_TARGET = HeatmapTarget(interior=True, sigma_of_size=HEATMAP_SIGMA_OF_SIZE)
"""Targets of the compact model: centres lie on their object, and small objects have small peaks."""


def instance_centres(labels: npt.NDArray[np.integer], interior: bool) -> tuple[FloatArray, FloatArray]:
    """Compute centroids and areas of all instances.

    Args:
        labels: (H, W) integers, 0 background.
        interior: move centroids that lie outside their mask to its nearest pixel.

    Returns:
        (N, 2) float32 xy in pixels and (N,) float32 areas in pixels, in ascending label order.
    """
    ids = np.unique(labels)
    ids = ids[ids > 0]
    centres = np.zeros((len(ids), 2), dtype=np.float32)
    areas = np.zeros(len(ids), dtype=np.float32)
    boxes = ndimage.find_objects(labels.astype(np.int32))
    for row, value in enumerate(ids):
        window = boxes[value - 1]
        ys, xs = np.nonzero(labels[window] == value)
        ys, xs = ys + window[0].start, xs + window[1].start
        centre = np.array([xs.mean(), ys.mean()])
        if interior:
            nearest = np.argmin((xs - centre[0]) ** 2 + (ys - centre[1]) ** 2)
            inside = labels[round(centre[1]), round(centre[0])] == value
            centre = centre if inside else np.array([xs[nearest], ys[nearest]])
        centres[row], areas[row] = centre, len(xs)
    return centres, areas


def heatmap_target(labels: npt.NDArray[np.integer], config: HeatmapTarget, grid_hw: tuple[int, int]) -> FloatArray:
    """Heatmap of Eq. 1: element-wise maximum of Gaussians around all centres.

    Args:
        labels: (H, W) integers in the prompt frame.
        config: position and size of the Gaussians.
        grid_hw: rows and columns of the target, whose cells cover the frame.

    Returns:
        (h, w) float32 in [0, 1].
    """
    height, width = grid_hw
    scale = labels.shape[0] / height, labels.shape[1] / width
    ys = (np.arange(height) + 0.5) * scale[0] - 0.5
    xs = (np.arange(width) + 0.5) * scale[1] - 0.5
    target = np.zeros(grid_hw, dtype=np.float32)
    centres, areas = instance_centres(labels, config.interior)
    for (x, y), area in zip(centres, areas, strict=True):
        sigma = config.sigma_px
        if config.sigma_of_size > 0:
            sigma = float(np.clip(config.sigma_of_size * np.sqrt(area), *config.sigma_range_px))
        column, row = (np.exp(-((axis - at) ** 2) / (2 * sigma**2)) for axis, at in ((xs, x), (ys, y)))
        np.maximum(target, row[:, None] * column[None], out=target)
    return target


def foreground_target(labels: npt.NDArray[np.integer], grid_hw: tuple[int, int]) -> BoolArray:
    """Return (h, w) bool: cells of which objects cover at least half."""
    height, width = grid_hw
    covered = (labels > 0).reshape(height, labels.shape[0] // height, width, labels.shape[1] // width)
    return covered.mean(axis=(1, 3)) >= 0.5


def covered_share(labels: Tensor, ids: Tensor, grid_hw: tuple[int, int] | None = None) -> Tensor:
    """Return (P, h, w) float32: share of every mask-grid cell with each point's label; 0 for background points.

    Args:
        labels: (H, W) int32.
        ids: (P,) int32, labels under the points.
        grid_hw: rows and columns of the grid; a quarter of the labels' if left out. Cells of other grids (SAM 3's have
            3.5 pixels) take every pixel that they touch.
    """
    masks = ((labels[None] == ids[:, None, None]) & (ids > 0)[:, None, None]).float()
    return F.avg_pool2d(masks, STRIDE) if grid_hw is None else F.adaptive_avg_pool2d(masks, grid_hw)

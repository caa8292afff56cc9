"""The only place that maps coordinates between frames.

Three frames: the *image* (any size), the *prompt frame* (the image stretched to the prompt generator's size) and the
*mask frame* (what the image encoder takes: the image stretched, or scaled and padded as SAM does). Points are (x, y)
with pixel centres at integer coordinates, so scaling maps (x + 0.5) to (x + 0.5) * scale, as bilinear resizing with
``align_corners=False`` does with the pixels themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from uois_sam.arrays import Array, is_numpy, namespace, of
from uois_sam.types import BoolArray, FloatArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Spans = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """A pixel grid that an image was resized onto.

    ``content_hw`` is the part of the grid that shows the image (top-left aligned); the rest, if any, is padding.
    """

    size_hw: tuple[int, int]
    """Rows and columns of the grid, padding included."""
    content_hw: tuple[int, int]
    """Rows and columns that the image fills."""

    @classmethod
    def stretched(cls, size_hw: tuple[int, int]) -> Frame:
        """The image fills the whole grid; its aspect ratio may change."""
        return cls(size_hw=size_hw, content_hw=size_hw)

    @classmethod
    def padded(cls, image_hw: tuple[int, int], side: int) -> Frame:
        """SAM's frame: the longest side becomes ``side``, the rest of the square below and right is padding."""
        height, width = image_hw
        scale = side / max(height, width)
        content = (max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))
        return cls(size_hw=(side, side), content_hw=content)


def map_points(points_xy: Array, source_hw: tuple[int, int], target_hw: tuple[int, int]) -> Array:
    """Map (M, 2) xy points between two grids that show the same content (float32 in, float32 out, same device)."""
    scale = of([target_hw[1] / source_hw[1], target_hw[0] / source_hw[0]], points_xy)
    return (points_xy + 0.5) * scale - 0.5


def grid_points(size_hw: tuple[int, int], side: int) -> FloatArray:
    """(side * side, 2) float32 xy: centres of a uniform side-by-side division of the grid, row by row."""
    ys, xs = ((np.arange(side, dtype=np.float32) + 0.5) * (size / side) - 0.5 for size in size_hw)
    grid_y, grid_x = np.meshgrid(ys, xs, indexing="ij")
    return np.stack([grid_x.ravel(), grid_y.ravel()], axis=1).astype(np.float32)


def look_up(mask: BoolArray, grid_hw: tuple[int, int]) -> BoolArray:
    """(h, w) bool: an (H, W) bool mask of the photo under the centres of a grid's cells over it."""
    rows, columns = (
        np.minimum(((np.arange(cells) + 0.5) * (pixels / cells)).astype(int), pixels - 1)
        for cells, pixels in zip(grid_hw, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def cut_padding(maps: Array, frame: Frame) -> Array:
    """Return the part of (K, h, w) maps on a grid of any resolution over ``frame.size_hw`` that shows the image."""
    height = max(1, round(maps.shape[1] * frame.content_hw[0] / frame.size_hw[0]))
    width = max(1, round(maps.shape[2] * frame.content_hw[1] / frame.size_hw[1]))
    return maps[:, :height, :width]


def look_at_part(
    maps: Array, image_hw: tuple[int, int], part: tuple[int, int, int, int], size_hw: tuple[int, int]
) -> Array:
    """Bring maps of a photo to a grid over a part of it.

    Args:
        maps: (K, h, w) float32 on a grid over the photo, without padding.
        image_hw: size of the photo.
        part: first row, first column, rows and columns of the part, in pixels of the photo.
        size_hw: rows and columns of the grid over the part.

    Returns:
        (K, *size_hw) float32, bilinearly interpolated.
    """
    (height, width), (top, left, rows, columns) = image_hw, part
    if is_numpy(maps):
        stretches = ((top / height, rows / height), (left / width, columns / width))
        down, across = (
            _interpolated(np.eye(cells, dtype=np.float32), pixels, *stretch)
            for cells, pixels, stretch in zip(maps.shape[1:], size_hw, stretches, strict=True)
        )
        return down @ maps @ across.T
    affine = maps.new_tensor(
        [[columns / width, 0, (2 * left + columns) / width - 1], [0, rows / height, (2 * top + rows) / height - 1]]
    )
    functional = namespace(maps).nn.functional
    grid = functional.affine_grid(affine[None], [1, 1, *size_hw], align_corners=False)
    return functional.grid_sample(maps[None], grid, padding_mode="border", align_corners=False)[0]


def mask_bounds(mask: BoolArray) -> tuple[int, int, int, int]:
    """First column, first row, last column + 1, last row + 1 of an (h, w) mask; zeros where it is empty."""
    import cv2  # here, because it adds to the command's start

    pixels = np.ascontiguousarray(mask, np.bool_).view(np.uint8)
    left, top, width, height = cv2.boundingRect(pixels) if mask.size else (0, 0, 0, 0)
    return left, top, left + width, top + height


def mask_regions(mask: BoolArray, connectivity: Literal[4, 8]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Number of the connected region that each pixel of an (H, W) mask lies in, 0 outside, and pixels of each, (N,)."""
    import cv2

    pixels = np.ascontiguousarray(mask, np.bool_).view(np.uint8)
    _, regions = cv2.connectedComponents(pixels, connectivity=connectivity)
    # Counted here: what OpenCV measures beside it takes four times as long.
    return np.asarray(regions, dtype=np.int32), np.bincount(regions.ravel())


def onto_grid(maps: Tensor, frame: Frame, grid_hw: tuple[int, int]) -> Tensor:
    """Bring maps of a photo onto a grid over ``frame.size_hw``, the inverse of :func:`resize_logits`.

    Args:
        maps: (K, H, W) float32, over the photo.
        frame: how the photo lies in the frame.
        grid_hw: rows and columns of the grid (any resolution).

    Returns:
        (K, h, w) float32, the mean over each cell; 0 in the padding.
    """
    inside = (max(1, round(grid_hw[axis] * frame.content_hw[axis] / frame.size_hw[axis])) for axis in (0, 1))
    height, width = inside
    functional = namespace(maps).nn.functional
    means = functional.interpolate(maps[None], size=(height, width), mode="area")[0]
    return functional.pad(means, (0, grid_hw[1] - width, 0, grid_hw[0] - height))


def resize_logits(logits: Tensor, frame: Frame, image_hw: tuple[int, int]) -> Tensor:
    """Bring mask logits from a frame's mask grid to the photo.

    Args:
        logits: (K, h, w) float32 on a grid that covers ``frame.size_hw`` (any resolution).
        frame: the frame the grid covers; its padding is cut away.
        image_hw: size of the photo.

    Returns:
        (K, H, W) float32 logits, bilinearly interpolated.
    """
    if logits.shape[0] == 0:
        return logits.new_zeros((0, *image_hw))
    if frame.size_hw != frame.content_hw:
        logits = _resize(logits, frame.size_hw)[:, : frame.content_hw[0], : frame.content_hw[1]]
    return _resize(logits, image_hw)


@dataclass(frozen=True)
class Enlarger:
    """:func:`resize_logits` as two matrices, to compute no more of a photo than a mask covers.

    Bilinear resizing is linear and works on rows and columns apart, so all steps along one axis (the frame's grid, the
    cut, the photo) are one matrix: photo = rows @ grid @ columns.
    """

    rows: Array
    """(H, h) float32."""
    columns: Array
    """(w, W) float32."""
    pixels: tuple[Spans, Spans]
    """Rows and columns of the photo that every row and column of the grid has an influence on."""
    cells: tuple[Spans, Spans]
    """And those of the grid that have an influence on every one of the photo."""

    @classmethod
    @lru_cache(maxsize=4)
    def of(
        cls, grid_hw: tuple[int, int], frame: Frame, image_hw: tuple[int, int], device: torch.device | None
    ) -> Enlarger:
        """From a grid that covers ``frame.size_hw`` to a photo; remembered, as photos of a folder are often alike.

        Args:
            grid_hw: rows and columns of the grid.
            frame: that it covers.
            image_hw: size of the photo.
            device: of tensors to enlarge; None for NumPy arrays.
        """
        padded = frame.size_hw != frame.content_hw
        frame_hw = frame.size_hw if padded else (None, None)
        axes = zip(grid_hw, frame_hw, frame.content_hw, image_hw, strict=True)
        rows, columns = (_resizing_matrix(*axis) for axis in axes)
        pixels, cells = (_spans(rows.T), _spans(columns.T)), (_spans(rows), _spans(columns))
        columns = np.ascontiguousarray(columns.T)
        if device is None:
            return cls(rows, columns, pixels, cells)
        import torch

        return cls(torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device), pixels, cells)

    def enlarge(self, logits: Array, box_xyxy: tuple[int, int, int, int]) -> tuple[Array, tuple[int, int]]:
        """Return the part of the photo that cells of a box have any influence on.

        Args:
            logits: (h, w) float32.
            box_xyxy: cells, upper ends excluded; all that are above zero lie inside.

        Returns:
            (H', W') float32 logits, and the row and column of the photo where they start.
        """
        left, top, right, bottom = box_xyxy
        drawn = _reach(self.pixels[0], top, bottom), _reach(self.pixels[1], left, right)
        cells = tuple(slice(*_reach(each, *ends)) for each, ends in zip(self.cells, drawn, strict=True))
        rows, columns = (slice(*ends) for ends in drawn)
        enlarged = self.rows[rows, cells[0]] @ logits[cells] @ self.columns[cells[1], columns]
        return enlarged, (rows.start, columns.start)


def _resizing_matrix(cells: int, size: int | None, content: int, pixels: int) -> FloatArray:
    """(pixels, cells): what every cell of one axis adds to every pixel; by way of the frame's size if it is given."""
    every = np.eye(cells, dtype=np.float32)
    if size is not None:
        every = _interpolated(every, size)[:content]
    return _interpolated(every, pixels)


def _interpolated(values: FloatArray, pixels: int, start: float = 0.0, share: float = 1.0) -> FloatArray:
    """Linear interpolation along the first axis between the centres of cells, and beyond them the outermost cell.

    Args:
        values: (cells, N).
        pixels: to compute.
        start: where they begin, as a share of the axis.
        share: of the axis that they cover.
    """
    cells = len(values)
    step = float(np.float32(share * cells / pixels))
    place = ((np.arange(pixels) + 0.5) * step + (start * cells - 0.5)).astype(np.float32)  # rounded once, as torch does
    place = place.clip(0, cells - 1)
    low = place.astype(np.int64)
    further = (place - low.astype(np.float32))[:, None]
    return (1 - further) * values[low] + further * values[np.minimum(low + 1, cells - 1)]


def _spans(weights: FloatArray) -> Spans:
    """(2, N) int64: first and last + 1 number of every one of N rows that is not 0; the row's length and 0 of a row of
    zeros."""
    hit, length = weights != 0, weights.shape[1]
    some = hit.any(axis=1)
    return np.where(some, [hit.argmax(axis=1), length - hit[:, ::-1].argmax(axis=1)], [[length], [0]])


def _reach(spans: Spans, low: int, high: int) -> tuple[int, int]:
    """First and last + 1 of what the spans from ``low`` to ``high`` cover; (0, 0) where that is nothing."""
    within = spans[:, low:high]
    last = int(within[1].max(initial=0))
    return (int(within[0].min()), last) if last else (0, 0)


def _resize(maps: Tensor, size_hw: tuple[int, int]) -> Tensor:
    functional = namespace(maps).nn.functional
    return functional.interpolate(maps[:, None], size=size_hw, mode="bilinear", align_corners=False)[:, 0]

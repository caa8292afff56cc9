"""What depth says of masks, in numbers: how they stand, where their edges lie, and whether they are one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.depth.planes import Array, tolerance
from uois_sam.types import BoolArray

CLUES = (
    "measured", "height", "spread of heights", "flat", "standing", "outside", "width", "roughness",
    "edge in front", "edge behind", "edge on the support", "edge within a surface", "edge measured", "steps inside",
)  # fmt: skip
"""What is measured of every mask, in order; :func:`measure` says how."""
LEAST_STEP_M = 0.012
"""Between places two cells apart, and not less than 2.5 tolerances, from which depth steps."""
LEAST_HEIGHT_M = 0.01
"""Above the support, and not less than 1.5 tolerances, from which something stands on it."""
MOST = 5.0
"""Clues are cut here: beyond, they say nothing new."""
IN_FRONT, BEHIND, ON_SUPPORT, WITHIN, UNKNOWN = range(5)
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True)
class Relief:
    """A grid over a photo or a part of it, of depth and what is known of it. Arrays are (h, w)."""

    points: Array
    """(h, w, 3) float32 metres, camera frame; z = 0 where unknown."""
    heights: Array
    """float32 metres above the support; 0 where unknown."""
    outside: BoolArray
    """Depth is known and outside the workspace."""
    flat: BoolArray
    """Depth is known and on the support."""
    cell_m: Array
    """float32: area that a cell sees, in square metres, facing the camera."""
    supported: bool
    """Whether there is a support, which heights are above."""

    @property
    def known(self) -> BoolArray:
        """Depth is known."""
        return np.asarray(self.points[..., 2] > 0)


def measure(masks: BoolArray, relief: Relief) -> Array:
    """Measure masks.

    Every clue but the first is 0 where depth says nothing: each is times the share of what it needs that is known.

    Args:
        masks: (K, h, w) bool.
        relief: on the same grid.

    Returns:
        (K, len(CLUES)) float32.
    """
    if len(masks) == 0:
        return np.zeros((0, len(CLUES)), dtype=np.float32)
    known = relief.known
    limits = tolerance(relief.points[..., 2])
    standing = known & (relief.heights > np.maximum(LEAST_HEIGHT_M, 1.5 * limits)) & ~relief.outside
    centre = relief.points[known].mean(axis=0) if known.any() else np.zeros(3, dtype=np.float32)
    x, y, z = np.moveaxis(np.where(known[..., None], relief.points - centre, 0), -1, 0)
    columns = [np.ones_like(z), known, relief.heights, relief.heights**2, relief.flat, standing, relief.outside,
               relief.cell_m, np.where(known, limits, 0), x, y, z, x * x, x * y, x * z, y * y, y * z,
               z * z]  # fmt: skip
    table = np.stack([column.ravel() for column in columns], axis=1).astype(np.float32)
    sums = masks.reshape(len(masks), -1).astype(np.float32) @ table
    area, seen = np.maximum(sums[:, 0], 1), np.maximum(sums[:, 1], 1)
    measured = sums[:, 1] / area
    height, square, flat, stands, outside, metric, limit = (sums[:, 2:9] / seen[:, None]).T
    spread = np.sqrt(np.maximum(0, square - height * height))
    width = np.sqrt(metric * area)  # as if what is not measured were as far away
    has = measured * relief.supported
    edges, edge_measured = _edges(masks, relief, standing, limits)
    clues = [
        measured, has * height / 0.1, has * spread / 0.05, has * flat, has * stands, measured * outside,
        measured * width / 0.1, measured * _roughness(sums[:, 9:], seen) / np.maximum(limit, 1e-4),
        *(edges[:, kind] * edge_measured for kind in range(UNKNOWN)), edge_measured,
        measured * _steps_inside(masks, relief, limits) / np.sqrt(area),
    ]  # fmt: skip
    return np.stack(clues, axis=1).clip(-MOST, MOST).astype(np.float32)


def _roughness(moments: Array, seen: Array) -> Array:
    """(K,) metres: deviation of the points in each mask from their best plane."""
    mean = moments[:, :3] / seen[:, None]
    xx, xy, xz, yy, yz, zz = (moments[:, 3:] / seen[:, None]).T
    spread = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
    spread = spread.astype(np.float64) - mean[:, :, None].astype(np.float64) * mean[:, None]
    return np.sqrt(np.maximum(np.linalg.eigvalsh(spread)[:, 0], 0)).astype(np.float32)


def _shifted(values: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """A map looked up a number of cells away; at the border, its last cell."""
    height, width = values.shape
    row = (np.arange(height) + rows).clip(0, height - 1)
    column = (np.arange(width) + columns).clip(0, width - 1)
    return values[np.ix_(row, column)]


def _edges(masks: BoolArray, relief: Relief, standing: BoolArray, limits: Array) -> tuple[Array, Array]:
    """(K, 4) shares of each mask's measured edge by what lies beyond it, and (K,) the share that is measured."""
    count = np.zeros((len(masks), UNKNOWN + 1), dtype=np.float32)
    depth, known = relief.points[..., 2], relief.known
    step = np.maximum(LEAST_STEP_M, 2.5 * limits)
    for down, right in _DIRECTIONS:
        beyond = _shifted(depth, 2 * down, 2 * right) - depth
        kinds = np.where(_shifted(standing, 2 * down, 2 * right), WITHIN, UNKNOWN)
        kinds[_shifted(relief.flat, 2 * down, 2 * right)] = ON_SUPPORT
        kinds[beyond > step], kinds[beyond < -step] = IN_FRONT, BEHIND
        kinds[~(known & _shifted(known, 2 * down, 2 * right))] = UNKNOWN
        here, there = _beside(down, right)
        edge = np.zeros_like(masks)
        edge[:, here[0], here[1]] = masks[:, here[0], here[1]] & ~masks[:, there[0], there[1]]
        which, cells = np.nonzero(edge.reshape(len(masks), -1))
        found = np.bincount(which * (UNKNOWN + 1) + kinds.ravel()[cells], minlength=count.size)
        count += found.reshape(count.shape)
    measured = count[:, :UNKNOWN].sum(axis=1)
    return count[:, :UNKNOWN] / np.maximum(measured, 1)[:, None], measured / np.maximum(count.sum(axis=1), 1)


def _beside(down: int, right: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Cells, and those one further in a direction."""
    ends = {0: (slice(None), slice(None)), 1: (slice(0, -1), slice(1, None)), -1: (slice(1, None), slice(0, -1))}
    (row, next_row), (column, next_column) = ends[down], ends[right]
    return (row, column), (next_row, next_column)


def _steps_inside(masks: BoolArray, relief: Relief, limits: Array) -> Array:
    """(K,) number of cells of each mask, its edge left out, across which depth steps."""
    depth, known = relief.points[..., 2], relief.known
    step = np.zeros(depth.shape, dtype=np.bool_)
    for down, right in ((0, 1), (1, 0)):
        near, far = _shifted(depth, down, right), _shifted(depth, -down, -right)
        both = _shifted(known, down, right) & _shifted(known, -down, -right)
        step |= known & both & (np.abs(near - far) > np.maximum(LEAST_STEP_M, 2.5 * limits))
    step[[0, -1]] = step[:, [0, -1]] = False
    rows, columns = np.nonzero(step)
    inside = masks[:, rows, columns]
    for down, right in _DIRECTIONS:
        inside &= masks[:, rows + down, columns + right]
    return inside.sum(axis=1).astype(np.float32)

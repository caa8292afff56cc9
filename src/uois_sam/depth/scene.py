"""One photo's depth, understood: height above the support, what lies beyond it, and what masks are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from uois_sam.depth.pieces import Pieces, find_pieces
from uois_sam.depth.planes import Array, tolerance
from uois_sam.depth.reading import DepthMap
from uois_sam.depth.registration import find_shift
from uois_sam.depth.support import Support, find_support
from uois_sam.depth.workspace import AUTO, Box
from uois_sam.types import BoolArray, Camera, FloatArray, ImageArray

COLUMNS = 320
"""Cells across the photo on which depth is looked at."""
MARGIN_M = 0.05
"""By which things may stand out over the edge of the support that is seen."""
BELOW_M = 0.03
"""Depth below the support from which nothing stands on it: legs of the table, and the floor."""
LEAST_MEASURED = 0.1
"""Share of a mask with depth below which nothing is said of it."""
LEAST_OUTSIDE = 0.5
"""Share of a mask's depth outside the workspace from which it stands there."""
LEAST_FLAT = 0.9
"""Share of a mask's depth on the support from which it is taken to be the support ..."""
LEAST_FLAT_MEASURED = 0.5
"""... if at least this share of it has depth, ..."""
SURE = 0.65
"""... unless its score is above this: cards and sheets of paper lie flat."""


@dataclass(frozen=True)
class Verdict:
    """Which of K masks depth shows to be no objects of interest."""

    outside: BoolArray
    """(K,): stands outside the workspace."""
    support: BoolArray
    """(K,): is the support itself."""


@dataclass(frozen=True)
class Cells:
    """A grid over a photo or a part of it, all (h, w) bool."""

    known: BoolArray
    """Depth is known."""
    outside: BoolArray
    """And the place is outside the workspace."""
    flat: BoolArray
    """And it lies on the support."""

    def judge(self, masks: BoolArray, scores: FloatArray) -> Verdict:
        """Return what depth says of (K, h, w) masks with (K,) scores."""
        rows = masks.reshape(len(masks), masks.shape[1] * masks.shape[2]).astype(np.float32)
        maps = [np.ones_like(self.known), self.known, self.outside, self.flat]
        area, known, outside, flat = (rows @ np.stack([each.ravel() for each in maps], axis=1).astype(np.float32)).T
        measured = known / np.maximum(area, 1)
        is_outside = (outside >= LEAST_OUTSIDE * np.maximum(known, 1)) & (measured >= LEAST_MEASURED)
        is_flat = (flat >= LEAST_FLAT * np.maximum(known, 1)) & (measured >= LEAST_FLAT_MEASURED)
        return Verdict(is_outside, is_flat & ~is_outside & (scores < SURE))


@dataclass(frozen=True)
class DepthScene:
    """What depth says of a photo. Arrays are (h, w), on a grid over the whole photo."""

    cells: Cells
    heights: Array
    """float32 metres above the support, 0 where unknown."""
    support: Support | None
    pieces: Pieces | None
    """What stands on the support; None without one."""
    photo_hw: tuple[int, int]
    notes: tuple[str, ...]

    def unasked(self, points_xy: FloatArray) -> FloatArray:
        """Return (N, 2) xy where something stands that none of (M, 2) xy prompts lies on, in the photo's pixels."""
        if self.pieces is None:
            return np.zeros((0, 2), dtype=np.float32)
        sizes, whole = np.array(self.cells.known.shape), np.array(self.photo_hw)
        cells = ((points_xy[:, ::-1] + 0.5) * (sizes / whole)).astype(np.int64).clip(0, sizes - 1)
        centres = self.pieces.without(cells[:, 0], cells[:, 1])
        return np.asarray(((centres + 0.5) * (whole / sizes) - 0.5)[:, ::-1], dtype=np.float32)

    def part(self, top: int, left: int, height: int, width: int, grid_hw: tuple[int, int]) -> Cells:
        """Return the cells under the centres of a grid over a part of the photo, given in the photo's pixels."""
        shape = self.cells.known.shape
        rows, columns = (
            ((start + (np.arange(cells) + 0.5) * (pixels / cells)) * (size / whole)).astype(int).clip(0, size - 1)
            for start, pixels, cells, size, whole in zip(
                (top, left), (height, width), grid_hw, shape, self.photo_hw, strict=True
            )
        )
        index = np.ix_(rows, columns)
        return Cells(self.cells.known[index], self.cells.outside[index], self.cells.flat[index])


def understand(
    image: ImageArray, depth: DepthMap, foreground: FloatArray | None, workspace: Box | Literal["auto", "off"] | None
) -> DepthScene | None:
    """Find support and workspace in the depth of a photo.

    Args:
        image: (H, W, 3) uint8 RGB, the photo.
        depth: of the photo.
        foreground: probability of an object on any grid over the photo; None where nothing is known.
        workspace: where objects of interest stand; None as "auto".

    Returns:
        None where the depth cannot be used.
    """
    if depth.metres is None:
        return None
    points = points_of(depth.metres, depth.camera)
    known = points[..., 2] > 0
    inside = known & (workspace.beyond(points) <= 0) if isinstance(workspace, Box) else known
    sought = np.where(inside[..., None], points, 0).astype(np.float32)
    likely = None if foreground is None else np.asarray(cv2.resize(foreground, known.shape[::-1]), dtype=np.float32)
    step = 2 if known.shape[1] == COLUMNS else 1  # planes are as good on fewer points
    coarse = None if likely is None else likely[::step, ::step]
    support = find_support(sought[::step, ::step], coarse, np.random.default_rng(0))
    shift = find_shift(image, depth.metres)
    notes = [] if shift is None else [shift.note]
    heights = np.zeros(known.shape, dtype=np.float32)
    outside, flat = known & ~inside, np.zeros_like(known)
    if support is None:
        notes.append(
            "no support found: no plane in depth that objects stand on, so that nothing is left out for lying beyond "
            "it; say where objects stand with --workspace x0,x1,y0,y1,z0,z1 (workspace)"
        )
    else:
        heights = np.where(known, support.plane.heights(points), 0).astype(np.float32)
        flat = inside & (np.abs(heights) < tolerance(points[..., 2]))
        if workspace in (None, AUTO):
            below = heights < -(BELOW_M + 2 * tolerance(points[..., 2]))
            outside = known & (below | (support.beyond(points) > MARGIN_M))
            flat &= ~outside
    if not inside.any():
        notes.append("nothing in the workspace: no depth lies in it; its numbers are metres in the camera's frame")
    pieces = None if support is None else find_pieces(points, heights, known & ~outside)
    return DepthScene(Cells(known, outside, flat), heights, support, pieces, _size(depth.metres), tuple(notes))


def points_of(metres: FloatArray, camera: Camera) -> Array:
    """(h, w, 3) float32 points of an (H, W) depth map on a grid of :data:`COLUMNS` columns; zeros where unknown."""
    height, width = metres.shape
    columns = min(width, COLUMNS)
    rows = max(1, min(height, round(columns * height / width)))
    y = ((np.arange(rows) + 0.5) * (height / rows)).astype(int)[:, None]
    x = ((np.arange(columns) + 0.5) * (width / columns)).astype(int)[None]
    z = metres[y, x]
    return np.stack([(x - camera.cx) / camera.fx * z, (y - camera.cy) / camera.fy * z, z], axis=-1).astype(np.float32)


def _size(metres: FloatArray) -> tuple[int, int]:
    return int(metres.shape[0]), int(metres.shape[1])

"""Object boundaries, and the share of their pixels near the matched object's boundary.

Each object is processed in the smallest window of the label map that holds it, so the cost grows with the objects'
areas, not with their number times the image area. Published numbers use two kinds of boundary:

* ``transitions`` (UCN and everyone after it): where the mask differs from its east, south or south-east neighbour.
* ``contours`` (the older UOIS code): the mask's own outermost pixels, holes left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from uois_sam.types import BoolArray, ImageArray

CompactMap = npt.NDArray[np.int32]
"""(H, W) int32: 0 is background, objects are 1..N without gaps."""
BoundaryKind = Literal["transitions", "contours"]


def boundary_map(mask: ImageArray) -> ImageArray:
    """Return where a 0/1 mask differs from its east, south or south-east neighbour: (H, W) uint8 of 0 and 1.

    The last row compares with the east only, the last column with the south only, so the frame of the image is no
    boundary; where the background comes first, the boundary lies one pixel outside the mask.
    """
    edges = np.zeros_like(mask)
    edges[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edges[:-1] |= mask[:-1] ^ mask[1:]
    edges[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edges


def contour_map(mask: ImageArray) -> ImageArray:
    """Return the outer contours of a 0/1 mask, holes excluded: (H, W) uint8 of 0 and 1.

    Pixels at the image border count as boundary.
    """
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    edges = np.zeros_like(mask)
    cv2.drawContours(edges, contours, -1, 1)
    return edges


def boundary_radius(image_hw: tuple[int, ...], tolerance: float) -> int:
    """Radius in pixels: ceil(tolerance * diagonal) below 1, else ceil(tolerance)."""
    return math.ceil(tolerance * math.hypot(*image_hw) if tolerance < 1 else tolerance)


@dataclass(frozen=True)
class PixelCounts:
    """Pixels of one image summed over objects: a boundary pixel of two objects counts twice."""

    predicted: int
    """Pixels of all predicted objects, matched or not."""
    true: int
    """Pixels of all true objects, matched or not."""
    matched_predicted: int
    """Predicted pixels shared with the match, or for boundaries within the radius of its boundary."""
    matched_true: int
    """True pixels, likewise."""


@dataclass(frozen=True)
class _Window:
    """A rectangle of the image: rows top..bottom - 1, columns left..right - 1."""

    top: int
    left: int
    bottom: int
    right: int

    def grown(self, margin: int, image_hw: tuple[int, ...]) -> _Window:
        return _Window(
            max(0, self.top - margin),
            max(0, self.left - margin),
            min(image_hw[0], self.bottom + margin),
            min(image_hw[1], self.right + margin),
        )

    def meet(self, other: _Window) -> _Window:
        return _Window(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )

    def slices_in(self, other: _Window) -> tuple[slice, slice]:
        """Rows and columns of this window in an array that covers another one around it."""
        rows = slice(self.top - other.top, self.bottom - other.top)
        return rows, slice(self.left - other.left, self.right - other.left)

    @property
    def empty(self) -> bool:
        return self.top >= self.bottom or self.left >= self.right


def boundary_counts(
    predicted: CompactMap,
    true: CompactMap,
    pairs: Sequence[tuple[int, int]],
    radius: int,
    ignore: BoolArray | None = None,
    kind: BoundaryKind = "transitions",
) -> PixelCounts:
    """Count the boundary pixels of all objects and those within ``radius`` of the matched object's boundary.

    Args:
        predicted: objects 1..N.
        true: objects 1..M, same shape.
        pairs: matched (predicted, true) indices, 0 being object 1.
        radius: tolerance in pixels; the dilation is by :func:`disk`.
        ignore: (H, W) bool, pixels whose boundary does not count (but still confirms others).
        kind: what a boundary is.
    """
    counted = None if ignore is None else (~ignore).view(np.uint8)
    edges_p, edges_t = _object_edges(predicted, kind), _object_edges(true, kind)
    totals = [sum(_count(edges.pixels, edges.window, counted) for edges in side) for side in (edges_p, edges_t)]
    matched_predicted = matched_true = 0
    for p, t in pairs:
        # Pixels of either boundary beyond this window cannot be within the radius of the other.
        window = edges_p[p].window.grown(radius, true.shape).meet(edges_t[t].window.grown(radius, true.shape))
        if window.empty:
            continue
        seen_p, seen_t = edges_p[p].within(window), edges_t[t].within(window)
        matched_predicted += _count(seen_p & _dilated(seen_t, radius), window, counted)
        matched_true += _count(seen_t & _dilated(seen_p, radius), window, counted)
    return PixelCounts(totals[0], totals[1], matched_predicted, matched_true)


@dataclass(frozen=True)
class _Edges:
    """One object's boundary in the smallest window that holds all of it."""

    window: _Window
    pixels: ImageArray
    """(h, w) uint8 of 0 and 1."""

    def within(self, window: _Window) -> ImageArray:
        """(h, w) uint8: the boundary in another window, cropped and padded as needed."""
        found = np.zeros((window.bottom - window.top, window.right - window.left), dtype=np.uint8)
        common = self.window.meet(window)
        if not common.empty:
            found[common.slices_in(window)] = self.pixels[common.slices_in(self.window)]
        return found


def _object_edges(labels: CompactMap, kind: BoundaryKind) -> list[_Edges]:
    return [
        _contours(labels, label, rows, columns) if kind == "contours" else _transitions(labels, label, rows, columns)
        for label, (rows, columns) in enumerate(find_objects(labels), start=1)
    ]


def _contours(labels: CompactMap, label: int, rows: slice, columns: slice) -> _Edges:
    edges = contour_map((labels[rows, columns] == label).view(np.uint8))
    return _Edges(_Window(rows.start, columns.start, rows.stop, columns.stop), edges)


def _transitions(labels: CompactMap, label: int, rows: slice, columns: slice) -> _Edges:
    """Boundary in the object's box, extended by a pixel to the north and west; neighbours beyond are compared too."""
    window = _Window(max(0, rows.start - 1), max(0, columns.start - 1), rows.stop, columns.stop)
    crop = labels[window.top : window.bottom + 1, window.left : window.right + 1]
    edges = boundary_map((crop == label).view(np.uint8))
    return _Edges(window, edges[: window.bottom - window.top, : window.right - window.left])


def _dilated(edges: ImageArray, radius: int) -> ImageArray:
    return np.asarray(cv2.dilate(edges, disk(radius)), dtype=np.uint8)


def _count(edges: ImageArray, window: _Window, counted: ImageArray | None) -> int:
    if counted is not None:
        edges = edges & counted[window.top : window.bottom, window.left : window.right]
    return int(np.count_nonzero(edges))


@lru_cache(maxsize=8)
def disk(radius: int) -> ImageArray:
    """Disk as a (2r + 1, 2r + 1) uint8 kernel: 1 where x^2 + y^2 <= r^2 around the centre."""
    squares = np.arange(-radius, radius + 1) ** 2
    return (squares[:, None] + squares[None] <= radius**2).astype(np.uint8)

"""Where masks are drawn: windows around what a glance sees (:mod:`uois_sam.models.compact.windows`). No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from uois_sam.types import BoolArray

FINER = 2
"""Rows and columns of the finest grid for each of the coarse one, on which windows are cut."""
OUTSIDE = -0.5
"""Cells where the glance's logits are above this are drawn anew, and those around them."""
MARGIN = 3
"""Coarse cells around them; the outermost are only there for the convolutions of the others."""
MOST = 0.5
"""Mean share of the frame that windows may cover: above, all of it at once is faster."""
STEP = 8
"""Coarse cells that the sides of windows are multiples of: few sizes, for each of which kernels are made once."""


@dataclass(frozen=True)
class Window:
    """A part of a coarse grid of (h, w) cells: rows and columns from ``top`` and ``left`` on."""

    top: int
    bottom: int
    left: int
    right: int
    grid_hw: tuple[int, int]

    def rows(self, cells: int = 1) -> slice:
        """Its rows, or those of a finer grid with so many for each."""
        return slice(cells * self.top, cells * self.bottom)

    def columns(self, cells: int = 1) -> slice:
        """Its columns, likewise."""
        return slice(cells * self.left, cells * self.right)

    def size(self, cells: int = 1) -> tuple[int, int]:
        """Rows and columns, likewise."""
        return cells * (self.bottom - self.top), cells * (self.right - self.left)

    @property
    def share(self) -> float:
        """Of the grid."""
        (height, width), (rows, columns) = self.grid_hw, self.size()
        return rows * columns / (height * width)

    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the finest grid that are drawn as in the whole frame: without the outermost coarse
        cells, except at the frame's own border."""
        (height, width), (rows, columns) = self.grid_hw, (self.rows(FINER), self.columns(FINER))
        return (
            slice(rows.start + FINER * (self.top > 0), rows.stop - FINER * (self.bottom < height)),
            slice(columns.start + FINER * (self.left > 0), columns.stop - FINER * (self.right < width)),
        )


def windows_around(seen: BoolArray) -> Iterator[Window]:
    """A window for each of (M, h, w) sets of cells; the whole frame around none."""
    for one in seen:
        yield Window(*_side(np.asarray(one.any(axis=1))), *_side(np.asarray(one.any(axis=0))), (len(one), one.shape[1]))


def _side(hits: BoolArray) -> tuple[int, int]:
    """First and last + 1 of a window's rows or columns around those that are hit."""
    (where,) = np.nonzero(hits)
    if len(where) == 0:
        return 0, len(hits)
    first, last = int(where[0]) - MARGIN, int(where[-1]) + 1 + MARGIN
    size = min(len(hits), -(-(last - first) // STEP) * STEP)
    start = min(max(0, first), len(hits) - size)
    return start, start + size


def too_large(windows: Sequence[Window]) -> bool:
    """Whether windows cover so much of the frame that drawing all of it at once is faster."""
    return sum(window.share for window in windows) > MOST * len(windows)

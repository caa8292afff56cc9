"""Outline of an object that does not move: all frames vote, recent ones more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uois_sam.types import BoolArray, FloatArray

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, upper ends excluded."""
SAME_IOU = 0.6
"""IoU with the outline so far from which on a mask is another view of it."""
IN, OUT = 0.65, 0.35
"""Share of votes above which a pixel comes in, and below which it goes out: in between it stays as it was."""


@dataclass(frozen=True)
class Votes:
    """Votes for each pixel of a window of the image."""

    shares: FloatArray
    """(h, w) float32 in [0, 1]: share of votes."""
    inside: BoolArray
    """(h, w) bool: the outline."""
    window: Window

    @classmethod
    def of(cls, mask: BoolArray, box: FloatArray) -> Votes:
        """The first vote: an (H, W) mask in its xyxy box."""
        window = _window(box)
        inside = mask[_slices(window)].copy()
        return cls(inside.astype(np.float32), inside, window)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window in the image."""
        return _slices(self.window)

    def box(self) -> FloatArray | None:
        """(4,) float32 xyxy around the outline; None where there is nothing inside."""
        rows, columns = np.flatnonzero(self.inside.any(axis=1)), np.flatnonzero(self.inside.any(axis=0))
        if not len(rows):
            return None
        corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        return np.array(corners, dtype=np.float32) + np.array(self.window[:2] * 2, dtype=np.float32)

    def after(self, mask: BoolArray, box: FloatArray, weight: float) -> Votes | None:
        """The votes with one more, or None where it is of another outline.

        Args:
            mask: (H, W) bool.
            box: (4,) xyxy, around it.
            weight: of the new vote, in [0, 1].
        """
        x0, y0, x1, y1 = _window(box)
        a0, b0, a1, b1 = self.window
        window = min(x0, a0), min(y0, b0), max(x1, a1), max(y1, b1)
        inner = slice(b0 - window[1], b1 - window[1]), slice(a0 - window[0], a1 - window[0])
        seen = mask[_slices(window)]
        shares, before = np.zeros(seen.shape, dtype=np.float32), np.zeros(seen.shape, dtype=np.bool_)
        shares[inner], before[inner] = self.shares, self.inside
        union = np.count_nonzero(seen | before)
        if union == 0 or np.count_nonzero(seen & before) < SAME_IOU * union:
            return None
        shares += np.float32(weight) * (seen - shares)
        return Votes(shares, (shares > IN) | (before & (shares >= OUT)), window)._trimmed()

    def _trimmed(self) -> Votes:
        """Without borders that nearly nobody votes for: a window must not grow for ever."""
        there = self.shares > 0.02
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        if not len(rows):
            return self
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        x0, y0, _, _ = self.window
        part = slice(top, bottom), slice(left, right)
        window = (x0 + left, y0 + top, x0 + right, y0 + bottom)
        return Votes(self.shares[part].copy(), self.inside[part].copy(), window)


def _window(box: FloatArray) -> Window:
    x0, y0, x1, y1 = (int(value) for value in box)
    return x0, y0, x1, y1


def _slices(window: Window) -> tuple[slice, slice]:
    x0, y0, x1, y1 = window
    return slice(y0, y1), slice(x0, x1)

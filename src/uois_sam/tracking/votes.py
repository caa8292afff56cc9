"""Outline of an object that does not move: all frames vote, recent ones more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uois_sam.geometry import mask_bounds
from uois_sam.tracking.camera import Shift
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
        window = window_of(box)
        inside = mask[slices(window)].copy()
        return cls(inside.astype(np.float32), inside, window)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window in the image."""
        return slices(self.window)

    def box(self) -> FloatArray | None:
        """(4,) float32 xyxy around the outline; None where there is nothing inside."""
        corners = mask_bounds(self.inside)
        if corners[2] == 0:
            return None
        return np.array(corners, dtype=np.float32) + np.array(self.window[:2] * 2, dtype=np.float32)

    def after(self, mask: BoolArray, box: FloatArray, weight: float) -> Votes | None:
        """The votes with one more, or None where it is of another outline.

        Args:
            mask: (H, W) bool.
            box: (4,) xyxy, around it.
            weight: of the new vote, in [0, 1].
        """
        import cv2  # here, because it adds to the command's start

        x0, y0, x1, y1 = window_of(box)
        a0, b0, a1, b1 = self.window
        window = min(x0, a0), min(y0, b0), max(x1, a1), max(y1, b1)
        inner = slice(b0 - window[1], b1 - window[1]), slice(a0 - window[0], a1 - window[0])
        seen = np.ascontiguousarray(mask[slices(window)])
        shares, before = np.zeros(seen.shape, dtype=np.float32), np.zeros(seen.shape, dtype=np.bool_)
        shares[inner], before[inner] = self.shares, self.inside
        both = np.count_nonzero(seen & before)
        union = np.count_nonzero(seen) + np.count_nonzero(before) - both
        if union == 0 or both < SAME_IOU * union:
            return None
        cv2.accumulateWeighted(seen.view(np.uint8), shares, weight)
        return Votes(shares, (shares > IN) | (before & (shares >= OUT)), window)._trimmed()

    def moved(self, shift: Shift, image_hw: tuple[int, int]) -> Votes:
        """The votes where a camera's motion moved them, as far as they are still in the image."""
        import cv2  # here, because it adds to the command's start

        x0, y0, x1, y1 = self.window
        if not self.inside.size:
            return self
        # The window ends where pixels do, half a pixel from the middles that a shift is of.
        corners = shift.points(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]) - 0.5) + 0.5
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        left, top = (int(max(0, value)) for value in low)
        right, bottom = int(min(image_hw[1], high[0])), int(min(image_hw[0], high[1]))
        if right <= left or bottom <= top:
            return Votes(np.zeros((0, 0), np.float32), np.zeros((0, 0), np.bool_), (0, 0, 0, 0))
        offset = shift.turn @ np.array([x0, y0]) + shift.offset - [left, top]
        inside = np.concatenate([shift.turn, offset[:, None]], axis=1)
        size = right - left, bottom - top
        shares = cv2.warpAffine(self.shares, inside, size, flags=cv2.INTER_LINEAR)
        outline = cv2.warpAffine(self.inside.view(np.uint8), inside, size, flags=cv2.INTER_NEAREST)
        return Votes(np.asarray(shares, dtype=np.float32), outline.astype(np.bool_), (left, top, right, bottom))

    def _trimmed(self) -> Votes:
        """Without borders that nearly nobody votes for: a window must not grow for ever."""
        left, top, right, bottom = mask_bounds(self.shares > 0.02)
        if (bottom - top, right - left) == self.shares.shape or right == 0:
            return self
        x0, y0, _, _ = self.window
        part = slice(top, bottom), slice(left, right)
        window = (x0 + left, y0 + top, x0 + right, y0 + bottom)
        return Votes(self.shares[part].copy(), self.inside[part].copy(), window)


def window_of(box: FloatArray) -> Window:
    x0, y0, x1, y1 = (int(value) for value in box)
    return x0, y0, x1, y1


def slices(window: Window) -> tuple[slice, slice]:
    x0, y0, x1, y1 = window
    return slice(y0, y1), slice(x0, x1)

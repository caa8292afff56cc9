"""How the picture as a whole moved since the last frame: what is left when objects are at rest is the camera's motion.

Corners are followed from frame to frame (Shi and Tomasi, 1994; Lucas and Kanade, 1981) and a shift, turn and zoom that
most of them agree with is found by RANSAC, on a small grey copy of the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uois_sam.tracking.matching import SMALL_SIDE
from uois_sam.types import BoolArray, ImageArray

Array = npt.NDArray[np.float64]
CORNERS = 120
"""Corners that are followed, at most."""
LEAST = 12
"""Corners that have to agree, and ``AGREED`` of all; with fewer the camera counts as still."""
AGREED = 0.4
STEADY = 0.25
"""Cells of the small photo by which corners may seem to move in front of a camera at rest."""


@dataclass(frozen=True)
class Shift:
    """A similarity: where the points of the last frame are in this one, if they rest. Frame: image, pixels."""

    turn: Array
    """(2, 2): rotation times zoom."""
    offset: Array
    """(2,)"""

    @property
    def zoom(self) -> float:
        """How many times larger things are now."""
        return float(np.sqrt(max(np.linalg.det(self.turn), 1e-9)))

    def points(self, points: npt.NDArray[np.floating]) -> Array:
        """(N, 2) xy of the last frame to (N, 2) of this one."""
        return np.asarray(points @ self.turn.T + self.offset, dtype=np.float64)

    def cells(self, step: int) -> Array:
        """(2, 3): the same for centres of cells of a grid with one cell for each ``step`` pixels."""
        return np.concatenate([self.turn, self.offset[:, None] / step], axis=1)

    def mask(self, mask: BoolArray, step: int) -> BoolArray:
        """An (h, w) mask on such a grid, moved along; what comes in from outside is empty."""
        import cv2  # here, because it adds to the command's start

        size = mask.shape[1], mask.shape[0]
        return cv2.warpAffine(mask.view(np.uint8), self.cells(step), size, flags=cv2.INTER_NEAREST).astype(np.bool_)


class Camera:
    """Follows the camera through a video."""

    def __init__(self) -> None:
        self._before: npt.NDArray[np.uint8] | None = None

    def see(self, image: ImageArray | None) -> Shift | None:
        """Take in the next (H, W, 3) uint8 photo and return the shift since the last; None where there is none."""
        before, self._before = self._before, None if image is None else _small_grey(image)
        if image is None or before is None or self._before is None or before.shape != self._before.shape:
            return None
        return _shift(before, self._before, image.shape[1] / before.shape[1])


def _small_grey(image: ImageArray) -> npt.NDArray[np.uint8]:
    import cv2

    scale = max(1.0, max(image.shape[:2]) / SMALL_SIDE)
    size = max(1, round(image.shape[1] / scale)), max(1, round(image.shape[0] / scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _shift(before: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8], pixels: float) -> Shift | None:
    """Shift between two small photos with so many pixels to a cell."""
    import cv2

    corners = cv2.goodFeaturesToTrack(before, CORNERS, 0.01, 5)
    if corners is None or len(corners) < LEAST:
        return None
    moved, seen, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, corners.copy(), winSize=(11, 11), maxLevel=3)
    followed = seen[:, 0] > 0
    start, end = corners[followed, 0], moved[followed, 0]
    least = max(LEAST, AGREED * len(corners))
    if np.count_nonzero(np.linalg.norm(end - start, axis=1) < STEADY) >= least:
        return None
    found, agreed = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=0.75, maxIters=200)
    if found is None or np.count_nonzero(agreed) < least:
        return None
    return Shift(found[:, :2], found[:, 2] * pixels)

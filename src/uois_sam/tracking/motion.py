"""Motion of boxes: a Kalman filter of constant velocity for centre and size of each, all boxes at once.

The four numbers of a box are filtered apart from each other, each with its velocity, so that a filter is a 2x2 matrix
and all of them are a few array operations. Noise is in proportion to a box's size, as in SORT and ByteTrack.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from uois_sam.tracking.camera import Shift
from uois_sam.types import FloatArray

Array = npt.NDArray[np.float64]
MEASURED = 1 / 20
"""Deviation of a measured centre or side, as a share of the box's size."""
JERK = 1 / 40
"""Deviation by which a velocity changes from frame to frame, likewise."""
FADING = 0.6
"""Share of its velocity that a box keeps for each frame in which it is not seen: what hides an object also makes its
box shrink and seem to move."""


def _nothing(*columns: int) -> Array:
    return np.zeros((0, *columns))


@dataclass
class Motion:
    """State of T boxes. Frame: image, pixels; unit of time: frames."""

    place: Array = field(default_factory=lambda: _nothing(4))
    """(T, 4): centre x, y, width, height."""
    speed: Array = field(default_factory=lambda: _nothing(4))
    """(T, 4): their change from frame to frame."""
    spread: Array = field(default_factory=lambda: _nothing(4, 3))
    """(T, 4, 3): variance of place, covariance, variance of speed."""

    @property
    def size(self) -> Array:
        """(T,): root of the boxes' areas."""
        return np.sqrt(np.maximum(self.place[:, 2] * self.place[:, 3], 1.0))

    def boxes(self) -> FloatArray:
        """(T, 4) float32 xyxy."""
        centre, half = self.place[:, :2], np.maximum(self.place[:, 2:], 1) / 2
        return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Forget all boxes but some."""
        self.place, self.speed, self.spread = self.place[rows], self.speed[rows], self.spread[rows]

    def add(self, boxes: FloatArray) -> None:
        """Begin with (K, 4) xyxy boxes at rest."""
        place = centres_and_sides(boxes)
        size = np.sqrt(np.maximum(place[:, 2] * place[:, 3], 1.0))[:, None]
        begun = np.stack([(MEASURED * size) ** 2, 0 * size, (4 * JERK * size) ** 2], axis=2)
        self.place = np.concatenate([self.place, place])
        self.speed = np.concatenate([self.speed, np.zeros_like(place)])
        self.spread = np.concatenate([self.spread, np.repeat(begun, 4, axis=1)])

    def step(self, seen: npt.NDArray[np.bool_]) -> None:
        """Predict the next frame.

        Args:
            seen: (T,) bool: whether each was found in the last frame; the others slow down.
        """
        self.speed *= np.where(seen, 1.0, FADING)[:, None]
        self.place = self.place + self.speed
        self.place[:, 2:] = np.maximum(self.place[:, 2:], 1.0)
        own, cross, change = np.moveaxis(self.spread, 2, 0)
        noise = (JERK * self.size[:, None]) ** 2
        self.spread = np.stack([own + 2 * cross + change + noise / 4, cross + change + noise / 2, change + noise], 2)

    def follow(self, shift: Shift) -> None:
        """Move along with the picture, in which a camera's motion moves what rests."""
        self.place[:, :2] = shift.points(self.place[:, :2])
        self.place[:, 2:] *= shift.zoom
        self.speed[:, :2] = self.speed[:, :2] @ shift.turn.T

    def scale(self, zoom_xy: tuple[float, float]) -> None:
        """Go over to pixels of another size: so many of the new ones are one of the old, across and down."""
        zoom = np.array(zoom_xy * 2)
        self.place, self.speed = self.place * zoom, self.speed * zoom
        self.spread = self.spread * zoom[:, None] ** 2

    def correct(self, rows: npt.NDArray[np.intp], boxes: FloatArray) -> None:
        """Take in where some boxes, (K,) by index, were found: (K, 4) xyxy."""
        off = centres_and_sides(boxes) - self.place[rows]
        own, cross, change = np.moveaxis(self.spread[rows], 2, 0)
        total = own + (MEASURED * self.size[rows, None]) ** 2
        gain, gain_of_speed = own / total, cross / total
        self.place[rows] += gain * off
        self.speed[rows] += gain_of_speed * off
        left = [(1 - gain) * own, (1 - gain) * cross, change - gain_of_speed * cross]
        self.spread[rows] = np.stack(left, axis=2)


def centres_and_sides(boxes: FloatArray) -> Array:
    """(K, 4) xyxy to (K, 4) float64: centre x, y, width, height."""
    low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    return np.concatenate([(low + high) / 2, high - low], axis=1)

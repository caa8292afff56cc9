"""What a grasp is, the hand that takes it, and what a planner sees. Unit: metres; world frame with z up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from uois_sam.types import BoolArray, FloatArray, ImageArray

Array = npt.NDArray[np.float64]


APPROACH_M = 0.05
"""Distance before the grasp from which the hand moves straight (VGN's pre-grasp)."""


@dataclass(frozen=True)
class Hand:
    """A parallel-jaw hand. Frame: the origin between the finger tips, x from finger to finger, z out of the palm."""

    opening_m: float = 0.08
    """Greatest distance between the fingers' inner faces."""
    finger_m: tuple[float, float, float] = (0.01, 0.02, 0.05)
    """Thickness (x), breadth (y) and length (z) of a finger."""
    palm_m: tuple[float, float, float] = (0.13, 0.03, 0.04)
    """Extents of the palm, behind the fingers."""
    depth_m: float = 0.03
    """How far the tips reach beyond the first point between them, at most."""


HAND = Hand()
"""VGN's: a Panda hand's sizes."""


@dataclass(frozen=True)
class Grasp:
    """A pose of the hand, and how good it is thought to be."""

    centre: tuple[float, float, float]
    """Middle between the finger tips when the hand closes."""
    approach: tuple[float, float, float]
    """Unit vector along which the hand comes, the z axis of its frame."""
    closing: tuple[float, float, float]
    """Unit vector from one finger to the other, the x axis of its frame."""
    width_m: float
    """Breadth of what lies between the fingers."""
    score: float
    mask: int
    """Index of the mask that it is for."""
    opening_m: float = 0.08
    """How far the hand opens on its way: in clutter no farther than it has to."""

    def rotation(self) -> Array:
        """(3, 3) float64: axes of the hand's frame in the world, as columns."""
        x, z = np.asarray(self.closing, dtype=np.float64), np.asarray(self.approach, dtype=np.float64)
        return np.column_stack([x, np.cross(z, x), z])


@dataclass(frozen=True)
class SeenScene:
    """What a calibrated RGB-D camera shows. Frame: image, pixels at integer centres."""

    image: ImageArray | None
    """(H, W, 3) uint8 RGB; None where nobody asked for more than depth."""
    depth_m: FloatArray
    """(H, W) float32 along the optical axis; 0 where nothing was measured."""
    intrinsics: Array
    """(3, 3) float64."""
    world_from_camera: Array
    """(4, 4) float64; z = 0 is the top of the support."""

    def points(self) -> Array:
        """(H, W, 3) float64 in the world; NaN where nothing was measured."""
        height, width = self.depth_m.shape
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        rays = np.stack([x, y, np.ones_like(x)], axis=2) @ np.linalg.inv(self.intrinsics).T
        camera = rays * np.where(self.depth_m > 0, self.depth_m, np.nan)[..., None]
        return np.asarray(camera @ self.world_from_camera[:3, :3].T + self.world_from_camera[:3, 3], dtype=np.float64)


class Planner(Protocol):
    """A way from masks to grasps; Contact-GraspNet and its kin fit it as well as ours."""

    def plan(self, scene: SeenScene, masks: BoolArray, rng: np.random.Generator) -> list[Grasp]:
        """Return grasps, the best first.

        Args:
            scene: what the camera shows.
            masks: (N, H, W) bool, one for each object.
            rng: source of chance.
        """
        ...

"""Depth of tables, floors and boxes by ray casting, so that every height and distance is known. World: z up, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from uois_sam.types import Camera

CAMERA = Camera(150.0, 150.0, 79.5, 59.5)
HW = (120, 160)
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """One picture: what each pixel sees, and how far it is."""

    depth_m: Array
    """(H, W) float32 along the optical axis; 0 where nothing is."""
    labels: npt.NDArray[np.int64]
    """(H, W): index of the box that is seen; -1 where nothing is."""


Box = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Low and high corner."""
TABLE: Box = ((-0.4, -0.3, -0.04), (0.4, 0.3, 0.0))
FLOOR: Box = ((-5, -5, -0.8), (5, 5, -0.75))


def look(boxes: list[Box], *, pitch_deg: float = 45, roll_deg: float = 0, away_m: float = 0.9) -> View:
    """Return the view of a camera that looks at the origin, from the side of negative y, ``pitch_deg`` downwards."""
    pitch = np.deg2rad(pitch_deg)
    position = away_m * np.array([0, -np.cos(pitch), np.sin(pitch)])
    forward = np.array([0, np.cos(pitch), -np.sin(pitch)])
    right = np.array([1.0, 0, 0])
    frame = np.stack([right, np.cross(forward, right), forward], axis=1)
    frame = frame @ Rotation.from_euler("z", roll_deg, degrees=True).as_matrix()
    rows, columns = np.mgrid[: HW[0], : HW[1]]
    rays = np.stack([(columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy, np.ones(HW)], axis=-1) @ frame.T
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.array([[(np.array(corner) - position) / rays for corner in box] for box in boxes])
    enter = np.minimum(ends[:, 0], ends[:, 1]).max(axis=-1)
    leave = np.maximum(ends[:, 0], ends[:, 1]).min(axis=-1)
    depth = np.where((enter <= leave) & (enter > 0), enter, np.inf)
    nearest = depth.min(axis=0)
    hit = np.isfinite(nearest)
    return View(np.where(hit, nearest, 0).astype(np.float32), np.where(hit, depth.argmin(axis=0), -1))

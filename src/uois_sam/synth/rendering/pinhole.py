"""Geometry of the pinhole camera: intrinsics, pose, projection. Pixel centres are at integer coordinates.

Camera frame as in OpenCV, COCO and BOP: x to the right, y down, z forward, metres.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from uois_sam.synth.scene import Camera, Pose

Array = npt.NDArray[np.float64]


def intrinsics(camera: Camera, size_hw: tuple[int, int]) -> Array:
    """Return K, (3, 3) float64, which takes camera coordinates (m) to homogeneous pixels; square pixels, no skew."""
    height, width = size_hw
    focal_px = width / 2 / np.tan(np.deg2rad(camera.fov_deg) / 2)
    return np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])


def world_from_camera(camera: Camera) -> Array:
    """Return the (4, 4) float64 matrix from camera coordinates to world coordinates, metres."""
    forward = np.subtract(camera.target, camera.position)
    forward /= np.linalg.norm(forward)
    up = [0, 0, 1] if np.hypot(*forward[:2]) > 1e-3 else [0, 1, 0]
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    level = np.column_stack([right, np.cross(forward, right), forward])
    matrix = np.eye(4)
    matrix[:3, :3] = level @ Rotation.from_euler("z", camera.roll_deg, degrees=True).as_matrix()
    matrix[:3, 3] = camera.position
    return matrix


def camera_from_world(camera: Camera) -> Array:
    """Return the (4, 4) float64 matrix from world coordinates to camera coordinates, metres."""
    return np.asarray(np.linalg.inv(world_from_camera(camera)), dtype=np.float64)


def world_from_object(pose: Pose) -> Array:
    """Return the (4, 4) float64 matrix from object coordinates to world coordinates, metres."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(pose.quaternion, scalar_first=True).as_matrix()
    matrix[:3, 3] = pose.position
    return matrix


def pixel_window(points: Array, camera: Camera, size_hw: tuple[int, int], nearest_m: float) -> tuple[int, ...] | None:
    """Return the pixels (x0, y0, x1, y1; ends excluded; may reach outside) that the hull of (P, 3) points can cover.

    None if a point is nearer than ``nearest_m`` along the axis: its projection has no bounds.
    """
    seen = (np.c_[points, np.ones(len(points))] @ camera_from_world(camera).T)[:, :3]
    if seen[:, 2].min() < nearest_m:
        return None
    pixels = seen @ intrinsics(camera, size_hw).T
    xy = pixels[:, :2] / pixels[:, 2:]
    low, high = np.floor(xy.min(axis=0)), np.ceil(xy.max(axis=0)) + 1
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])

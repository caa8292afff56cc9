"""What is where in a rendered view: first hits of the rays through the pixel centres, depth, and the sliver rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.types import LabelMap

FloatImage = npt.NDArray[np.float32]

NEAR_CLIP_M = 0.01
"""Distance of the plane that rays start from, along the optical axis."""
SLIVER_FRACTION = 1 / 5000
"""Objects that show less than this part of the frame are not labelled (61 px at 640x480): nobody could grasp them."""


def first_hits(loaded: Any, size_hw: tuple[int, int]) -> tuple[LabelMap, FloatImage]:
    """Cast one ray through every pixel centre: label map and distance along the ray (0 where nothing is hit)."""
    import drjit as dr
    import mitsuba as mi

    height, width = size_hw
    sensor = loaded.sensors()[0]
    shapes = loaded.shapes()
    owners = np.array([_owner(shape.id()) for shape in shapes], dtype=np.uint16)
    if "scalar" in mi.variant():
        return _first_hits_scalar(loaded, sensor, size_hw)
    index = dr.arange(mi.UInt32, height * width)
    position = mi.Point2f((index % width + 0.5) / width, (index // width + 0.5) / height)
    ray, _ = sensor.sample_ray(0.0, 0.5, position, mi.Point2f(0.5, 0.5))
    hit = loaded.ray_intersect_preliminary(ray, coherent=True)
    registry = np.array(dr.reinterpret_array(mi.UInt32, hit.shape))
    keys = np.array([np.array(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape)))[0] for shape in shapes])
    table = np.zeros(max(int(registry.max()), int(keys.max())) + 1, dtype=np.uint16)
    table[keys] = owners
    distance = np.where(np.array(hit.is_valid()), np.array(hit.t), 0).astype(np.float32)
    return table[registry].reshape(size_hw), distance.reshape(size_hw)


def _first_hits_scalar(loaded: Any, sensor: Any, size_hw: tuple[int, int]) -> tuple[LabelMap, FloatImage]:
    import mitsuba as mi

    labels, distance = np.zeros(size_hw, dtype=np.uint16), np.zeros(size_hw, dtype=np.float32)
    centre = mi.Point2f(0.5, 0.5)
    for row in range(size_hw[0]):
        for column in range(size_hw[1]):
            position = mi.Point2f((column + 0.5) / size_hw[1], (row + 0.5) / size_hw[0])
            hit = loaded.ray_intersect_preliminary(sensor.sample_ray(0.0, 0.5, position, centre)[0])
            if hit.is_valid():
                labels[row, column], distance[row, column] = _owner(hit.shape.id()), hit.t
    return labels, distance


def _owner(shape_name: str) -> int:
    """Label of the object a shape belongs to; 0 for surroundings."""
    return int(shape_name.removeprefix("object").split("_")[0]) + 1 if shape_name.startswith("object") else 0


def axial_depth_mm(distance: FloatImage, fov_deg: float) -> npt.NDArray[np.uint16]:
    """Ray length (m) to distance along the optical axis (mm, uint16)."""
    height, width = distance.shape
    focal_px = width / 2 / np.tan(np.deg2rad(fov_deg) / 2)
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    axial = distance / np.sqrt(1 + (x**2 + y**2) / focal_px**2) + NEAR_CLIP_M  # rays start on the near plane
    return np.where((distance > 0) & (axial < 65.535), np.rint(1000 * axial), 0).astype(np.uint16)


def drop_slivers(labels: LabelMap) -> LabelMap:
    """Set objects that show less than ``SLIVER_FRACTION`` of the frame to background."""
    counts = np.bincount(labels.ravel())
    small = counts < SLIVER_FRACTION * labels.size
    return np.where(small[labels], 0, labels).astype(np.uint16)

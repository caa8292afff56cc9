"""Depth by ray casting: where rays through pixel centres first hit shapes, along the optical axis.

The rays are those of the ideal pinhole, not of the lens of the picture, so that labels, depth and the stated
intrinsics agree exactly. Vectorised variants of Mitsuba trace an array of rays; the scalar one, which would need a
Python loop for that, renders with its own depth integrator through pixel centres, which is compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.synth.rendering.pinhole import intrinsics, world_from_camera
from uois_sam.synth.scene import Camera

NEAR_CLIP_M = 0.01
"""Distance of the plane that rays start from, along the optical axis."""
CANVAS = 3
"""Windows may reach beyond the frame by one frame each way: the canvas is this many frames wide and high."""

Depth = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels, ends excluded. Frame: image; it may reach outside."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of an array that covers the frame; only for windows inside it."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def clipped(self, other: Window) -> Window | None:
        """Return the intersection with another window; None if it is empty."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        return Window(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def within(self, other: Window) -> tuple[slice, slice]:
        """Return the rows and columns of this window in an array that covers ``other``."""
        return slice(self.y0 - other.y0, self.y1 - other.y0), slice(self.x0 - other.x0, self.x1 - other.x0)


def frame_window(size_hw: tuple[int, int]) -> Window:
    """Return the window of the whole picture."""
    return Window(0, 0, size_hw[1], size_hw[0])


def canvas_window(size_hw: tuple[int, int]) -> Window:
    """Return the window of the whole area in which rays can be cast."""
    reach_y, reach_x = (CANVAS // 2 * side for side in size_hw)
    return Window(-reach_x, -reach_y, size_hw[1] + reach_x, size_hw[0] + reach_y)


def cast_rays(shapes: Sequence[Any], camera: Camera, size_hw: tuple[int, int], window: Window) -> Depth:
    """Cast one ray through every pixel centre of a window.

    Args:
        shapes: Mitsuba shapes, made in the active variant; nothing else is hit.
        camera: its lens is ignored.
        size_hw: rows and columns of the picture.
        window: pixels to look through, within :func:`canvas_window`.

    Returns:
        (h, w) float32 of the window's size: metres along the optical axis, infinity for no hit.
    """
    import mitsuba as mi

    if not shapes:
        return np.full(window.size_hw, np.inf, dtype=np.float32)
    solid = mi.load_dict({"type": "scene", **{shape.id(): shape for shape in shapes}})  # the key becomes the id
    stretch = _ray_stretch(camera, size_hw, window)
    trace = _trace_scalar if "scalar" in mi.variant() else _trace_array
    length = trace(solid, camera, size_hw, window)
    axial = length / stretch + NEAR_CLIP_M  # lengths count from the near plane
    return np.where(length > 0, axial, np.inf).astype(np.float32)


def _rays_camera(camera: Camera, size_hw: tuple[int, int], window: Window) -> npt.NDArray[np.float64]:
    """Return (h, w, 3) float64 directions of unit depth in the camera frame."""
    (focal, _, cx), (_, _, cy), _ = intrinsics(camera, size_hw)
    x, y = np.meshgrid(np.arange(window.x0, window.x1) - cx, np.arange(window.y0, window.y1) - cy)
    return np.stack([x / focal, y / focal, np.ones_like(x)], axis=2)


def _ray_stretch(camera: Camera, size_hw: tuple[int, int], window: Window) -> npt.NDArray[np.float64]:
    """Return the (h, w) float64 length of each ray per metre along the optical axis."""
    return np.linalg.norm(_rays_camera(camera, size_hw, window), axis=2)


def _trace_array(solid: Any, camera: Camera, size_hw: tuple[int, int], window: Window) -> npt.NDArray[np.float64]:
    """Return (h, w) ray lengths from the near plane, 0 for no hit."""
    import mitsuba as mi

    pose = world_from_camera(camera)
    directions = _rays_camera(camera, size_hw, window).reshape(-1, 3) @ pose[:3, :3].T
    origins = pose[:3, 3] + NEAR_CLIP_M * directions
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    ray = mi.Ray3f(mi.Point3f(_columns(origins)), mi.Vector3f(_columns(directions)))
    hit = solid.ray_intersect_preliminary(ray, coherent=True)
    length = np.array(hit.t)  # infinite where nothing is hit; asking for more would trace again
    return np.where(np.isfinite(length), length, 0.0).reshape(window.size_hw)


def _columns(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(rows.T, dtype=np.float32)


def _trace_scalar(solid: Any, camera: Camera, size_hw: tuple[int, int], window: Window) -> npt.NDArray[np.float64]:
    """Do as :func:`_trace_array`; a sampler without jitter takes its one sample at the pixel's centre."""
    import mitsuba as mi

    canvas = canvas_window(size_hw)
    rows, columns = window.within(canvas)
    film = {"type": "hdrfilm", "width": canvas.size_hw[1], "height": canvas.size_hw[0],
            "crop_offset_x": columns.start, "crop_offset_y": rows.start,
            "crop_width": window.size_hw[1], "crop_height": window.size_hw[0],
            "pixel_format": "luminance", "component_format": "float32", "rfilter": {"type": "box"}}  # fmt: skip
    sensor = mi.load_dict({
        "type": "perspective", "fov_axis": "x", "near_clip": NEAR_CLIP_M, "film": film,
        "fov": float(np.rad2deg(2 * np.arctan(CANVAS * np.tan(np.deg2rad(camera.fov_deg) / 2)))),
        "sampler": {"type": "stratified", "sample_count": 1, "jitter": False},
        "to_world": mitsuba_pose(camera),
    })  # fmt: skip
    picture = np.array(mi.render(solid, sensor=sensor, integrator=mi.load_dict({"type": "depth"}), spp=1))
    return picture[..., 0].astype(np.float64)


def mitsuba_pose(camera: Camera) -> Any:
    """Return ``to_world`` of a Mitsuba sensor: its camera frame has x to the left and y up."""
    import mitsuba as mi

    return mi.ScalarTransform4f(world_from_camera(camera) @ np.diag([-1.0, -1.0, 1.0, 1.0]))

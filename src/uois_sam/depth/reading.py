"""Depth and intrinsics as callers give them, checked against the photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.errors import ImageError
from uois_sam.types import Camera, FloatArray
from uois_sam.validation import given_array, validated

FARTHEST_TABLE_M = 5.0
NEAREST_TABLE_M = 0.05
"""Photos of tables are taken from between; another median indicates another unit."""
LEAST_VALID = 0.02
"""Share of the photo with depth below which nothing is concluded from it."""
MILLIMETRE = 0.001
"""Metres a step of integers where nothing else is said."""


@dataclass(frozen=True)
class DepthMap:
    """Depth of one photo, registered to it."""

    metres: FloatArray | None
    """(H, W) float32 along the optical axis, 0 where unknown; None where it cannot be used."""
    camera: Camera
    doubt: str = ""
    """Why it cannot be used, with what to do."""


def read_depth_map(depth: Any, camera: Any, scale: Any, image_hw: tuple[int, int]) -> DepthMap:
    """Check depth against its photo.

    Depth of another size than the photo's, without content, or in what must be another unit is no error: the photo is
    segmented without it, and :attr:`DepthMap.doubt` says why.

    Args:
        depth: (H, W): floats in metres, or integers; 0, negative or not finite where unknown.
        camera: a :class:`~uois_sam.types.Camera`, K (3, 3), or (fx, fy, cx, cy) in pixels.
        scale: metres a step of integers; None for millimetres.
        image_hw: size of the photo.

    Raises:
        ImageError: if depth is no (H, W) array of numbers, the camera is none, or the scale is no length.
    """
    try:  # what is masked is unknown
        values = given_array(depth.filled(0) if isinstance(depth, np.ma.MaskedArray) else depth)
    except ValueError as error:
        raise ImageError(f"depth: expected (H, W) numbers, found {type(depth).__name__} ({error})") from error
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise ImageError(f"depth: expected (H, W) numbers, found shape {values.shape} of type {values.dtype}")
    intrinsics = read_camera(camera)
    metres = _metres(values, scale)
    step = f"is {scale or MILLIMETRE:g} m a step the unit (--depth-scale, depth_scale)?"
    doubt = _doubt(metres, intrinsics, image_hw, "is it in metres?" if values.dtype.kind == "f" else step)
    return DepthMap(None if doubt else metres, intrinsics, doubt)


def read_camera(camera: Any) -> Camera:
    """Return intrinsics given as a :class:`~uois_sam.types.Camera`, K (3, 3), or (fx, fy, cx, cy).

    Raises:
        ImageError: if they are none.
    """
    if isinstance(camera, Camera):
        values: Any = {each.name: getattr(camera, each.name) for each in fields(Camera)}
    elif isinstance(camera, Mapping):
        values = dict(camera)
    else:
        values = _from_numbers(camera)
    return validated(values, Camera, "camera", ImageError)


def _from_numbers(camera: Any) -> dict[str, float]:
    expected = "camera: expected intrinsics with depth, K (3, 3) or (fx, fy, cx, cy) in pixels"
    try:
        numbers = given_array(camera, np.float64)
    except ValueError as error:
        raise ImageError(f"{expected}, found {str(camera)[:60]!a}") from error
    if camera is None or numbers.shape not in ((4,), (3, 3)) or not np.isfinite(numbers).all():
        found = "none" if camera is None else str(numbers.tolist())[:60]
        raise ImageError(f"{expected}, found {found}")
    if numbers.shape == (3, 3):
        if numbers[0, 1] or numbers[1, 0] or numbers[2].tolist() != [0, 0, 1]:
            raise ImageError(f"camera: expected K as [fx 0 cx; 0 fy cy; 0 0 1], found {numbers.tolist()}")
        numbers = numbers[[0, 1, 0, 1], [0, 1, 2, 2]]
    return dict(zip(("fx", "fy", "cx", "cy"), numbers.tolist(), strict=True))


def _metres(values: npt.NDArray[Any], scale: Any) -> FloatArray:
    if isinstance(scale, np.generic):
        scale = scale.item()
    if scale is not None and (type(scale) not in (int, float) or not 0 < scale <= 1):
        raise ImageError(f"depth_scale: expected metres a step, above 0 and at most 1, found {str(scale)[:60]}")
    if values.dtype.kind == "f" and scale is not None:
        raise ImageError("depth_scale: expected it with integers only, found depth in floats, which are metres")
    if values.dtype.kind != "f":
        return (values * np.float32(scale or MILLIMETRE)).astype(np.float32).clip(0)
    with np.errstate(over="ignore"):  # becomes infinite, so unknown
        metres = values.astype(np.float32)
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))


def _doubt(metres: FloatArray, camera: Camera, image_hw: tuple[int, int], unit: str) -> str:
    """Why depth cannot be used; empty where it can."""
    height, width = image_hw
    if metres.shape != image_hw:
        found = f"{metres.shape[1]}x{metres.shape[0]}"
        return f"expected the photo's size, {width}x{height}, found {found}; register depth to the photo"
    known = metres[metres > 0]
    share = known.size / metres.size
    if share < LEAST_VALID:
        return f"expected depth at {LEAST_VALID:.0%} of the pixels or more, found it at {share:.1%}"
    median = float(np.median(known[:: max(1, known.size // 20_000)]))
    if not NEAREST_TABLE_M <= median <= FARTHEST_TABLE_M:
        return f"its median is {median:.3g} m, too {'far' if median > 1 else 'near'} for a table: {unit}"
    inside = -0.5 <= camera.cx <= width and -0.5 <= camera.cy <= height
    if not inside or not 0.2 * width <= camera.fx <= 20 * width or not 0.5 <= camera.fx / camera.fy <= 2:
        said = f"fx {camera.fx:g}, fy {camera.fy:g}, cx {camera.cx:g}, cy {camera.cy:g}"
        return f"its intrinsics ({said}) are not those of a photo {width} wide and {height} high"
    return ""

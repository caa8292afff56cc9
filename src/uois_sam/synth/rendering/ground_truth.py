"""Ground truth of a rendered view: visible and amodal masks, depth, and the rule for slivers.

Rays are cast against every object alone and against the surroundings; at each pixel the nearest hit counts. An
object's amodal mask is therefore exactly what would be seen of it without the others, and its visible mask is a part
of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.synth.rendering.pinhole import pixel_window
from uois_sam.synth.rendering.ray_casting import NEAR_CLIP_M, Window, canvas_window, cast_rays, frame_window
from uois_sam.synth.scene import Camera
from uois_sam.types import BoolArray, LabelMap

IntArray = npt.NDArray[np.int64]

SLIVER_FRACTION = 1 / 5000
"""Least visible share of the frame of a labelled object (61 px at 640x480): less cannot be grasped."""
SLIVER_PX = 9
"""Least visible pixels of a labelled object (a 3x3 patch), however small the frame."""
FARTHEST_M = 65.535
"""Depth beyond this does not fit into uint16 millimetres."""


@dataclass(frozen=True)
class GroundTruth:
    """The labels of one view. Frame: image, pixels; rays go through pixel centres."""

    labels: LabelMap
    """(H, W) uint16: 0 background, i + 1 the visible pixels of object i; slivers are background."""
    depth_mm: npt.NDArray[np.uint16]
    """(H, W) uint16: millimetres along the optical axis; 0 beyond 65 m and for no hit."""
    amodal: BoolArray
    """(N, H, W) bool: each object without occlusion, within the frame; slivers too."""
    whole_px: IntArray
    """(N,) int64: pixels of each object without occlusion, one frame beyond every border included."""
    whole_boxes: IntArray
    """(N, 4) int64 xyxy, ends excluded: the box around those pixels, zeros where there are none."""

    @property
    def visible_px(self) -> IntArray:
        """(N,) int64: labelled pixels of each object; 0 for slivers."""
        return np.bincount(self.labels.ravel(), minlength=len(self.amodal) + 1)[1:]

    @property
    def amodal_px(self) -> IntArray:
        """(N,) int64: amodal pixels of each object within the frame."""
        return self.amodal.sum(axis=(1, 2), dtype=np.int64)


def compute_ground_truth(shapes: Sequence[Any], camera: Camera, size_hw: tuple[int, int], objects: int) -> GroundTruth:
    """Label a view.

    Args:
        shapes: all shapes of the scene; those of object i have names that begin with ``object{i}_``.
        camera: lens and sensor are ignored.
        size_hw: rows and columns of the picture.
        objects: number of objects.
    """
    groups: list[list[Any]] = [[] for _ in range(objects + 1)]
    for shape in shapes:
        groups[_owner(shape.id())].append(shape)
    frame = frame_window(size_hw)
    nearest = cast_rays(groups[0], camera, size_hw, frame)
    labels = np.zeros(size_hw, dtype=np.uint16)
    amodal = np.zeros((objects, *size_hw), dtype=np.bool_)
    whole_px = np.zeros(objects, dtype=np.int64)
    whole_boxes = np.zeros((objects, 4), dtype=np.int64)
    for index, parts in enumerate(groups[1:]):
        window = _window_of(parts, camera, size_hw) if parts else None
        if window is None:
            continue
        distance = cast_rays(parts, camera, size_hw, window)
        there = np.isfinite(distance)
        whole_px[index] = there.sum()
        if not whole_px[index]:
            continue
        whole_boxes[index] = mask_box(there) + [window.x0, window.y0] * 2
        shared = window.clipped(frame)
        if shared is None:
            continue
        inside = distance[shared.within(window)]
        closer = inside < nearest[shared.slices]
        amodal[index][shared.slices] = there[shared.within(window)]
        labels[shared.slices][closer] = index + 1
        nearest[shared.slices][closer] = inside[closer]
    return GroundTruth(drop_slivers(labels), depth_to_mm(nearest), amodal, whole_px, whole_boxes)


def drop_slivers(labels: LabelMap) -> LabelMap:
    """Remove labels that cover less than ``SLIVER_FRACTION`` of the frame or fewer than ``SLIVER_PX`` pixels."""
    counts = np.bincount(labels.ravel())
    small = counts < max(SLIVER_FRACTION * labels.size, SLIVER_PX)
    return np.where(small[labels], 0, labels).astype(np.uint16)


def mask_box(mask: BoolArray) -> IntArray:
    """Return the box around a mask's pixels, (4,) int64 xyxy, ends excluded; zeros if it has none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(4, dtype=np.int64)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.int64)


def depth_to_mm(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Convert metres to whole millimetres, uint16; 0 beyond ``FARTHEST_M``."""
    near = depth_m < FARTHEST_M
    return np.rint(1000 * np.where(near, depth_m, 0)).astype(np.uint16)


def _owner(shape_name: str) -> int:
    """Return 1 + index of the object a shape belongs to; 0 for surroundings."""
    return int(shape_name.removeprefix("object").split("_")[0]) + 1 if shape_name.startswith("object") else 0


def _window_of(shapes: Sequence[Any], camera: Camera, size_hw: tuple[int, int]) -> Window | None:
    """Return the part of the canvas that shapes can cover; None if there is none."""
    boxes = [shape.bbox() for shape in shapes]
    corners = np.array([[box.corner(k) for k in range(8)] for box in boxes], dtype=float).reshape(-1, 3)
    canvas = canvas_window(size_hw)
    bounds = pixel_window(corners, camera, size_hw, NEAR_CLIP_M)
    return canvas if bounds is None else Window(*bounds).clipped(canvas)

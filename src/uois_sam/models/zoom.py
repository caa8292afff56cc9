"""A closer look where all objects lie in a part of the photo. Goes beyond the paper.

A network of fixed input size sees small what lies in a corner of a wide shot. What the prompt generator says of the
whole photo is enough to find that part; cut out and encoded by itself, it shows the objects as large as the network has
learned them. It costs the encoder a second time, the decoder not at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from uois_sam.arrays import to_numpy
from uois_sam.instances import Instances
from uois_sam.types import BoolArray, ImageArray, PointPrompts, PromptMaps

T = TypeVar("T", bound=np.generic)

STRIDE = 4
"""The foreground is looked at in every fourth row and column: finer it holds nothing new."""
SURE_PEAK = 0.3
"""Heatmap value from which a peak stands for an object; only foreground with such a peak counts."""
LEAST_REGION = 0.0008
"""Smaller foreground regions, as a share of the photo, do not count."""
MARGIN = 0.1
"""Left around all objects on every side, as a share of their extent."""
SMALLEST, LARGEST = 0.35, 0.95
"""Sides of the part, as shares of the photo's: it is not made smaller, and is not worth it when larger."""
SURROUNDINGS, SMALLEST_AROUND = 0.8, 0.25
"""The same around one object, which is told from what is beside it by what is seen of that."""


@dataclass(frozen=True)
class Crop:
    """A part of the photo with the photo's own proportions, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, image: npt.NDArray[T]) -> npt.NDArray[T]:
        """The (H, W, ...) pixels inside, a view."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def find_crop(
    maps: PromptMaps,
    prompts: PointPrompts,
    foreground: float,
    image_hw: tuple[int, int],
    where: BoolArray | None = None,
) -> Crop | None:
    """The part of the photo that holds all foreground regions with a sure peak.

    Args:
        maps: of the whole photo.
        prompts: its peaks. Frame: that of the maps.
        foreground: probability from which a cell is foreground.
        image_hw: size of the photo.
        where: (Hp, Wp) bool, cells of the maps that count; None for all.

    Returns:
        None where there is no such region, or the part would be nearly everything.
    """
    probability = min(max(foreground, 1e-6), 1 - 1e-6)
    margin_of_logits = math.log(probability / (1 - probability))
    logits = maps.foreground_logits[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    certain = to_numpy(logits[1] - logits[0] > margin_of_logits)
    if where is not None:
        certain &= where[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    peaks = to_numpy(prompts.points_xy[prompts.strengths > SURE_PEAK])
    held = _with_peaks(certain, (peaks // STRIDE).astype(int))
    rows, columns = np.nonzero(held.any(axis=1))[0], np.nonzero(held.any(axis=0))[0]
    if len(rows) == 0:
        return None
    ends = [
        (int(axis[0]) / size, (int(axis[-1]) + 1) / size)
        for axis, size in zip((rows, columns), held.shape, strict=True)
    ]
    side = max(SMALLEST, (1 + 2 * MARGIN) * max(high - low for low, high in ends))
    if side > LARGEST:
        return None
    return _part(ends[0], ends[1], side, image_hw)


def crop_around(box_xyxy: tuple[float, float, float, float], image_hw: tuple[int, int]) -> Crop | None:
    """The part of the photo with a box in its middle and as much around it as a single object needs.

    Args:
        box_xyxy: in pixels, upper ends exclusive.
        image_hw: size of the photo.

    Returns:
        None where it would be nearly everything.
    """
    left, top, right, bottom = box_xyxy
    margin = SURROUNDINGS * max(right - left, bottom - top)
    ends = ((top / image_hw[0], bottom / image_hw[0]), (left / image_hw[1], right / image_hw[1]))
    sides = [high - low + 2 * margin / size for (low, high), size in zip(ends, image_hw, strict=True)]
    side = max(SMALLEST_AROUND, *sides)
    return None if side > LARGEST else _part(ends[0], ends[1], side, image_hw)


def in_photo(instances: Instances, window: Crop, image: ImageArray) -> Instances:
    """Return instances found in a part of a photo in the photo's own pixels."""
    masks = np.zeros((len(instances), *image.shape[:2]), dtype=np.bool_)
    masks[:, window.top : window.top + window.height, window.left : window.left + window.width] = instances.masks
    moved = np.array([window.left, window.top], dtype=np.float32)
    boxes = instances.boxes + np.tile(moved, 2)
    return replace(instances, masks=masks, boxes=boxes, points=instances.points + moved, image=image)


def _with_peaks(certain: BoolArray, peaks_xy: np.ndarray[tuple[int, int], np.dtype[np.int_]]) -> BoolArray:
    """Keep the 8-connected regions that are large enough and hold a peak."""
    import cv2  # here, because it adds to the command's start

    count, regions, sizes, _ = cv2.connectedComponentsWithStats(certain.astype(np.uint8), connectivity=8)
    counts = np.zeros(count, dtype=np.bool_)
    height, width = certain.shape
    counts[regions[peaks_xy[:, 1].clip(0, height - 1), peaks_xy[:, 0].clip(0, width - 1)]] = True
    counts &= sizes[:, cv2.CC_STAT_AREA] >= LEAST_REGION * certain.size
    counts[0] = False
    return np.asarray(counts[regions])


def _part(rows: tuple[float, float], columns: tuple[float, float], side: float, image_hw: tuple[int, int]) -> Crop:
    """A part with these sides around the middle of two stretches, all of them shares of the photo's."""
    (top, height), (left, width) = (
        _span(*ends, side, size) for ends, size in zip((rows, columns), image_hw, strict=True)
    )
    return Crop(top, left, height, width)


def _span(low: float, high: float, side: float, size: int) -> tuple[int, int]:
    """First pixel and length of a stretch of ``side`` around the middle of low..high (shares), inside the photo."""
    length = min(size, max(1, round(side * size)))
    first = round((low + high) / 2 * size - length / 2)
    return min(max(0, first), size - length), length

"""How well instances of a frame fit to objects that are known: by place, and by look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from uois_sam.models.postprocess import box_overlap
from uois_sam.tracking.config import TrackerConfig
from uois_sam.tracking.matching import flat, mask_iou, shifted
from uois_sam.tracking.motion import Motion, centres_and_sides
from uois_sam.tracking.track import Track
from uois_sam.types import BoolArray, FloatArray

Array = npt.NDArray[np.float32]
MOSTLY_INSIDE = 0.8
"""Share of an instance that has to lie in the outline of a hidden object for it to be a part of that."""
UNCOVERED = 0.6
"""Overlap of an instance that lies where a hidden object is: what comes out from behind another is a part."""
SIZES = 3.0
"""An object's box may be so many times longer or shorter when it is found again."""


def overlaps(small: BoolArray, step: int, boxes: FloatArray, tracks: Sequence[Track], motion: Motion) -> Array:
    """Overlap of instances with objects where these are predicted.

    Args:
        small: (N, h, w) bool, thinned masks.
        step: pixels between their rows and columns.
        boxes: (N, 4) xyxy, pixels.
        tracks: T objects.
        motion: their predicted boxes.

    Returns:
        (N, T) float32 in [0, 1]: mean IoU of masks and of boxes; for objects that are hidden also the IoU with their
        whole outline, or ``UNCOVERED`` for a part of it.
    """
    masks = np.array([predicted(track, place, step) for track, place in zip(tracks, motion.place, strict=True)])
    found = (mask_iou(small, masks) + box_overlap(boxes, motion.boxes())) / 2
    hidden = np.array([track.lost > 0 for track in tracks])
    if hidden.any():
        wholes = np.array([track.whole for track in tracks if track.lost])
        cells = flat(small)
        part = cells @ flat(wholes).T >= MOSTLY_INSIDE * np.maximum(cells.sum(axis=1, keepdims=True), 1)
        again = np.maximum(mask_iou(small, wholes), UNCOVERED * part)
        found[:, hidden] = np.maximum(found[:, hidden], again)
    return np.asarray(found, dtype=np.float32)


def likenesses(looks: FloatArray | None, tracks: Sequence[Track], instances: int) -> Array:
    """(N, T) float32: cosines between the embeddings of N instances and T objects; NaN where one has none."""
    found = np.full((instances, len(tracks)), np.nan, dtype=np.float32)
    if looks is not None:
        for row, track in enumerate(tracks):
            if track.look is not None:
                found[:, row] = looks @ track.look
    return found


def within_reach(boxes: FloatArray, tracks: Sequence[Track], motion: Motion, config: TrackerConfig) -> BoolArray:
    """(N, T) bool: whether an object may have come to where an instance is, and may have its size."""
    ours = centres_and_sides(boxes)
    distance = np.linalg.norm(ours[:, None, :2] - motion.place[None, :, :2], axis=2)
    lost = np.array([track.lost for track in tracks])
    near = distance <= config.reach * motion.size * (1 + 0.05 * lost)
    ratio = np.maximum(ours[:, None, 2:], 1) / np.maximum(motion.place[None, :, 2:], 1)
    sized = (ratio < SIZES).all(axis=2) & (ratio > 1 / SIZES).all(axis=2)
    return np.asarray(near & sized, dtype=np.bool_)


def predicted(track: Track, place: npt.NDArray[np.float64], step: int) -> BoolArray:
    """(h, w) bool: the outline that was seen last, where the object is predicted now."""
    dx, dy = (int(cells) for cells in np.rint((place[:2] - track.centre) / step))
    return shifted(track.small, dx, dy) if dx or dy else track.small

"""Which object of this frame is which of the frames before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from uois_sam.types import BoolArray

Array = npt.NDArray[np.float32]
SMALL_SIDE = 160
"""Masks are compared on a grid of about this many columns."""


def thinned(masks: BoolArray) -> BoolArray:
    """(N, h, w) bool: every k-th row and column of (N, H, W) masks, about ``SMALL_SIDE`` along the longer side, and at
    least one."""
    step = stride_of((masks.shape[1], masks.shape[2]))
    rows, columns = (slice(min(step, side) // 2, None, step) for side in masks.shape[1:])
    return np.ascontiguousarray(masks[:, rows, columns])


def stride_of(image_hw: tuple[int, int]) -> int:
    """Pixels between the rows and columns that :func:`thinned` keeps."""
    return max(1, round(max(image_hw) / SMALL_SIDE))


def shifted(mask: BoolArray, dx: int, dy: int) -> BoolArray:
    """An (h, w) mask moved by whole cells; what comes in from outside is empty."""
    found = np.zeros_like(mask)
    height, width = mask.shape
    if abs(dx) < width and abs(dy) < height:
        rows, columns = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
        from_rows, from_columns = slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0))
        found[rows, columns] = mask[from_rows, from_columns]
    return found


def mask_iou(ours: BoolArray, theirs: BoolArray) -> Array:
    """(N, M) float32: IoU of every pair of (N, h, w) and (M, h, w) masks; 0 where both are empty."""
    first, second = flat(ours), flat(theirs)
    inside = first @ second.T
    union = first.sum(axis=1)[:, None] + second.sum(axis=1)[None] - inside
    return np.asarray(inside / np.maximum(union, 1), dtype=np.float32)


def flat(masks: BoolArray) -> Array:
    """(N, h * w) float32 of (N, h, w) masks."""
    return masks.reshape(len(masks), masks.shape[1] * masks.shape[2]).astype(np.float32)


def assign(similarity: Array, allowed: BoolArray) -> list[tuple[int, int]]:
    """Choose pairs of rows and columns with the greatest sum of similarities (Hungarian method).

    Args:
        similarity: (N, M) float32 in [0, 1].
        allowed: (N, M) bool: pairs that may be chosen.

    Returns:
        (row, column) of each pair; as many as are allowed.
    """
    if not allowed.any():
        return []
    gain = np.where(allowed, 1.0 + similarity, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if allowed[row, column]]

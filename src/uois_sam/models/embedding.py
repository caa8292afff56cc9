"""Embeddings of objects: encoder features averaged inside masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uois_sam.geometry import mask_bounds
from uois_sam.types import BoolArray, FloatArray


def embed(features: FloatArray, masks: BoolArray) -> FloatArray:
    """Average features inside masks.

    Args:
        features: (C, h, w) float32, a grid over the photo.
        masks: (N, H, W) bool, in the photo.

    Returns:
        (N, C) float32 of unit length: the mean inside each mask, every cell weighted by the share of it that the mask
        covers, less the photo's mean and in units of its deviation in each channel: what all objects have in common
        says nothing. Zeros for an empty mask.
    """
    channels, rows, columns = features.shape
    means = np.zeros((len(masks), channels), dtype=np.float32)
    empty = np.ones(len(masks), dtype=np.bool_)
    # Two pixels along each side of a cell are enough for its share, and only cells around the mask can have one.
    ys, xs = (_twice(cells, pixels) for cells, pixels in zip((rows, columns), masks.shape[1:], strict=True))
    for index, mask in enumerate(masks):
        left, top, right, bottom = mask_bounds(mask)
        high, low = top * rows // mask.shape[0], -(-bottom * rows // mask.shape[0])
        near, far = left * columns // mask.shape[1], -(-right * columns // mask.shape[1])
        seen = mask[ys[2 * high : 2 * low, None], xs[2 * near : 2 * far]].view(np.uint8)
        halves = seen[0::2] + seen[1::2]
        shares = (halves[:, 0::2] + halves[:, 1::2]).astype(np.float32).ravel()
        if not shares.any() and right:  # thinner than half a cell: it lies between what was looked at
            shares = _counted(mask[top:bottom, left:right], (top, left), mask.shape, (rows, columns))
            shares = shares[high:low, near:far].ravel()
        if total := shares.sum():
            inside = features[:, high:low, near:far].reshape(channels, len(shares))
            means[index], empty[index] = inside @ shares / total, False
    cells = features.reshape(channels, rows * columns)
    middle = cells.mean(axis=1)
    deviation = np.sqrt(np.maximum(np.einsum("cp,cp->c", cells, cells) / cells.shape[1] - middle**2, 0))
    centred = np.where(empty[:, None], 0, (means - middle) / (deviation + 1e-6))
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-6), dtype=np.float32)


def _counted(
    part: BoolArray, corner: tuple[int, int], image_hw: tuple[int, ...], grid_hw: tuple[int, int]
) -> FloatArray:
    """(h, w) float32: pixels in each cell of a grid over the photo, of a part of a mask that begins at a corner."""
    ys, xs = np.nonzero(part)
    cells = (ys + corner[0]) * grid_hw[0] // image_hw[0] * grid_hw[1] + (xs + corner[1]) * grid_hw[1] // image_hw[1]
    return np.bincount(cells, minlength=grid_hw[0] * grid_hw[1]).reshape(grid_hw).astype(np.float32)


def _twice(cells: int, pixels: int) -> npt.NDArray[np.intp]:
    """(2 * cells,) the pixels at the middles of the halves of each of so many cells."""
    return ((np.arange(2 * cells) + 0.5) * pixels / (2 * cells)).astype(np.intp)

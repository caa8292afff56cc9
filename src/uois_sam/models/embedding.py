"""Embeddings of objects: encoder features averaged inside masks."""

from __future__ import annotations

import cv2
import numpy as np

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
    shares = np.zeros((len(masks), rows, columns), dtype=np.float32)
    # Two pixels along each side of a cell are enough for its share; resizing all takes longer than all the rest.
    step = max(1, min(masks.shape[1] // rows, masks.shape[2] // columns) // 2)
    thin = masks[:, step // 2 :: step, step // 2 :: step].astype(np.float32)
    for index, mask in enumerate(thin):
        shares[index] = cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA)
    cells = features.reshape(channels, -1)
    weights = shares.reshape(len(masks), rows * columns)
    total = weights.sum(axis=1, keepdims=True)
    means = weights @ cells.T / np.maximum(total, 1e-6)
    centred = np.where(total > 0, (means - cells.mean(axis=1)) / (cells.std(axis=1) + 1e-6), 0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-6), dtype=np.float32)

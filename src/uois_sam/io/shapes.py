"""Outlines and cut-outs of masks: arrays in, arrays out."""

from __future__ import annotations

from typing import Literal

import numpy as np

from uois_sam.geometry import mask_bounds, mask_regions
from uois_sam.types import BoolArray, FloatArray, ImageArray, LabelMap

LEAST_VISIBLE = 0.2
"""Share of a mask that has to be in sight above better ones for the mask to stand in a label map."""
LEAST_PIECE = 0.02
"""Share of a mask's pixels in sight below which a connected piece (8 neighbours) is left out of a label map."""
Background = Literal["photo", "white", "black"]


def paint_masks(masks: BoolArray) -> LabelMap:
    """Paint masks into one label map, the first over the others, without slivers.

    A mask of which better ones leave less than ``LEAST_VISIBLE`` in sight is left out, and of the others those
    connected pieces that hold less than ``LEAST_PIECE`` of what is in sight. Pixels that are left out go to the next
    mask that holds them, or to the background.

    Args:
        masks: (N, H, W) bool, best first.

    Returns:
        (H, W) uint16: 0 is background, i + 1 is mask i.
    """
    labels = np.zeros(masks.shape[1:], dtype=np.uint16)
    for index, mask in enumerate(masks):
        left, top, right, bottom = mask_bounds(mask)
        window = slice(top, bottom), slice(left, right)
        seen = mask[window] & (labels[window] == 0)
        pixels = np.count_nonzero(seen)
        if not pixels or pixels < LEAST_VISIBLE * np.count_nonzero(mask[window]):
            continue
        pieces, areas = mask_regions(seen, 8)
        kept = areas >= LEAST_PIECE * pixels
        kept[0] = False
        np.copyto(labels[window], index + 1, where=seen if kept[1:].all() else kept[pieces])
    return labels


def mask_polygons(mask: BoolArray, tolerance_px: float = 0.0) -> list[FloatArray]:
    """Trace the outer outline of every connected piece of a mask; holes are not traced.

    Args:
        mask: (H, W) bool.
        tolerance_px: largest distance by which a simplified outline may leave the traced one; 0 keeps every corner.

    Returns:
        One (n, 2) float32 xy array per piece, largest piece first, through the centres of its border pixels. Filling
        them with their borders gives the mask back, without its holes, where the tolerance is 0. A piece of one or two
        pixels has as many points.
    """
    import cv2

    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if tolerance_px > 0:
        contours = [cv2.approxPolyDP(contour, tolerance_px, True) for contour in contours]
    contours = sorted(contours, key=cv2.contourArea, reverse=True)
    return [np.asarray(contour, dtype=np.float32).reshape(-1, 2) for contour in contours]


def cut_out(
    image: ImageArray,
    mask: BoolArray,
    box_xyxy: FloatArray,
    *,
    pad: float = 0.1,
    size: tuple[int, int] | None = None,
    background: Background = "photo",
) -> ImageArray:
    """Cut an object out of a photo.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, the object.
        box_xyxy: (4,) its box in pixels, upper ends exclusive.
        pad: margin around the box as a share of its longer side; what lies outside the photo is left out.
        size: rows and columns to bring the crop to, its proportions kept and the rest filled with the background
            (black for "photo"); None keeps the crop's own size.
        background: what stands around the object: the photo itself, white, or black.

    Returns:
        (h, w, 3) uint8 RGB, a new array; (0, 0, 3) for an empty box without ``size``.
    """
    left, top, right, bottom = (float(value) for value in box_xyxy)
    margin = pad * max(right - left, bottom - top)
    rows = slice(max(0, int(np.floor(top - margin))), min(image.shape[0], int(np.ceil(bottom + margin))))
    columns = slice(max(0, int(np.floor(left - margin))), min(image.shape[1], int(np.ceil(right + margin))))
    crop = image[rows, columns].copy()
    if background != "photo":
        crop[~mask[rows, columns]] = 255 if background == "white" else 0
    return crop if size is None else _fitted(crop, size, 255 if background == "white" else 0)


def _fitted(crop: ImageArray, size: tuple[int, int], fill: int) -> ImageArray:
    """Scale a crop to fit into ``size`` and centre it on a plain ground."""
    import cv2

    canvas = np.full((*size, 3), fill, dtype=np.uint8)
    if crop.size == 0:
        return canvas
    scale = min(size[0] / crop.shape[0], size[1] / crop.shape[1])
    height, width = (max(1, min(limit, round(side * scale))) for side, limit in zip(crop.shape, size, strict=False))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(crop, (width, height), interpolation=method)
    return canvas

"""Masks as polygons along the edges of their pixels, holes included, and back: the form that labelling tools take.

Coordinates are continuous: pixel (x, y) is the square from (x, y) to (x + 1, y + 1), as COCO, YOLO, LabelMe and CVAT
have it. A polygon with holes is one ring: a bridge leads from the outline to each hole and back the same way, and its
two directions cancel in every even-odd rasteriser.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.types import BoolArray

Ring = npt.NDArray[np.float64]
"""(n, 2) float64 xy, closed without repeating the first point."""


def edge_polygons(mask: BoolArray, tolerance_px: float = 0.0) -> list[Ring]:
    """Trace every connected piece of a mask, with its holes, along the edges of the pixels.

    Args:
        mask: (H, W) bool.
        tolerance_px: largest distance by which a simplified ring may leave the traced one; at 0, ``pycocotools``
            decodes the polygons to exactly this mask.

    Returns:
        One ring per piece (pixels that touch at a corner belong together), largest first.
    """
    import cv2

    if not mask.any():
        return []
    # Doubled, every border pixel has sides of its own, so that its position tells the edge that it lies at.
    doubled = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [_simplified((np.asarray(contour).reshape(-1, 2) + 1) // 2, tolerance_px) for contour in contours]
    parents = hierarchy[0, :, 3]
    outer = [index for index in range(len(rings)) if parents[index] < 0]
    outer.sort(key=lambda index: -cv2.contourArea(contours[index]))
    return [_bridged(rings[index], [rings[hole] for hole in np.flatnonzero(parents == index)]) for index in outer]


def one_polygon(mask: BoolArray, tolerance_px: float = 0.0) -> Ring:
    """Trace a mask as one ring, its pieces joined by bridges as well: for formats of one polygon an object.

    Returns:
        (n, 2) float64 xy; (0, 2) for an empty mask.
    """
    polygons = edge_polygons(mask, tolerance_px)
    return _bridged(polygons[0], polygons[1:]) if polygons else np.zeros((0, 2))


def has_holes(mask: BoolArray) -> bool:
    """Whether some background is enclosed by the mask."""
    import cv2

    _, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return hierarchy is not None and bool((hierarchy[0, :, 3] >= 0).any())


def _simplified(ring: npt.NDArray[Any], tolerance_px: float) -> Ring:
    import cv2

    ring = ring[np.any(ring != np.roll(ring, 1, axis=0), axis=1)]
    if tolerance_px > 0:
        simple = cv2.approxPolyDP(ring.astype(np.int32).reshape(-1, 1, 2), tolerance_px, True)
        if len(simple) >= 3 and cv2.contourArea(simple) > 0:  # what is one pixel wide would be lost
            ring = np.asarray(simple).reshape(-1, 2)
    else:
        before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
        turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
        ring = ring[turns | (np.sum(before * after, axis=1) < 0)]
    return ring.astype(np.float64)


def _bridged(ring: Ring, others: list[Ring]) -> Ring:
    """Join rings to the first one, each by the way there and back between its first corner and the nearest one."""
    for other in sorted(others, key=lambda each: tuple(each.min(axis=0))):
        start = int(np.argmin(other[:, 0] + other[:, 1]))
        loop = np.concatenate([other[start:], other[: start + 1]])
        at = int(np.argmin(np.sum((ring - other[start]) ** 2, axis=1)))
        ring = np.concatenate([ring[: at + 1], loop, ring[at:]])
    return ring

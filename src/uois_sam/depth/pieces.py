"""What stands on the support, in pieces that depth steps part: where a prompt is due, whatever colour shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.depth.planes import Array, tolerance
from uois_sam.depth.support import TALLEST_M
from uois_sam.types import BoolArray

LEAST_HEIGHT_M = 0.01
"""Above the support, and not less than 1.5 tolerances, from which something stands on it."""
LEAST_STEP_M = 0.012
"""Between neighbours, and not less than 2.5 tolerances, from which they are different things."""
LEAST_AREA = 0.0005
"""Smaller pieces, as a share of the photo, are noise."""


@dataclass(frozen=True)
class Pieces:
    """Connected pieces of what stands on the support, on a grid over the photo."""

    labels: npt.NDArray[np.int32]
    """(h, w): 0 is none, i piece i."""
    centres: npt.NDArray[np.int64]
    """(N, 2) row and column of the cell of each piece that is farthest from its edge."""
    areas: npt.NDArray[np.int64]
    """(N,) cells."""

    def without(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the centres of the pieces that hold none of the given cells, the largest piece first."""
        held = np.zeros(len(self.areas) + 1, dtype=np.bool_)
        held[self.labels[rows, columns]] = True
        left = np.flatnonzero(~held[1:])
        return self.centres[left[np.argsort(-self.areas[left], kind="stable")]]


def find_pieces(points: Array, heights: Array, inside: BoolArray) -> Pieces:
    """Part what stands on the support at steps in depth.

    Args:
        points: (h, w, 3) float32, camera frame, metres; z = 0 where unknown.
        heights: (h, w) float32 metres above the support.
        inside: (h, w) bool, cells with depth in the workspace.
    """
    depth, limits = points[..., 2], tolerance(points[..., 2])
    standing = inside & (heights > np.maximum(LEAST_HEIGHT_M, 1.5 * limits)) & (heights < TALLEST_M)
    body = (standing & ~_steps(depth, np.maximum(LEAST_STEP_M, 2.5 * limits))).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(body, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    large = areas >= max(2, LEAST_AREA * body.size)
    large[0] = False
    numbers = np.where(large, np.cumsum(large), 0).astype(np.int32)
    labels = numbers[labels]
    within = cv2.distanceTransform(body, cv2.DIST_L2, 3)
    return Pieces(labels, _deepest(labels, np.asarray(within), int(large.sum())), areas[large])


def _steps(depth: Array, limits: Array) -> BoolArray:
    """Cells beside which depth steps by more than (h, w) limits; unknown depth is a step."""
    step = np.zeros(depth.shape, dtype=np.bool_)
    for first, second in (
        ((slice(0, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(0, -1)), (slice(None), slice(1, None))),
    ):
        large = np.abs(depth[second] - depth[first]) > limits[first]
        step[first] |= large
        step[second] |= large
    return step


def _deepest(labels: npt.NDArray[np.int32], within: Array, count: int) -> npt.NDArray[np.int64]:
    """(N, 2) row and column of the highest value in each of the labels 1..N."""
    rows, columns = np.nonzero(labels)
    order = np.lexsort((-within[rows, columns], labels[rows, columns]))
    rows, columns = rows[order], columns[order]
    first = np.searchsorted(labels[rows, columns], np.arange(1, count + 1))
    return np.stack([rows[first], columns[first]], axis=1).astype(np.int64)

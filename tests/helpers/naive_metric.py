"""The UOIS metrics written as plainly as possible: one pair of full-size masks after the other.

Slow on purpose. ``uois_sam.evaluation.score_image`` must agree with it; it shares no code with the package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, label
from scipy.optimize import linear_sum_assignment

Labels = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]


def boundary(mask: Mask) -> Mask:
    """Return pixels unlike their east, south or south-east neighbour (those that exist in the image).

    The last row looks east only, the last column south only, the last pixel nowhere: repeating the last row and
    column beyond the image says just that.
    """
    height, width = mask.shape
    beyond = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    east, south, south_east = beyond[:height, 1:], beyond[1:, :width], beyond[1:, 1:]
    return np.asarray((mask != east) | (mask != south) | (mask != south_east))


def contour(mask: Mask) -> Mask:
    """Return pixels of the mask beside (not just diagonally) what is outside it and not in one of its holes."""
    outside, _ = label(np.pad(~mask, 1, constant_values=True))
    beside = binary_dilation(outside == outside[0, 0])[1:-1, 1:-1]
    return np.asarray(mask & beside)


def dilate(mask: Mask, radius: int) -> Mask:
    """Return pixels within ``radius`` (Euclidean, inclusive) of a set pixel."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(binary_dilation(mask, structure=x * x + y * y <= radius * radius))


def objects(labels: Labels, first: int = 1) -> list[Mask]:
    """Masks of all labels from ``first`` on, in the order of their first pixel (which decides ties in the matching)."""
    masks = [labels == value for value in np.unique(labels) if value >= first]
    return sorted(masks, key=lambda mask: int(np.flatnonzero(mask)[0]))


def harmonic(precision: float, recall: float) -> float:
    """F = 2PR / (P + R), 0 when undefined."""
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def score(
    prediction: Labels,
    truth: Labels,
    ignore: Mask | None = None,
    tolerance: float = 0.003,
    protocol: str = "ucn",
    strict: bool = True,
) -> dict[str, float]:
    """Return all metrics of one image by name, for (H, W) label maps, as ``uois_sam.evaluation.score_image`` does."""
    keep = np.ones(truth.shape, dtype=np.bool_) if ignore is None else ~ignore
    first, edges = {"ucn": (1, boundary), "uois": (2, contour)}[protocol]
    predicted, true = objects(prediction * keep, first), objects(truth * keep, first)
    if not predicted or not true:
        precision, recall = float(not predicted), float(not true)
        f_measure = harmonic(precision, recall)
        names = ("overlap_p", "overlap_r", "overlap_f", "boundary_p", "boundary_r", "boundary_f", "over_75")
        return dict(zip(names, (precision, recall, f_measure) * 2 + (f_measure,), strict=True))

    radius = math.ceil(tolerance * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2))
    pair_f = np.array([[2 * (p & t).sum() / (p.sum() + t.sum()) for t in true] for p in predicted])
    rows, columns = linear_sum_assignment(pair_f, maximize=True)
    matched = [(predicted[row], true[column]) for row, column in zip(rows, columns, strict=True)]

    shared = sum(int((p & t).sum()) for p, t in matched)
    overlap_p = shared / sum(int(p.sum()) for p in predicted)
    overlap_r = shared / sum(int(t.sum()) for t in true)

    hit_p = sum(int((edges(p) & dilate(edges(t), radius) & keep).sum()) for p, t in matched)
    hit_t = sum(int((edges(t) & dilate(edges(p), radius) & keep).sum()) for p, t in matched)
    edge_p = sum(int((edges(p) & keep).sum()) for p in predicted)
    edge_t = sum(int((edges(t) & keep).sum()) for t in true)
    boundary_p = hit_p / edge_p if edge_p else 1.0
    boundary_r = hit_t / edge_t if edge_t else 1.0
    return {
        "overlap_p": overlap_p,
        "overlap_r": overlap_r,
        "overlap_f": harmonic(overlap_p, overlap_r),
        "boundary_p": boundary_p,
        "boundary_r": boundary_r,
        "boundary_f": harmonic(boundary_p, boundary_r),
        "over_75": sum(f > 0.75 or (f == 0.75 and not strict) for f in pair_f[rows, columns]) / len(true),
    }

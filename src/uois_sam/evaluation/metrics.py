"""The UOIS metrics: overlap P/R/F, boundary P/R/F and %75 between two label maps.

The protocol of UCN (Xiang et al., CoRL 2020), by which the numbers of Sec. IV were made: objects are the non-zero
labels, the Hungarian method matches them so that the sum of pairwise F is largest, and an image's precision and
recall pool the pixels of all its objects, matched or not. A data set's score is the plain mean over its images.

Where the published protocol leaves something open, this module decides:

* Ties between equally good matchings are broken by where objects come in raster order, so renumbering the labels
  of a map never changes a score. F > 0.75 is decided in integers, without rounding.
* Objects on both sides, but none of one side has a boundary pixel (a mask that fills the frame): no predicted
  boundary gives boundary precision 1, no true boundary recall 1, as the protocol does without objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from uois_sam.errors import UOISError
from uois_sam.evaluation.boundaries import CompactMap, PixelCounts, boundary_counts, boundary_radius
from uois_sam.types import BoolArray

BOUNDARY_TOLERANCE = 0.003
"""Boundary tolerance as a fraction of the image diagonal: 3 px at 640x480."""

_MAX_TABLE_LABEL = 1 << 20
_MAX_PAIRS = 1 << 24

_PairCounts = npt.NDArray[np.int64]
_IntMap = npt.NDArray[np.integer[Any]]


class LabelMapError(UOISError):
    """A label map, ignore mask or metric setting cannot be scored."""


@dataclass(frozen=True)
class PrecisionRecallF:
    """Precision, recall and their harmonic mean; each in [0, 1]."""

    precision: float
    recall: float
    f_measure: float


@dataclass(frozen=True)
class ImageScores:
    """Ratios of one image, each in [0, 1], and the counts they are made from."""

    overlap: PrecisionRecallF
    """Of the objects' pixels."""
    boundary: PrecisionRecallF
    """Of the objects' boundary pixels, within ``boundary_radius_px``."""
    over_75: float
    """%75 as a fraction: matched pairs with F > 0.75 (>= when not strict) per true object."""
    overlap_pixels: PixelCounts
    boundary_pixels: PixelCounts
    predicted_objects: int
    true_objects: int
    objects_over_75: int
    """Matched pairs that count for %75."""
    image_hw: tuple[int, int]
    """Rows and columns scored at."""
    boundary_radius_px: int
    strict_75: bool


@dataclass(frozen=True)
class MeanScores:
    """Plain means of :class:`ImageScores` over images, in [0, 1]. F is the mean of F, not the F of the means."""

    frames: int
    overlap: PrecisionRecallF
    boundary: PrecisionRecallF
    over_75: float


@dataclass(frozen=True)
class DatasetScores:
    """What a report prints for one method on one data set."""

    all_frames: MeanScores
    non_empty_frames: MeanScores | None
    """Over the images that have at least one true object; None when there are none."""
    frames: int
    empty_frames: int
    """Images without a true object."""
    empty_predicted_empty: float | None
    """Share of the empty images where nothing was predicted, in [0, 1]; None when there are none."""
    sizes_hw: tuple[tuple[int, int], ...]
    """The different image sizes scored at, ascending."""
    strict_75: bool


class ScoreAccumulator:
    """Collects image scores and averages them; every image weighs the same."""

    def __init__(self) -> None:
        self._scores: list[ImageScores] = []

    def update(self, scores: ImageScores) -> None:
        """Add one image.

        Raises:
            LabelMapError: the image was scored with another strictness of %75 than the ones before.
        """
        if self._scores and scores.strict_75 != self._scores[0].strict_75:
            raise LabelMapError(
                f"expected scores with strict_75={self._scores[0].strict_75} like the images before, "
                f"found strict_75={scores.strict_75}"
            )
        self._scores.append(scores)

    def compute(self) -> DatasetScores:
        """Means over all images so far.

        Raises:
            LabelMapError: no image was added.
        """
        if not self._scores:
            raise LabelMapError("expected at least one scored image, found 0")
        non_empty = [scores for scores in self._scores if scores.true_objects > 0]
        empty = [scores for scores in self._scores if scores.true_objects == 0]
        return DatasetScores(
            all_frames=_mean(self._scores),
            non_empty_frames=_mean(non_empty) if non_empty else None,
            frames=len(self._scores),
            empty_frames=len(empty),
            empty_predicted_empty=sum(s.predicted_objects == 0 for s in empty) / len(empty) if empty else None,
            sizes_hw=tuple(sorted({scores.image_hw for scores in self._scores})),
            strict_75=self._scores[0].strict_75,
        )


def score_image(
    prediction: _IntMap,
    truth: _IntMap,
    *,
    ignore: BoolArray | None = None,
    strict_75: bool = True,
    boundary_tolerance: float = BOUNDARY_TOLERANCE,
) -> ImageScores:
    """Score one predicted label map against the true one.

    Overlap: P = sum |p & t| / sum |p|, R = sum |p & t| / sum |t|. Boundary: P = sum |dp & dil(dt)| / sum |dp| and R
    likewise, where d is :func:`~uois_sam.evaluation.boundaries.boundary_map` and dil dilates by a disk. Numerators
    run over matched pairs, denominators over all objects. F = 2PR / (P + R), 0 when undefined. Nothing predicted but
    something there: P 1, R 0; something predicted where nothing is: P 0, R 1; F and %75 are 0 in both. Both empty:
    everything is 1.

    Args:
        prediction: (H, W) integers, 0 = background; values carry no order and need not be consecutive.
        truth: (H, W) integers, 0 = background.
        ignore: (H, W) bool, pixels to leave out: both maps are background there, so objects that lie wholly inside
            vanish, and boundary pixels inside count neither for nor against (they still confirm boundary pixels
            outside that lie within the tolerance of them).
        strict_75: %75 needs F > 0.75 as in the published code, or F >= 0.75 ("or higher" in the paper's text).
        boundary_tolerance: below 1 a fraction of the image diagonal, rounded up to whole pixels; from 1 on, pixels.

    Raises:
        LabelMapError: a map is not a 2-D integer array, has negative values, no pixels or absurdly many objects, the
            shapes differ, or the tolerance is not a finite number >= 0.
    """
    _validate(prediction, truth, ignore, boundary_tolerance)
    predicted, true = _compact(prediction, ignore), _compact(truth, ignore)
    joint = _joint_pixels(predicted, true)
    objects_p, objects_t = joint.shape[0] - 1, joint.shape[1] - 1
    pairs, passed = _match(joint, strict_75)
    radius = boundary_radius(truth.shape, boundary_tolerance)
    matched = sum(int(joint[p + 1, t + 1]) for p, t in pairs)
    overlap = PixelCounts(int(joint[1:].sum()), int(joint[:, 1:].sum()), matched, matched)
    boundary = boundary_counts(predicted, true, pairs, radius, ignore)
    return ImageScores(
        overlap=_ratios(overlap, objects_p, objects_t),
        boundary=_ratios(boundary, objects_p, objects_t),
        over_75=passed / objects_t if objects_t else float(objects_p == 0),
        overlap_pixels=overlap,
        boundary_pixels=boundary,
        predicted_objects=objects_p,
        true_objects=objects_t,
        objects_over_75=passed,
        image_hw=(truth.shape[0], truth.shape[1]),
        boundary_radius_px=radius,
        strict_75=strict_75,
    )


def _validate(prediction: _IntMap, truth: _IntMap, ignore: BoolArray | None, tolerance: float) -> None:
    for name, labels in (("prediction", prediction), ("truth", truth)):
        if not isinstance(labels, np.ndarray):
            raise LabelMapError(f"expected {name} as a NumPy array, found {type(labels).__name__}")
        if labels.ndim != 2 or labels.size == 0:
            raise LabelMapError(f"expected {name} of shape (H, W) with pixels in it, found {labels.shape}")
        if not np.issubdtype(labels.dtype, np.integer):
            raise LabelMapError(f"expected {name} with an integer dtype, found {labels.dtype}")
        if labels.min() < 0:
            raise LabelMapError(f"expected {name} with labels >= 0, found {labels.min()}")
    if prediction.shape != truth.shape:
        raise LabelMapError(f"expected a prediction of the truth's shape {truth.shape}, found {prediction.shape}")
    if ignore is not None and (not isinstance(ignore, np.ndarray) or ignore.dtype != np.bool_):
        raise LabelMapError(f"expected ignore as a bool array, found {getattr(ignore, 'dtype', type(ignore).__name__)}")
    if ignore is not None and ignore.shape != truth.shape:
        raise LabelMapError(f"expected ignore of the truth's shape {truth.shape}, found {ignore.shape}")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise LabelMapError(f"expected boundary_tolerance as a finite number >= 0, found {tolerance}")


def _compact(labels: _IntMap, ignore: BoolArray | None) -> CompactMap:
    """(H, W) int32: objects renumbered 1..N in raster order of their first pixel, ignored pixels set to 0."""
    flat = (labels if ignore is None else np.where(ignore, 0, labels)).ravel()
    if int(flat.max()) > _MAX_TABLE_LABEL:
        flat = np.unique(np.append(flat, flat.dtype.type(0)), return_inverse=True)[1][:-1]
    first = np.full(int(flat.max()) + 1, flat.size, dtype=np.int64)
    # Of repeated indices the last assignment stays, so walking backwards leaves the first pixel.
    first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)
    first[0] = -1
    order = np.argsort(first, kind="stable")
    table = np.empty(first.size, dtype=np.int32)
    table[order] = np.arange(first.size, dtype=np.int32)
    compact: CompactMap = table[flat].reshape(labels.shape)
    return compact


def _joint_pixels(predicted: CompactMap, true: CompactMap) -> _PairCounts:
    """(N + 1, M + 1) int64: pixels with predicted label i and true label j."""
    rows, columns = int(predicted.max()) + 1, int(true.max()) + 1
    if rows * columns > _MAX_PAIRS:
        raise LabelMapError(
            f"expected at most {_MAX_PAIRS} pairs of a predicted and a true object, found {rows - 1} predicted and "
            f"{columns - 1} true objects; are these label maps?"
        )
    joint = predicted.ravel().astype(np.int64) * columns + true.ravel()
    return np.bincount(joint, minlength=rows * columns).reshape(rows, columns)


def _match(joint: _PairCounts, strict_75: bool) -> tuple[list[tuple[int, int]], int]:
    """Indices (predicted, true) that maximise the sum of F = 2 |p & t| / (|p| + |t|), and how many pass %75."""
    shared = joint[1:, 1:]
    areas = joint[1:].sum(axis=1)[:, None] + joint[:, 1:].sum(axis=0)[None]
    rows, columns = linear_sum_assignment(2 * shared / areas, maximize=True)
    margin = 8 * shared[rows, columns] - 3 * areas[rows, columns]
    passed = np.count_nonzero(margin > 0 if strict_75 else margin >= 0)
    return list(zip(rows.tolist(), columns.tolist(), strict=True)), int(passed)


def _ratios(counts: PixelCounts, objects_p: int, objects_t: int) -> PrecisionRecallF:
    if objects_p == 0 or objects_t == 0:
        precision, recall = float(objects_p == 0), float(objects_t == 0)
    else:
        precision = counts.matched_predicted / counts.predicted if counts.predicted else 1.0
        recall = counts.matched_true / counts.true if counts.true else 1.0
    f_measure = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
    return PrecisionRecallF(precision, recall, f_measure)


def _mean(scores: Sequence[ImageScores]) -> MeanScores:
    def mean_prf(values: list[PrecisionRecallF]) -> PrecisionRecallF:
        rows = [(value.precision, value.recall, value.f_measure) for value in values]
        precision, recall, f_measure = (math.fsum(column) / len(rows) for column in zip(*rows, strict=True))
        return PrecisionRecallF(precision, recall, f_measure)

    return MeanScores(
        frames=len(scores),
        overlap=mean_prf([s.overlap for s in scores]),
        boundary=mean_prf([s.boundary for s in scores]),
        over_75=math.fsum(s.over_75 for s in scores) / len(scores),
    )

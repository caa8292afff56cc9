"""Overlaps of two label maps: the number of pixels shared by each predicted and each true object.

Everything that judges objects by area (the metric's matching, error kinds, recall by size) reads these matrices, not
the maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from uois_sam.errors import UOISError
from uois_sam.evaluation.boundaries import CompactMap
from uois_sam.types import BoolArray

IntMap = npt.NDArray[np.integer[Any]]
Counts = npt.NDArray[np.int64]

_MAX_TABLE_LABEL = 1 << 20
_MAX_PAIRS = 1 << 24


class LabelMapError(UOISError):
    """A label map, ignore mask or metric setting cannot be scored."""


@dataclass(frozen=True)
class Overlaps:
    """Pixel counts of N predicted and M true objects; both in raster order of their first pixel."""

    shared: Counts
    """(N, M) int64: pixels that lie in predicted object i and true object j."""
    predicted_areas: Counts
    """(N,) int64: pixels of each predicted object."""
    true_areas: Counts
    """(M,) int64: pixels of each true object."""

    @property
    def on_background(self) -> Counts:
        """(N,) int64: pixels of each predicted object that lie on no true one."""
        return self.predicted_areas - self.shared.sum(axis=1)

    @cached_property
    def f_measures(self) -> npt.NDArray[np.float64]:
        """(N, M): F = 2 |p & t| / (|p| + |t|) of every pair."""
        return 2 * self.shared / self._area_sums

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Indices (predicted, true) that maximise the sum of F (Hungarian method); pairs with F = 0 stay.

        Ties are broken by the order of the objects, so renumbering the labels of a map never changes the result.
        """
        rows, columns = linear_sum_assignment(self.f_measures, maximize=True)
        return tuple(zip(rows.tolist(), columns.tolist(), strict=True))

    @cached_property
    def match_f(self) -> npt.NDArray[np.float64]:
        """(M,): F of each true object's match, 0 for those without one."""
        f_measures = np.zeros(len(self.true_areas))
        for row, column in self.pairs:
            f_measures[column] = self.f_measures[row, column]
        return f_measures

    def found(self, strict: bool = True) -> BoolArray:
        """(M,) bool: true objects whose match has F > 0.75 (>= when not strict), decided in integers."""
        passed = np.zeros(len(self.true_areas), dtype=np.bool_)
        if self.pairs:
            rows, columns = np.array(self.pairs).T
            margin = 8 * self.shared[rows, columns] - 3 * self._area_sums[rows, columns]
            passed[columns] = margin > 0 if strict else margin >= 0
        return passed

    @property
    def _area_sums(self) -> Counts:
        return self.predicted_areas[:, None] + self.true_areas[None]


@dataclass(frozen=True)
class Comparison:
    """Predicted and true label map, renumbered, with their overlaps."""

    predicted: CompactMap
    """(H, W) int32: objects 1..N in raster order of their first pixel, ignored pixels 0."""
    true: CompactMap
    """(H, W) int32: likewise 1..M."""
    predicted_labels: tuple[int, ...]
    """(N,): original label of each predicted object."""
    true_labels: tuple[int, ...]
    """(M,): original label of each true object."""
    overlaps: Overlaps


def compare(
    prediction: IntMap, truth: IntMap, ignore: BoolArray | None = None, background_labels: int = 1
) -> Comparison:
    """Renumber two label maps and count the pixels that their objects share.

    Args:
        prediction: (H, W) integers, 0 = background; values carry no order and need not be consecutive.
        truth: (H, W) integers, 0 = background.
        ignore: (H, W) bool, pixels that become background in both.
        background_labels: number of labels from 0 on that are background, in both.

    Raises:
        LabelMapError: if a map is not a 2-D integer array, has negative values, no pixels or too many objects, or
            if shapes differ.
    """
    _validate(prediction, truth, ignore)
    predicted, predicted_labels = compact(prediction, ignore, background_labels)
    true, true_labels = compact(truth, ignore, background_labels)
    joint = _joint_pixels(predicted, true, len(predicted_labels) + 1, len(true_labels) + 1)
    overlaps = Overlaps(joint[1:, 1:], joint[1:].sum(axis=1), joint[:, 1:].sum(axis=0))
    return Comparison(predicted, true, predicted_labels, true_labels, overlaps)


def compact(
    labels: IntMap, ignore: BoolArray | None = None, background_labels: int = 1
) -> tuple[CompactMap, tuple[int, ...]]:
    """Renumber objects 1..N in raster order of their first pixel: (H, W) int32, and the original labels."""
    if background_labels > 1:
        labels = np.where(labels < background_labels, labels.dtype.type(0), labels)
    flat = (labels if ignore is None else np.where(ignore, labels.dtype.type(0), labels)).ravel()
    values: IntMap | None = None
    if int(flat.max()) > _MAX_TABLE_LABEL:
        values, inverse = np.unique(np.append(flat, flat.dtype.type(0)), return_inverse=True)
        flat = inverse[:-1]
    first = np.full(int(flat.max()) + 1, flat.size, dtype=np.int64)
    # An object's first pixel starts a run of equal labels, and runs are few.
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])[::-1]
    # Of repeated indices the last assignment stays, so walking backwards leaves the first pixel.
    first[flat[starts]] = starts
    first[0] = -1
    order = np.argsort(first, kind="stable")
    table = np.empty(first.size, dtype=np.int32)
    table[order] = np.arange(first.size, dtype=np.int32)
    renumbered: CompactMap = table[flat].reshape(labels.shape)
    objects = order[1 : np.count_nonzero(first < flat.size)]
    return renumbered, tuple((objects if values is None else values[objects]).tolist())


def _validate(prediction: IntMap, truth: IntMap, ignore: BoolArray | None) -> None:
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


def _joint_pixels(predicted: CompactMap, true: CompactMap, rows: int, columns: int) -> Counts:
    """(N + 1, M + 1) int64: pixels with predicted label i and true label j."""
    if rows * columns > _MAX_PAIRS:
        raise LabelMapError(
            f"expected at most {_MAX_PAIRS} pairs of a predicted and a true object, found {rows - 1} predicted and "
            f"{columns - 1} true objects; are these label maps?"
        )
    joint = predicted.ravel() * np.int32(columns) + true.ravel()
    return np.bincount(joint, minlength=rows * columns).reshape(rows, columns)

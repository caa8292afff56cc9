"""Kinds of errors: objects missed, merged, split or loose, and background taken for an object.

All kinds follow from one matrix of shared pixels, with three majorities (more than half, so at most one holds):

* a prediction *belongs to background* if more than half of its pixels lie on no true object;
* any other prediction *belongs to* the true object that more than half of its pixels lie on, if there is one;
* a true object *lies in* the prediction that covers more than half of it, unless that belongs to background.

Then every true object has exactly one kind, the first of these that holds:

========  ====================================================================================================
merged    it lies in a prediction in which another true object lies as well
split     two or more predictions belong to it, each covering at least a tenth of it
missed    predictions that do not belong to background cover half of it or less, taken together
good      its match has F > 0.85
loose     all that remain: found, alone and in one piece, but with an outline that is clearly off
========  ====================================================================================================

F = 0.85 is about what a disc of 18 pixels' radius has left when its mask is 3 pixels too wide all around, which is
the boundary tolerance at 640x480. A prediction is *background* if it belongs to background, *merging* if several true
objects lie in it, and *surplus* if it is a piece of an object of kind split, but not the largest one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from uois_sam.evaluation.overlaps import Overlaps
from uois_sam.types import BoolArray

ObjectKind = Literal["good", "missed", "merged", "split", "loose"]
ErrorKind = Literal["missed", "merged", "split", "background", "loose"]
OBJECT_KINDS: tuple[ObjectKind, ...] = get_args(ObjectKind)
ERROR_KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)
ERROR_MEANINGS: dict[ErrorKind, str] = {
    "missed": "object not found",
    "merged": "object that shares a mask with another one",
    "split": "object found in pieces",
    "background": "background taken for an object",
    "loose": "found, with a loose boundary",
}

PIECE_FRACTION = 0.1
"""Minimum share of an object that a prediction covers to count as a piece of it."""
LOOSE_F = 0.85
"""F up to which a found object counts as loose."""

BACKGROUND = -1
MIXED = -2
_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Diagnosis:
    """Kinds of the N predicted and M true objects of one image."""

    object_kinds: tuple[ObjectKind, ...]
    """(M,): kind of each true object."""
    belongs_to: tuple[int, ...]
    """(N,): the true object each prediction belongs to, -1 for background, -2 for none of them."""
    merging: tuple[int, ...]
    """Predictions in which several true objects lie."""
    surplus: tuple[int, ...]
    """Predictions that are pieces of split objects, beyond the largest piece of each."""

    @property
    def background(self) -> tuple[int, ...]:
        """Predictions that are background taken for an object."""
        return tuple(i for i, owner in enumerate(self.belongs_to) if owner == BACKGROUND)

    def counts(self) -> ErrorCounts:
        """Count each kind."""
        kinds = Counter(self.object_kinds)
        return ErrorCounts(
            good=kinds["good"],
            missed=kinds["missed"],
            merged=kinds["merged"],
            split=kinds["split"],
            loose=kinds["loose"],
            merging_masks=len(self.merging),
            surplus_masks=len(self.surplus),
            background_masks=len(self.background),
        )


@dataclass(frozen=True)
class ErrorCounts:
    """Counts of one image, or summed over many."""

    good: int = 0
    """True objects found well; the first five counts sum to the number of true objects."""
    missed: int = 0
    merged: int = 0
    split: int = 0
    loose: int = 0
    merging_masks: int = 0
    """Under-segmentation: masks that hold several objects."""
    surplus_masks: int = 0
    """Over-segmentation: masks beyond the first of split objects."""
    background_masks: int = 0
    """Masks on no object."""

    def of(self, kind: ErrorKind) -> int:
        """Count of one error kind: true objects, or masks for background."""
        return int(self.background_masks if kind == "background" else getattr(self, kind))


def diagnose(overlaps: Overlaps) -> Diagnosis:
    """Assign a kind to every object and prediction by the rules above."""
    belongs_to = _owners(overlaps)
    on_objects = belongs_to != BACKGROUND
    covers = 2 * overlaps.shared > overlaps.true_areas[None]
    lies_in = covers & on_objects[:, None]
    merging = np.flatnonzero(lies_in.sum(axis=1) > 1)
    pieces = _pieces(overlaps, belongs_to)
    split = pieces.sum(axis=0) > 1
    conditions: dict[ObjectKind, BoolArray] = {
        "merged": lies_in[merging].any(axis=0),
        "split": split,
        "missed": 2 * overlaps.shared[on_objects].sum(axis=0) <= overlaps.true_areas,
        "good": overlaps.match_f > LOOSE_F,
    }
    kinds = np.select(list(conditions.values()), list(conditions), default="loose")
    return Diagnosis(
        object_kinds=tuple(kinds.tolist()),
        belongs_to=tuple(belongs_to.tolist()),
        merging=tuple(merging.tolist()),
        surplus=_surplus(overlaps, pieces, np.flatnonzero(kinds == "split")),
    )


def sum_counts(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    """Sum counts field by field."""
    totals: Counter[str] = Counter()
    for each in counts:
        totals.update(vars(each))
    return ErrorCounts(**totals)


def _owners(overlaps: Overlaps) -> _Indices:
    """(N,) int64: index of the true object, BACKGROUND or MIXED."""
    owners = np.full(len(overlaps.predicted_areas), MIXED, dtype=np.int64)
    rows, columns = np.nonzero(2 * overlaps.shared > overlaps.predicted_areas[:, None])
    owners[rows] = columns
    owners[2 * overlaps.on_background > overlaps.predicted_areas] = BACKGROUND
    return owners


def _pieces(overlaps: Overlaps, belongs_to: _Indices) -> BoolArray:
    """(N, M) bool: prediction i is a piece of true object j."""
    owned = belongs_to[:, None] == np.arange(len(overlaps.true_areas))[None]
    return np.asarray(owned & (overlaps.shared >= PIECE_FRACTION * overlaps.true_areas[None]))


def _surplus(overlaps: Overlaps, pieces: BoolArray, split: _Indices) -> tuple[int, ...]:
    surplus: BoolArray = np.asarray(pieces[:, split].any(axis=1))
    for j in split:
        surplus[np.where(pieces[:, j], overlaps.shared[:, j], -1).argmax()] = False
    return tuple(np.flatnonzero(surplus).tolist())

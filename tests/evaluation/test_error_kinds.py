"""Error kinds on hand-drawn maps whose answers can be counted by eye."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from uois_sam.evaluation.error_kinds import ERROR_KINDS, Diagnosis, ErrorCounts, diagnose, sum_counts
from uois_sam.evaluation.overlaps import compare


def labels(*rows: str) -> npt.NDArray[np.uint16]:
    """A label map from one string of digits a row; '.' is background."""
    return np.array([[int(c) for c in row.replace(".", "0")] for row in rows], dtype=np.uint16)


def told(prediction: npt.NDArray[np.uint16], truth: npt.NDArray[np.uint16]) -> Diagnosis:
    return diagnose(compare(prediction, truth).overlaps)


TWO = labels("1111....2222", "1111....2222", "1111....2222")


def test_perfect_is_good() -> None:
    found = told(TWO, TWO)
    assert found.object_kinds == ("good", "good")
    assert (found.belongs_to, found.merging, found.surplus, found.background) == ((0, 1), (), (), ())


def test_nothing_predicted_is_missed() -> None:
    assert told(np.zeros_like(TWO), TWO).object_kinds == ("missed", "missed")


def test_nothing_there_is_background() -> None:
    found = told(TWO, np.zeros_like(TWO))
    assert (found.object_kinds, found.background) == ((), (0, 1))


def test_one_mask_over_both_is_merged() -> None:
    # 24 of 36 pixels are on objects, so the mask is no background; all of both objects lies in it.
    found = told(np.ones_like(TWO), TWO)
    assert (found.object_kinds, found.merging) == (("merged", "merged"), (0,))
    assert found.counts() == ErrorCounts(merged=2, merging_masks=1)


def test_two_halves_are_split_and_one_is_surplus() -> None:
    halves = labels("1112....3333", "1112....3333", "1112....3333")
    found = told(halves, TWO)
    assert found.object_kinds == ("split", "good")
    assert (found.belongs_to, found.surplus) == ((0, 0, 1), (1,))


def test_a_crumb_does_not_split() -> None:
    # One pixel of twelve is less than a tenth.
    truth, prediction = labels("111111", "111111"), labels("111112", "111111")
    assert told(prediction, truth).object_kinds == ("good",)


def test_half_covered_is_still_missed_and_more_is_not() -> None:
    # 6 of 12 pixels, then 7 of 12: F = 14/19 < 0.85, so what is found is loose.
    assert told(labels("11......", "11......", "11......"), TWO[:, :8]).object_kinds == ("missed",)
    assert told(labels("111.....", "11......", "11......"), TWO[:, :8]).object_kinds == ("loose",)


def test_an_object_in_a_mask_of_background_is_missed() -> None:
    # The mask covers object 1 and 16 of 28 pixels of it are background.
    truth = labels("1111......", "1111......", "1111......")
    found = told(labels("1111111111", "1111111111", "11111111.."), truth)
    assert (found.object_kinds, found.background) == (("missed",), (0,))


def test_exactly_half_on_background_belongs_to_none() -> None:
    # 12 of 24 pixels: no majority for either; the object lies in it alone and F = 24/36 is loose.
    found = told(np.ones((3, 8), np.uint16), TWO[:, :8])
    assert (found.object_kinds, found.belongs_to, found.background) == (("loose",), (-2,), ())


def test_merged_goes_before_split() -> None:
    # Mask 1 holds most of both objects; masks 1 and 3 belong to object 1.
    truth = labels("11111122", "11111122")
    found = told(labels("11113311", "11113311"), truth)
    assert found.object_kinds == ("merged", "merged")
    assert found.surplus == ()


def test_a_loose_outline() -> None:
    truth, prediction = labels("......", ".1111.", ".1111.", "......"), labels("......", "111111", "111111", "......")
    assert told(prediction, truth).object_kinds == ("loose",)  # F = 16/20


MAPS = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda shape: st.tuples(*(hnp.arrays(np.uint16, shape, elements=st.integers(0, 4)) for _ in range(2)))
)


@given(MAPS)
def test_every_object_has_one_kind_and_counts_agree(
    maps: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]],
) -> None:
    overlaps = compare(*maps).overlaps
    found = diagnose(overlaps)
    counts = found.counts()
    assert len(found.object_kinds) == len(overlaps.true_areas)
    assert counts.good + counts.missed + counts.merged + counts.split + counts.loose == len(overlaps.true_areas)
    assert len(found.belongs_to) == len(overlaps.predicted_areas)
    assert not set(found.background) & (set(found.surplus) | set(found.merging))
    assert counts.merged >= counts.merging_masks * 2
    assert counts.surplus_masks >= counts.split


@given(MAPS)
def test_truth_against_itself_has_no_error(maps: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]) -> None:
    counts = told(maps[0], maps[0]).counts()
    assert all(counts.of(kind) == 0 for kind in ERROR_KINDS)


def test_sums() -> None:
    total = sum_counts([ErrorCounts(good=2, background_masks=1), ErrorCounts(good=1, missed=3)])
    assert total == ErrorCounts(good=3, missed=3, background_masks=1)
    assert (total.of("background"), total.of("missed")) == (1, 3)
    assert sum_counts([]) == ErrorCounts()


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_every_kind_is_counted(kind: str) -> None:
    counts = ErrorCounts(missed=1, merged=1, split=1, loose=1, background_masks=1)
    assert counts.of(kind) == 1  # type: ignore[arg-type]

"""Recall by bins, counted by hand."""

from __future__ import annotations

import pytest

from uois_sam.evaluation.recall import (
    SIZE_EDGES,
    VISIBLE_EDGES,
    TrueObject,
    recall_by_size,
    recall_by_visibility,
    sum_bins,
)


def test_bins_hold_their_lower_edge() -> None:
    objects = [TrueObject(area, None, found) for area, found in ((0.001, True), (0.0029, False), (0.003, True))]
    bins = recall_by_size(objects)
    assert [(b.objects, b.found) for b in bins] == [(0, 0), (2, 1), (1, 1), (0, 0), (0, 0), (0, 0)]
    assert [b.recall for b in bins[:3]] == [None, 0.5, 1.0]
    assert [b.lower for b in bins] == list(SIZE_EDGES[:-1]) and [b.upper for b in bins] == list(SIZE_EDGES[1:])


@pytest.mark.parametrize("value", [0.0, 1e-9])
def test_the_first_bin_holds_the_smallest(value: float) -> None:
    assert recall_by_size([TrueObject(value, None, True)])[0].objects == 1


def test_the_last_bin_holds_the_whole() -> None:
    assert recall_by_size([TrueObject(1.0, None, True)])[-1].objects == 1
    assert recall_by_visibility([TrueObject(0.5, 1.0, True)])[-1].objects == 1


def test_unknown_visibility_is_left_out() -> None:
    bins = recall_by_visibility([TrueObject(0.5, None, True), TrueObject(0.5, 0.3, False)])
    assert sum(b.objects for b in bins) == 1
    assert (bins[1].objects, bins[1].found, len(bins)) == (1, 0, len(VISIBLE_EDGES) - 1)


def test_sums() -> None:
    parts = [recall_by_size([TrueObject(0.02, None, found)]) for found in (True, False, True)]
    total = sum_bins(parts)
    assert (total[3].objects, total[3].found, total[3].recall) == (3, 2, pytest.approx(2 / 3))
    assert sum(b.objects for b in total) == 3

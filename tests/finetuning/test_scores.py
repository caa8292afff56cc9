"""Comparison before and after: exact figures on drawn masks, intervals, and the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from uois_sam.evaluation.frame_scores import FrameResult, Prediction, score_frame
from uois_sam.finetuning.schedule import LEAST_STEPS, MOST_STEPS, plan
from uois_sam.finetuning.scores import Difference, compare
from uois_sam.types import Sample


def result(shift: int, background: bool = False) -> FrameResult:
    """A square of 20x20 predicted ``shift`` pixels to the right of where it is; 20 or more miss it."""
    truth = np.zeros((64, 96), dtype=np.uint16)
    truth[10:30, 10:30] = 1
    found = np.zeros_like(truth)
    found[10:30, 10 + shift : 30 + shift] = 1
    if background:
        found[45:60, 70:90] = 2
    return score_frame(Sample("x", np.zeros((64, 96, 3), np.uint8), truth), Prediction(found))


def test_figures_are_means_in_percent_and_counts() -> None:
    found = compare([result(10), result(10)], [result(0), result(5, background=True)])
    assert found.before.photos == found.before.objects == 2
    assert found.before.overlap_f == pytest.approx(50)
    # Second photo: 300 of 400 + 300 predicted pixels are right, of 400 true ones.
    assert found.after.overlap_f == pytest.approx((100 + 100 * 2 * 300 / (700 + 400)) / 2)
    assert (found.before.over_75, found.after.over_75) == (0, 50)  # F = 0.75 is not above 0.75
    assert (found.before.background, found.after.background) == (0, 1)
    assert found.overlap_f.mean == pytest.approx(found.after.overlap_f - found.before.overlap_f)


def test_a_gain_on_every_photo_is_better_and_a_loss_worse() -> None:
    low, high = [result(10)] * 4 + [result(8)], [result(2)] * 5
    assert compare(low, high).verdict == "better"
    assert compare(high, low).verdict == "worse"
    better = compare(low, high).overlap_f
    assert 0 < better.low <= better.mean <= better.high


def test_no_change_and_changes_both_ways_are_within_noise() -> None:
    same = [result(3), result(9), result(0)] * 2
    assert compare(same, same).verdict == "within noise"
    assert compare(same, same).overlap_f == Difference(0, 0, 0)
    mixed = compare([result(0), result(6)] * 3, [result(6), result(1)] * 3)
    assert mixed.verdict == "within noise"
    assert mixed.overlap_f.low < 0 < mixed.overlap_f.high


def test_missed_objects_are_counted_and_the_table_has_all_in_one() -> None:
    table = compare([result(30), result(0)], [result(0), result(0)]).markdown("old", "new")
    header, _, old, new, difference = table.splitlines()
    assert [cell.strip() for cell in header.split("|")[2:]] == [
        "overlap F", "boundary F", "%75", "missed", "merged", "split", "background", ""
    ]  # fmt: skip
    assert old == "| old | 50.0 | 50.0 | 50.0 | 1 | 0 | 0 | 1 |"
    assert new == "| new | 100.0 | 100.0 | 100.0 | 0 | 0 | 0 | 0 |"
    assert difference.startswith("| difference | +50.0 (+0.0 to +100.0) |")
    assert difference.endswith("| -1 | +0 | +0 | -1 |")


def test_few_photos_tell_nothing_however_clear_they_look() -> None:
    assert compare([result(9)] * 4, [result(0)] * 4).verdict == "too few to tell"
    assert compare([result(9)] * 5, [result(0)] * 5).verdict == "better"


def test_more_photos_take_more_steps_and_fewer_looks_at_each() -> None:
    plans = [plan(photos) for photos in (3, 8, 30, 100, 400, 10_000)]
    steps = [each.steps for each in plans]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (LEAST_STEPS, MOST_STEPS)
    looks = [steps_ / photos for steps_, photos in zip(steps, (3, 8, 30, 100, 400, 10_000), strict=True)]
    assert looks == sorted(looks, reverse=True)
    assert str(steps[2]) in plans[2].words
    assert "30 photos" in plans[2].words


def test_steps_that_are_asked_for_are_taken() -> None:
    assert plan(30, 7).steps == 7
    assert plan(30, 7).words == "7 steps as asked"

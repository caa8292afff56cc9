"""IDF1, HOTA and id switches on cases whose answers can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from uois_sam.tracking.scores import FrameMatch, flicker, match_frame, score


def frame(true: list[int], found: list[int], iou: list[list[float]]) -> FrameMatch:
    return FrameMatch(np.array(true), np.array(found), np.array(iou, dtype=float).reshape(len(true), len(found)))


SAME = [[1.0, 0.0], [0.0, 1.0]]


def test_all_right_is_one_whatever_the_ids_are_called() -> None:
    scores = score([[frame([1, 2], [70, 30], SAME)] * 5])
    assert (scores.idf1, scores.hota, scores.deta, scores.assa, scores.switches) == (1, 1, 1, 1, 0)


def test_ids_swapped_half_way() -> None:
    scores = score([[frame([1, 2], [5, 6], SAME)] * 4 + [frame([1, 2], [6, 5], SAME)] * 4])
    assert scores.idf1 == 0.5
    assert scores.switches == 2
    assert scores.deta == 1
    assert scores.assa == pytest.approx(1 / 3)  # 4 frames together of 8 + 8 - 4
    assert scores.hota == pytest.approx(np.sqrt(1 / 3))
    assert (scores.recall, scores.precision) == (1, 1)


def test_an_object_missed_in_half_of_its_frames() -> None:
    scores = score([[frame([1], [4], [[1.0]]), frame([1], [], [])] * 2])
    assert scores.idf1 == pytest.approx(2 * 2 / (4 + 2))
    assert (scores.deta, scores.assa, scores.hota) == (0.5, 0.5, 0.5)
    assert (scores.recall, scores.precision, scores.switches) == (0.5, 1, 0)


def test_what_is_no_object_counts_against_precision() -> None:
    scores = score([[frame([1], [4, 9], [[1.0, 0.0]])] * 3])
    assert scores.idf1 == pytest.approx(2 * 3 / (3 + 6))
    assert scores.precision == 0.5
    assert scores.deta == 0.5


def test_overlap_of_one_half_counts_at_ten_of_nineteen_thresholds() -> None:
    assert score([[frame([1], [1], [[0.5]])] * 2]).hota == pytest.approx(10 / 19)


def test_ids_of_one_video_mean_nothing_in_another() -> None:
    first, second = [frame([1], [1], [[1.0]])] * 3, [frame([1], [2], [[1.0]])] * 3
    both = score([first, second])
    assert (both.idf1, both.hota, both.switches) == (1, 1, 0)


def test_nothing_there_and_nothing_found_is_right() -> None:
    scores = score([[frame([], [], [])]])
    assert (scores.idf1, scores.hota, scores.switches) == (1, 1, 0)


def test_frames_are_matched_by_the_iou_of_their_masks() -> None:
    masks = np.zeros((2, 4, 4), dtype=bool)
    masks[0, :2], masks[1, 1:3] = True, True
    found = match_frame(masks, np.array([1, 2]), masks[:1], np.array([9]))
    assert found.iou.tolist() == [[1.0], [pytest.approx(1 / 3)]]
    assert match_frame(masks, np.array([1, 2]), masks[:0], np.zeros(0, dtype=int)).iou.shape == (2, 0)


def test_flicker_is_one_minus_iou() -> None:
    before, after = np.zeros((2, 4), dtype=bool), np.zeros((2, 4), dtype=bool)
    before[0, :4], after[0, 1:4] = True, True
    assert flicker(before, after) == 0.25
    assert flicker(before & ~before, before & ~before) == 0


def test_motmetrics_agrees() -> None:
    motmetrics = pytest.importorskip("motmetrics")
    rng = np.random.default_rng(3)
    frames, other = [], motmetrics.MOTAccumulator(auto_id=True)
    for number in range(40):
        true = np.flatnonzero(rng.random(5) < 0.8) + 1
        found = np.where(rng.random(5) < 0.1, 20 + rng.integers(5), np.arange(5) + 10 + 5 * (number > 25))
        found = np.unique(found[rng.random(5) < 0.8])
        iou = rng.uniform(0, 0.4, (len(true), len(found)))
        for row, column in zip(true - 1, range(len(found)), strict=False):
            iou[row % len(true), column] = rng.uniform(0.4, 1)
        frames.append(FrameMatch(true, found, iou))
        other.update(true.tolist(), found.tolist(), np.where(iou >= 0.5, 1 - iou, np.nan))
    theirs = motmetrics.metrics.create().compute(other, metrics=["idf1", "num_objects", "num_detections"])
    ours = score([frames])
    assert ours.idf1 == pytest.approx(theirs["idf1"].iloc[0])
    assert ours.recall == pytest.approx(theirs["num_detections"].iloc[0] / theirs["num_objects"].iloc[0])

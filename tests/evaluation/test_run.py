"""Predicting and scoring a data set: order, resuming, failing frames, several processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import UOISError
from uois_sam.evaluation.frame_scores import FrameResult, Prediction, resize_sample
from uois_sam.evaluation.metrics import score_image
from uois_sam.evaluation.predictions import PredictionFolder
from uois_sam.evaluation.run import FrameFailure, Scoring, Skipped, evenly_spaced, predict_missing, score_all
from uois_sam.types import ImageArray, Sample


@dataclass(frozen=True)
class Squares:
    """A data set in memory: frame i has i % 3 squares."""

    count: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"scene/{index:03d}" for index in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        labels = np.zeros((24, 32), np.uint16)
        for value in range(1, index % 3 + 1):
            labels[8 : 8 + 6 + index % 5, 10 * value - 8 : 10 * value] = value
        return Sample(
            self.names[index],
            np.repeat(labels.astype(np.uint8)[:, :, None] * 100, 3, axis=2),
            labels,
            visible_fractions={1: 0.3, 2: 1.0},
        )


@dataclass
class Threshold:
    """Finds objects by brightness, a column too far to the right."""

    calls: list[int] = field(default_factory=list)
    fails_at: int | None = None
    error: Exception = field(default_factory=lambda: UOISError("out of ideas"))
    name = "threshold"
    description: Mapping[str, Any] = field(default_factory=lambda: {"kind": "test"})

    def __call__(self, image: ImageArray) -> Prediction:
        self.calls.append(len(self.calls))
        if self.fails_at == len(self.calls) - 1:
            raise self.error
        labels = np.roll((image[:, :, 0] // 100).astype(np.uint16), 1, axis=1)
        return Prediction(labels, {1: 0.9, 2: 0.6})


def predicted(tmp_path: Path, count: int) -> tuple[Squares, PredictionFolder]:
    data, folder = Squares(count), PredictionFolder(tmp_path)
    assert list(predict_missing(data, range(count), Threshold(), folder)) == [None] * count
    return data, folder


def test_frames_come_in_order_and_agree_with_the_metric(tmp_path: Path) -> None:
    data, folder = predicted(tmp_path, 5)
    results = list(score_all(data, [3, 0, 4], folder, Scoring()))
    assert [result.name for result in results] == ["scene/003", "scene/000", "scene/004"]
    last = results[-1]
    assert isinstance(last, FrameResult)
    assert last.scores == score_image(folder.read("scene/004").labels, data[4].labels)
    assert last.errors.good + last.errors.loose == 1
    assert sum(b.objects for b in last.by_visibility) == 1 and last.by_visibility[1].objects == 1
    assert last.seconds is not None


def test_processes_give_the_same(tmp_path: Path) -> None:
    data, folder = predicted(tmp_path, 40)
    (tmp_path / "scene/007.png").unlink()
    alone = list(score_all(data, range(40), folder, Scoring()))
    together = list(score_all(data, range(40), folder, Scoring(), workers=2))
    assert [type(a) for a in alone] == [type(b) for b in together]
    assert isinstance(together[7], FrameFailure)
    for a, b in zip(alone, together, strict=True):
        if isinstance(a, FrameResult) and isinstance(b, FrameResult):
            assert (a.name, a.scores, a.errors, a.by_size) == (b.name, b.scores, b.errors, b.by_size)


class Deadly(Squares):
    """Ends the process that reads it, as the system does when memory runs out."""

    def __getitem__(self, index: int) -> Sample:
        os._exit(9)


@pytest.mark.slow
def test_a_killed_process_is_told(tmp_path: Path) -> None:
    with pytest.raises(UOISError, match="ended from outside.*fewer --workers"):
        list(score_all(Deadly(40), range(40), PredictionFolder(tmp_path), Scoring(), workers=2))


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    data, folder, method = Squares(6), PredictionFolder(tmp_path), Threshold()
    run = predict_missing(data, range(6), method, folder)
    for _ in range(4):
        next(run)
    run.close()
    assert len(list(predict_missing(data, range(6), method, folder))) == 6
    assert len(method.calls) == 6
    list(predict_missing(data, range(6), method, folder, anew=True))
    assert len(method.calls) == 12


def test_a_failing_photo_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    outcomes = list(predict_missing(Squares(4), range(4), Threshold(fails_at=1), PredictionFolder(tmp_path)))
    assert outcomes == [None, FrameFailure("scene/001", "out of ideas"), None, None]


def test_a_photo_too_large_for_memory_fails_alone_and_a_bug_does_not_hide(tmp_path: Path) -> None:
    method = Threshold(fails_at=0, error=RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    outcomes = list(predict_missing(Squares(2), range(2), method, PredictionFolder(tmp_path / "a")))
    assert outcomes == [FrameFailure("scene/000", "no free memory for this photo"), None]
    with pytest.raises(ZeroDivisionError):
        list(
            predict_missing(
                Squares(1), [0], Threshold(fails_at=0, error=ZeroDivisionError()), PredictionFolder(tmp_path)
            )
        )


@pytest.mark.parametrize(
    ("policy", "kind", "f_measure"),
    [("error", FrameFailure, None), ("skip", Skipped, None), ("empty", FrameResult, 0.0)],
)
def test_missing_predictions(tmp_path: Path, policy: Any, kind: type, f_measure: float | None) -> None:
    data, folder = predicted(tmp_path, 2)
    (tmp_path / "scene/001.png").unlink()
    outcomes = list(score_all(data, [0, 1], folder, Scoring(missing=policy)))
    assert isinstance(outcomes[0], FrameResult) and isinstance(outcomes[1], kind)
    if isinstance(outcomes[1], FrameResult):
        assert (outcomes[1].scores.overlap.f_measure, outcomes[1].scores.true_objects) == (f_measure, 1)


def test_a_prediction_of_another_size_fails_unless_a_size_is_given(tmp_path: Path) -> None:
    data, folder = predicted(tmp_path, 2)
    Image.fromarray(np.zeros((12, 16), np.uint16)).save(tmp_path / "scene/001.png")
    _, failed = score_all(data, [0, 1], folder, Scoring())
    assert isinstance(failed, FrameFailure)
    assert "expected a prediction of 32x24 pixels like its photo, found 16x12; --size" in failed.reason
    sized = list(score_all(data, [0, 1], folder, Scoring(size_hw=(12, 16))))
    assert all(isinstance(result, FrameResult) and result.scores.image_hw == (12, 16) for result in sized)
    _, failed = score_all(data, [0, 1], folder, Scoring(size_hw=(6, 8)))
    assert isinstance(failed, FrameFailure) and "8x6 or 32x24" in failed.reason


def test_an_object_without_score_fails_where_others_have_one(tmp_path: Path) -> None:
    data, folder = Squares(3), PredictionFolder(tmp_path)
    folder.write("scene/002", Prediction(data[2].labels, {1: 0.5}))
    (failed,) = score_all(data, [2], folder, Scoring())
    assert isinstance(failed, FrameFailure) and "found none for label 2" in failed.reason


def test_resizing_keeps_labels_and_whole_values() -> None:
    sample = Squares(3)[2]
    small = resize_sample(sample, (12, 16))
    assert (small.image.shape, small.labels.shape) == ((12, 16, 3), (12, 16))
    assert set(np.unique(small.labels)) == {0, 1, 2} and small.labels.dtype == np.uint16
    assert (small.labels > 0).sum() * 4 == pytest.approx((sample.labels > 0).sum(), rel=0.2)
    assert resize_sample(sample, (24, 32)) is sample


@pytest.mark.parametrize(("frames", "limit"), [(10, 3), (10, 9), (2390, 239), (7, 1)])
def test_a_sample_has_one_frame_of_every_stretch(frames: int, limit: int) -> None:
    drawn = evenly_spaced(frames, limit)
    assert len(drawn) == limit and drawn == evenly_spaced(frames, limit)
    for i, index in enumerate(drawn):
        assert frames * i // limit <= index < frames * (i + 1) // limit


def test_a_sample_does_not_keep_step_with_sequences() -> None:
    places = {index % 20 for index in evenly_spaced(2390, 239)}
    assert places == set(range(20))


@pytest.mark.parametrize("limit", [None, 5, 9])
def test_no_sample_is_everything(limit: int | None) -> None:
    assert evenly_spaced(5, limit) == [0, 1, 2, 3, 4]

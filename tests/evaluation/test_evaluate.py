"""evaluate() from Python: files, resuming, predictions that exist already, and names of data sets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from uois_sam.datasets import FolderDataset
from uois_sam.evaluation import PredictionFolder, Scoring, evaluate, score_image
from uois_sam.evaluation.frame_scores import Prediction
from uois_sam.evaluation.predictions import PredictionError
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.splits import first_images
from uois_sam.types import ImageArray

FILES = {"predictions", "per_image.csv", "report.html", "report.json", "report.md"}


@dataclass
class Bright:
    """Every pixel above 110 is one object."""

    name: str = "bright"
    calls: list[int] = field(default_factory=list)

    @property
    def description(self) -> dict[str, object]:
        return {"kind": "test", "above": 110}

    def __call__(self, image: ImageArray) -> Prediction:
        self.calls.append(1)
        return Prediction((image.max(axis=2) > 110).astype(np.uint16), {1: 0.5})


def test_the_report_is_returned_and_written(rectangles: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "bright"
    report = evaluate(FolderDataset(rectangles), Bright(), out, pictures=1)
    assert {path.name for path in out.iterdir()} == FILES
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(report))
    assert report["method"]["name"] == "bright" and report["method"]["above"] == 110
    assert (report["dataset"]["name"], report["dataset"]["title"]) == ("folder", "rectangles")
    assert report["dataset"]["scored"] == 6 and not report["failures"]


def test_scores_are_the_mean_over_images(rectangles: Path, tmp_path: Path) -> None:
    data = FolderDataset(rectangles)
    report = evaluate(data, Bright(), tmp_path / "out", pictures=0)
    each = [score_image(Bright()(sample.image).labels, sample.labels).overlap.f_measure for sample in data]
    assert report["scores"]["all_frames"]["overlap"]["f_measure"] == pytest.approx(sum(each) / len(each))


def test_an_interrupted_run_continues(rectangles: Path, tmp_path: Path) -> None:
    first, second = Bright(), Bright()
    evaluate(FolderDataset(rectangles), first, tmp_path / "out", limit=2)
    report = evaluate(FolderDataset(rectangles), second, tmp_path / "out")
    assert len(first.calls) == 2 and len(second.calls) < 6 and report["dataset"]["scored"] == 6
    evaluate(FolderDataset(rectangles), third := Bright(), tmp_path / "out", overwrite=True)
    assert len(third.calls) == 6


def test_methods_do_not_mix(rectangles: Path, tmp_path: Path) -> None:
    evaluate(FolderDataset(rectangles), Bright(), tmp_path / "out")
    with pytest.raises(PredictionError, match="made in the same way"):
        evaluate(FolderDataset(rectangles), Bright("other"), tmp_path / "out")


def test_existing_predictions_are_scored_where_they_are(rectangles: Path, tmp_path: Path) -> None:
    first = evaluate(FolderDataset(rectangles), Bright(), tmp_path / "out")
    again = evaluate(FolderDataset(rectangles), PredictionFolder(tmp_path / "out" / "predictions"), tmp_path / "again")
    assert again["scores"] == first["scores"]
    assert again["method"]["name"] == "bright" and not (tmp_path / "again" / "predictions").exists()


def test_missing_predictions_are_an_error_unless_asked_otherwise(rectangles: Path, tmp_path: Path) -> None:
    data, empty = FolderDataset(rectangles), tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(PredictionError, match="found 0"):
        evaluate(data, PredictionFolder(empty), tmp_path / "out")
    report = evaluate(data, PredictionFolder(empty), tmp_path / "out", Scoring(missing="empty"))
    note = f"{len(data)} of {len(data)} frames without a prediction counted as nothing found, first {data.names[0]}"
    assert report["scores"]["predicted_objects"] == 0
    assert report["method"] == {"name": "empty", "kind": "predictions", "notes": [note]}
    with pytest.raises(PredictionError, match="found no folder"):
        evaluate(data, PredictionFolder(tmp_path / "nowhere"), tmp_path / "out", Scoring(missing="skip"))


def test_any_data_set_will_do(rectangles: Path, tmp_path: Path) -> None:
    part = first_images(FolderDataset(rectangles), 2)
    unnamed = evaluate(part, Bright(), tmp_path / "out")["dataset"]
    named = evaluate(part, Bright(), tmp_path / "out", title="two", name="B")["dataset"]
    assert (unnamed["name"], unnamed["title"], unnamed["frames"]) == ("other", "SubsetDataset", 2)
    assert named["title"] == "two"


def test_progress_is_told_step_by_step(rectangles: Path, tmp_path: Path) -> None:
    calls: list[tuple[object, ...]] = []
    watch = ProgressCallback(lambda *stage: calls.append(stage), lambda done, note: calls.append((done,)))
    evaluate(FolderDataset(rectangles), Bright(), tmp_path / "out", progress=watch)
    each = [(done,) for done in range(1, 7)]
    assert calls == [("predicting", 6), *each, ("scoring", 6), *each]

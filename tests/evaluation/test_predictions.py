"""Predictions on disk: what is read, what is refused, and that two methods never mix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import DatasetError, OutputError
from uois_sam.evaluation.frame_scores import Prediction
from uois_sam.evaluation.predictions import PredictionError, PredictionFolder

LABELS = np.array([[0, 1], [2, 300]], np.uint16)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = PredictionFolder(tmp_path / "new")
    folder.write("a/b.c", Prediction(LABELS, {1: 0.5, 2: 0.25, 300: 1.0}, seconds=0.125))
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")) == [
        "new/a/b.c.json",
        "new/a/b.c.png",
    ]
    read = folder.read("a/b.c")
    np.testing.assert_array_equal(read.labels, LABELS)
    assert read.labels.dtype == np.uint16
    assert (read.scores, read.seconds) == ({1: 0.5, 2: 0.25, 300: 1.0}, 0.125)
    assert folder.has("a/b.c") and not folder.has("a/b")


def test_notes_of_limits_are_kept_also_those_of_segment(tmp_path: Path) -> None:
    folder = PredictionFolder(tmp_path)
    folder.write("a", Prediction(LABELS, {1: 0.5}, notes=("too many: 2 objects left out",)))
    assert folder.read("a").notes == ("too many: 2 objects left out",)
    folder.write("b", Prediction(LABELS, {}))
    assert folder.read("b").notes == ()
    (tmp_path / "b.json").write_text(json.dumps({"instances": [{"score": 0.5}], "notes": ["tiles: 2x2"]}))
    assert folder.read("b").notes == ("tiles: 2x2",)


def test_anyones_label_png_needs_no_scores(tmp_path: Path) -> None:
    Image.fromarray(LABELS.astype(np.uint8)).save(tmp_path / "x.png")
    read = PredictionFolder(tmp_path).read("x")
    assert (read.scores, read.seconds) == (None, None)
    assert read.labels.tolist() == [[0, 1], [2, 44]]


def test_results_of_the_segment_command_are_read(tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "x_label.png")
    (tmp_path / "x.json").write_text(json.dumps({"instances": [{"score": 0.9}, {"score": 0.4}]}))
    assert PredictionFolder(tmp_path).read("x").scores == {1: 0.9, 2: 0.4}


def test_the_table_can_be_dropped(tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "x.png")
    assert PredictionFolder(tmp_path, background_labels=2).read("x").labels.tolist() == [[0, 0], [2, 300]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), "one channel.*found.*RGB"),
        (np.zeros((4, 4), np.float32), "one channel.*found.*F"),
        (np.full((4, 4), 70000, np.int32), "within 0..65535, found 70000"),
    ],
)
def test_pictures_that_are_no_label_maps(tmp_path: Path, array: np.ndarray[Any, Any], message: str) -> None:
    Image.fromarray(array).save(tmp_path / "x.tif")
    (tmp_path / "x.tif").rename(tmp_path / "x.png")
    with pytest.raises(DatasetError, match=message):
        PredictionFolder(tmp_path).read("x")


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\nbut no more")
    with pytest.raises(DatasetError, match="x.png"):
        PredictionFolder(tmp_path).read("x")


def test_missing_and_twice(tmp_path: Path) -> None:
    folder = PredictionFolder(tmp_path)
    with pytest.raises(PredictionError, match="expected one prediction.*found none"):
        folder.read("x")
    for ending in (".png", "_label.png"):
        Image.fromarray(LABELS).save(tmp_path / f"x{ending}")
    with pytest.raises(PredictionError, match=r"found x.png and x_label.png"):
        folder.read("x")


@pytest.mark.parametrize("text", ["[]", '{"scores": [1]}', '{"scores": {"a": 1}}', '{"instances": [{}]}', "no JSON"])
def test_scores_of_another_kind(tmp_path: Path, text: str) -> None:
    Image.fromarray(LABELS).save(tmp_path / "x.png")
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(PredictionError, match="x.json: expected"):
        PredictionFolder(tmp_path).read("x")


def test_completeness(tmp_path: Path) -> None:
    folder = PredictionFolder(tmp_path)
    with pytest.raises(PredictionError, match="found 0; the first one missing is a.png .the folder has no PNG"):
        folder.check_complete(["a", "b"])
    Image.fromarray(LABELS).save(tmp_path / "b.png")
    folder.check_complete(["b"])
    with pytest.raises(PredictionError, match="2 frames, found 1; .* a.png .the folder has 1 PNG, first b.png"):
        folder.check_complete(["a", "b"])
    with pytest.raises(PredictionError, match="found no folder"):
        PredictionFolder(tmp_path / "nowhere").check_complete(["a"])


def test_two_methods_do_not_mix(tmp_path: Path) -> None:
    folder = PredictionFolder(tmp_path)
    assert folder.method() is None
    first = {"name": "m", "selection": {"prompts": "grid", "hw": (1, 2)}}
    folder.claim(first)
    folder.claim(first)
    assert folder.method() == {"name": "m", "selection": {"prompts": "grid", "hw": [1, 2]}}
    with pytest.raises(PredictionError, match="found name 'm' where 'n' was asked for"):
        folder.claim({**first, "name": "n"})
    folder.claim({"name": "n"}, replace=True)
    assert folder.method() == {"name": "n"}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        PredictionFolder(tmp_path / "file").claim({"name": "m"})


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"scores": {"1": "0.5"}}', "scores.*each a number"),
        ('{"scores": {"1": NaN}}', "expected JSON"),
        ('{"scores": {"0": 0.5}}', "labels from 1 to 65535"),
        ('{"scores": {"70000": 0.5}}', "labels from 1 to 65535"),
        ('{"scores": {"' + "1" * 30 + '": 0.5}}', "scores"),
        ('{"seconds": -1}', "seconds: expected a number"),
        ('{"instances": [{"score": "high"}]}', r"\[0\].score: expected"),
        ('{"instances": 3}', "expected a list"),
        ("[" * 100_000, "expected JSON, found other content"),
        ("[1]", "found other content"),
    ],
)
def test_records_of_another_form(tmp_path: Path, content: str, found: str) -> None:
    folder = PredictionFolder(tmp_path)
    folder.write("x", Prediction(np.ones((2, 2), np.uint16), {1: 0.5}))
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(PredictionError, match=rf"x\.json: .*{found}"):
        folder.read("x")

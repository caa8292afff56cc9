"""What generate and convert refuse: in one line, with status 2, and before anything is written."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synth.conftest import TINY, refused
from uois_sam.cli.main import main
from uois_sam.errors import DatasetError, UOISError, WorkerError
from uois_sam.synth.dataset.config import GenerateConfig, config_json, with_preset
from uois_sam.synth.dataset.generate import scene_of
from uois_sam.synth.dataset.make_scene import Job, MadeScene
from uois_sam.synth.dataset.writer import DatasetWriter
from uois_sam.synth.sampling.config import Variety


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


PHOTO = np.full((6, 8, 3), 200, dtype=np.uint8)
LABELS = np.zeros((6, 8), dtype=np.uint8)
LABELS[2:4, 2:6] = 1


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--variety.places", "moon", "unknown places 'moon'; expected of table"),
        ("--variety.most-objects", "-1", "expected most_objects of 0 or more, got -1"),
        ("--variety.empty-share", "2", "expected empty_share between 0 and 1, got 2.0"),
        ("--scenes", "0", "scenes: expected 1 or more, got 0"),
        ("--seed", "-1", "seed: expected 0 or more, got -1"),
        ("--seed", f"{1 << 63}", f"seed: expected at most {(1 << 63) - 1}, got {1 << 63}"),
        ("--height", "0", "height: expected 1 or more, got 0"),
        ("--width", "-3", "width: expected 1 or more, got -3"),
        ("--samples", "0", "samples: expected 1 or more, got 0"),
        ("--workers", "0", "workers: expected 1 or more, got 0"),
    ],
)
def test_a_wrong_value_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, told: str
) -> None:
    assert told in refused(capsys, "generate", "--out", str(tmp_path / "out"), option, value)
    assert not (tmp_path / "out").exists()


def test_an_unknown_option_still_ends_as_usual() -> None:
    with pytest.raises(SystemExit) as status:
        main(["generate", "--nonsense"])
    assert status.value.code == 2


def test_a_preset_is_refused_beside_what_it_would_drop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = ["generate", "--out", str(tmp_path / "out"), "--preset", "tabletop-val"]
    line = refused(capsys, *preset, "--seed", "3", "--meshes", "mine", "--variety.most-objects", "5")
    assert line.endswith("got seed 3, variety.most_objects 5, meshes 'mine'")
    assert not (tmp_path / "out").exists()
    for config in (GenerateConfig(scenes=300, variety=Variety(split="val")), GenerateConfig(amodal=True)):
        assert with_preset(config, "tabletop-val").scenes == 300


def test_a_folder_claimed_but_without_a_scene_is_claimed_anew(tmp_path: Path) -> None:
    DatasetWriter(TINY, tmp_path).close({})
    other = replace(TINY, seed=8, amodal=False)
    DatasetWriter(other, tmp_path)
    assert json.loads((tmp_path / "dataset.json").read_text())["config"] == config_json(other)


def test_a_folder_with_scenes_says_which_side_is_which_and_stays_as_it_is(tmp_path: Path) -> None:
    first = replace(TINY, amodal=False)
    DatasetWriter(first, tmp_path)
    save(tmp_path / "rgb" / "000000.png", PHOTO)
    with pytest.raises(DatasetError, match="made with seed 7, amodal False, but asked for was seed 8, amodal True"):
        DatasetWriter(replace(TINY, seed=8), tmp_path)
    assert json.loads((tmp_path / "dataset.json").read_text())["config"] == config_json(first)
    assert not (tmp_path / "amodal").exists()


def test_pictures_of_somebody_else_are_not_overwritten(tmp_path: Path) -> None:
    save(tmp_path / "rgb" / "000000.png", PHOTO)
    with pytest.raises(DatasetError, match=r"holds pictures, but no dataset\.json"):
        DatasetWriter(TINY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rgb"]


@pytest.mark.parametrize("layout", ["rgb/a.jpg label/a.png", "rgb/in/a.png label/in/a.png", "a.jpg a_label.png"])
@pytest.mark.parametrize("labels", ["--labels", "--no-labels"])
def test_a_sheet_can_be_drawn_of_any_labelled_folder(tmp_path: Path, layout: str, labels: str) -> None:
    photo, label = layout.split()
    save(tmp_path / "data" / photo, PHOTO)
    save(tmp_path / "data" / label, LABELS)
    out = tmp_path / "sheet.jpg"
    assert main(["convert", str(tmp_path / "data"), "--to", "sheet", "--out", str(out), labels]) == 0
    pixels = np.asarray(Image.open(out)).astype(int)
    coloured = bool((np.ptp(pixels, axis=2) > 60).any())
    assert coloured == (labels == "--labels")


@pytest.mark.parametrize("folder", ["data", "data/rgb"])
def test_a_sheet_of_photos_without_labels_needs_to_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    save(tmp_path / folder / "a.png", PHOTO)
    save(tmp_path / folder / "b.jpg", PHOTO)
    command = ["convert", str(tmp_path / "data"), "--to", "sheet", "--out", str(tmp_path / "sheet.jpg")]
    line = refused(capsys, *command)
    assert "expected a label for each of 2 photos" in line
    assert line.endswith("--no-labels draws photos without labels")
    assert main([*command, "--no-labels"]) == 0
    assert "2 scenes in" in capsys.readouterr().err


@pytest.mark.parametrize("labels", ["--labels", "--no-labels"])
@pytest.mark.parametrize("make", [True, False])
def test_a_sheet_of_nothing_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: str, make: bool
) -> None:
    data = tmp_path / "data"
    if make:
        data.mkdir()
    line = refused(capsys, "convert", str(data), "--to", "sheet", "--out", str(tmp_path / "sheet.jpg"), labels)
    assert f"{data}: expected" in line and "found" in line
    assert not (tmp_path / "sheet.jpg").exists()


def test_a_sheet_of_no_scenes_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "a.png", PHOTO)
    save(tmp_path / "a_label.png", LABELS)
    out = str(tmp_path / "sheet.jpg")
    line = refused(capsys, "convert", str(tmp_path), "--to", "sheet", "--out", out, "--scenes", "0")
    assert "expected at least one scene, got 0" in line


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("three is\ntoo many"), r"^scene 3 failed: ValueError: three is too many$"),
        (DatasetError("scene 3: 8 draws came to nothing"), r"^scene 3: 8 draws came to nothing$"),
        (
            WorkerError("scene 3: 2 processes died over it, the last one by SIGABRT"),
            r"by SIGABRT \(try --variant scalar\)$",
        ),
        (WorkerError("scene 3: 2 processes died over it, by SIGKILL"), r"by SIGKILL$"),
    ],
)
def test_a_scene_that_cannot_be_made_is_one_line(error: Exception, told: str) -> None:
    future: Future[MadeScene] = Future()
    future.set_exception(error)
    with pytest.raises(UOISError, match=told):
        scene_of(Job(3), future)

"""What to find, on the command line: the same words, and one line for what cannot be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uois_sam import UOISSAM
from uois_sam.cli.main import main
from uois_sam.cli.options import FindOptions, WeightOptions


@pytest.fixture
def photo(tmp_path: Path, tiny_pipeline: UOISSAM, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo, and in place of the bundled weights a tiny model that finds something everywhere."""
    loose = {"score_threshold": -10.0, "foreground_threshold": 0.0, "heatmap_threshold": -10.0, "zoom": False}
    tiny = tiny_pipeline.with_settings(**loose, max_area_fraction=1.0, max_prompts=6, prompts="heatmap")
    monkeypatch.setattr(WeightOptions, "load", lambda self: tiny)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def record(photo: Path, *options: str) -> dict[str, Any]:
    out = photo.parent / "out"
    assert main(["segment", str(photo), "--out", str(out), *options]) == 0
    loaded: dict[str, Any] = json.loads((out / "photo.json").read_text())
    return loaded


def test_every_option_reaches_the_result_and_the_record(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "request" not in record(photo)
    found = record(photo, "--max-objects", "2", "--region", "0,0,0.9,0.9", "--exclude", "0,0,5,5", "--exclude",
                   "80,0 89,0 89,20", "--min-score", "-1", "--min-area", "3", "--max-area", "90%",
                   "--tiles", "2")  # fmt: skip
    assert found["request"] == {
        "min_score": -1.0, "max_objects": 2, "min_area": 3, "max_area": 0.9, "region": "0,0,0.9,0.9",
        "exclude": ["0,0,5,5", "80,0 89,0 89,20"], "tiles": 2,
    }  # fmt: skip
    assert len(found["instances"]) <= 2
    assert any(note.startswith("tiles: 2x2") for note in found["notes"])
    assert "note: tiles in 1 photo, photo: 2x2 of" in " ".join(capsys.readouterr().err.split())


def test_clicks_and_boxes(photo: Path) -> None:
    found = record(photo, "--point", "5,5 80,50,0", "--point", "40,30", "--box", "0,0,30,30", "--box", "20,10,60,50")
    assert [each["point"] for each in found["instances"]] == [pytest.approx([5, 5]), pytest.approx([40, 30])]
    assert found["request"]["points"] == [[[5, 5, 1], [80, 50, 0]], [[40, 30, 1]]]
    assert found["request"]["boxes"] == [[0, 0, 30, 30], [20, 10, 60, 50]]


def test_clicks_that_may_be_meant_as_shares_are_told(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (note,) = record(photo, "--point", "0.5,0.5", "--box", "0,0,1,1")["notes"]
    assert "were taken as pixels; multiply shares by 90 and 60" in note
    assert "note: clicks in the first pixel in 1 photo" in " ".join(capsys.readouterr().err.split())
    assert record(photo, "--point", "0,1 2,1")["notes"] == []


def test_prompts_that_are_used_up_are_told_at_the_end(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (note,) = [note for note in record(photo, "--max-prompts", "2")["notes"] if note.startswith("prompts used up")]
    assert "raise --max-prompts" in note
    assert "note: prompts used up in 1 photo" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-score", "2"], "min_score: expected a number of at most 1"),
        (["--region", "9,9,1,1"], "region: expected a box as x0,y0,x1,y1 with x0 < x1"),
        (["--region", "0,0,91,60"], "region: expected it inside a photo 90 wide and 60 high"),
        (["--region", "nothing.png"], "No such file"),
        (["--region", "0,0,nan,1"], "region: expected a box x0,y0,x1,y1, a polygon"),
        (["--format", "coco,coco"], "--format: expected every format once, found coco more often"),
        (["--box", "5,5,1,1"], "boxes: expected x0 < x1 and y0 < y1"),
        (["--box", "1,2,3"], "--box: expected x0,y0,x1,y1 in pixels, found '1,2,3'"),
        (["--point", "a,b"], "--point: expected x,y or x,y,label in pixels, found 'a,b'"),
        (["--point", "500,1"], "inside a photo 90 wide and 60 high, found [[500.0, 1.0]]"),
        (["--point", "5,1,7"], "labels: expected 1 (on the object) or 0 (beside it)"),
        (["--point", "5,1", "--max-objects", "2"], "expected no max_objects"),
        (["--min-area", "50", "--max-area", "20"], "min_area: expected at most max_area"),
        (["--tiles", "9"], "tiles: expected a whole number from 1 to 8, found 9"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_and_status_2(
    photo: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(photo), "--out", str(photo.parent / "out"), *options]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert message in said and "Traceback" not in said


def test_a_run_goes_on_only_with_the_same_request(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(photo, "--max-objects", "2")
    again = ["segment", str(photo), "--out", str(photo.parent / "out"), "--no-overwrite"]
    assert main([*again, "--max-objects", "2"]) == 0
    assert main(again) == 2
    assert "request" in capsys.readouterr().err


def test_evaluate_refuses_what_has_no_meaning_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["evaluate", "folder", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*start, "--point", "1,2"]) == 2
    assert main([*start, "--baseline", "components", "--max-objects", "3"]) == 2
    assert main(["finetune", str(tmp_path), "--out", str(tmp_path / "tuned"), "--box", "1,2,3,4"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "expected no --point and no --box" in said and "expected --baseline components without" in said


@pytest.mark.parametrize(
    ("command", "refused"),
    [("evaluate", ("--point", "--box")), ("finetune", ("--point", "--box", "--workspace")),
     ("prelabel", ("--workspace",))],
)  # fmt: skip
def test_help_says_what_a_command_refuses(
    command: str, refused: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = re.split(r"\n\W+(?=--[a-z])", capsys.readouterr().out)
    said = {text.split()[0] for text in options if "efused here" in text.replace("\n", " ")}
    assert said == set(refused)


def test_prelabel_refuses_a_workspace_which_needs_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["prelabel", str(tmp_path), "--out", str(tmp_path / "out"), "--format", "coco", "--workspace"]
    assert main([*asked, "auto"]) == 2
    assert "--workspace: expected depth as well" in " ".join(capsys.readouterr().err.split())


def test_nothing_given_is_no_word() -> None:
    assert FindOptions().words() == {}

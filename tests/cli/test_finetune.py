"""``uois-sam finetune``: what it writes and says, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetuning_photos import write_photos
from uois_sam.checkpoints.folder import read_folder
from uois_sam.cli.main import main
from uois_sam.pipeline import UOISSAM


def tune(data: Path, out: Path, *options: object) -> int:
    return main(["finetune", str(data), "--out", str(out), "--device", "cpu", *map(str, options)])


def test_it_says_how_long_and_how_good(
    tiny_pipeline: UOISSAM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_pipeline.with_settings(scores="hdnet", vote_iou=0.0).save_pretrained(tmp_path / "start")
    data, out = write_photos(tmp_path / "bench", 7), tmp_path / "run"
    Image.fromarray(np.zeros((96, 128, 3), np.uint8)).save(data / "rgb" / "unlabelled.png")
    options = ("--start", tmp_path / "start", "--steps", 2, "--keep", "trained", "--name", "mine")
    assert tune(data, out, *options) == 0
    said = capsys.readouterr().err
    assert "note: 1 of 8 photos left out for want of a label, first unlabelled" in said
    assert "3 of 7 photos held out" in said
    assert "2 steps as asked; about 0:0" in said
    assert said.count("| overlap F |") == 1
    assert "| before: tiny |" in said
    assert "| after: mine |" in said
    assert "3 held-out photos cannot tell" in said
    assert read_folder(out / "model")[0].name == "mine"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--steps", 0), "steps: expected 1 or more, found 0"),
        (("--held-out", 1), "held_out: expected a share above 0 and at most 0.8, found 1"),
        (("--kind", "foldr"), "did you mean folder?"),
        (("--set", "void"), "expected --set with key=value"),
        (("--start", "compcat"), "compact"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--workspace", "auto"), "--workspace: expected depth as well, found none"),
    ],
)
def test_bad_options_are_told_in_one_line(
    options: tuple[object, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_photos(tmp_path / "bench", 5)
    assert tune(data, tmp_path / "run", *options) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(tmp_path / "nowhere", tmp_path / "run") == 2
    assert "nowhere" in capsys.readouterr().err

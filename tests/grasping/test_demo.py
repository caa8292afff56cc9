"""``uois-sam demo grasp`` for real, small: one table, true masks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from uois_sam.cli.main import main


@pytest.mark.slow
def test_a_table_is_cleared_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    small = ["--rounds", "1", "--objects", "2", "--width", "160", "--samples", "1", "--seed", "3"]
    assert main(["demo", "grasp", "--out", str(out), "--masks", "true", "none", "--target", *small]) == 0
    said = capsys.readouterr().out
    assert "| true " in said and "named thing lifted" in said
    record = json.loads((out / "grasp.json").read_text())
    (true,) = record["rounds"]["true"]
    assert true["objects"] == 2 and len(true["attempts"]) >= 1
    taken = {index for each in true["attempts"] if each["pick"] for index in each["pick"]["lifted"]}
    assert true["objects"] - true["left"] >= len(taken)
    assert len(list(out.glob("true_0003_*.jpg"))) == len(true["attempts"])
    assert Image.open(out / "picks.gif").size[0] == 480


def test_bad_options_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "grasp", "--out", str(tmp_path), "--rounds", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

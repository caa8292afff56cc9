"""``uois-sam demo grasp`` for real, small: one table, true masks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from uois_sam.cli.main import main
from uois_sam.grasping.tables import load_assets


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
    assert Image.open(out / "picks.gif").size[0] == 640
    page = (out / "index.html").read_text()
    assert page.count("<figure") == sum(len(each["attempts"]) for many in record["rounds"].values() for each in many)
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*_0003*")}
    assert main(["demo", "grasp", "--out", str(out), "--masks", "true", "none", "--target", *small]) == 0
    assert capsys.readouterr().out == said  # from what was kept: nothing is done again
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert main(["demo", "grasp", "--out", str(out), "--masks", "true", "--objects", "3"]) == 2
    assert "expected rounds with" in capsys.readouterr().err


def test_bad_options_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "grasp", "--out", str(tmp_path), "--rounds", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def cube(path: Path, side: float) -> None:
    """A cube as ASCII STL."""
    import trimesh

    path.parent.mkdir(exist_ok=True)
    trimesh.creation.box(extents=(side,) * 3).export(path)


def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The one line that a refused command prints."""
    assert main(["demo", "grasp", "--out", str(tmp_path / "out"), "--masks", "true", *options]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


def test_meshes_too_wide_for_the_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cube(tmp_path / "meshes" / "crate.stl", 0.12)
    said = refusal(tmp_path, capsys, "--meshes", str(tmp_path / "meshes"))
    assert "expected meshes that fit the hand" in said and "120 x 120 x 120 mm" in said


def test_meshes_that_fit_are_kept_and_the_others_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cube(tmp_path / "meshes" / "crate.stl", 0.12)
    cube(tmp_path / "meshes" / "die.stl", 0.04)
    assert load_assets(tmp_path / "meshes").own_families == ["mesh/die"]
    assert "crate" in caplog.text and "at most 60 mm across" in caplog.text


@pytest.mark.parametrize("made", [True, False])
def test_no_meshes(made: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "meshes"
    if made:
        folder.mkdir()
    said = refusal(tmp_path, capsys, "--meshes", str(folder))
    assert str(folder) in said.replace("\n", "") and "expected" in said and "found" in said


@pytest.mark.parametrize(("package", "extra"), [("mujoco", "grasp"), ("mitsuba", "grasp"), ("mink", "arm")])
def test_missing_packages(
    package: str, extra: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    said = refusal(tmp_path, capsys, "--arm")
    assert repr(package) in said and f"[{extra}]" in said
    assert not (tmp_path / "out").exists()

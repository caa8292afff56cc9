"""Experiments from end to end, on six drawn pictures and random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts import load_script
from uois_sam.evaluation.report.published import TABLE_4
from uois_sam.pipeline import UOISSAM

Run = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture
def run(tiny_pipeline: UOISSAM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Run:
    """Run a script with a tiny model that finds something; returns what it printed and its record."""
    loose = {"score_threshold": -10.0, "foreground_threshold": 0.0, "max_area_fraction": 1.0, "max_prompts": 3}
    tiny_pipeline.with_settings(**loose, grid_side=3).save_pretrained(tmp_path / "model")

    def call(name: str, *arguments: object) -> tuple[str, dict[str, Any]]:
        script = load_script(f"experiments/{name}.py")
        out = tmp_path / "record.json"
        monkeypatch.setattr("sys.argv", [name, *map(str, arguments), "--out", str(out)])
        assert script.main() == 0, capsys.readouterr().err
        return capsys.readouterr().out, json.loads(out.read_text()) if out.is_file() else {}

    return call


def test_table4_has_the_papers_rows_beside_ours(run: Run, rectangles: Path, tmp_path: Path) -> None:
    said, record = run("table4", rectangles, "--model", tmp_path / "model", "--limit", 2, "--rows", 3, 4)
    assert record["benchmark"] == "table4" and record["payload"]["frames"] == 2
    variants = record["payload"]["variants"]
    assert [each["name"] for each in variants] == [row.name for row in TABLE_4[2:]]
    assert tuple(variants[1]["paper_ocid_percent"].values()) == TABLE_4[3].result
    figures = 100 * variants[1]["results"]["all_frames"]["overlap"]["f_measure"]
    row = next(line for line in said.splitlines() if line.startswith(f"| {TABLE_4[3].name}"))
    assert f"| {figures:.1f} |" in row and f"| {TABLE_4[3].result[2]} |" in said


def test_oracles_replace_one_part_after_the_other(run: Run, rectangles: Path, tmp_path: Path) -> None:
    said, record = run("oracles", rectangles, "--model", tmp_path / "model", "--limit", 4)
    rows = record["payload"]["rows"]
    assert next(iter(rows)) == "unchanged" and rows["mask grid"]["F"] > max(rows["unchanged"]["F"], 80)
    assert record["payload"]["objects"] == 6 and "6 objects" in said


def test_pointing_has_a_row_for_each_way_to_point(run: Run, rectangles: Path, tmp_path: Path) -> None:
    said, record = run("pointing", rectangles, "--model", tmp_path / "model", "--limit", 3)
    means = record["payload"]["mean_iou"]
    assert record["payload"]["objects"] == 3 and "3 objects in 3 photos" in said
    assert {"one click", "five clicks", "a box"} <= set(means) and len(means) == 11
    assert all(0 <= mean <= 1 for mean in means.values())
    row = next(line for line in said.splitlines() if line.startswith("| a box |"))
    assert row.endswith(f"| {100 * means['a box']:.1f} |")


def test_scene_statistics_have_a_line_a_folder(run: Run, rectangles: Path) -> None:
    said, record = run("scene_statistics", rectangles)
    assert "| rectangles |" in said and record["payload"]["folders"]["rectangles"]["pictures"] == 6


def test_failures_are_pictures(rectangles: Path, tiny_pipeline: UOISSAM, tmp_path: Path, capsys: Any,
                               monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    failures = load_script("experiments/failures.py")
    tiny_pipeline.save_pretrained(tmp_path / "model")
    out = tmp_path / "pictures"
    arguments = [str(rectangles), "--model", str(tmp_path / "model"), "--each", "1", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["failures", *arguments])
    assert failures.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said and len(list(out.glob("failure_*.jpg"))) == len(said)
    assert said[0].startswith("failure_01.jpg: missed, frame ")


def test_bad_input_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for name in ("table4", "oracles", "errors_by", "scene_statistics"):
        monkeypatch.setattr("sys.argv", [name, str(tmp_path / "nowhere")])
        assert load_script(f"experiments/{name}.py").main() == 2
        said = capsys.readouterr().err
        assert said.startswith(f"{name}: ") and said.count("\n") == 1

"""Peers in environments of their own: what is said of one that is missing or fails, and the table."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scripts import load_script

peers = load_script("benchmarks/peers.py")
run_peer = load_script("benchmarks/run_peer.py")

ROW = {
    "wall_ms": 100.0, "processor_ms": 200.0, "cold_wall_seconds": 2.0, "cold_processor_seconds": 3.0, "peak_mib": 400.0,
    "installed_mb": 1000.0, "weights_mb": 16.0, "masks": {"a.jpg": 4, "b.jpg": 18},
}  # fmt: skip


def test_every_figure_of_a_peer_says_how_many_times_ours_it_is() -> None:
    other = {**ROW, "wall_ms": 50.0, "installed_mb": 1200.0, "masks": {"a.jpg": 0}}
    lines = peers.markdown({"uois-sam": ROW, "other": other, "third": {"not_run": "no environment"}}).splitlines()
    assert lines[2] == "| uois-sam | 100 | 200 | 2.0 | 3.0 | 400 | 1000 | 16.0 | 22 |"
    assert lines[3].startswith("| other | 50 (× 0.5) | 200 (× 1) |") and "| 1200 (× 1.2) | 16.0 (× 1) | 0 |" in lines[3]
    assert lines[4].startswith("| third | not run: no environment |") and lines[4].count("|") == lines[3].count("|")


def test_who_is_better_than_the_better_of_ours_is_said_by_column() -> None:
    light = {**ROW, "installed_mb": 500.0}
    rows = {"uois-sam": ROW, "uois-sam-light": light, "a": {**ROW, "wall_ms": 50.0, "installed_mb": 800.0},
            "b": {**ROW, "wall_ms": 25.0, "installed_mb": 400.0}, "c": {"not_run": "no environment"}}  # fmt: skip
    said = peers.ahead(rows).splitlines()
    assert said[1] == "- ms a photo: b (× 0.25), a (× 0.5)" and "- installed MB: b (× 0.8)" in said
    assert "- peak MiB: nobody" in said


def test_a_peer_without_an_environment_is_listed_as_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    words = [str(tmp_path / "a.png"), "--environments", str(tmp_path), "--peers", "mobilesam", "--threads", "1"]
    monkeypatch.setattr("sys.argv", ["peers.py", *words])
    assert peers.main() == 0
    assert "| mobilesam | not run: no environment: --prepare makes it |" in capsys.readouterr().out


def environment(folder: Path, name: str, script: str) -> None:
    """One whose Python is a script, given where to write and read."""
    python = folder / peers.PEERS[name].environment / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\n{script}")
    python.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="the environment's Python is a script")
def test_what_a_peer_prints_becomes_medians(tmp_path: Path) -> None:
    result = '{"wall_seconds": [0.1, 0.3, 0.2], "processor_seconds": [0.5], "masks": {"a": 1}, "peak_mib": 9}'
    environment(tmp_path, "yolo11n-seg", f"print('{{\"first\": 1.5}}', flush=True)\nprint('{result}')")
    site = tmp_path / "ultralytics/lib/python3/site-packages"
    for name, size in {"torch": 3000, "pip": 7000}.items():
        (site / name).mkdir(parents=True)
        (site / name / "code.py").write_bytes(bytes(size))
    row = peers.measure("yolo11n-seg", tmp_path, [], 2, 1.0)
    assert row["wall_ms"] == pytest.approx(200) and row["processor_ms"] == pytest.approx(500)
    assert row["cold_processor_seconds"] == 1.5 and row["photos_timed"] == 3 and row["installed_mb"] == 0.003
    assert row["weights"] == "random" and row["licence"] == "AGPL-3.0"


@pytest.mark.skipif(os.name != "posix", reason="the environment's Python is a script")
def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    environment(tmp_path, "mobilesam", "raise SystemExit('no such weights')")
    assert peers.measure("mobilesam", tmp_path, [], 2, 1.0)["not_run"] == "no such weights"


def test_suppression_in_numpy_keeps_the_best_of_boxes_that_overlap() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [0, 5, 10, 15]], dtype=torch.float32)
    scores = torch.tensor([0.8, 0.9, 0.1, 0.7])
    assert run_peer._suppress(boxes, scores, 0.5).tolist() == [1, 3, 2]  # IoU of the first with the best 0.9
    assert run_peer._suppress(boxes, scores, 0.95).tolist() == [1, 0, 3, 2]
    assert run_peer._suppress(boxes[:0], scores[:0], 0.5).tolist() == []
    assert run_peer._suppress(boxes, scores, 0.25).tolist() == [1, 2] and np.float32(4 / 15) > 0.25


@pytest.mark.skipif(os.name != "posix", reason="the environment's Python is a script")
def test_a_record_grows_by_peers_but_not_of_other_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    words = ["peers.py", str(tmp_path / "a.png"), "--environments", str(tmp_path), "--out", str(tmp_path / "o.json")]
    for name, seconds in (("mobilesam", "1"), ("fastsam-s", "1"), ("fastsam-s", "2")):
        monkeypatch.setattr("sys.argv", [*words, "--peers", name, "--seconds", seconds])
        status = peers.main()
        assert status == (2 if seconds == "2" else 0)
    assert "expected a record of the same photos" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["peers.py", "--record", str(tmp_path / "o.json")])
    assert peers.main() == 0 and "| fastsam-s | not run: no environment" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "o.json").read_text())["payload"]["peers"]) == ["fastsam-s", "mobilesam"]

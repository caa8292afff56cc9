"""The plan: what is counted for every stage, and what is said about its estimates."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dataset_trees import columns, osd_frame
from paper_trees import command, write_base, write_trees
from uois_sam.cli.main import main
from uois_sam.reproduce.config import ReproduceConfig, TrainingData
from uois_sam.reproduce.figures import RENDER_CORE_SECONDS, SCENE_BYTES, SCORE_CORE_SECONDS, Figures, _slowed
from uois_sam.reproduce.plan import HEADS_BYTES, PREDICTION_BYTES, Plan, make_plan

FIGURES = Figures("cpu", True, cache_seconds=2.0, cache_bytes=1_000_000, encode_seconds=1.0, points_seconds=0.5,
                  hpg_seconds=0.2, hdnet_seconds=0.05)  # fmt: skip
DATA: Any = range(45_000), range(5_000)


def plan_of(config: ReproduceConfig, data: Any = DATA, **frames: int) -> dict[str, Any]:
    training = None if data is None else TrainingData(*data)
    return {stage.what: stage for stage in make_plan(config, training, frames, FIGURES, Path("out")).stages}


def test_the_papers_training_counts_a_tenth_of_both_splits() -> None:
    plan = plan_of(ReproduceConfig(data=Path("UOAIS-Sim"), workers=2))
    heads = plan["cache and fit heads on 10 %"]
    assert heads.images == 4500 + 500
    assert heads.seconds == pytest.approx(5000 * (2.0 + 30 * 0.25))
    assert heads.nbytes == 5000 * 1_000_000 + HEADS_BYTES
    assert list(plan) == ["cache and fit heads on 10 %", "time a photo"]  # no test set, so no Tables IV and V


def test_scenes_are_counted_with_the_time_of_all_cores() -> None:
    scenes = plan_of(ReproduceConfig(scenes=100, workers=4), None)["render scenes"]
    assert (scenes.images, scenes.nbytes) == (100, 100 * SCENE_BYTES)
    assert scenes.seconds == pytest.approx(100 * RENDER_CORE_SECONDS / 4)


def test_scores_count_encoding_once_and_prompts_by_the_row() -> None:
    config = ReproduceConfig(data=Path("x"), benchmarks={"ocid": Path("x"), "osd": Path("y")}, workers=2)
    plan = plan_of(config, ocid=2390, osd=111)
    assert plan["score on osd"].seconds == pytest.approx(111 * (1.0 + 0.5 + SCORE_CORE_SECONDS / 2))
    rows = plan["Table IV on ocid: 3 more rows"]
    masks = 0.5 * (1024 + 512 + 30) / 30
    assert rows.seconds == pytest.approx(2390 * (masks + 3 * SCORE_CORE_SECONDS / 2))
    assert rows.nbytes == 3 * 2390 * PREDICTION_BYTES
    shares = [what for what in plan if what.startswith("Table V: cache")]
    assert shares == [f"Table V: cache and fit heads on {percent} %" for percent in (1, 5, 50, 100)]
    assert plan_of(ReproduceConfig(data=Path("x"), benchmarks={"osd": Path("y")}, limit=10), osd=111)[
        "score on osd"
    ].images == 10  # fmt: skip


def test_the_disk_at_a_time_counts_one_cache_of_table_v(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = ReproduceConfig(data=Path("x"), benchmarks={"ocid": Path("x")}, shares=(50, 100))
    plan: Plan = make_plan(config, TrainingData(*DATA), {"ocid": 10}, FIGURES, tmp_path / "not" / "made")
    kept = sum(stage.nbytes for stage in plan.stages[:-1])
    assert plan.peak_bytes == kept + 50_000 * 1_000_000
    assert plan.hours == pytest.approx(sum(stage.seconds for stage in plan.stages) / 3600)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 10**9))
    said = plan.lines()
    assert "too little" in said[-1] and "1.0 GB are free" in said[-1]
    assert said[-2].startswith("Estimates for this machine, as busy as it is now: on cpu")
    assert "random weights, on which times do not depend" in said[-2] and "By earlier measurements" in said[-2]
    assert "Other processes" not in said[-2]


def test_a_busy_machine_is_told_from_a_slow_one() -> None:
    busy = replace(FIGURES, slowed=10.0)
    plan = make_plan(ReproduceConfig(data=Path("x")), TrainingData(*DATA), {}, busy, Path("out"))
    assert (
        f"took 10 times as long as its own work, so on a quiet one expect about {plan.hours / 10:.1f} hours."
        in (plan.lines()[-2])
    )
    assert _slowed(30.0, 6.0 * torch.get_num_threads(), torch.device("cpu")) == pytest.approx(5.0)
    assert _slowed(30.0, 6.0, torch.device("cuda")) == 1.0 == _slowed(30.0, 99.0 * 64, torch.device("cpu"))


def test_a_dry_run_lists_what_is_missing_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base, trees = write_base(tmp_path / "weights", monkeypatch), write_trees(tmp_path / "trees")
    osd_frame(trees / "osd", "learn0", columns(1))
    out = tmp_path / "run"
    assert main(command(base, trees, out, "--dry-run", sets=("osd",))) == 0
    said = capsys.readouterr().out
    assert "weights of sam-tiny: here, given, sam.pth" in said
    assert "UOAIS-Sim, to train on: here" in said and "12 images" in said
    assert "- OSD: here" in said and "3 frames where 111 are published" in said
    assert "- PhoCAL: missing, its part of Table III is left out; --phocal ROOT; 721 photos, one in 10" in said
    assert "- OCID: missing, its part of Tables II, IV and V is left out; --ocid ROOT; 2390 photos (the size" in said
    assert "| score on osd | 3 |" in said and "| Table V: score 100 % on osd | 3 |" in said
    assert not out.exists()
    base.sam.unlink()
    assert main(command(base, trees, out, "--dry-run", sets=())) == 0
    assert f"weights of sam-tiny: missing, nothing at {base.sam}" in capsys.readouterr().out

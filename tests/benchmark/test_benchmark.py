"""`uois-sam benchmark` for real: the table, the JSON, and bad options in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tiny_base import NAME, TinyBase
from uois_sam.benchmark.drawing import drawn_photo
from uois_sam.benchmark.measure import Measurement, measure
from uois_sam.benchmark.stages import STAGES, ready, spread_points, time_stages
from uois_sam.checkpoints.heads import base_card
from uois_sam.cli.main import main
from uois_sam.config import InferenceConfig
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.progress import ProgressCallback

SPREAD = {"median", "q25", "q75", "n"}
KEYS = {
    "benchmark", "schema", "model", "weights_sha256", "precision", "device", "image_wh", "clock", "warm_up", "prompts",
    "stages_seconds", "parts_seconds", "objects", "other_than_networks_seconds", "paper_seconds", "floor_seconds",
    "roofline_seconds", "machine_peaks", "peers", "sweeps", "machine",
}  # fmt: skip


@pytest.fixture
def saved(tiny_pipeline: UOISSAM, tmp_path: Path) -> Path:
    loose = tiny_pipeline.with_settings(prompts="grid", grid_side=3, score_threshold=-10.0, max_area_fraction=1.0)
    loose.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def check_record(record: dict[str, Any]) -> None:
    """What every reader of the JSON may count on."""
    assert set(record) == KEYS and record["benchmark"] == "stages" and record["schema"] == 1
    assert set(record["stages_seconds"]) == {"hpg", "features", "masks", "total"} == set(record["paper_seconds"])
    for spread in (*record["stages_seconds"].values(), *record["parts_seconds"].values()):
        assert set(spread) == SPREAD and 0 <= spread["q25"] <= spread["median"] <= spread["q75"]
    assert record["machine"]["packages"]["torch"] and record["machine"]["cores"] >= 1


def test_a_model_is_timed_by_stages(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    photo = tmp_path / "photo.png"
    Image.fromarray(drawn_photo(90, 70)).save(photo)
    options = ["--model", str(saved), "--image", str(photo), "--width", "64", "--height", "48", "--repeats", "3"]
    assert main(["benchmark", *options, "--sweep", "size", "prompts", "batch", "threads", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    for row in ("HPG", "features", "masks", "total", "mask decoder", "then: label PNG"):
        assert re.search(rf"\|\s+{row}\s+\|\s+[\d.]+ m?s", said), row
    assert "137.0 ms" in said and "64x48" in said and "torch" in said

    record = json.loads(out.read_text())
    check_record(record)
    assert record["stages_seconds"]["total"]["n"] == 3 and record["image_wh"] == [64, 48]
    assert record["floor_seconds"]["total"] > 0 and record["peers"] is None
    assert set(record["sweeps"]) == {"size", "prompts", "batch", "threads"}
    assert [row["prompts"] for row in record["sweeps"]["prompts"]] == [1, 4, 16, 30, 64]
    assert [row["at_the_same_time"] for row in record["sweeps"]["batch"]] == [1, 2, 4, 8]
    assert all(set(row["total"]) == SPREAD for row in record["sweeps"]["size"] + record["sweeps"]["threads"])


def test_stages_add_up(tiny_pipeline: UOISSAM) -> None:
    times = time_stages(tiny_pipeline, drawn_photo(64, 48), repeats=1, warm_up=0)
    for stage, parts in STAGES.items():
        known = sum(times.parts[part].median for part in parts if part in times.parts)
        assert times.stages[stage].median == pytest.approx(known)
    total = times.stages["hpg"].median + times.stages["features"].median + times.stages["masks"].median
    assert times.stages["total"].median == pytest.approx(total)


def test_timing_changes_no_threads_and_no_answers(tiny_pipeline: UOISSAM) -> None:
    image, threads = drawn_photo(64, 48), torch.get_num_threads()
    before = tiny_pipeline.predict(image)
    wanted = Measurement(repeats=1, warm_up=0, sweeps=("batch", "threads"), lower_bound=False)
    told: list[object] = []
    watch = ProgressCallback(lambda name, total: told.append((name, total)), lambda done, note: told.append(note))
    assert measure(tiny_pipeline, image, wanted, watch)["floor_seconds"] is None
    assert told == [("measuring", 3), "stages of a photo", "sweep of batch", "sweep of threads"]
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(tiny_pipeline.predict(image).masks, before.masks)


@pytest.mark.slow
def test_a_base_is_timed_against_its_peers(
    tiny_base: TinyBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    out = tmp_path / "out.json"
    files = ["--sam", str(tiny_base.sam), "--dinov2", str(tiny_base.dinov2)]
    options = ["--model", NAME, *files, "--width", "64", "--height", "48", "--repeats", "2", "--out", str(out)]
    assert main(["benchmark", *options, "--against", "transformers-float32,official-float32"]) == 0
    assert "x ours" in capsys.readouterr().out
    record = json.loads(out.read_text())
    check_record(record)
    assert list(record["peers"]) == ["uois-sam", "transformers-float32", "official-float32"]
    assert record["peers"]["uois-sam"]["features_ratio"] == 1.0 and record["prompts"] == 30
    assert "dinov2" in record["parts_seconds"] and "maps" not in record["parts_seconds"]


def test_a_base_without_heads_is_made_ready(tiny_base: TinyBase) -> None:
    base = tiny_base.load()
    model = UOISSAM(base, base_card(base), InferenceConfig())
    assert ready(model).settings.prompts == "grid" and ready(model).settings.scores == "sam"


@pytest.mark.parametrize("count", [1, 2, 30])
def test_points_are_spread_inside_the_photo(count: int) -> None:
    points = spread_points((48, 64), count)
    assert points.shape == (count, 2) and len(np.unique(points, axis=0)) == count
    assert (points >= 0).all() and (points[:, 0] <= 63).all() and (points[:, 1] <= 47).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--repeats", "0"], "--repeats: expected 1 or more, found 0"),
        (["--threads", "0"], "--threads: expected 1 or more, found 0"),
        (["--width", "-3"], "--width: expected 1 or more"),
        (["--image", "no.png"], "no.png"),
        (["--model", "compakt"], "did you mean compact"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--against", "transformers"], "expected a model on SAM"),
        (["--random"], "no such base: compact"),
        (["--out", "no/such/folder.json"], "--out no/such/folder.json: expected an existing folder"),
    ],
)
def test_bad_options_are_one_line(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--width", "32", "--height", "32", "--repeats", "1"]
    assert main(["benchmark", *small, *options]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and said in told and told.count("\n") == 1


@pytest.mark.parametrize("options", [["--precision", "int3"], ["--sweep", "colour"], ["--repeats", "x"]])
def test_usage_errors_exit_2(options: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["benchmark", *options])
    assert caught.value.code == 2

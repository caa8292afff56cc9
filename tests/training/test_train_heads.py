"""Training heads on a frozen base, from images to a folder that segments; what is recorded and what is refused."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny_base import TinyBase, write_tiny_base
from uois_sam import UOISSAM
from uois_sam.checkpoints.folder import read_folder
from uois_sam.config import InferenceConfig
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import DatasetError, WeightsError
from uois_sam.models.networks import Networks
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.feature_cache import shards as cache
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.fit_loop import FitConfig
from uois_sam.training.splits import SubsetDataset
from uois_sam.training.targets import HeatmapTarget
from uois_sam.training.train_heads import HeadTrainingConfig, examine_images, train_heads

RECIPE = HeadTrainingConfig(
    features=FeatureConfig(prompts=6),
    target=HeatmapTarget(interior=True, sigma_px=4),
    fit=FitConfig(epochs=3, hpg_images=4, hdnet_images=4, hpg_at_once=2, rate=1e-2),
    selection=InferenceConfig(nms="box"),
)
QUIET = ProgressCallback(lambda name, total: None, lambda done, note: None)


@pytest.fixture
def foundation(tiny_base: TinyBase) -> Networks:
    """A tiny SAM and DINOv2 in Meta's format, with heads small enough to fit in a test."""
    base = tiny_base.load()
    return replace(base, heads=replace(base.heads, hpg_width=8, hpg_scales=(2,), frame_hw=(96, 128), score_width=8))


def train(base: Networks, data: Any, out: Path, processes: Any, **changes: Any) -> Path:
    options = {name: changes.pop(name) for name in ("validation", "tensorboard") if name in changes}
    recipe, tensorboard = replace(RECIPE, **changes), options.pop("tensorboard", False)
    images = examine_images(data, recipe, QUIET, processes, **options)
    return train_heads(base, images, recipe, out, QUIET, processes, tensorboard=tensorboard)


def test_heads_for_sam_and_dinov2_are_trained_saved_and_loaded(
    foundation: Networks, tiny_base: TinyBase, data: FolderDataset, tmp_path: Path, processes: Any
) -> None:
    out = tmp_path / "run"
    folder = train(foundation, data, out, processes)
    model = UOISSAM.from_pretrained(folder, sam=tiny_base.sam, dinov2=tiny_base.dinov2, device="cpu")
    assert model.settings == RECIPE.selection
    model.with_settings(heatmap_threshold=-1.0, foreground_threshold=0.0, score_threshold=-9.0).predict(data[1].image)
    card, tensors = read_folder(folder)
    assert card.architecture["base_sha256"] == foundation.sha256
    assert {name.split(".")[0] for name in tensors} == {"hpg", "hdnet"}
    record = json.loads((out / "run.json").read_text())
    assert card.training == record
    assert record["base"] == {"name": "sam-tiny", "sha256": foundation.sha256}
    assert record["data"]["images"] == 6
    assert record["recipe"]["target"] == {
        "interior": True, "sigma_px": 4, "sigma_of_size": 0.0, "sigma_range_px": [2.5, 12.0]
    }  # fmt: skip
    rows = list(csv.DictReader((out / "curves.csv").open()))
    assert [(row["head"], row["number"]) for row in rows] == [(h, str(n)) for h in ("hdnet", "hpg") for n in range(4)]
    for head, loss in record["losses"].items():
        assert loss == min(float(row["validation"]) for row in rows if row["head"] == head)
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_heads_refuse_another_base(foundation: Networks, data: FolderDataset, tmp_path: Path, processes: Any) -> None:
    folder = train(foundation, data, tmp_path / "run", processes, fit=replace(RECIPE.fit, epochs=1))
    other = write_tiny_base(tmp_path / "other", seed=5)
    with pytest.raises(WeightsError, match="trained on sam-tiny with SHA256"):
        UOISSAM.from_pretrained(folder, sam=other.sam, dinov2=other.dinov2, device="cpu")


def test_started_again_a_finished_run_computes_nothing_and_ends_the_same(
    foundation: Networks, data: FolderDataset, tmp_path: Path, processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (train(foundation, data, tmp_path, processes) / "model.safetensors").read_bytes()
    curves = (tmp_path / "curves.csv").read_text()
    monkeypatch.setattr(cache, "view_rows", None)
    monkeypatch.setattr("uois_sam.training.fit_loop.batches", None)
    assert (train(foundation, data, tmp_path, processes) / "model.safetensors").read_bytes() == first
    assert (tmp_path / "curves.csv").read_text() == curves


def test_another_target_needs_no_pass_through_the_frozen_networks(
    foundation: Networks, data: FolderDataset, tmp_path: Path, processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a fit of HDNet, which does not depend on it."""
    first = train(foundation, data, tmp_path, processes)
    before = read_folder(first)[1]
    monkeypatch.setattr(cache, "view_rows", None)
    after = read_folder(train(foundation, data, tmp_path, processes, target=HeatmapTarget(sigma_px=9)))[1]
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("hdnet.")} <= same
    assert not {"hpg.out.weight", "hpg.project.weight"} & same


def test_a_share_of_the_images_and_images_of_their_own_to_validate(
    foundation: Networks, data: FolderDataset, tmp_path: Path, processes: Any
) -> None:
    train(foundation, data, tmp_path, processes, percent=50, validation=SubsetDataset(data, [2, 3]))
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["data"]["images"] == 3 + 2
    assert record["validation_images"] == 2
    assert record["recipe"]["percent"] == 50


@pytest.mark.parametrize(
    ("indices", "told"),
    [([0, 4], "expected labelled objects to learn from, found none in 2 images"), ([1], "at least 2 labelled images")],
)
def test_images_without_objects_or_a_single_one_are_told_before_the_work(
    foundation: Networks, data: FolderDataset, tmp_path: Path, processes: Any, indices: list[int], told: str
) -> None:
    with pytest.raises(DatasetError, match=told):
        train(foundation, SubsetDataset(data, indices), tmp_path, processes)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_an_empty_scene_among_others_is_welcome(
    foundation: Networks, data: FolderDataset, tmp_path: Path, processes: Any
) -> None:
    """Images 0 and 4 have no object; with only three images one of them trains."""
    train(foundation, SubsetDataset(data, [0, 4, 1]), tmp_path, processes)


# --- several processes, really launched

SHARE = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from conftest import TINY
from uois_sam.datasets.folder import FolderDataset
from uois_sam.checkpoints.compact import compact_base
from uois_sam.models.compact.model import CompactModel
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.train_heads import HeadTrainingConfig, examine_images, train_heads
from uois_sam.training.fit_loop import FitConfig
from uois_sam.training.distributed import start_processes
from uois_sam.runtime.progress import ProgressCallback
root, out = map(Path, sys.argv[1:])
torch.manual_seed(0)
base = compact_base(CompactModel(TINY).eval().requires_grad_(False), "tiny", torch.device("cpu"))
fit = FitConfig(epochs=3, hpg_images=7, hdnet_images=7, hpg_at_once=2)
recipe = HeadTrainingConfig(FeatureConfig(prompts=6), fit=fit)
quiet = ProgressCallback(lambda name, total: None, lambda done, note: None)
processes = start_processes("cpu")
images = examine_images(FolderDataset(root), recipe, quiet, processes)
train_heads(base, images, recipe, out, quiet, processes)
"""
"""Both as a script for accelerate and, executed here, as one process."""


@pytest.mark.slow
def test_two_processes_cache_the_same_bytes_and_fit_the_same_hdnet(
    rectangles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 7 do not divide evenly; only HPG's batch statistics are each process's own on the processor."""
    for number in range(6, 40):  # three shards
        for kind in ("rgb", "label"):
            (rectangles / kind / f"{number}.png").symlink_to(rectangles / kind / f"{number % 6}.png")
    script = tmp_path / "share.py"
    script.write_text(SHARE)
    tests, source = Path(__file__).parents[1], Path(cache.__file__).parents[3]
    paths = (tests, tests / "helpers", source)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, paths))}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [*launch, str(script), str(rectangles), str(tmp_path / "two")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    monkeypatch.setattr(sys, "argv", ["share.py", str(rectangles), str(tmp_path / "one")])
    exec(compile(SHARE, str(script), "exec"), {})

    records = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("two", "one")]
    assert [record["processes"] for record in records] == [2, 1]
    assert records[0]["losses"]["hdnet"] == pytest.approx(records[1]["losses"]["hdnet"], rel=1e-4)
    assert records[0]["losses"]["hpg"] == pytest.approx(records[1]["losses"]["hpg"], rel=0.5)
    caches = [{p.name: p.read_bytes() for p in (tmp_path / name / "cache").rglob("*.*")} for name in ("two", "one")]
    assert caches[0] == caches[1]
    assert len(list((tmp_path / "one" / "cache").rglob("*.safetensors"))) == 6

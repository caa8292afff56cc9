"""The whole flow on a tiny model: files, resuming, the choice of weights, and the loop of labelling and correcting."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finetuning_photos import write_photos
from uois_sam import UOISSAM
from uois_sam.checkpoints.folder import read_folder
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import UOISError, WeightsError
from uois_sam.finetuning import FineTuneConfig, FineTuneResult, finetune
from uois_sam.finetuning.outcome import Kept, choose
from uois_sam.finetuning.scores import Verdict
from uois_sam.runtime.progress import ProgressCallback

FEW = FineTuneConfig(steps=4, rate=1e-3, keep="trained")


def tune(photos: Path, out: Path, start: Path, config: FineTuneConfig = FEW, **rest: object) -> FineTuneResult:
    return finetune(FolderDataset(photos), out, config, start=start, device="cpu", **rest)  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_folder(folder)[1]


def test_everything_is_written_and_named(photos: Path, start: Path, tmp_path: Path) -> None:
    result = tune(photos, tmp_path / "bench", start)
    assert (result.name, result.start) == ("bench", "tiny")
    assert len(result.learned) == len(result.held_out) == 4
    assert not set(result.learned) & set(result.held_out)
    card, tensors = read_folder(result.model)
    parent, before = read_folder(start)
    assert (card.name, card.parent, card.selection) == ("bench", "tiny", parent.selection)
    assert card.training["started_from"]["weights_sha256"] == parent.weights_sha256
    assert any(not torch.equal(tensors[name], before[name]) for name in before)
    for name in before:
        if name.startswith("encoder.backbone.stem"):  # frozen
            assert torch.equal(tensors[name], before[name])
    record = json.loads((tmp_path / "bench" / "result.json").read_text())
    assert record["comparison"]["after"]["photos"] == 4
    assert record["verdict"] == result.comparison.verdict
    assert (tmp_path / "bench" / "result.md").read_text().startswith("|  | overlap F |")
    with Image.open(tmp_path / "bench" / "before_after.jpg") as picture:
        assert picture.width > 3 * 128
    UOISSAM.from_pretrained(result.model, device="cpu").predict(photos / "rgb" / "3.png")
    with pytest.raises(FrozenInstanceError):
        result.name = "other"  # type: ignore[misc]


def test_what_is_asked_decides_the_scores_and_is_kept_with_the_run(photos: Path, start: Path, tmp_path: Path) -> None:
    everything = tune(photos, tmp_path / "all", start)
    left = tune(photos, tmp_path / "left", start, what={"region": (0, 0, 0.5, 1), "min_score": -1})
    assert 0 < left.comparison.before.objects < everything.comparison.before.objects
    assert any(note.startswith("scored with what was asked") and "region" in note for note in left.notes)
    trained = [weights(each.trained) for each in (everything, left)]
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])
    with pytest.raises(UOISError, match="what to find"):
        tune(photos, tmp_path / "left", start)
    with pytest.raises(UOISError, match="no points and no boxes"):
        tune(photos, tmp_path / "boxed", start, what={"boxes": [(0, 0, 4, 4)]})


class Killed(BaseException):
    """Ends a run at once, as a kill does."""


def killing_at(step: int) -> ProgressCallback:
    stages: list[str] = []

    def advance(done: int, note: str) -> None:
        if stages[-1] == "training" and done == step:
            raise Killed

    return ProgressCallback(lambda name, total: stages.append(name), advance)


def test_a_run_that_was_killed_ends_with_the_same_weights(photos: Path, start: Path, tmp_path: Path) -> None:
    whole = tune(photos, tmp_path / "whole", start)
    for stop in (1, 4):
        with pytest.raises(Killed):
            tune(photos, tmp_path / "halves", start, progress=killing_at(stop))
    halves = tune(photos, tmp_path / "halves", start)
    assert halves.comparison == whole.comparison
    for name, value in weights(whole.trained).items():
        assert torch.equal(value, weights(halves.trained)[name]), name


def test_a_finished_run_is_not_trained_again(photos: Path, start: Path, tmp_path: Path) -> None:
    first = tune(photos, tmp_path / "run", start)
    assert tune(photos, tmp_path / "run", start, progress=killing_at(1)) == first


def test_weights_within_noise_are_the_model_unless_they_must_be_better(start: Path, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "ten", 10)
    still = FineTuneConfig(steps=1, rate=1e-12, keep="better")
    result = tune(photos, tmp_path / "run", start, still)
    assert result.comparison.verdict == "within noise"
    assert result.kept == "start"
    assert "No difference beyond noise" in result.verdict()
    assert f"the trained ones are in {tmp_path / 'run' / 'trained'}" in result.verdict()
    assert read_folder(result.model)[0].weights_sha256 == read_folder(start)[0].weights_sha256
    assert read_folder(result.trained)[0].name == "run"
    told = tune(photos, tmp_path / "run", start, replace(still, keep="not-worse"))  # the choice alone is another one
    assert told.kept == "trained" and FineTuneConfig().keep == "not-worse"
    assert "No difference beyond noise" in told.verdict() and "holds the trained weights" in told.verdict()
    assert read_folder(told.model)[0].name == "run"


@pytest.mark.parametrize(
    ("verdict", "not_worse", "better"),
    [
        ("better", "trained", "trained"),
        ("within noise", "trained", "start"),
        ("worse", "start", "start"),
        ("too few to tell", "start", "start"),
    ],
)
def test_which_weights_become_the_model(verdict: Verdict, not_worse: Kept, better: Kept) -> None:
    assert (choose("not-worse", verdict), choose("better", verdict)) == (not_worse, better)
    assert choose("trained", verdict) == "trained"


def test_four_held_out_photos_do_not_replace_the_start(photos: Path, start: Path, tmp_path: Path) -> None:
    result = tune(photos, tmp_path / "run", start, replace(FEW, keep="not-worse"))
    assert result.kept == "start"
    assert "4 held-out photos cannot tell" in result.verdict()


def test_a_folder_of_another_run_is_refused(photos: Path, start: Path, tmp_path: Path) -> None:
    tune(photos, tmp_path / "run", start)
    with pytest.raises(UOISError, match=r"holds a fine-tuning with rate 0.001 instead of 0.002; choose another --out"):
        tune(photos, tmp_path / "run", start, replace(FEW, rate=2e-3))
    label = photos / "label" / "0.png"
    Image.fromarray(np.rot90(np.array(Image.open(label)), 2)).save(label)
    with pytest.raises(UOISError, match="with other photos and labels"):
        tune(photos, tmp_path / "run", start)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"steps": 0}, "steps: expected 1 or more, found 0"),
        ({"rate": 0.0}, "rate: expected above 0 and at most 1, found 0"),
        ({"rate": float("nan")}, "found nan"),
        ({"held_out": 0.9}, "held_out: expected a share above 0 and at most 0.8, found 0.9"),
    ],
)
def test_settings_that_make_no_sense_are_told(change: dict[str, float], told: str) -> None:
    with pytest.raises(UOISError, match=told):
        FineTuneConfig(**change)  # type: ignore[arg-type]


def test_only_compact_models_are_fine_tuned(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="sam-vit-l"):
        finetune(FolderDataset(photos), tmp_path / "run", start="sam-vit-l", device="cpu")
    assert not (tmp_path / "run").exists()


def test_held_out_photos_have_no_part_in_the_training(photos: Path, start: Path, tmp_path: Path) -> None:
    first = tune(photos, tmp_path / "run", start)
    for name in first.held_out:  # other pictures, the same labels
        path = photos / "rgb" / f"{name}.png"
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    second = tune(photos, tmp_path / "other", start)
    assert second.held_out == first.held_out
    assert second.comparison != first.comparison
    for name, value in weights(first.trained).items():
        assert torch.equal(value, weights(second.trained)[name]), name


def test_labels_corrected_by_hand_become_training_data(start: Path, tmp_path: Path) -> None:
    """Masks of the model, wrong ones replaced by the truth as a person would, then fine-tuning on them."""
    truth = FolderDataset(write_photos(tmp_path / "truth", 6))
    model = UOISSAM.from_pretrained(start, device="cpu")
    corrected = tmp_path / "corrected"
    for kind in ("rgb", "label"):
        (corrected / kind).mkdir(parents=True)
    for sample in truth:
        found = model.predict(sample.image).label_map()
        right = np.zeros_like(found)
        for value in np.unique(sample.labels[sample.labels > 0]):
            mask = sample.labels == value
            overlaps = [((found == k) & mask).sum() / ((found == k) | mask).sum() for k in np.unique(found[mask])]
            right[mask if max(overlaps, default=0.0) < 0.75 else found == found[mask].max()] = value
        Image.fromarray(sample.image).save(corrected / "rgb" / f"{sample.name}.png")
        Image.fromarray(right).save(corrected / "label" / f"{sample.name}.png")
    result = tune(corrected, tmp_path / "run", start)
    UOISSAM.from_pretrained(result.model, device="cpu").predict(truth[0].image)

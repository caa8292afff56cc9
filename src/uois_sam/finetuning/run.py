"""One fine-tuning under way: training, scores before and after, and the files of its result."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from uois_sam.checkpoints.compact import compact_networks
from uois_sam.checkpoints.folder import card_settings, save_folder
from uois_sam.datasets.base import Dataset
from uois_sam.errors import UOISError, count
from uois_sam.evaluation.asked import standing_inside
from uois_sam.evaluation.frame_scores import FrameResult, Prediction, score_frame
from uois_sam.evaluation.predictors import ModelPredictor
from uois_sam.finetuning import sheet
from uois_sam.finetuning.outcome import FineTuneConfig, FineTuneResult
from uois_sam.finetuning.photos import LARGEST_SIDE, Facts, HeldOut, SmallCopies
from uois_sam.finetuning.schedule import Schedule
from uois_sam.finetuning.scores import Comparison, compare
from uois_sam.finetuning.training import seconds_of_step, train
from uois_sam.io.files import write_atomically, write_together
from uois_sam.io.json_files import read_json
from uois_sam.models.compact.model import CompactModel
from uois_sam.pipeline import UOISSAM
from uois_sam.request import Request
from uois_sam.runtime.progress import ProgressCallback, tracked
from uois_sam.runtime.provenance import describe_run
from uois_sam.training.train_compact import at_size
from uois_sam.types import ModelCard

VIEW_SHARE = 0.7
"""Size of training views, as a share of the model's input: they are crops of photos, in which objects are larger."""
SETTINGS_FILE, RESULT_FILE, TABLE_FILE, SHEET_FILE = "run.json", "result.json", "result.md", "before_after.jpg"

logger = logging.getLogger(__name__)


def claim(out: Path, config: FineTuneConfig, start_sha256: str, data_sha256: str, request: Request) -> None:
    """Note in ``out`` whose results it holds.

    Raises:
        UOISError: if it holds those of a run with other settings, photos or start.
    """
    path = out / SETTINGS_FILE
    recipe = {key: value for key, value in asdict(config).items() if key != "keep"}
    ours: dict[str, Any] = {**recipe, "start": start_sha256, "photos and labels": data_sha256,
                            "what to find": request.to_json() or None}  # fmt: skip
    if path.is_file():
        theirs = read_json(path, dict[str, Any], what="settings of a fine-tuning")
        differs = [key for key in ours if ours[key] != theirs.get(key)]
        if differs:
            shown = [
                f"{key} {theirs.get(key)!r} instead of {ours[key]!r}" if key in recipe else f"other {key}"
                for key in differs
            ]
            raise UOISError(f"{out}: holds a fine-tuning with {', '.join(shown)}; choose another --out")
    else:
        write_atomically(path, (json.dumps(ours, indent=1) + "\n").encode())


@dataclass(frozen=True)
class Run:
    """Everything that stays the same in one fine-tuning."""

    data: Dataset
    facts: Facts
    held_out: HeldOut
    schedule: Schedule
    config: FineTuneConfig
    card: ModelCard
    """Of the model that it starts from."""
    name: str
    device: torch.device
    progress: ProgressCallback
    out: Path
    request: Request
    """What to find in the held-out photos."""

    def said(self) -> tuple[str, ...]:
        """Return what the scores are of, where something was asked for."""
        words = [f"{name} {value}" for name, value in self.request.to_json().items()]
        return (f"scored with what was asked to be found, which the weights do not hold: {', '.join(words)}",) * bool(
            words
        )

    def names(self, indices: Sequence[int]) -> tuple[str, ...]:
        """Return names of photos."""
        return tuple(self.data.names[index] for index in indices)

    def train(self, start: CompactModel) -> CompactModel:
        """Return the trained model at the size of the start."""
        deploy_hw = start.config.input_hw
        view_hw = tuple(max(32, 16 * round(VIEW_SHARE * side / 16)) for side in deploy_hw)
        model = at_size(start, (view_hw[0], view_hw[1])).requires_grad_(True)
        self.progress.stage("photos to learn from", len(self.held_out.learn))
        learn = SmallCopies(self.data, self.held_out.learn, lambda done: self.progress.advance(done, ""))
        network = self.schedule.network_config(
            self.config.rate, self.config.seed, self.card.weights_sha256, self.facts.sha256
        )
        began = time.monotonic()
        next(self._found(start, self.held_out.test))
        scoring = (time.monotonic() - began) * 2 * len(self.held_out.test)
        seconds = seconds_of_step(model, learn, network)
        self._announce(seconds, seconds * network.steps + scoring, learn.copied)

        train(model, learn, network, self.out / "network", self.progress)
        return at_size(model, deploy_hw)

    def _announce(self, step_seconds: float, seconds: float, copied: int) -> None:
        logger.info("%s", self.held_out.words)
        if copied:
            logger.info("%s learned from as copies of %d pixels", count(copied, "photo"), LARGEST_SIDE)
        logger.info(
            "%s; about %s on %s at %.1f s a step",
            self.schedule.words, timedelta(seconds=round(seconds)), self.device, step_seconds,
        )  # fmt: skip

    def _found(self, model: CompactModel, indices: Sequence[int]) -> Iterator[tuple[Prediction, FrameResult]]:
        """Predict and score photos, one at a time."""
        networks = compact_networks(model, self.name, self.device)
        predictor = ModelPredictor(UOISSAM(networks, self.card, card_settings(self.card), self.request))
        for index in indices:
            sample = standing_inside(self.data[index], self.request)
            prediction = predictor(sample.image)
            yield prediction, score_frame(sample, prediction)

    def judge(self, start: CompactModel, trained: CompactModel) -> Comparison:
        """Score both models on all held-out photos, and draw those that changed most."""
        test = self.held_out.test
        before, after = (
            list(tracked(self._found(model, test), self.progress, f"scoring {when}", len(test)))
            for model, when in ((start, "before"), (trained, "after"))
        )
        results = [[result for _, result in found] for found in (before, after)]
        rows = [sheet.row(self.data[test[k]], before[k], after[k]) for k in sheet.choose(*results)]
        write_atomically(self.out / SHEET_FILE, sheet.sheet(rows))
        return compare(*results)

    def write(self, result: FineTuneResult, start: CompactModel, trained: CompactModel) -> None:
        """Write both folders of weights, the table and the record."""
        card = self._trained_card(result)
        save_folder(_tensors(trained), card, self.out / "trained")
        if result.kept == "trained":
            save_folder(_tensors(trained), card, self.out / "model")
        else:
            save_folder(_tensors(start), self.card, self.out / "model")
        write_together(
            {self.out / TABLE_FILE: result.as_markdown(), self.out / RESULT_FILE: result.as_json()},
        )

    def _trained_card(self, result: FineTuneResult) -> ModelCard:
        """The start's card with another name, its parent, and the record of this training."""
        parent = self.card
        lineage = {"name": parent.name, "version": parent.version, "full_name": parent.full_name,
                   "weights_sha256": parent.weights_sha256, "training": dict(parent.training)}  # fmt: skip
        record = {
            "recipe": {**asdict(self.config), "steps": self.schedule.steps}, "images": len(result.learned),
            "held_out_images": len(result.held_out), "data_sha256": self.facts.sha256,
            "held_out": asdict(result.comparison), "started_from": lineage, **describe_run(self.device, 1),
        }  # fmt: skip
        return replace(parent, name=self.name, version="", training=record, weights_sha256="", parent=parent.full_name)


def _tensors(model: CompactModel) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}

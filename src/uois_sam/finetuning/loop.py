"""Training of the network with scores on the held-out photos on the way: the best weights are kept, and it stops early.

A run that was killed and started again ends with the same weights: a scoring is on disk before the checkpoint of its
step is, and one that is repeated gives the same score.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save

from uois_sam.datasets.base import Dataset
from uois_sam.finetuning.schedule import PATIENCE
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.io.json_files import read_json
from uois_sam.models.compact.model import CompactModel
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.compact_network import (
    Batch,
    NetworkTrainingConfig,
    StepDataset,
    network_losses,
    step_precision,
    train_network,
)

BEST_FILE = "best.safetensors"
SCORES_FILE = "scores.json"


@dataclass(frozen=True)
class Course:
    """Scores on the held-out photos in the course of a training."""

    scores: dict[int, float]
    """Mean overlap F by step; step 0 is the model before."""

    @property
    def best(self) -> int:
        """The step with the highest score; the earliest of equal ones."""
        return max(self.scores, key=lambda step: (self.scores[step], -step))

    @property
    def best_trained(self) -> int:
        """As :attr:`best`, without step 0."""
        return max((step for step in self.scores if step), key=lambda step: (self.scores[step], -step))

    @property
    def exhausted(self) -> bool:
        """Whether the last ``PATIENCE`` scorings brought no new best."""
        return list(self.scores).index(self.best) < len(self.scores) - PATIENCE


class _StoppedEarly(Exception):  # noqa: N818 - no error
    """Ends the training from its report."""


def train_scored(
    model: CompactModel,
    data: Dataset,
    config: NetworkTrainingConfig,
    folder: Path,
    score: Callable[[CompactModel], float],
    watch: ProgressCallback,
) -> Course:
    """Train in place, scoring before and every ``config.save_every`` steps; leaves the best trained weights in it.

    Args:
        model: weights to start from, on the device to compute on.
        data: photos to learn from.
        config: settings of the training.
        folder: for the checkpoint, the scores and the best weights; a run that was stopped goes on from there.
        score: the mean overlap F of a model on the held-out photos, in percent.
        watch: receiver of progress.
    """
    make_output_folder(folder)
    course = Course(_read_scores(folder))
    if not course.scores:
        course = _scored(course, 0, model, folder, score)
    best = f"F {course.scores[0]:.1f} before"

    def report(step: int, values: dict[str, float]) -> None:
        nonlocal course, best
        if step % config.save_every == 0 or step == config.steps:
            course = _scored(course, step, model, folder, score)
            best = f"F {course.scores[course.best]:.1f} at step {course.best} is best"
        watch.advance(step, f"loss {values['loss']:.2f}, {best}")
        if course.exhausted:
            raise _StoppedEarly

    watch.stage("training", config.steps)
    if config.steps not in course.scores and not course.exhausted:
        with suppress(_StoppedEarly):
            train_network(model, data, config, folder, report)
    model.load_state_dict(load((folder / BEST_FILE).read_bytes()))
    model.eval()
    return course


def _scored(
    course: Course, step: int, model: CompactModel, folder: Path, score: Callable[[CompactModel], float]
) -> Course:
    """Score the weights of a step and write the result; scores of later steps, from before a kill, are dropped."""
    before = {earlier: value for earlier, value in course.scores.items() if earlier < step}
    found = Course({**before, step: score(model)})
    if step and found.best_trained == step:
        tensors = {name: value.contiguous().cpu() for name, value in model.state_dict().items()}
        write_atomically(folder / BEST_FILE, save(tensors))
    write_atomically(folder / SCORES_FILE, json.dumps(found.scores).encode())
    return found


def _read_scores(folder: Path) -> dict[int, float]:
    path = folder / SCORES_FILE
    if not path.is_file():
        return {}
    return {int(step): float(value) for step, value in read_json(path, what="scores by step").items()}


def seconds_of_step(model: CompactModel, data: Dataset, config: NetworkTrainingConfig) -> float:
    """Time the second of two steps, without changing the weights."""
    device = next(model.parameters()).device
    items = StepDataset(data, config, model.config.input_hw, 0)
    fields = zip(*(items[index] for index in range(config.images)), strict=True)
    batch = Batch(*(torch.stack(values) for values in fields)).to(device)
    seconds = 0.0
    for _ in range(2):
        began = time.monotonic()
        with step_precision(device):
            torch.stack(list(network_losses(model, batch, config).values())).sum().backward()
        model.zero_grad(set_to_none=True)
        seconds = time.monotonic() - began
    return seconds

"""Training of the network in a fine-tuning: all steps, with a rate that falls to zero; and the time of a step.

Held-out photos have no part in it. Choosing the step by them was tried: they then promised gains of about two points
that other photos did not show, and the chosen step lay where the rate was still high.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from uois_sam.datasets.base import Dataset
from uois_sam.io.files import make_output_folder
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


def train(
    model: CompactModel, data: Dataset, config: NetworkTrainingConfig, folder: Path, watch: ProgressCallback
) -> None:
    """Train in place; a killed run goes on from the checkpoint in ``folder`` and ends with the same weights."""
    make_output_folder(folder)
    watch.stage("training", config.steps)
    train_network(model, data, config, folder, lambda step, values: watch.advance(step, f"loss {values['loss']:.2f}"))


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

"""Fit of a head on cached features (Sec. IV-A): AdamW with a stepped rate; the epoch with the lowest validation loss is
kept."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from uois_sam.models.networks import hash_weights
from uois_sam.training.checkpoints import OtherSettingsError, Stateful, load_checkpoint, save_checkpoint
from uois_sam.training.distributed import add_up, distribute, share_buffers
from uois_sam.training.feature_cache.rows import (
    R,
    RowSource,
    batches,
    count_rows,
)
from uois_sam.training.learning_curves import Epoch

if TYPE_CHECKING:
    from accelerate import Accelerator

Loss = Callable[[nn.Module, R], Tensor]
"""Mean loss of a head over rows."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitConfig:
    """The paper's schedule (Sec. IV-A)."""

    epochs: int = 30
    hpg_images: int = 32
    """Views a step for HPG."""
    hdnet_images: int = 30
    """Views a step for HDNet."""
    rate: float = 1e-3
    decay: float = 0.1
    decay_every: int = 10
    """Epochs after which the rate is multiplied by ``decay``."""
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    hpg_at_once: int = 4
    """Views of a step that go through HPG together: bounds memory. Batch norm and the class weights of Eq. 3 see this
    many views."""
    seed: int = 0


@dataclass(frozen=True)
class FitContext:
    """Processes, checkpoint and receiver of progress of a fit."""

    processes: Accelerator
    report: Callable[[Epoch], None]
    """Called in the main process after every epoch (epoch 0 is the head before the fit); a resumed fit first reports
    the epochs of the earlier run."""
    folder: Path | None = None
    """Folder of the checkpoint; None for no checkpoint."""
    origin: str = ""
    """Hash of what the rows were made from; a checkpoint of another origin is not used."""


class Best:
    """Epochs so far and weights of the best one; part of the checkpoint."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.weights: dict[str, Tensor] = {}

    @property
    def loss(self) -> float:
        """Lowest validation loss so far."""
        return min((e.validation for e in self.epochs if e.validation == e.validation), default=float("inf"))

    def add(self, epoch: Epoch, head: nn.Module) -> None:
        """Add an epoch; keep the head's weights if its validation loss is the lowest so far."""
        if not self.epochs or epoch.validation < self.loss:
            self.weights = {name: value.detach().cpu().clone() for name, value in head.state_dict().items()}
        self.epochs.append(epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": [asdict(epoch) for epoch in self.epochs], "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self.epochs = [Epoch(**values) for values in state["epochs"]]
        self.weights = state["weights"]


@dataclass(frozen=True)
class FitLoop:
    """One fit of one head, ready to run."""

    name: str
    images: int
    """Views a step, over all processes."""
    at_once: int
    """Views that go through the head together."""
    validation: int
    config: FitConfig
    place: FitContext
    settings: dict[str, Any]
    """Other settings that affect the result; part of the checkpoint's identity."""

    def run(self, head: nn.Module, rows: RowSource[R], loss: Loss[R]) -> float:
        """Fit to the end and return the validation loss of the kept epoch; resumes from a checkpoint of the same fit.

        Epoch 0 is the head before the fit, so the result is never worse than the start. The batches of epoch n follow
        from seed and n alone, so a resumed fit ends with the same weights as one that was never stopped.
        """
        config, processes = self.config, self.place.processes
        module = distribute(copy.deepcopy(head), processes)
        wrapped = processes.prepare_model(module)
        optimiser = torch.optim.AdamW(module.parameters(), config.rate, config.betas, weight_decay=config.weight_decay)
        stepper = processes.prepare_optimizer(optimiser)
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, config.decay_every, config.decay)
        best = Best()
        parts: dict[str, Stateful] = {"head": module, "optimiser": optimiser, "schedule": schedule, "best": best}
        identity = self._identity(head, rows)
        done = self._resume(parts, identity)
        for epoch in best.epochs:
            self._report(epoch)
        for number in range(done, config.epochs + 1):
            began, rate = time.monotonic(), float(schedule.get_last_lr()[0])
            trained = float("nan")
            if number > 0:
                trained = self._train(wrapped, stepper, rows, loss, number)
                schedule.step()
            validated = self._validate(module, rows, loss)
            epoch = Epoch(self.name, number, trained, validated, rate, time.monotonic() - began)
            best.add(epoch, module)
            self._report(epoch)
            if self.place.folder is not None and processes.is_main_process:
                save_checkpoint(self.place.folder, parts, identity, number + 1)
        processes.wait_for_everyone()
        head.load_state_dict(best.weights)
        head.eval()
        return best.loss

    def _train(
        self, wrapped: nn.Module, optimiser: torch.optim.Optimizer, rows: RowSource[R], loss: Loss[R], epoch: int
    ) -> float:
        """Train one epoch; returns the mean training loss over all processes."""
        processes = self.place.processes
        wrapped.train()
        rng = np.random.default_rng([self.config.seed, epoch])
        total = torch.zeros(2, dtype=torch.float64)
        for batch in batches(rows, range(count_rows(rows) - self.validation), self.images, rng):
            own = batch.take(slice(processes.process_index, None, processes.num_processes))
            # A process without rows still takes part where gradients are averaged.
            chunks = [own] if len(own) == 0 else _cut(own, self.at_once)
            optimiser.zero_grad(set_to_none=True)
            for position, chunk in enumerate(chunks):
                last = position + 1 == len(chunks)
                with _averaging_if(last, wrapped, processes):
                    value = loss(wrapped, (chunk if len(chunk) else batch.take(slice(0, 1))).to(processes.device))
                    weight = len(chunk) * processes.num_processes / len(batch)
                    processes.backward(value * weight)
                total += torch.tensor([float(value.detach()) * len(chunk), len(chunk)], dtype=torch.float64)
            optimiser.step()
        summed = add_up(total, processes)
        return float(summed[0] / summed[1].clamp(min=1))

    @torch.no_grad()
    def _validate(self, module: nn.Module, rows: RowSource[R], loss: Loss[R]) -> float:
        """Return the mean loss of the held-out rows over all processes, the same number in each."""
        processes = self.place.processes
        share_buffers(module, processes)
        module.eval()
        held_out = range(count_rows(rows) - self.validation, count_rows(rows))
        total = torch.zeros(2, dtype=torch.float64)
        for number, batch in enumerate(batches(rows, held_out, self.at_once)):
            if number % processes.num_processes == processes.process_index:
                value = float(loss(module, batch.to(processes.device)))
                total += torch.tensor([value * len(batch), len(batch)], dtype=torch.float64)
        summed = add_up(total, processes)
        return float(summed[0] / summed[1])

    def _report(self, epoch: Epoch) -> None:
        if self.place.processes.is_main_process:
            self.place.report(epoch)

    def _resume(self, parts: dict[str, Stateful], identity: dict[str, Any]) -> int:
        """Load the checkpoint if it is of this fit; returns the first epoch to run."""
        if self.place.folder is None:
            return 0
        try:
            return load_checkpoint(self.place.folder, parts, identity)
        except OtherSettingsError:
            if self.place.processes.is_main_process:
                logger.info("%s: fitted with other settings or on other features before, starts anew", self.name)
            return 0

    def _identity(self, head: nn.Module, rows: RowSource[R]) -> dict[str, Any]:
        """Everything that affects the result, JSON-ready."""
        return {
            "name": self.name, "config": asdict(self.config), "settings": self.settings, "origin": self.place.origin,
            "rows": count_rows(rows), "validation": self.validation, "start": hash_weights([head]),
        }  # fmt: skip


def _cut(rows: R, size: int) -> list[R]:
    return [rows.take(slice(start, start + size)) for start in range(0, len(rows), size)]


def _averaging_if(last: bool, wrapped: nn.Module, processes: Accelerator) -> AbstractContextManager[None]:
    """Average gradients over processes once a step, with its last chunk."""
    return nullcontext() if last else processes.no_sync(wrapped)

"""Averages of weights: over the steps of one training, and of several trainings from one start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]
"""Tensors by name, as a module's ``state_dict()``."""


class RunningAverage:
    """Mean of a model's weights over the steps that it was shown (``checkpoints.Stateful``).

    The mean of the last part of a training is flatter and less noisy than its end (stochastic weight averaging,
    Izmailov et al., arXiv 1803.05407). Counters and other integers are those of the last step shown.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, model: nn.Module) -> None:
        """Take in the weights of one more step."""
        self._steps += 1
        for name, value in model.state_dict().items():
            if name in self._mean and value.is_floating_point():
                before = self._mean[name].to(value.device)  # a checkpoint's lie on the processor
                self._mean[name] = before.lerp_(value, 1 / self._steps)
            else:
                self._mean[name] = value.clone()

    def load_into(self, model: nn.Module) -> None:
        """Give the model the mean, if it was shown any step."""
        if self._steps:
            model.load_state_dict(self._mean)

    def state_dict(self) -> dict[str, Any]:
        """Steps so far and their mean."""
        return {"steps": self._steps, "mean": dict(self._mean)}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Load the result of :meth:`state_dict`."""
        self._steps, self._mean = int(state["steps"]), dict(state["mean"])


def average_weights(start: Weights, runs: Sequence[tuple[Weights, float]]) -> dict[str, Tensor]:
    """Move from a start by a share of what each of several trainings moved: ``start + sum of share * (run - start)``.

    Shares of a half for two trainings give their mean (a model soup, Wortsman et al., arXiv 2203.05482), less than one
    in all leaves the rest to the start (WiSE-FT, arXiv 2109.01903). Integers stay the start's.

    Raises:
        ValueError: if a run's names or shapes are not the start's.
    """
    for weights, _ in runs:
        if {name: value.shape for name, value in weights.items()} != {
            name: value.shape for name, value in start.items()
        }:
            raise ValueError("expected the names and shapes of the start's weights")
    return {
        name: value + sum((share * (weights[name] - value) for weights, share in runs), start=torch.zeros_like(value))
        if value.is_floating_point() else value
        for name, value in start.items()
    }  # fmt: skip

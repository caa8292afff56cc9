"""Optimiser of the compact network: Muon for its matrices, AdamW for all other parameters, stepped as one.

Muon (Jordan et al. 2024) replaces a matrix's momentum by the nearest orthogonal matrix, so that all directions move by
the same amount; with updates scaled to the size of AdamW's (Liu et al. 2025) both use the same learning rates. On the
same batches every part of the loss ends lower than with AdamW alone, for a tenth more time a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uois_sam.errors import MissingExtraError

LEAST_SIDE = 8
"""Weights with fewer outputs or inputs go to AdamW: last layers, tables of a few tokens."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with one learning rate."""

    parameters: tuple[nn.Parameter, ...]
    rate: float


class MatrixOptimiser:
    """Muon and AdamW over one model (``checkpoints.Stateful``).

    Args:
        groups: the parameters. Weights of linear layers and, with inputs and kernel cells flattened, of convolutions
            go to Muon; biases, norms, depthwise kernels and last layers go to AdamW. Move the model to its device
            before: Muon writes to the parameters' present memory.
        weight_decay: decoupled weight decay of both.

    Raises:
        MissingExtraError: if PyTorch is older than 2.9, the first version with Muon.
    """

    def __init__(self, groups: Iterable[ParameterGroup], weight_decay: float) -> None:
        expect_muon()
        for_muon, for_adamw = [], []
        self._matrices: list[tuple[nn.Parameter, nn.Parameter]] = []
        for group in groups:
            weights = [parameter for parameter in group.parameters if is_matrix(parameter)]
            matrices = [_as_matrix(weight) for weight in weights]
            rest = [parameter for parameter in group.parameters if not is_matrix(parameter)]
            self._matrices += zip(weights, matrices, strict=True)
            for_muon += [{"params": matrices, "lr": group.rate}] if matrices else []
            for_adamw += [{"params": rest, "lr": group.rate}] if rest else []
        self._parts: dict[str, torch.optim.Optimizer] = {}
        if for_muon:
            self._parts["muon"] = torch.optim.Muon(for_muon, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        if for_adamw:
            self._parts["adamw"] = torch.optim.AdamW(for_adamw, weight_decay=weight_decay)
        self._full_rates = [group["lr"] for group in self._groups()]

    def set_share(self, share: float) -> None:
        """Set all learning rates to this share of their full value."""
        for group, rate in zip(self._groups(), self._full_rates, strict=True):
            group["lr"] = share * rate

    @torch.no_grad()
    def step(self) -> None:
        """Update all parameters from their gradients."""
        for weight, matrix in self._matrices:
            matrix.grad = None if weight.grad is None else weight.grad.flatten(1)
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """States of both optimisers by name."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Load the result of :meth:`state_dict`."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])

    def _groups(self) -> Iterator[dict[str, Any]]:
        for part in self._parts.values():
            yield from part.param_groups


def expect_muon() -> None:
    """Raise MissingExtraError if PyTorch is older than Muon."""
    if not hasattr(torch.optim, "Muon"):
        raise MissingExtraError("training the compact model", "train", "torch>=2.9")


def is_matrix(weight: Tensor) -> bool:
    """Return True for weights of linear layers and convolutions, by their shape; depthwise kernels (second side 1) and
    weights with fewer than ``LEAST_SIDE`` inputs or outputs are none."""
    return weight.ndim in (2, 4) and min(weight.shape[0], weight[0].numel()) >= LEAST_SIDE and weight.shape[1] > 1


def _as_matrix(weight: nn.Parameter) -> nn.Parameter:
    """View of the weight's memory as (outputs, inputs * cells): updates of the view are updates of the layer."""
    return nn.Parameter(weight.detach().view(len(weight), -1))

"""What the base network learns by: Muon for its matrices, AdamW for everything else, kept and stepped as one.

Muon (Jordan et al. 2024) turns a matrix's momentum into the nearest orthogonal one, so that every direction of it moves
alike; with updates scaled as large as AdamW's (Liu et al. 2025) both take the same rates. On the same batches it ends
lower than AdamW alone in every part of the loss, for a tenth more time a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uois_sam.errors import MissingExtraError

LEAST_SIDE = 8
"""A weight with fewer outputs or inputs than this is no matrix worth the name: last layers, tables of a few tokens."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn at one rate."""

    parameters: tuple[nn.Parameter, ...]
    rate: float


class MatrixOptimiser:
    """Muon and AdamW over one model (``checkpoints.Stateful``).

    Args:
        groups: all that learns. Weights of linear layers and, with their inputs and kernel cells flattened, of
            convolutions go to Muon; biases, norms, depthwise kernels and last layers go to AdamW. They must stay where
            they are: Muon writes to their memory, not to what may take their place later.
        weight_decay: of both, decoupled.
        muon: False leaves everything to AdamW.

    Raises:
        MissingExtraError: PyTorch is older than 2.9, which brought Muon.
    """

    def __init__(self, groups: Iterable[ParameterGroup], weight_decay: float, *, muon: bool = True) -> None:
        if muon:
            expect_muon()
        for_muon, for_adamw = [], []
        self._matrices: list[tuple[nn.Parameter, nn.Parameter]] = []
        for group in groups:
            weights = [parameter for parameter in group.parameters if muon and is_matrix(parameter)]
            matrices = [_as_matrix(weight) for weight in weights]
            rest = [parameter for parameter in group.parameters if not (muon and is_matrix(parameter))]
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
        """Let everything learn at this share of its full rate."""
        for group, rate in zip(self._groups(), self._full_rates, strict=True):
            group["lr"] = share * rate

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradients as they are."""
        for weight, matrix in self._matrices:
            matrix.grad = None if weight.grad is None else weight.grad.flatten(1)
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Both optimisers' states by name."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Take over what :meth:`state_dict` gave."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])

    def _groups(self) -> Iterator[dict[str, Any]]:
        for part in self._parts.values():
            yield from part.param_groups


def expect_muon() -> None:
    """Raise MissingExtraError where PyTorch is older than Muon."""
    if not hasattr(torch.optim, "Muon"):
        raise MissingExtraError("training the compact model", "train", "torch>=2.9")


def is_matrix(weight: Tensor) -> bool:
    """Whether a parameter maps many numbers to many, judged by its shape: a linear layer's or a convolution's weight,
    unless that is depthwise (its second side is 1)."""
    return weight.ndim in (2, 4) and min(weight.shape[0], weight[0].numel()) >= LEAST_SIDE and weight.shape[1] > 1


def _as_matrix(weight: nn.Parameter) -> nn.Parameter:
    """The same memory as (outputs, all else): what an update writes there, the layer sees."""
    return nn.Parameter(weight.detach().view(len(weight), -1))

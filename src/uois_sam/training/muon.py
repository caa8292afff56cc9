"""Optimiser of the compact network: Muon for its matrices, AdamW for all other parameters, stepped as one.

Muon (Jordan et al. 2024) replaces a matrix's momentum by the nearest orthogonal matrix, so that all directions move by
the same amount; with updates scaled to the size of AdamW's (Liu et al. 2025, arXiv 2502.16982) both use the same
learning rates. On the same batches every part of the loss ends lower than with AdamW alone, for a tenth more time a
step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uois_sam.runtime.device import capability

LEAST_SIDE = 8
"""Weights with fewer outputs or inputs go to AdamW: last layers, tables of a few tokens."""
MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of x, x^3 and x^5 in each iteration on a matrix's singular values, which it brings to 0.7 to 1.2 from wherever they
are (Jordan et al.)."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with one learning rate."""

    parameters: tuple[nn.Parameter, ...]
    rate: float


class MatrixOptimiser:
    """Muon and AdamW over one model (``checkpoints.Stateful``).

    Args:
        groups: the parameters. Weights of linear layers and, with inputs and kernel cells flattened, of convolutions
            go to Muon; biases, norms, depthwise kernels and last layers go to AdamW.
        weight_decay: decoupled weight decay of both.
    """

    def __init__(self, groups: Iterable[ParameterGroup], weight_decay: float) -> None:
        for_muon, for_adamw = [], []
        for group in groups:
            matrices = [parameter for parameter in group.parameters if is_matrix(parameter)]
            rest = [parameter for parameter in group.parameters if not is_matrix(parameter)]
            for_muon += [{"params": matrices, "lr": group.rate}] if matrices else []
            for_adamw += [{"params": rest, "lr": group.rate}] if rest else []
        self._parts: dict[str, torch.optim.Optimizer] = {}
        if for_muon:
            self._parts["muon"] = Muon(for_muon, weight_decay)
        if for_adamw:
            self._parts["adamw"] = torch.optim.AdamW(for_adamw, weight_decay=weight_decay)
        self._full_rates = [group["lr"] for group in self._groups()]

    def set_share(self, share: float) -> None:
        """Set all learning rates to this share of their full value."""
        for group, rate in zip(self._groups(), self._full_rates, strict=True):
            group["lr"] = share * rate

    def step(self) -> None:
        """Update all parameters from their gradients."""
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


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov's momentum, for weights of any number of dimensions, all but the first flattened.

    ``torch.optim.Muon`` computes in bfloat16 everywhere. A processor without instructions for it emulates them, in
    twenty times the time of float32 and longer than all the rest of a step; so here the device decides.

    Args:
        groups: as for every optimiser of PyTorch, each with its ``lr``.
        weight_decay: decoupled weight decay.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], weight_decay: float) -> None:
        super().__init__(groups, {"weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group["lr"], group["weight_decay"])

    def _update(self, weight: nn.Parameter, rate: float, weight_decay: float) -> None:
        grad, state = weight.grad, self.state[weight]
        assert grad is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(grad)
        momentum = state["momentum_buffer"].lerp_(grad, 1 - MOMENTUM)
        precision = torch.bfloat16 if capability(weight.device.type).fast_bfloat16 else torch.float32
        direction = nearest_orthogonal(grad.lerp(momentum, MOMENTUM).flatten(1), precision)
        as_large_as_adamw = 0.2 * max(direction.shape) ** 0.5
        weight.mul_(1 - rate * weight_decay)
        weight.add_(direction.reshape(weight.shape), alpha=-rate * as_large_as_adamw)


def nearest_orthogonal(matrix: Tensor, precision: torch.dtype) -> Tensor:
    """Bring all singular values of a matrix near 1 by Newton-Schulz iterations; its singular vectors stay.

    Args:
        matrix: (m, n).
        precision: dtype to compute in.

    Returns:
        (m, n) of this dtype; zeros for zeros.
    """
    a, b, c = COEFFICIENTS
    x = (matrix.T if matrix.shape[0] > matrix.shape[1] else matrix).to(precision)  # the shorter side first
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def is_matrix(weight: Tensor) -> bool:
    """Return True for weights of linear layers and convolutions, by their shape; depthwise kernels (second side 1) and
    weights with fewer than ``LEAST_SIDE`` inputs or outputs are none."""
    return weight.ndim in (2, 4) and min(weight.shape[0], weight[0].numel()) >= LEAST_SIDE and weight.shape[1] > 1

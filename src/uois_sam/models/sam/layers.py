"""Linear layers and norms of a frozen network, cast once to the dtype that they run in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Affine:
    """Weight and bias of a linear layer, in its dtype: inputs have to have the same."""

    weight: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, module: Any, dtype: torch.dtype) -> Affine:
        """Cast once; the module's own tensors where they have that dtype."""
        bias = None if module.bias is None else module.bias.detach().to(dtype)
        return cls(module.weight.detach().to(dtype), bias)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class Norm:
    """A layer norm over the last dimension, for inputs of its dtype; sums are float32 in any."""

    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def of(cls, module: nn.LayerNorm, dtype: torch.dtype) -> Norm:
        """The module's numbers; its data format is not looked at."""
        return cls(module.weight.detach().to(dtype), module.bias.detach().to(dtype), module.eps)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        return F.layer_norm(x, [int(x.shape[-1])], self.weight, self.bias, self.eps)

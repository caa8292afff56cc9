"""SAM's mask upscaling: transformers' weights, our own forward pass.

A transposed convolution whose stride is its size is a linear layer of each cell: its outputs are the cell's 2x2 parts.
So both are plain products with channels last, norms need no transposed copies, and what is brought to raster order at
the end is one number a cell, the mask, instead of 32 channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.models.sam.layers import Affine, Norm
from uois_sam.runtime import device as runtime_device

MASKS_AT_ONCE = 1
"""On a processor: one prompt's finest maps (65 536 x 32) stay in cache. A GPU takes all at once."""


@dataclass(frozen=True)
class Upscaler:
    """The upscaling part of a ``SamMaskDecoder``, prepared for one dtype."""

    first: Affine
    """C to 4 parts of C / 4."""
    norm: Norm
    second: Affine
    """C / 4 to 4 parts of C / 8."""

    @classmethod
    def of(cls, decoder: Any, dtype: torch.dtype) -> Upscaler:
        return cls(
            _linear(decoder.upscale_conv1, dtype), Norm.of(decoder.upscale_layer_norm, dtype),
            _linear(decoder.upscale_conv2, dtype),
        )  # fmt: skip

    def __call__(self, state: Tensor, heads: Tensor) -> Tensor:
        """Masks of M prompts.

        Args:
            state: (M, P, C) image vectors of the prompts, P = side * side, in the dtype of the pass.
            heads: (M, T, C / 8) float32, one vector a mask (from the hypernetworks).

        Returns:
            (M, T, 4 * side, 4 * side) float32 logits.
        """
        step = MASKS_AT_ONCE if runtime_device.in_small_blocks(state.device) else max(1, len(state))
        parts = [self._some(state[i : i + step], heads[i : i + step]) for i in range(0, len(state), step)]
        side = 4 * round(state.shape[1] ** 0.5)
        return torch.cat(parts) if parts else state.new_empty(0, heads.shape[1], side, side, dtype=torch.float32)

    def _some(self, state: Tensor, heads: Tensor) -> Tensor:
        side, dtype = round(state.shape[1] ** 0.5), self.first.weight.dtype
        coarse = F.gelu(self.norm(self.first(state).unflatten(2, (4, -1))))  # (M, P, 4, C / 4)
        fine = F.gelu(self.second(coarse)).unflatten(3, (4, -1))  # (M, P, 4, 4, C / 8)
        masks = torch.bmm(heads.to(dtype), fine.flatten(1, 3).transpose(1, 2)).float()
        cells = masks.view(*heads.shape[:2], side, side, 2, 2, 2, 2)  # y, x, then the parts: y, x, y, x
        return cells.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(*heads.shape[:2], 4 * side, 4 * side)


def _linear(convolution: Any, dtype: torch.dtype) -> Affine:
    """A transposed 2x2 convolution of stride 2 as a linear layer to its four parts, row by row."""
    weight = convolution.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)  # to (4 * outputs, inputs)
    return Affine(weight.to(dtype).contiguous(), convolution.bias.detach().repeat(4).to(dtype))

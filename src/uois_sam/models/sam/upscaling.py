"""SAM's mask upscaling: transformers' weights, our own forward pass.

A transposed convolution whose stride is its size is a linear layer of each cell: its outputs are the cell's 2x2 parts.
So both are plain products with channels last, norms need no transposed copies, and what is brought to raster order at
the end is one number a cell, the mask, instead of 32 channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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

    def __call__(self, state: Tensor, heads: Tensor, skips: tuple[Tensor, ...] = ()) -> Tensor:
        """Masks of M prompts.

        Args:
            state: (M, P, C) image vectors of the prompts, P = side * side, in the dtype of the pass.
            heads: (M, T, C / 8) float32, one vector a mask (from the hypernetworks).
            skips: of SAM's successors, maps of the image added after each step: (1, C / 4, 2 * side, 2 * side) and
                (1, C / 8, 4 * side, 4 * side); none for SAM.

        Returns:
            (M, T, 4 * side, 4 * side) float32 logits.
        """
        side, dtype = math.isqrt(int(state.shape[1])), self.first.weight.dtype
        added = [_as_parts(skip.to(dtype), side) for skip in skips]
        masks = [
            torch.bmm(some.to(dtype), self._fine(vectors, added).flatten(1, 3).transpose(1, 2)).float()
            for vectors, some in self._blocks(state, heads)
        ]
        every = torch.cat(masks) if masks else state.new_empty(0, heads.shape[1], 16 * side**2, dtype=torch.float32)
        return _as_raster(every, side)

    def maps(self, state: Tensor) -> Tensor:
        """(M, P, C) image vectors to (M, C / 8, 4 * side, 4 * side) maps that masks are read from, without skips."""
        side = math.isqrt(int(state.shape[1]))
        return _as_raster(self._fine(state, []).flatten(1, 3).transpose(1, 2), side)

    def _blocks(self, state: Tensor, heads: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if not runtime_device.in_small_blocks(state.device):
            yield from [(state, heads)] if len(state) else ()
            return
        yield from zip(state.split(MASKS_AT_ONCE), heads.split(MASKS_AT_ONCE), strict=True) if len(state) else ()

    def _fine(self, state: Tensor, added: Sequence[Tensor]) -> Tensor:
        """(M, P, 4, 4, C / 8): the finest vectors, cell by cell."""
        coarse = self.first(state).unflatten(2, (4, -1))  # (M, P, 4, C / 4)
        coarse = F.gelu(self.norm(coarse + added[0] if added else coarse))
        fine = self.second(coarse).unflatten(3, (4, -1))
        return F.gelu(fine + added[1] if added else fine)


def _as_parts(raster: Tensor, side: int) -> Tensor:
    """(1, C, h, w) to (1, P, 4, C) for twice the side of the cells, to (1, P, 4, 4, C) for four times."""
    if raster.shape[-1] == 2 * side:
        return raster.view(1, -1, side, 2, side, 2).permute(0, 2, 4, 3, 5, 1).flatten(1, 2).flatten(2, 3)
    cells = raster.view(1, -1, side, 2, 2, side, 2, 2).permute(0, 2, 5, 3, 6, 4, 7, 1)
    return cells.flatten(1, 2).flatten(2, 3).flatten(3, 4)


def _as_raster(parts: Tensor, side: int) -> Tensor:
    """(M, K, P * 16), cells and their parts in turn, to (M, K, 4 * side, 4 * side)."""
    cells = parts.view(*parts.shape[:2], side, side, 2, 2, 2, 2)  # y, x, then the parts: y, x, y, x
    return cells.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(*parts.shape[:2], 4 * side, 4 * side)


def _linear(convolution: Any, dtype: torch.dtype) -> Affine:
    """A transposed 2x2 convolution of stride 2 as a linear layer to its four parts, row by row."""
    weight = convolution.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)  # to (4 * outputs, inputs)
    return Affine(weight.to(dtype).contiguous(), convolution.bias.detach().repeat(4).to(dtype))

"""SAM's image encoder: transformers' weights, our own forward pass.

The same numbers as ``SamVisionEncoder.forward`` (tested), in less time. What is different, and what it buys, is said at
each place; docs/development/performance.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.models.sam.attention import (
    RelativePositions,
    attend_at_once,
    attend_by_head,
    attend_by_rows,
    attend_folded,
)
from uois_sam.models.sam.layers import Affine, Norm
from uois_sam.runtime import device as runtime_device

MLP_ROWS = 1024
"""Tokens that pass an MLP at once on a processor: their hidden layer stays in cache, 4 % (bfloat16) to 10 % faster."""


@dataclass(frozen=True)
class Windows:
    """Map tokens to attention windows: 70x70 places for 64x64 tokens and windows of 14x14."""

    members: Tensor
    """(windows, n) int64: the tokens of each window in raster order; the number of tokens stands for padding."""
    places: Tensor
    """(tokens,) int64: where each token lies in the flattened ``members``."""

    @classmethod
    def of(cls, side: int, window: int, device: torch.device) -> Windows:
        padded = -(-side // window) * window
        tokens = np.full((padded, padded), side * side)
        tokens[:side, :side] = np.arange(side * side).reshape(side, side)
        across = padded // window
        members = tokens.reshape(across, window, across, window).swapaxes(1, 2).reshape(-1, window * window)
        places = members.ravel().argsort(kind="stable")[: side * side]
        return cls(torch.from_numpy(members).to(device), torch.from_numpy(places).to(device))


@dataclass(frozen=True)
class Layer:
    """One transformer layer."""

    norm1: Norm
    qkv: Affine
    heads: int
    positions: RelativePositions
    windows: Windows | None
    """None for the layers that attend to the whole image."""
    proj: Affine
    norm2: Norm
    lin1: Affine
    lin2: Affine

    @classmethod
    def of(cls, module: Any, windows: Windows | None, dtype: torch.dtype) -> Layer:
        attention = module.attn
        tables = (table.detach().to(dtype) for table in (attention.rel_pos_h, attention.rel_pos_w))
        return cls(
            Norm.of(module.layer_norm1, torch.float32), Affine.of(attention.qkv, dtype), attention.num_attention_heads,
            RelativePositions.of(*tables), windows, Affine.of(attention.proj, dtype),
            Norm.of(module.layer_norm2, torch.float32),
            Affine.of(module.mlp.lin1, dtype), Affine.of(module.mlp.lin2, dtype),
        )  # fmt: skip

    def __call__(self, x: Tensor, buffer: Tensor) -> Tensor:
        """(tokens, C) float32 to the same; ``buffer`` is (tokens + 1, C) with a last row of zeros."""
        if runtime_device.is_traced():
            return self._in_graph(x)
        buffer[:-1] = self.norm1(x)
        attended = self._global(buffer[:-1]) if self.windows is None else self._windowed(buffer, self.windows)
        x = x + self.proj(attended)
        buffer[:-1] = self.norm2(x)
        step = MLP_ROWS if runtime_device.in_small_blocks(x.device) else len(x)
        for start in range(0, len(x), step):
            rows = slice(start, min(start + step, len(x)))
            x[rows] += self.lin2(F.gelu(self.lin1(buffer[rows])))
        return x

    def _in_graph(self, x: Tensor) -> Tensor:
        """The same without a buffer: a graph has none to write to."""
        normed = self.norm1(x)
        padded = F.pad(normed, (0, 0, 0, 1))
        x = x + self.proj(self._global(normed) if self.windows is None else self._windowed(padded, self.windows))
        return x + self.lin2(F.gelu(self.lin1(self.norm2(x))))

    def _global(self, normed: Tensor) -> Tensor:
        """(tokens, C) to (tokens, C), every token attending to all."""
        q, k, v = self.qkv(normed).view(len(normed), 3, self.heads, -1).permute(1, 2, 0, 3).contiguous()
        if runtime_device.is_traced():
            return attend_by_head(q, k, v, self.positions).transpose(0, 1).flatten(1)
        attend = attend_by_rows if runtime_device.in_small_blocks(q.device) else attend_at_once
        return attend(q, k, v, self.positions).transpose(0, 1).flatten(1)

    def _windowed(self, buffer: Tensor, windows: Windows) -> Tensor:
        """(tokens + 1, C), the last of them standing for all padding, to (tokens, C).

        SAM pads the grid to whole windows with zeros after the norm, so that padding attends with the bias of the
        projection as its key and value. One row of zeros gives that; the 804 others (of 4900) are not computed, and
        tokens are never copied into a padded grid.
        """
        qkv = self.qkv(buffer)
        if not runtime_device.in_small_blocks(qkv.device):
            q, k, v = qkv[windows.members].unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            attended = attend_at_once(q, k, v, self.positions).transpose(1, 2).flatten(2)
            return attended.flatten(0, 1)[windows.places]
        attended = qkv.new_empty(*windows.members.shape, self.heads, buffer.shape[1] // self.heads)
        for index, members in enumerate(windows.members):  # one at a time: its scores stay in cache
            q, k, v = qkv[members].unflatten(-1, (3, self.heads, -1)).permute(1, 2, 0, 3)
            attended[index] = attend_folded(q, k, v, self.positions).transpose(0, 1)
        return attended.flatten(2).flatten(0, 1)[windows.places]


@dataclass(frozen=True)
class PreparedEncoder:
    """A ``SamVisionEncoder`` prepared for one dtype and one device: weights cast and tables laid out once.

    Holds nothing of any image. In float32 its weights are the module's own; in bfloat16 they are copies, half the size.
    """

    patch: Affine
    patch_side: int
    pos_embed: Tensor
    """(tokens, C) float32."""
    layers: tuple[Layer, ...]
    neck: tuple[Affine, Norm, Affine, Norm]
    """1x1, norm, 3x3 (its weight in channels-last layout), norm."""

    @classmethod
    def of(cls, encoder: Any, dtype: torch.dtype) -> PreparedEncoder:
        """Prepare transformers' module; call again when its weights have been changed or moved."""
        config, device = encoder.config, encoder.pos_embed.device
        windows = Windows.of(config.image_size // config.patch_size, config.window_size, device)
        patch, neck = Affine.of(encoder.patch_embed.projection, dtype), encoder.neck
        conv = Affine.of(neck.conv2, dtype)
        return cls(
            Affine(patch.weight.flatten(1), patch.bias),
            config.patch_size,
            encoder.pos_embed.detach().float().flatten(0, 2),
            tuple(Layer.of(layer, windows if layer.window_size else None, dtype) for layer in encoder.layers),
            (
                Affine(neck.conv1.weight.detach().to(dtype).flatten(1), None),
                Norm.of(neck.layer_norm1, dtype),
                Affine(conv.weight.contiguous(memory_format=torch.channels_last), conv.bias),
                Norm.of(neck.layer_norm2, torch.float32),
            ),
        )

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, side, side) float32 to the (1, C, side / 16, side / 16) float32 embedding."""
        return self.with_first_global(pixels)[0]

    @torch.no_grad()
    def with_first_global(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """The embedding, and what the first layer that attends to the whole image gives: (tokens, C) float32."""
        tokens, first = self._patches(pixels), None
        buffer = tokens.new_zeros(len(tokens) + 1, tokens.shape[1], dtype=self.patch.weight.dtype)
        for layer in self.layers:
            tokens = layer(tokens, buffer)
            if first is None and layer.windows is None:
                first = tokens  # the layers after it make new tensors
        return self._neck(tokens), first

    def _patches(self, pixels: Tensor) -> Tensor:
        """(tokens, C) float32: the convolution with a stride of its own size is one product."""
        grid, side = pixels.shape[-1] // self.patch_side, self.patch_side
        patches = pixels[0].view(3, grid, side, grid, side).permute(1, 3, 0, 2, 4).reshape(grid * grid, -1)
        return self.patch(patches.to(self.patch.weight.dtype)) + self.pos_embed

    def _neck(self, tokens: Tensor) -> Tensor:
        """Channels stay last throughout, so that norms need no transposed copies."""
        squeeze, norm1, conv, norm2 = self.neck
        dtype, grid = conv.weight.dtype, round(len(tokens) ** 0.5)
        x = norm1(squeeze(tokens.to(dtype))).view(1, grid, grid, -1)
        x = F.conv2d(x.permute(0, 3, 1, 2), conv.weight, conv.bias, padding=1)
        return norm2(x.permute(0, 2, 3, 1).float()).permute(0, 3, 1, 2).contiguous()

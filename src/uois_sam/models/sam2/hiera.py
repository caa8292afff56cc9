"""Hiera and its neck, the image encoder of SAM 2.1: transformers' weights, our own forward pass.

The same maps as ``Sam2VisionModel.forward`` followed by the decoder's 1x1 convolutions (tested), in less time:

- Tokens lie in one order from the first layer to the last, in which the windows of every stage are neighbours and so
  are the four that a step down pools: windows are views and nothing is moved between layers. Attention to the whole
  image knows no positions and takes any order.
- Padding of windows that reach beyond the image attends with the bias of the projection as its key and value: one key
  with the logarithm of their number added to its score stands for all of them, and they are not computed.
- The layers before the first large window run a few windows at a time, so that what they write is still in the
  processor's cache when it is read.
- The finer two maps of the neck are read by a 1x1 convolution of the decoder alone: the two are one product.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.models.sam.layers import Affine, Norm
from uois_sam.runtime import device as runtime_device

WINDOWS_AT_ONCE = 32
"""Windows of the first stage on a processor: 2048 tokens, whose hidden layer takes 3 MiB in float32."""
MLP_ROWS = 1024
"""Tokens that pass an MLP at once on a processor."""
QUERY_ROWS = 256
"""Queries of one head at a time that attend to the whole image on a processor: their scores fill 4 MiB in float32."""
POOLED = 4
"""Tokens that become one at a step down: two rows of two."""

Order: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Span:
    """Windows of as many tokens, one after the other in the order of tokens."""

    windows: int
    tokens: int
    padding: int
    """Places of each window that lie beyond the image."""


def window_order(side: int, blocks: tuple[int, ...]) -> Tensor:
    """Order of the tokens of a square grid in which nested blocks lie together.

    Of each size blocks inside the grid come first, then those cut by one edge, then the one in the corner.

    Args:
        side: of the grid.
        blocks: sides of the blocks; each divides the next, and all but the largest divide the grid's.

    Returns:
        (side * side,) int64: the raster index of each place.
    """
    sizes = sorted(set(blocks))
    assert all(large % small == 0 for small, large in zip(sizes, sizes[1:], strict=False)), sizes
    assert all(side % size == 0 for size in sizes[:-1]), (side, sizes)
    y, x = np.indices((side, side)).reshape(2, -1)
    keys: list[Any] = []
    for size in reversed(sizes):
        row, column = y // size, x // size
        cut = (row + 1) * size > side, (column + 1) * size > side
        keys += [cut[0].astype(int) + cut[1], row, column]
    return torch.from_numpy(np.lexsort([x, y, *reversed(keys)]))


@dataclass(frozen=True)
class Layer:
    """One transformer layer, in the common order of tokens."""

    norm1: Norm
    qkv: Affine
    heads: int
    side: int
    """Of the grid that it takes."""
    window: int
    """Side of a window; 0 where all attend to the whole image."""
    pools: bool
    """Whether queries are pooled: a quarter as many tokens come out."""
    widen: Affine | None
    """What the sum past the attention goes through where the number of channels changes."""
    proj: Affine
    norm2: Norm
    lin1: Affine
    lin2: Affine

    @classmethod
    def of(cls, module: Any, side: int, dtype: torch.dtype) -> Layer:
        """Prepare transformers' ``Sam2MultiScaleBlock``."""
        attention, mlp = module.attn, module.mlp
        return cls(
            Norm.of(module.layer_norm1, torch.float32), Affine.of(attention.qkv, dtype),
            attention.num_attention_heads, side, module.window_size, bool(module.query_stride),
            Affine.of(module.proj, dtype) if module.dim != module.dim_out else None,
            Affine.of(attention.proj, dtype), Norm.of(module.layer_norm2, torch.float32),
            Affine.of(mlp.proj_in, dtype), Affine.of(mlp.proj_out, dtype),
        )  # fmt: skip

    def __call__(self, x: Tensor) -> Tensor:
        """(n, C) float32, whole windows, to (n, C') float32, or (n / 4, C') where it pools."""
        dtype = self.qkv.weight.dtype
        normed = self.norm1(x).to(dtype)
        if self.widen is not None:
            x = self.widen(normed).float()
        if self.pools:
            x = x.unflatten(0, (-1, POOLED)).amax(dim=1)
        x = x + self.proj(self._attended(self.qkv(normed)))
        normed = self.norm2(x).to(dtype)
        if runtime_device.is_traced():  # a graph has no rows to write over
            return x + self.lin2(F.gelu(self.lin1(normed)))
        step = MLP_ROWS if runtime_device.in_small_blocks(x.device) else len(x)
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            x[rows] += self.lin2(F.gelu(self.lin1(normed[rows])))
        return x

    def spans(self, count: int) -> Iterator[Span]:
        """Windows of the whole grid's tokens, or of some that lie in windows inside it."""
        if not self.window:
            yield Span(1, count, 0)
            return
        area, (across, rest) = self.window**2, divmod(self.side, self.window)
        inside = min(across**2, count // area)
        yield Span(inside, area, 0)
        if count > inside * area:
            yield Span(2 * across, self.window * rest, area - self.window * rest)
            yield Span(1, rest**2, area - rest**2)

    def _attended(self, qkv: Tensor) -> Tensor:
        """(n, 3 * C') to (n, C'), or (n / 4, C')."""
        found, start = [], 0
        for span in self.spans(len(qkv)):
            stop = start + span.windows * span.tokens
            parts = qkv[start:stop].view(span.windows, span.tokens, 3, self.heads, -1)
            q, k, v = parts.unbind(2)
            if self.pools:
                q = q.flatten(0, 1).unflatten(0, (-1, POOLED)).amax(dim=1).unflatten(0, (span.windows, -1))
            found.append(self._attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), span.padding))
            start = stop
        return found[0] if len(found) == 1 else torch.cat(found)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, padding: int) -> Tensor:
        """(windows, heads, n, D) queries, keys and values of as many tokens or more, to (windows * n, C')."""
        mask = None
        if padding:
            assert self.qkv.bias is not None
            _, key, value = self.qkv.bias.view(3, 1, self.heads, 1, -1)
            k, v = (torch.cat([x, pad.expand(len(x), -1, -1, -1)], dim=2) for x, pad in ((k, key), (v, value)))
            mask = q.new_zeros(1, k.shape[2], dtype=torch.float32)
            mask[:, -1] = math.log(padding)
        if not self.window and q.dtype != torch.float32 and runtime_device.in_small_blocks(q.device):
            return _attend_by_rows(q[0], k[0], v[0])
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2).flatten(0, 1)


def _attend_by_rows(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(heads, n, D) each to (n, C): some queries of one head at a time, so that their scores stay in cache.

    Three quarters of the time of the SDPA kernel in bfloat16, four thirds of it in float32.
    """
    heads, count, depth = q.shape
    out = q.new_empty(count, heads, depth)
    for head in range(heads):
        keys, values = (k[head] * depth**-0.5).T, v[head].contiguous()
        for start in range(0, count, QUERY_ROWS):
            rows = slice(start, start + QUERY_ROWS)
            scores = torch.mm(q[head, rows], keys).float().softmax(dim=-1)
            out[rows, head] = torch.mm(scores.to(v.dtype), values)
    return out.flatten(1)


@dataclass(frozen=True)
class PreparedHiera:
    """A ``Sam2VisionModel`` and the decoder's two convolutions, prepared for one dtype and device.

    Holds nothing of any image. In float32 most weights are the modules' own; in bfloat16 copies, half the size.
    """

    patch: Affine
    stride: int
    overlap: int
    """Padding of the patch convolution, pixels."""
    positions: Tensor
    """(tokens, C) float32."""
    order: Tensor
    """(tokens,) int64: the raster index of each place."""
    places: tuple[Tensor, Tensor, Tensor]
    """(tokens,) int64 for each of the finest three stages: the place of each raster index."""
    layers: tuple[Layer, ...]
    ends: tuple[int, ...]
    """The last layer of each stage."""
    early: int
    """Layers that no window connects but those of the first stage."""
    fine: tuple[Affine, Affine]
    """To the maps that masks are drawn with, from the first and the second stage."""
    laterals: tuple[Affine, Affine]
    """To the embedding, from the third and the fourth stage."""

    @classmethod
    def of(cls, parts: Any, dtype: torch.dtype) -> PreparedHiera:
        """Prepare ``parts["vision_encoder"]``, ``["conv_s0"]`` and ``["conv_s1"]``."""
        vision = parts["vision_encoder"]
        backbone, convs = vision.backbone, list(reversed(vision.neck.convs))  # fine to coarse
        config = backbone.config
        side = config.image_size[0] // config.patch_stride[0]
        steps = range(len(config.blocks_per_stage))
        windows = [config.window_size_per_stage[step] << step for step in steps]
        order = window_order(side, (*windows, *(1 << step for step in steps if step))).numpy()
        layers, grid = [], side
        for block in backbone.blocks:
            layers.append(Layer.of(block, grid, dtype))
            grid //= 2 if layers[-1].pools else 1
        in_first = [side // layer.side * layer.window == windows[0] for layer in layers]
        device = backbone.pos_embed.device
        placed = torch.from_numpy(order).to(device)
        first, second, third = (
            torch.from_numpy(_coarser(order, side, step).argsort()).to(device) for step in range(3)
        )  # fmt: skip
        conv = Affine.of(backbone.patch_embed.projection, dtype)
        positions = backbone._get_pos_embed((side, side))[0].flatten(0, 1).float()
        return cls(
            Affine(conv.weight.contiguous(memory_format=torch.channels_last), conv.bias),
            config.patch_stride[0], config.patch_padding[0], positions[placed], placed,
            (first, second, third), tuple(layers),
            tuple(backbone.stage_ends), in_first.index(False) if False in in_first else len(in_first),
            (_chained(convs[0], parts["conv_s0"], dtype), _chained(convs[1], parts["conv_s1"], dtype)),
            (_flat(convs[2], dtype), _flat(convs[3], dtype)),
        )  # fmt: skip

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(1, 3, side, side) float32 to the two finer maps, finest first, and the embedding, all float32."""
        dtype = self.patch.weight.dtype
        patches = F.conv2d(
            pixels.to(dtype, memory_format=torch.channels_last), self.patch.weight, self.patch.bias,
            stride=self.stride, padding=self.overlap,
        )  # fmt: skip
        rows = patches.permute(0, 2, 3, 1).flatten(0, 2)
        drawn: dict[int, list[Tensor]] = {end: [] for end in self.ends[:2]}
        third = []
        for some in self._blocks(pixels.device):
            x = rows[self.order[some]].float() + self.positions[some]
            for index, layer in enumerate(self.layers[: self.early]):
                x = layer(x)
                if index in drawn:
                    drawn[index].append(self.fine[self.ends.index(index)](x.to(dtype)).float())
            third.append(x)
        x = torch.cat(third)
        maps = [torch.cat(drawn[end]) for end in self.ends[:2]]
        for index, layer in enumerate(self.layers[self.early :], start=self.early):
            x = layer(x)
            if index == self.ends[2]:
                grid = self.laterals[0](x.to(dtype)).float()
        above = self.laterals[1](x.to(dtype)).float()
        grid = (grid.unflatten(0, (-1, POOLED)) + above[:, None]).flatten(0, 1)
        finest, finer, grid = (_raster(*each) for each in zip((*maps, grid), self.places, strict=True))
        return finest, finer, grid

    def _blocks(self, device: torch.device) -> Iterator[slice]:
        count, windows = len(self.positions), self.layers[0].window ** 2
        step = WINDOWS_AT_ONCE * windows if runtime_device.in_small_blocks(device) else count
        return (slice(start, min(start + step, count)) for start in range(0, count, step))


def _coarser(order: Order, side: int, step: int) -> Order:
    """The order of a grid with half the rows and columns for each step."""
    first = order[:: POOLED**step]
    return (first // side >> step) * (side >> step) + (first % side >> step)


def _raster(vectors: Tensor, places: Tensor) -> Tensor:
    """(tokens, C) in an order to (1, C, h, w); ``places`` are those of the raster's cells in it."""
    side = math.isqrt(len(places))
    return vectors[places].T.contiguous().view(1, -1, side, side)


def _flat(convolution: Any, dtype: torch.dtype) -> Affine:
    """A 1x1 convolution as a linear layer."""
    return Affine(convolution.weight.detach().flatten(1).to(dtype), convolution.bias.detach().to(dtype))


def _chained(first: Any, second: Any, dtype: torch.dtype) -> Affine:
    """Two 1x1 convolutions, one after the other, as one linear layer."""
    one, other = _flat(first, torch.float32), _flat(second, torch.float32)
    assert one.bias is not None and other.bias is not None
    return Affine((other.weight @ one.weight).to(dtype), (other.weight @ one.bias + other.bias).to(dtype))

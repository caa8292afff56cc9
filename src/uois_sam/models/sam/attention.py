"""Attention with SAM's decomposed relative positions: softmax(q k / sqrt(D) + q Rh + q Rw) v, without its big bias.

The bias of a query at (y, x) and a key at (ky, kx) is the sum of two numbers, one for ky - y and one for kx - x.
Written out it is as large as the attention itself (1 GiB in float32 for 64x64 patches and 16 heads). Three ways around
it, all giving the same numbers; which one is fastest depends on the device and the number of keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.runtime.device import is_traced

ROWS = 256
"""Queries of one head at a time in :func:`attend_by_rows`: their 4096 scores each in float32 fill 4 MiB of cache."""


@dataclass(frozen=True)
class RelativePositions:
    """One layer's tables, laid out once for a square grid of ``side * side`` tokens, in raster order."""

    side: int
    tables: Tensor
    """(2 * (2 * side - 1), D): a row for each offset of the key down, then across; -side + 1 first."""
    one_hot: Tensor
    """(side * side, 2 * side): for each key its row and its column, one-hot."""

    @classmethod
    def of(cls, rel_pos_h: Tensor, rel_pos_w: Tensor) -> RelativePositions:
        """From SAM's own tables, (2 * side - 1, D) each, which count the query's offset from the key."""
        side = (len(rel_pos_h) + 1) // 2
        eye = torch.eye(side, dtype=rel_pos_h.dtype, device=rel_pos_h.device)
        one_hot = torch.cat([eye.repeat_interleave(side, 0), eye.repeat(side, 1)], dim=1)
        return cls(side, torch.cat([rel_pos_h.flip(0), rel_pos_w.flip(0)]), one_hot)

    def biases(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Relative-position terms of queries (B, n, D): (B, n, side) for the key's row, and the same for its column.

        One product with all offsets. The query at row y then needs those from -y on, a window that moves with y; a view
        with one step less per row has them in place, without a gather.
        """
        if is_traced():  # a graph knows no such views
            return self._biases_in_graph(q)
        side, offsets = self.side, len(self.tables)
        every = (q @ self.tables.T).contiguous()  # (B, y, x, offsets)
        shape, row = (len(q), side, side, side), side * offsets
        down = every.as_strided(shape, (side * row, row - 1, offsets, 1), side - 1)
        across = every.as_strided(shape, (side * row, row, offsets - 1, 1), (offsets // 2) + side - 1)
        return down.flatten(1, 2), across.flatten(1, 2)

    def _biases_in_graph(self, q: Tensor) -> tuple[Tensor, Tensor]:
        side = self.side
        offset = torch.from_numpy(np.arange(side) - np.arange(side)[:, None] + side - 1)  # of a key from a query
        of_rows, of_columns = (table[offset].transpose(1, 2) for table in self.tables.split(2 * side - 1))
        grid = q.unflatten(1, (side, side))
        across = (grid.transpose(1, 2) @ of_columns).transpose(1, 2)
        return (grid @ of_rows).flatten(1, 2), across.flatten(1, 2)


def attend_folded(q: Tensor, k: Tensor, v: Tensor, positions: RelativePositions) -> Tensor:
    """The bias as part of the operands: [q, q Rh, q Rw] against [k / sqrt(D), one-hot row, one-hot column].

    For windows (196 keys) on a processor: the scores of one window stay in cache, no bias is formed, and in bfloat16
    the sum is rounded once. Half the time of forming a mask for one SDPA call in bfloat16, the same in float32.

    Args:
        q, k, v: (heads, n, D) each, n = side * side.
        positions: the layer's.

    Returns:
        (heads, n, D).
    """
    down, across = positions.biases(q)
    queries = torch.cat([q, down, across], dim=-1)
    keys = torch.cat([k * k.shape[-1] ** -0.5, positions.one_hot.expand(len(k), -1, -1)], dim=-1)
    return torch.bmm(torch.bmm(queries, keys.transpose(1, 2)).softmax(dim=-1), v)


def attend_by_rows(q: Tensor, k: Tensor, v: Tensor, positions: RelativePositions) -> Tensor:
    """The bias added to a few rows of scores at a time, in float32.

    For the whole image (4096 keys) on a processor, where folding would triple the first product: 4 MiB of scores live
    in cache instead of 1 GiB of bias in memory. Two thirds of the time of the SDPA kernel without any bias.

    Args:
        q, k, v: (heads, n, D) each, n = side * side.
        positions: the layer's.

    Returns:
        (heads, n, D).
    """
    side, count = positions.side, q.shape[1]
    down, across = positions.biases(q)
    keys = (k * k.shape[-1] ** -0.5).transpose(1, 2)
    out = torch.empty_like(v)
    for head in range(len(q)):
        for start in range(0, count, ROWS):
            rows = slice(start, start + ROWS)
            scores = torch.mm(q[head, rows], keys[head]).float().view(-1, side, side)
            scores += down[head, rows, :, None]
            scores += across[head, rows, None, :]
            torch.mm(scores.view(-1, count).softmax(dim=-1).to(v.dtype), v[head], out=out[head, rows])
    return out


def attend_at_once(q: Tensor, k: Tensor, v: Tensor, positions: RelativePositions) -> Tensor:
    """One SDPA call with the bias as its mask, for GPUs: few launches, and memory is fast. Untested on one.

    Args:
        q, k, v: (..., heads, n, D) each, n = side * side.
        positions: the layer's.

    Returns:
        (..., heads, n, D).
    """
    down, across = positions.biases(q.flatten(0, -3))
    bias = (down[..., :, None] + across[..., None, :]).view(*q.shape[:-1], q.shape[-2])
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def attend_by_head(q: Tensor, k: Tensor, v: Tensor, positions: RelativePositions) -> Tensor:
    """:func:`attend_at_once` for one head after the other, for graphs: the whole image's scores are 64 MiB a head.

    Args:
        q, k, v: (heads, n, D) each, n = side * side.
        positions: the layer's.

    Returns:
        (heads, n, D).
    """
    heads = zip(q.split(1), k.split(1), v.split(1), strict=True)
    return torch.cat([attend_at_once(*head, positions) for head in heads])

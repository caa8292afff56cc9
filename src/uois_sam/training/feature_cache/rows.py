"""Training data of the heads, one row a view: from a cache, from memory, or computed on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

WINDOW_BYTES = 512 * 2**20
"""Bytes of rows shuffled at a time: bounds memory for data of any size."""

R = TypeVar("R", bound="Rows")
R_co = TypeVar("R_co", bound="Rows", covariant=True)


@dataclass(frozen=True)
class Rows:
    """Table of tensors whose first axis runs over views."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(value.nbytes for value in vars(self).values())

    def take(self: R, index: slice | Tensor) -> R:
        """Select rows by a slice (returns a view) or an index tensor (returns a copy)."""
        return type(self)(**{name: value[index] for name, value in vars(self).items()})

    def to(self: R, device: torch.device) -> R:
        """Copy the rows to another device."""
        return type(self)(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class MapRows(Rows):
    """Rows for the prompt generator: B views."""

    prompt_features: Tensor
    """(B, Cp, hp, wp) float16 features of the frozen encoder."""
    labels: Tensor
    """(B, Hp, Wp) int16: objects in the prompt frame numbered from 1, 0 for background, -1 for ignored pixels. Targets
    are computed from labels in the fit, so that other targets take no new pass through the encoder."""


@dataclass(frozen=True)
class TokenRows(Rows):
    """Rows for HDNet: B views with M prompts each."""

    iou_token: Tensor
    """(B, M, C) float16."""
    mask_tokens: Tensor
    """(B, M, 4, C) float16."""
    scores: Tensor
    """(B, M, 4) float16: scores of the decoder."""
    true_iou: Tensor
    """(B, M, 4) float16: Eq. 6."""


@dataclass(frozen=True)
class EvidenceRows(Rows):
    """Rows for the mask scorer: B views with up to M peaks each."""

    evidence: Tensor
    """(B, M, 4, E) float16 (``mask_scorer.measure_masks``); 0 where a view has fewer prompts."""
    true_iou: Tensor
    """(B, M, 4) float16: Eq. 6."""
    counted: Tensor
    """(B, M) bool: False for padding."""


class RowSource(Protocol[R_co]):
    """Rows in shards, from files, memory or the frozen networks."""

    @property
    def bounds(self) -> Sequence[range]:
        """Row numbers of each shard, ascending and without gaps."""
        ...

    def read(self, shard: int) -> R_co:
        """Read all rows of a shard; they may be backed by a mapped file."""
        ...


def join_rows(parts: Sequence[R]) -> R:
    """Concatenate tables in order."""
    return type(parts[0])(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def count_rows(source: RowSource[Rows]) -> int:
    """Return the number of rows of all shards."""
    return source.bounds[-1].stop if source.bounds else 0


def batches(
    source: RowSource[R],
    rows: range,
    size: int,
    rng: np.random.Generator | None = None,
    window_bytes: int = WINDOW_BYTES,
) -> Iterator[R]:
    """Yield batches of ``size`` rows (the last may be smaller), each row of the range once.

    Args:
        source: the rows.
        rows: range of row numbers to use.
        size: rows in a batch.
        rng: None for rows in order; otherwise shards come in random order and are shuffled a window at a time.
        window_bytes: size of a window, which holds at least one shard.
    """
    shards = [k for k, held in enumerate(source.bounds) if held.start < rows.stop and rows.start < held.stop]
    if rng is not None:
        shards = rng.permutation(shards).tolist()
    waiting: list[R] = []
    for position, shard in enumerate(shards):
        held = source.bounds[shard]
        inside = slice(max(rows.start - held.start, 0), min(rows.stop, held.stop) - held.start)
        waiting.append(source.read(shard).take(inside))
        if position + 1 < len(shards) and sum(part.nbytes for part in waiting) < window_bytes and rng is not None:
            continue
        pool = join_rows(waiting)
        if rng is not None:
            pool = pool.take(torch.from_numpy(rng.permutation(len(pool))))
        whole = len(pool) - len(pool) % size if position + 1 < len(shards) else len(pool)
        for start in range(0, whole, size):
            yield pool.take(slice(start, min(start + size, whole)))
        waiting = [pool.take(slice(whole, None))] if whole < len(pool) else []

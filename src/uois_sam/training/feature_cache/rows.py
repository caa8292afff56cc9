"""What the heads learn from, in rows of one view each: from a cache, from memory, or computed as it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

WINDOW_BYTES = 512 * 2**20
"""Rows mixed at a time: bounds memory whatever the size of the data."""

R = TypeVar("R", bound="Rows")
R_co = TypeVar("R_co", bound="Rows", covariant=True)


@dataclass(frozen=True)
class Rows:
    """A table of tensors whose first axis runs over views."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(value.nbytes for value in vars(self).values())

    def take(self: R, index: slice | Tensor) -> R:
        """The rows of a slice (a view of these), or of an index tensor (a copy), in its order."""
        return type(self)(**{name: value[index] for name, value in vars(self).items()})

    def to(self: R, device: torch.device) -> R:
        """The same rows on another device."""
        return type(self)(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class MapRows(Rows):
    """What the prompt generator learns from: B views."""

    prompt_features: Tensor
    """(B, Cp, hp, wp) float16, of the frozen encoder."""
    labels: Tensor
    """(B, Hp, Wp) int16: the view's objects in the prompt frame, numbered from 1, 0 on background, -1 where nothing is
    to be learned; targets of any kind follow from it, so that trying another costs no pass through the encoder."""


@dataclass(frozen=True)
class TokenRows(Rows):
    """What HDNet learns from: B views with M prompts each."""

    iou_token: Tensor
    """(B, M, C) float16."""
    mask_tokens: Tensor
    """(B, M, 4, C) float16."""
    scores: Tensor
    """(B, M, 4) float16, the decoder's own."""
    true_iou: Tensor
    """(B, M, 4) float16: Eq. 6."""


@dataclass(frozen=True)
class EvidenceRows(Rows):
    """What the scores that see masks learn from: B views with up to M prompts of their own each."""

    evidence: Tensor
    """(B, M, 4, E) float16 (``evidence.measure_masks``); 0 where a view has fewer prompts."""
    true_iou: Tensor
    """(B, M, 4) float16: Eq. 6."""
    counted: Tensor
    """(B, M) bool: where there is a prompt."""


class RowSource(Protocol[R_co]):
    """Rows in shards. What they come from (files, memory, the frozen networks) is nothing to the fits."""

    @property
    def bounds(self) -> Sequence[range]:
        """The rows that each shard holds, ascending and without gaps."""
        ...

    def read(self, shard: int) -> R_co:
        """All rows of a shard; may be backed by a mapped file."""
        ...


def join_rows(parts: Sequence[R]) -> R:
    """One table of several, in order."""
    return type(parts[0])(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def count_rows(source: RowSource[Rows]) -> int:
    """Rows of all shards."""
    return source.bounds[-1].stop if source.bounds else 0


def batches(
    source: RowSource[R],
    rows: range,
    size: int,
    rng: np.random.Generator | None = None,
    window_bytes: int = WINDOW_BYTES,
) -> Iterator[R]:
    """Batches of ``size`` rows (the last may be smaller), each row of the range once.

    Args:
        source: where rows come from.
        rows: which of them.
        size: rows a batch.
        rng: None for rows in order; otherwise shards come in random order, and a window of them is mixed at a time.
        window_bytes: memory for one window. It holds one shard at least.
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

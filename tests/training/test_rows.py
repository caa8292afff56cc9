"""Batches from shards: each row once, mixed within a window, bounded in memory, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from row_sources import MemoryRows
from uois_sam.training.feature_cache.rows import MapRows, batches, count_rows, join_rows


def rows(start: int, stop: int) -> MapRows:
    """Row k carries k."""
    return MapRows(torch.arange(start, stop).reshape(-1, 1, 1, 1).half(), torch.zeros(stop - start, 1, 1))


@dataclass
class Shards:
    """Rows 0..total-1 in shards; notes what is read."""

    total: int
    size: int
    read_shards: list[int] = field(default_factory=list)

    @property
    def bounds(self) -> Sequence[range]:
        return [range(s, min(s + self.size, self.total)) for s in range(0, self.total, self.size)]

    def read(self, shard: int) -> MapRows:
        self.read_shards.append(shard)
        held = self.bounds[shard]
        return rows(held.start, held.stop)


def values(batch: MapRows) -> list[int]:
    return [int(v) for v in batch.prompt_features.flatten()]


def test_without_a_generator_rows_come_in_order() -> None:
    found = [values(batch) for batch in batches(Shards(7, 3), range(1, 7), 4)]
    assert found == [[1, 2, 3, 4], [5, 6]]


@given(
    total=st.integers(1, 60), shard=st.integers(1, 20), size=st.integers(1, 17), window=st.integers(1, 400),
    start=st.integers(0, 20), stop=st.integers(0, 60), seed=st.none() | st.integers(0, 9),
)  # fmt: skip
def test_each_row_of_the_range_comes_once_in_full_batches(
    total: int, shard: int, size: int, window: int, start: int, stop: int, seed: int | None
) -> None:
    wanted = range(min(start, total), min(stop, total))
    rng = None if seed is None else np.random.default_rng(seed)
    found = [values(batch) for batch in batches(Shards(total, shard), wanted, size, rng, window)]
    assert sorted(list(chain.from_iterable(found))) == list(wanted)
    assert all(len(batch) == size for batch in found[:-1])
    if seed is None:
        assert list(chain.from_iterable(found)) == list(wanted)


def test_shards_outside_the_range_are_not_read() -> None:
    source = Shards(20, 5)
    list(batches(source, range(6, 9), 2, np.random.default_rng(0)))
    assert source.read_shards == [1]


def test_the_order_follows_from_the_seed_and_mixes_shards() -> None:
    def order(seed: int) -> list[int]:
        return [v for b in batches(Shards(40, 5), range(40), 8, np.random.default_rng(seed)) for v in values(b)]

    assert order(1) == order(1) != order(2)
    assert len({value // 5 for value in order(1)[:8]}) > 2


def test_no_more_than_a_window_is_read_ahead() -> None:
    """Shards of 5 rows, 6 bytes a row: two shards fill a window of 60 bytes, so ten rows come before the third."""
    source = Shards(40, 5)
    stream = batches(source, range(40), 5, np.random.default_rng(0), window_bytes=60)
    ahead = []
    for position, batch in enumerate(stream):
        ahead.append(5 * len(source.read_shards) - 5 * position)
        assert len(batch) == 5
    assert max(ahead) == 10
    assert len(source.read_shards) == 8


def test_tables_join_and_count() -> None:
    joined = join_rows([rows(0, 2), rows(2, 5)])
    assert values(joined) == [0, 1, 2, 3, 4]
    assert joined.nbytes == 5 * (2 + 4)
    assert count_rows(MemoryRows(joined)) == 5
    assert count_rows(Shards(7, 3)) == 7


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([1, 2])])
def test_rows_are_taken_by_slice_or_index(index: slice | torch.Tensor) -> None:
    assert values(rows(0, 5).take(index)) == [1, 2]

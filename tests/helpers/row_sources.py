"""Training rows without a feature cache: in memory, or from the frozen networks on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

from uois_sam.datasets.base import Dataset
from uois_sam.models.networks import Networks
from uois_sam.training.feature_cache.features import FeatureConfig, view_rows
from uois_sam.training.feature_cache.rows import Rows, join_rows

R = TypeVar("R", bound=Rows)


@dataclass
class LiveRows:
    """Rows without a cache: the frozen networks run, in float32, on every read of a shard."""

    base: Networks
    data: Dataset
    config: FeatureConfig
    part: str
    """``maps`` or ``tokens``."""
    shard: int
    views_run: int = 0
    """Number of views run through the networks so far."""

    @property
    def bounds(self) -> Sequence[range]:
        total = len(self.data) * self.config.views
        return [range(start, min(start + self.shard, total)) for start in range(0, total, self.shard)]

    def read(self, shard: int) -> Any:
        items = self.bounds[shard]
        self.views_run += len(items)
        views = [view_rows(self.base, None, self.data, self.config, item, torch.float32) for item in items]
        return join_rows([getattr(view, self.part) for view in views])


@dataclass(frozen=True)
class MemoryRows(Generic[R]):
    """Rows that are in memory already, as one shard."""

    rows: R

    @property
    def bounds(self) -> Sequence[range]:
        return (range(len(self.rows)),)

    def read(self, shard: int) -> R:
        return self.rows

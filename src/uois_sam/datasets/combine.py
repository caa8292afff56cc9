"""Concatenation of data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from uois_sam.datasets.base import Dataset
from uois_sam.types import Sample


class JoinedDataset:
    """Samples of several data sets in sequence; names are prefixed by the number of their set."""

    def __init__(self, parts: Sequence[Dataset]) -> None:
        self.parts = tuple(parts)
        self._places = [(part, index) for part in self.parts for index in range(len(part))]
        self.names = tuple(f"{k}/{name}" for k, part in enumerate(self.parts) for name in part.names)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        part, inner = self._places[index]
        return replace(part[inner], name=self.names[index])

"""What every data set looks like to training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from uois_sam.types import Sample


class Dataset(Protocol):
    """Labelled images in a fixed order; samples are read when asked for, so a data set is cheap to hold and to pickle.

    Being iterable comes with it: ``__getitem__`` raises IndexError past the end.
    """

    @property
    def names(self) -> Sequence[str]:
        """Unique sample names in order; ``names[i] == self[i].name``."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...

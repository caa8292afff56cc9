"""What all data sets on disk share: a list of names, sampling, the check of counts, samples read when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from uois_sam.errors import DatasetError
from uois_sam.types import Sample


@dataclass(frozen=True)
class DatasetInfo:
    """What is published about a data set; figures are None where nothing is."""

    title: str
    """Its name in papers."""
    homepage: str
    """Where it is described and can be had."""
    licence: str
    """As its authors state it."""
    frames: int | None = None
    """Number of frames that published scores are made from."""
    every: int = 1
    """Published scores take every n-th frame of the whole set, in name order."""
    size_wh: tuple[int, int] | None = None
    """Width and height of its photos in pixels."""


@dataclass(frozen=True)
class FrameOptions:
    """What can be asked of every data set."""

    every: int | None = None
    """Take every n-th frame in name order; None does as published scores: 10 for PhoCAL and HouseCat6D, else 1."""
    offset: int = 0
    """Index of the first frame taken, from 0 to every - 1."""
    depth: bool = False
    """Read depth as well, where there is some."""
    partial: bool = False
    """Go on when fewer frames than published are there; :attr:`FrameDataset.notes` then says so."""


class FrameDataset(ABC):
    """A data set on disk: a list of names; everything else is read by ``dataset[i]``, so memory stays flat.

    Follows :class:`uois_sam.datasets.protocol.Dataset`, can be pickled, and holds no open files.
    """

    info: ClassVar[DatasetInfo]

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        options: FrameOptions,
        *,
        notes: Sequence[str] = (),
        tolerance: int = 0,
        compare: bool = True,
    ) -> None:
        """Sample and check a list of names.

        Args:
            root: folder of the data set.
            names: of all frames, in order.
            options: which to take.
            notes: what a report on this data set has to mention.
            tolerance: difference from the published number of frames that is no sign of missing files.
            compare: whether the number of frames is to be compared with the published one at all.

        Raises:
            DatasetError: a name comes twice, the options leave no frame, or frames are missing.
        """
        every = self.info.every if options.every is None else options.every
        if every < 1 or not 0 <= options.offset < every:
            raise DatasetError(
                f"{self.info.title}: expected every >= 1 and 0 <= offset < every, "
                f"found every={every} and offset={options.offset}"
            )
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise DatasetError(
                f"{root}: expected every name once, found {repeated[0]} more often (one of {len(repeated)})"
            )
        self.root = root
        self.options = options
        self._names = tuple(names[options.offset :: every])
        if not self._names:
            raise DatasetError(f"{root}: expected frames, found {len(names)} and none of them from {options.offset} on")
        said = [*notes]
        if every > 1:
            said.append(f"every {every}th of {len(names)} frames in name order, from frame {options.offset} on")
        if compare and every == self.info.every:
            said += self._compare(tolerance)
        self.notes = tuple(said)
        """What a report on this data set has to mention: sampling, missing frames, known faults of its labels."""

    @property
    def names(self) -> tuple[str, ...]:
        """Unique names in order: relative paths with "/" and without suffix, fit to name predictions by."""
        return self._names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample from disk.

        Raises:
            DatasetError: a label, ignore or depth image cannot be read, is not one channel of integers in 0..65535,
                or has another size than the photo.
            ImageError: the photo cannot be read.
            IndexError: there is no such sample.
        """
        return self._read(self._names[index])

    @abstractmethod
    def _read(self, name: str) -> Sample:
        """Read the sample of this name."""

    def _missing(self) -> str:
        """Which known part of the data set is not there, in a few words; empty if none."""
        return ""

    def _compare(self, tolerance: int) -> list[str]:
        published, found = self.info.frames, len(self)
        if published is None or found == published:
            return []
        counts = f"{found} frames where {published} are published for {self.info.title}"
        missing = self._missing()
        if missing:
            counts += f" ({missing})"
        if not self.options.partial and abs(found - published) > tolerance:
            raise DatasetError(f"{self.root}: found {counts}; to go on with what is there, set partial")
        return [counts]

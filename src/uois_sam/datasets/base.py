"""Base of all data sets on disk: names, sampling, the check of counts, and samples read on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from uois_sam.datasets.labels import check_same_size, read_depth
from uois_sam.datasets.layout import checked_name
from uois_sam.errors import DatasetError, count
from uois_sam.io.files import is_file
from uois_sam.io.images import ImageSource, read_photo
from uois_sam.types import BoolArray, Camera, LabelMap, Sample


@dataclass(frozen=True)
class DatasetInfo:
    """Published facts about a data set."""

    title: str
    """Name in papers."""
    homepage: str
    """Page with description and download."""
    licence: str
    """Licence as stated by the authors."""
    frames: int | None = None
    """Number of frames of published scores; None if there are none."""
    every: int = 1
    """Published scores take every n-th frame of the whole set."""
    size_wh: tuple[int, int] | None = None
    """Width and height of its photos in pixels; None if it varies."""


@dataclass(frozen=True)
class FrameOptions:
    """Options of every data set."""

    every: int | None = None
    """Take every n-th frame in name order; None as in published scores: 10 for PhoCAL and HouseCat6D, else 1."""
    offset: int = 0
    """Index of the first frame taken, from 0 to every - 1."""
    depth: bool = False
    """Also read depth and intrinsics, if available."""
    partial: bool = False
    """Accept another number of frames than published; :attr:`FrameDataset.notes` then says so."""


@dataclass(frozen=True)
class Expected:
    """Number of frames that published scores are made from, after their sampling."""

    frames: int
    tolerance: int = 0
    """Difference that does not indicate missing files, where the published sampling is unknown."""
    strict: bool = True
    """If True, another number is an error unless ``partial`` is set; otherwise it is only noted."""
    missing: str = ""
    """Known parts of the data set that are missing, in a few words."""


@dataclass(frozen=True)
class Annotation:
    """Labels of one frame and their file."""

    labels: LabelMap
    """(H, W) uint16: 0 is background."""
    source: Path
    """File named in messages."""
    ignore: BoolArray | None = None
    """(H, W) bool."""
    visible_fractions: Mapping[int, float] | None = None
    """As :attr:`uois_sam.types.Sample.visible_fractions`."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """As :attr:`uois_sam.types.Sample.notes`."""


class FrameDataset(ABC):
    """A data set on disk: a list of names, with everything else read by ``dataset[i]``, so memory stays flat.

    Implements :class:`uois_sam.datasets.base.Dataset`, can be pickled, and holds no open files.
    """

    info: ClassVar[DatasetInfo]

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        options: FrameOptions | None,
        *,
        every: int | None = None,
        expected: Expected | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Sample and check a list of names.

        Args:
            root: folder of the data set.
            names: of all frames, in order.
            options: which to take.
            every: the sampling when the options do not say, in place of ``info.every``.
            expected: number of frames with that sampling; None if unknown.
            notes: what a report on this data set has to mention.

        Raises:
            DatasetError: if a name comes twice, the options leave no frame, or frames are missing.
        """
        options = options or FrameOptions()
        usual = self.info.every if every is None else every
        every = usual if options.every is None else options.every
        if every < 1 or not 0 <= options.offset < every:
            raise DatasetError(
                f"{self.info.title}: expected every >= 1 and 0 <= offset < every, "
                f"found every={every} and offset={options.offset}"
            )
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise DatasetError(
                f"{root}: expected every name once, found {repeated[0]} more often (one of {len(repeated)} such names)"
            )
        for name in names:
            checked_name(name, root)  # predictions are written under these names
        self.root = root
        self.options = options
        self._names = tuple(names[options.offset :: every])
        if not self._names:
            raise DatasetError(f"{root}: expected frames, found {len(names)} and none of them from {options.offset} on")
        sampling = f"one in {every} of {len(names)} frames, from frame {options.offset} on"
        compared = self._compare(expected) if expected and every == usual else []
        self.notes = (*notes, *([sampling] if every > 1 else []), *compared)
        """Remarks for reports on this data set: known faults, sampling, missing frames."""

    @property
    def names(self) -> tuple[str, ...]:
        """Unique names in order: relative paths with "/" and without suffix, usable as file names of predictions."""
        return self._names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample from disk.

        Raises:
            DatasetError: if labels, ignore mask or depth are unreadable, hold more than one channel of integers in
                0..65535, or differ from the photo in size.
            ImageError: if the photo cannot be read.
            IndexError: if there is no such sample.
        """
        try:
            return self._read(self._names[index])
        except OSError as error:  # a folder that may not be searched, a disk that fails
            raise DatasetError(
                f"{error.filename or self.root}: expected a readable file, found: {error.strerror or error}"
            ) from error

    def _read(self, name: str) -> Sample:
        photo = self._photo(name)
        read = read_photo(self.photo_source(name))
        image = read.pixels
        image_hw = (image.shape[0], image.shape[1])
        annotation = self._annotation(name, image_hw)
        check_same_size(annotation.source, annotation.labels, photo.name, image_hw)
        depth_m = None
        if self.options.depth and (depth := self._depth(name)) is not None and is_file(depth[0]):
            depth_m = read_depth(*depth)
            check_same_size(depth[0], depth_m, photo.name, image_hw)
        notes = {**{f"photo {note}": 1 for note in read.notes}, **annotation.notes}
        camera = self._camera(name) if depth_m is not None else None
        return Sample(
            name, image, annotation.labels, annotation.ignore, depth_m, annotation.visible_fractions, notes, camera
        )

    @abstractmethod
    def _photo(self, name: str) -> Path:
        """Path of a frame's photo."""

    def photo_source(self, name: str) -> ImageSource:
        """Where a frame's photo is read from: its path, unless it is part of another file."""
        return self._photo(name)

    @abstractmethod
    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        """Read the labels of a frame; the caller checks that they have the photo's size."""

    def _depth(self, name: str) -> tuple[Path, float] | None:
        """Path of a frame's depth image and metres per stored step; None without depth."""
        return None

    def _camera(self, name: str) -> Camera | None:
        """Intrinsics of a frame; None where the data set does not have them."""
        return None

    def _compare(self, expected: Expected) -> list[str]:
        if len(self) == expected.frames:
            return []
        counts = f"{count(len(self), 'frame')} where {expected.frames} are published for {self.info.title}"
        if expected.missing:
            counts += f" ({expected.missing})"
        if expected.strict and not self.options.partial and abs(len(self) - expected.frames) > expected.tolerance:
            raise DatasetError(f"{self.root}: found {counts}; to go on with what is there, set partial")
        return [counts]


class Dataset(Protocol):
    """Labelled images in a fixed order; samples are read on demand, so a data set is cheap to hold and to pickle.

    Being iterable comes with it: ``__getitem__`` raises IndexError past the end.
    """

    @property
    def names(self) -> Sequence[str]:
        """Unique sample names in order; ``names[i] == self[i].name``."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...

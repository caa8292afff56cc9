"""What a format is: the files and rows of one photo, and the files over all photos."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, ClassVar, TypeAlias

from uois_sam.errors import UOISError
from uois_sam.exchange.photo import OBJECT, LabelledPhoto, Shapes
from uois_sam.io.files import Content

EMPTY = "empty masks left out"
NO_IGNORE = "photos whose ignored pixels have no place in this format"
COVERED = "objects of which too little is visible for the label map, left out"


def expect_text(file_name: str) -> None:
    """Check that a photo's name can be written, as all of these formats do, in UTF-8.

    Raises:
        FormatError: it cannot: Linux has names of any bytes.
    """
    try:
        file_name.encode()
    except UnicodeEncodeError as error:
        raise FormatError("expected a file name in UTF-8, found another: rename the photo") from error


class FormatError(UOISError):
    """A photo cannot be written in a format; the message says what the format expects."""


@dataclass(frozen=True)
class CocoIds:
    """Ids of a COCO annotation file, for results that are compared with it."""

    images: Mapping[str, int]
    """Image ids by file name."""
    categories: Mapping[str, int]
    """Category ids by name."""
    source: str = ""
    """The file, for messages."""


@dataclass(frozen=True)
class FormatOptions:
    """Options of the formats; each takes those that it knows."""

    shapes: Shapes = "mask"
    """Of COCO and LabelMe: exact masks, or polygons that can be edited."""
    coco_ids: CocoIds | None = None
    """Of COCO: ids to use in place of running ones."""
    names: tuple[str, ...] = (OBJECT,)
    """Known categories, in the order of their numbers; others are added as they come."""
    photos: bool = False
    """Of COCO: copy the photos beside the annotations, as labelling tools expect them."""


@dataclass(frozen=True)
class EncodedPhoto:
    """One photo in one format."""

    file_name: str
    """As :attr:`LabelledPhoto.file_name`."""
    stem: str
    """As :attr:`LabelledPhoto.stem`."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Content of the photo's own files by path below the format's folder, in the order of writing."""
    rows: tuple[Mapping[str, Any], ...] = ()
    """Entries of files over all photos."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What was left out, guessed or changed, in a few words, and how many times."""


class Gathering:
    """Files over all photos of a run, filled photo by photo; this one has none."""

    def __init__(self) -> None:
        self.notes: Counter[str] = Counter()
        """As :attr:`EncodedPhoto.notes`, of the run."""

    def add(self, encoded: EncodedPhoto) -> None:
        """Take the rows of one photo."""

    def finish(self) -> Mapping[str, Content]:
        """Return the files by path below the format's folder."""
        return {}


Scratch: TypeAlias = Callable[[], IO[bytes]]
"""Opens a new temporary file for writing and reading, which is removed with the run."""


class Format(ABC):
    """One format. Instances hold options only: they can be pickled and used by several threads."""

    name: ClassVar[str]
    """On the command line, and of its folder below the results."""
    needs_photo: bool = False
    """Whether ``image`` or ``content`` of a photo is used."""
    needs_depth: ClassVar[bool] = False
    """Whether ``depth_m`` and ``camera`` are."""

    def __init__(self, options: FormatOptions) -> None:
        self.options = options

    @abstractmethod
    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """Make the files and rows of one photo.

        Raises:
            FormatError: if the format cannot hold it.
        """

    def gather(self, scratch: Scratch) -> Gathering:
        """Begin the files over all photos."""
        return Gathering()


def copied_from(*parts: IO[bytes] | bytes) -> Content:
    """Content of a file: parts in sequence, each bytes or a temporary file that was filled."""

    def write(target: BinaryIO) -> None:
        for part in parts:
            if isinstance(part, bytes):
                target.write(part)
            else:
                part.seek(0)
                shutil.copyfileobj(part, target, 1 << 20)

    return write

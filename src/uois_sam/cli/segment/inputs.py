"""Inputs of a command (photos, videos, folders of them), and the names of their results."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.cli.segment.search import Found, NothingFoundError, find
from uois_sam.errors import UOISError

_LONGEST_STEM = 230
"""Bytes: the longest ending and a frame's number have to fit into the 255 that file systems allow."""

if TYPE_CHECKING:
    from uois_sam.io.photo_archives import Member
    from uois_sam.types import ImageArray


@dataclass(frozen=True)
class Source:
    """One input file and the name of its results."""

    path: Path
    name: str
    """The file's path relative to the input folder it was found in, with forward slashes."""
    stem: Path
    """Name of the results, relative to the output folder, without suffix."""
    is_video: bool = False
    content: bytes | None = None
    """Of a photo that is no file: from standard input or a ``data:`` URL."""
    member: Member | None = None
    """Of a photo inside an archive, whose path ``path`` is."""

    @property
    def said(self) -> str:
        """The source in messages."""
        return str(self.path if self.member is None else self.member)


@dataclass(frozen=True)
class Photo:
    """One photo or video frame to segment, not read yet."""

    name: str
    """Name of the source."""
    stem: Path
    """Stem of the source, with the number of the frame if it is one."""
    frame: int | None
    """Index of the frame in its video, from 0; None for a photo."""
    read: Callable[[], ImageArray]
    """Returns the (H, W, 3) uint8 RGB picture."""
    path: Path | None = None
    """File of the photo; None for a frame, which is read already, and inside an archive."""
    content: bytes | None = None
    """Of the file, where it came from another machine."""
    member: Member | None = None
    """Of a photo inside an archive."""


def find_sources(inputs: Sequence[str | Path], out: Path) -> tuple[list[Source], list[str]]:
    """Find the photos and videos to segment and name their results.

    Args:
        inputs: files (of any suffix); folders (searched for photos and videos; hidden ones and ``out`` left out);
            patterns of such names, where there is no file of that very name; tar files and Parquet tables of photos;
            ``@FILE`` with one name a line; ``data:`` URLs; ``-`` for standard input.
        out: folder of the results.

    Returns:
        The sources, in order of the inputs, sorted within a folder; and one line for every input without any.

    Raises:
        UOISError: if ``out`` is one of the input folders, so that results would be taken for inputs by the next run.
    """
    found: dict[object, Found] = {}  # keyed by absolute path or content: what is given twice counts once
    failures = []
    for given in inputs:
        try:
            for each in find(os.fspath(given), out):
                found.setdefault(each.key, each)
        except NothingFoundError as error:
            failures.append(str(error))
    return _with_unique_stems(list(found.values())), failures


def _with_unique_stems(files: list[Found]) -> list[Source]:
    """Give everything found a unique stem, also where the file system ignores case."""
    from uois_sam.io.formats import VIDEO_SUFFIXES

    def folded(stem: Path) -> str:
        return str(stem).casefold()

    def is_video(name: Path) -> bool:
        return name.suffix.lower() in VIDEO_SUFFIXES

    videos = {folded(name.with_suffix("")) for name in (each.name for each in files) if is_video(name)}

    def family(name: Path) -> str:
        """Return the name of the results of a file, without the frame's number."""
        stem = folded(name.with_suffix(""))
        without_number = re.sub(r"(?<=.)_\d{6,}$", "", stem)
        return without_number if without_number in videos else stem

    shared = Counter(family(each.name) for each in files)
    taken: set[str] = set()
    sources = []
    for each in files:
        name = each.name
        plain = _shortened(name.with_suffix("") if shared[family(name)] == 1 else name)
        stem, number = plain, 2
        while folded(stem) in taken:
            stem, number = plain.with_name(f"{plain.name}-{number}"), number + 1
        taken.add(folded(stem))
        sources.append(Source(each.path, name.as_posix(), stem, is_video(name), each.content, each.member))
    return sources


def _shortened(stem: Path) -> Path:
    """A name that has room for the endings of results; part of a hash keeps two that were cut apart."""
    encoded = os.fsencode(stem.name)
    if len(encoded) <= _LONGEST_STEM:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:12]
    return stem.with_name(encoded[: _LONGEST_STEM - 13].decode("utf-8", "ignore") + f"-{digest}")


def photos_of(source: Source, lose: Callable[[str], None] = lambda reason: None) -> Iterator[Photo]:
    """Yield the photo of a source, or the frames of its video one at a time.

    Args:
        source: of the photos.
        lose: called for every frame of a video that cannot be decoded, with the reason.

    Raises:
        ImageError: if a video cannot be read, or is cut short; a photo fails only when it is read.
    """
    from uois_sam.io.images import read_image
    from uois_sam.io.video import read_video

    if source.content is not None:
        yield Photo(source.name, source.stem, None, partial(read_image, source.content))
        return
    if source.member is not None:
        yield Photo(source.name, source.stem, None, partial(_read_member, source.member), member=source.member)
        return
    if not source.is_video:
        yield Photo(source.name, source.stem, None, partial(read_image, source.path), source.path)
        return
    for index, picture in read_video(source.path, lose):
        stem = source.stem.with_name(f"{source.stem.name}_{index:06d}")
        yield Photo(source.name, stem, index, partial(read_image, picture))


def _read_member(member: Member) -> ImageArray:
    from uois_sam.errors import ImageError
    from uois_sam.io.images import read_image

    content = member.read()
    try:
        return read_image(content)
    except ImageError as error:
        raise ImageError(f"{member}: {error}") from error


def count_photos(sources: Sequence[Source]) -> int | None:
    """Return the number of photos and video frames; None if a video does not tell its length."""
    from uois_sam.io.video import frame_count

    total = 0
    for source in sources:
        try:
            frames = frame_count(source.path) if source.is_video else 1
        except UOISError:
            frames = 0  # reported when its turn comes
        if frames is None:
            return None
        total += frames
    return total

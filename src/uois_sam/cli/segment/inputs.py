"""What a command's inputs (photos, videos, folders of them) stand for, and how the results of each are named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.errors import UOISError

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class Photo:
    """One photo or video frame to segment, not read yet."""

    name: str
    """As :attr:`Source.name`."""
    stem: Path
    """As :attr:`Source.stem`, with the frame's number if it is one."""
    frame: int | None
    """Index of the frame in its video, from 0; None for a photo."""
    read: Callable[[], ImageArray]
    """Returns the (H, W, 3) uint8 RGB picture."""
    path: Path | None = None
    """The photo's file; None for a frame, which is read already."""


def find_sources(inputs: Sequence[Path], out: Path) -> tuple[list[Source], list[str]]:
    """Find the files to segment and name their results.

    Args:
        inputs: files (of any suffix) and folders (searched for photos and videos; hidden ones and ``out`` left out).
        out: folder of the results.

    Returns:
        The sources, in order of the inputs, sorted within a folder; and one line for every input without any.

    Raises:
        UOISError: ``out`` is one of the input folders, so that results would be taken for inputs by the next run.
    """
    found: dict[Path, tuple[Path, Path]] = {}  # keyed by absolute path: a file given twice counts once
    failures = []
    for given in inputs:
        try:
            given.stat()
        except OSError as error:
            failures.append(f"{given}: expected a photo, video or folder, found: {error.strerror}")
            continue
        paths = _files_below(given, out) if given.is_dir() else [given]
        if not paths:
            failures.append(f"{given}: expected photos or videos in this folder, found none")
        for path in paths:
            name = Path(path.name) if path == given else path.relative_to(given)
            found.setdefault(path.absolute(), (path, name))
    return _with_unique_stems(list(found.values())), failures


def _files_below(folder: Path, out: Path) -> list[Path]:
    from uois_sam.io.images import IMAGE_SUFFIXES, VIDEO_SUFFIXES

    results, inputs = out.resolve(), folder.resolve()
    if results == inputs:
        raise UOISError(f"--out {out}: expected another folder than the inputs, whose results would become inputs")
    results_inside = results.is_relative_to(inputs)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not (results_inside and path.resolve().is_relative_to(results))
        and path.is_file()
    )


def _with_unique_stems(files: list[tuple[Path, Path]]) -> list[Source]:
    """Give every (path, relative name) a stem of its own, also where the file system ignores case."""
    from uois_sam.io.images import VIDEO_SUFFIXES

    def folded(stem: Path) -> str:
        return str(stem).casefold()

    def is_video(name: Path) -> bool:
        return name.suffix.lower() in VIDEO_SUFFIXES

    videos = {folded(name.with_suffix("")) for _, name in files if is_video(name)}

    def family(name: Path) -> str:
        """What the results of this file are called, up to the number of a video's frame."""
        stem = folded(name.with_suffix(""))
        without_number = re.sub(r"(?<=.)_\d{6,}$", "", stem)
        return without_number if without_number in videos else stem

    shared = Counter(family(name) for _, name in files)
    taken: set[str] = set()
    sources = []
    for path, name in files:
        plain = name.with_suffix("") if shared[family(name)] == 1 else name
        stem, number = plain, 2
        while folded(stem) in taken:
            stem, number = plain.with_name(f"{plain.name}-{number}"), number + 1
        taken.add(folded(stem))
        sources.append(Source(path, name.as_posix(), stem, is_video(name)))
    return sources


def photos_of(source: Source) -> Iterator[Photo]:
    """The photo of a source, or the frames of its video one at a time.

    Raises:
        ImageError: a video cannot be read; a photo fails only when it is read.
    """
    from uois_sam.io.images import read_image, read_video

    if not source.is_video:
        yield Photo(source.name, source.stem, None, partial(read_image, source.path), source.path)
        return
    for index, picture in read_video(source.path):
        stem = source.stem.with_name(f"{source.stem.name}_{index:06d}")
        yield Photo(source.name, stem, index, partial(read_image, picture))


def count_photos(sources: Sequence[Source]) -> int | None:
    """Photos and video frames in all, as far as the videos say; None where one does not say."""
    from uois_sam.io.images import frame_count

    total = 0
    for source in sources:
        try:
            count = frame_count(source.path) if source.is_video else 1
        except UOISError:
            count = 0  # reported when its turn comes
        if count is None:
            return None
        total += count
    return total

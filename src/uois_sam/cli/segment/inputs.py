"""Inputs of a command (photos, videos, folders of them), and the names of their results."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.errors import UOISError, count

_RECORD = ".json"
_MAP_ENDINGS = ("_label", "_labels", "_ignore", "_depth", "_mask", "_disparity", "_seg", "_segmentation")
"""Of files beside a photo that are no photos: ours, and the usual ones."""
_RESULT_ENDINGS = ("_label", "_overlay", "_heatmap", "_foreground")
"""Of pictures that this command writes, beside a record."""
_MAP_FOLDERS = frozenset(
    {"label", "labels", "ignore", "depth", "mask", "masks", "mask_visib", "instance", "annotation", "disparity"}
)
_PHOTO_FOLDERS = ("rgb", "gray", "image_color", "color", "images")
_LONGEST_STEM = 230
"""Bytes: the longest ending and a frame's number have to fit into the 255 that file systems allow."""

_logger = logging.getLogger("uois_sam")

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
    """Name of the source."""
    stem: Path
    """Stem of the source, with the number of the frame if it is one."""
    frame: int | None
    """Index of the frame in its video, from 0; None for a photo."""
    read: Callable[[], ImageArray]
    """Returns the (H, W, 3) uint8 RGB picture."""
    path: Path | None = None
    """File of the photo; None for a frame, which is read already."""
    content: bytes | None = None
    """Of the file, where it came from another machine."""


def find_sources(inputs: Sequence[Path], out: Path) -> tuple[list[Source], list[str]]:
    """Find the files to segment and name their results.

    Args:
        inputs: files (of any suffix) and folders (searched for photos and videos; hidden ones and ``out`` left out).
        out: folder of the results.

    Returns:
        The sources, in order of the inputs, sorted within a folder; and one line for every input without any.

    Raises:
        UOISError: if ``out`` is one of the input folders, so that results would be taken for inputs by the next run.
    """
    found: dict[Path, tuple[Path, Path]] = {}  # keyed by absolute path: a file given twice counts once
    failures = []
    for given in inputs:
        try:
            given.stat()
        except ValueError:
            failures.append(f"{str(given)!a}: expected a photo, video or folder, found: a name that no file can have")
            continue
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
    from uois_sam.io.formats import UNREAD_SUFFIXES, VIDEO_SUFFIXES, readable_suffixes

    results, inputs = out.resolve(), folder.resolve()
    if results == inputs:
        raise UOISError(f"--out {out}: expected another folder than the inputs, whose results would become inputs")
    results_inside = results.is_relative_to(inputs)
    taken = readable_suffixes() | VIDEO_SUFFIXES
    known = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in taken | UNREAD_SUFFIXES | {_RECORD}
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not (results_inside and path.resolve().is_relative_to(results))
        and path.is_file()
    ]
    files = [path for path in known if path.suffix.lower() in taken]
    maps = _maps_and_results(folder, files, {path for path in known if path.suffix.lower() == _RECORD})
    _tell_left_out(folder, sorted(maps), "maps and earlier results; give them by name to segment them")
    unread = [path for path in known if path.suffix.lower() in UNREAD_SUFFIXES - taken]
    _tell_left_out(folder, unread, "pictures in formats that are not read (HEIC: pip install pillow-heif)")
    return [path for path in files if path not in maps]


def _maps_and_results(folder: Path, files: Sequence[Path], records: set[Path]) -> set[Path]:
    """Files that are no photos but belong to one beside them, or to a folder of photos beside theirs."""
    stems = {path.with_suffix("") for path in files}
    found = set()
    for path in files:
        ending = next((each for each in _MAP_ENDINGS + _RESULT_ENDINGS if path.stem.lower().endswith(each)), "")
        photo = path.with_name(path.stem[: len(path.stem) - len(ending)])
        of_photo = ending in _MAP_ENDINGS and photo in stems
        is_result = ending in _RESULT_ENDINGS and photo.with_name(photo.name + _RECORD) in records
        inside = path.relative_to(folder).parts[:-1]
        beside = any(
            part.lower() in _MAP_FOLDERS and _has_photos_beside(folder.joinpath(*inside[:depth]))
            for depth, part in enumerate(inside)
        )
        if of_photo or is_result or beside:
            found.add(path)
    return found


def _has_photos_beside(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in _PHOTO_FOLDERS)


def _tell_left_out(folder: Path, paths: Sequence[Path], what: str) -> None:
    if paths:
        first = paths[0].relative_to(folder).as_posix()
        _logger.warning("%s: left out %s, first %s: %s", folder, count(len(paths), "file"), first, what)


def _with_unique_stems(files: list[tuple[Path, Path]]) -> list[Source]:
    """Give every (path, relative name) a unique stem, also where the file system ignores case."""
    from uois_sam.io.formats import VIDEO_SUFFIXES

    def folded(stem: Path) -> str:
        return str(stem).casefold()

    def is_video(name: Path) -> bool:
        return name.suffix.lower() in VIDEO_SUFFIXES

    videos = {folded(name.with_suffix("")) for _, name in files if is_video(name)}

    def family(name: Path) -> str:
        """Return the name of the results of a file, without the frame's number."""
        stem = folded(name.with_suffix(""))
        without_number = re.sub(r"(?<=.)_\d{6,}$", "", stem)
        return without_number if without_number in videos else stem

    shared = Counter(family(name) for _, name in files)
    taken: set[str] = set()
    sources = []
    for path, name in files:
        plain = _shortened(name.with_suffix("") if shared[family(name)] == 1 else name)
        stem, number = plain, 2
        while folded(stem) in taken:
            stem, number = plain.with_name(f"{plain.name}-{number}"), number + 1
        taken.add(folded(stem))
        sources.append(Source(path, name.as_posix(), stem, is_video(name)))
    return sources


def _shortened(stem: Path) -> Path:
    """A name that has room for the endings of results; part of a hash keeps two that were cut apart."""
    encoded = os.fsencode(stem.name)
    if len(encoded) <= _LONGEST_STEM:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:12]
    return stem.with_name(encoded[: _LONGEST_STEM - 13].decode("utf-8", "ignore") + f"-{digest}")


def photos_of(source: Source) -> Iterator[Photo]:
    """Yield the photo of a source, or the frames of its video one at a time.

    Raises:
        ImageError: if a video cannot be read; a photo fails only when it is read.
    """
    from uois_sam.io.images import read_image
    from uois_sam.io.video import read_video

    if not source.is_video:
        yield Photo(source.name, source.stem, None, partial(read_image, source.path), source.path)
        return
    for index, picture in read_video(source.path):
        stem = source.stem.with_name(f"{source.stem.name}_{index:06d}")
        yield Photo(source.name, stem, index, partial(read_image, picture))


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

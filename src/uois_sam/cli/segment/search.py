"""What an input stands for: a file, the photos of a folder, the matches of a pattern, or the content of a photo."""

from __future__ import annotations

import glob
import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.errors import ImageError, UOISError, count
from uois_sam.io.files import real_path

if TYPE_CHECKING:
    from uois_sam.io.photo_archives import Member

_RECORD = ".json"
_MAP_ENDINGS = ("_label", "_labels", "_ignore", "_depth", "_mask", "_disparity", "_seg", "_segmentation")
"""Of files beside a photo that are no photos: ours, and the usual ones."""
_RESULT_ENDINGS = ("_label", "_overlay", "_colour", "_heatmap", "_foreground")
"""Of pictures that this command writes, beside a record."""
SHEET = "contact_sheet.jpg"
"""An overview of a folder's results, or of scenes."""
_CROP = re.compile(r"_crop_\d{3,}$")
"""Likewise, of the cut-outs of objects."""
_MAP_FOLDERS = frozenset(
    {"label", "labels", "ignore", "depth", "mask", "masks", "mask_visib", "instance", "annotation", "disparity"}
)
_PHOTO_FOLDERS = ("rgb", "gray", "image_color", "color", "images")

_logger = logging.getLogger("uois_sam")


@dataclass(frozen=True)
class Found:
    """A photo or video, not named yet."""

    path: Path
    name: Path
    """Relative to the input folder."""
    content: bytes | None = None
    member: Member | None = None

    @property
    def key(self) -> object:
        """What is given twice has the same key."""
        if self.member is not None:
            return _absolute(self.path), self.member.name
        return _absolute(self.path) if self.content is None else self.content


def _absolute(path: Path) -> Path:
    """An absolute path without "..", whatever links its folders are; links to files are files of their own."""
    return Path(os.path.realpath(path.parent), path.name) if ".." in path.parts else path.absolute()


class NothingFoundError(UOISError):
    """An input stands for no photo."""


def find(given: str, out: Path) -> list[Found]:
    """Find what one input stands for, see :func:`uois_sam.cli.segment.inputs.find_sources`.

    Raises:
        NothingFoundError: if that is no photo or video.
        UOISError: if ``out`` is the folder itself.
    """
    from uois_sam.io.urls import data_of_url, is_data_url, refuse_remote

    try:
        if given == "-":
            return [Found(Path("stdin"), Path("stdin"), _from_standard_input())]
        if is_data_url(given):
            return [Found(Path("data"), Path("data"), data_of_url(given))]
        refuse_remote(given)
        if given.startswith("@") and not os.path.lexists(given):
            return _listed(Path(given[1:]))
    except UOISError as error:
        raise NothingFoundError(str(error)) from error
    try:
        paths = (
            [Path(name) for name in sorted(glob.glob(given, recursive=True))] if _is_pattern(given) else [Path(given)]
        )
        for path in paths:
            path.stat()
    except ValueError:
        raise NothingFoundError(
            f"{given!a}: expected a photo, video or folder, found: a name that no file can have"
        ) from None
    except OSError as error:
        raise NothingFoundError(f"{given}: expected a photo, video or folder, found: {error.strerror}") from error
    if not paths:
        raise NothingFoundError(f"{given}: expected files or folders that match this pattern, found none")
    found = [each for path in paths for each in _below(path, out)]
    if not found:
        raise NothingFoundError(f"{given}: expected photos or videos in this folder, found none")
    return found


def _listed(path: Path) -> list[Found]:
    """The files that a text file names, one a line; results are laid out as they are below their common folder."""
    from uois_sam.io.photo_archives import ARCHIVE_SUFFIXES

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "no text in UTF-8"
        raise NothingFoundError(f"@{path}: expected a file with one name a line, found: {said}") from error
    files = [Path(os.path.normpath(line)) for line in (line.strip() for line in lines) if line]
    if not files:
        raise NothingFoundError(f"@{path}: expected a file with one name a line, found none")
    common = Path(os.path.commonpath([file.absolute().parent for file in files]))
    found: list[Found] = []
    for file in files:  # those that are missing fail one by one, when their turn comes
        is_archive = file.suffix.lower() in ARCHIVE_SUFFIXES and file.is_file()
        found += _inside(file) if is_archive else [Found(file, file.absolute().relative_to(common))]
    return found


def _inside(archive: Path) -> list[Found]:
    """The photos of an archive, in a folder of its name."""
    from uois_sam.io.photo_archives import members_of

    try:
        members = members_of(archive)
    except ImageError as error:
        raise NothingFoundError(str(error)) from error
    return [Found(archive, Path(archive.stem, member.name), member=member) for member in members]


def _is_pattern(given: str) -> bool:
    """Whether a name has wildcards, as where a shell was kept from expanding it, and is no file's own."""
    return glob.has_magic(given) and not os.path.lexists(given)


def _from_standard_input() -> bytes:
    from uois_sam.io.formats import LARGEST_FILE

    if sys.stdin is None or sys.stdin.isatty():
        raise UOISError("-: expected a photo on standard input, found a terminal")
    content = sys.stdin.buffer.read(LARGEST_FILE + 1)
    if not content or len(content) > LARGEST_FILE:
        raise UOISError(f"-: expected a photo on standard input, found {'too much' if content else 'nothing'}")
    return content


def _below(path: Path, out: Path) -> list[Found]:
    from uois_sam.io.photo_archives import ARCHIVE_SUFFIXES

    if path.is_dir():
        return [Found(file, file.relative_to(path)) for file in _files_below(path, out)]
    if path.suffix.lower() in ARCHIVE_SUFFIXES:
        return _inside(path)
    return [Found(path, Path(path.name))]


def _files_below(folder: Path, out: Path) -> list[Path]:
    from uois_sam.io.formats import UNREAD_SUFFIXES, VIDEO_SUFFIXES, readable_suffixes
    from uois_sam.io.photo_archives import ARCHIVE_SUFFIXES

    results = real_path(out)
    if results == real_path(folder):
        raise UOISError(f"--out {out}: expected another folder than the inputs, whose results would become inputs")
    taken = readable_suffixes() | VIDEO_SUFFIXES
    known, odd = _walk(folder, results, taken | UNREAD_SUFFIXES | ARCHIVE_SUFFIXES | {_RECORD})
    files = [path for path in known if path.suffix.lower() in taken]
    maps = _maps_and_results(folder, files, {path for path in known if path.suffix.lower() == _RECORD})
    _tell_left_out(folder, sorted(maps), "maps and earlier results; give them by name to segment them")
    unread = [path for path in known if path.suffix.lower() in UNREAD_SUFFIXES - taken]
    _tell_left_out(folder, unread, "pictures in formats that are not read (HEIC: pip install pillow-heif)")
    archives = [path for path in known if path.suffix.lower() in ARCHIVE_SUFFIXES]
    _tell_left_out(folder, archives, "archives; give them by name, or a pattern, to segment the photos inside")
    for what, paths in odd.items():
        _tell_left_out(folder, paths, what, "folder" if "folders" in what else "file")
    return [path for path in files if path not in maps]


def _walk(folder: Path, results: Path, suffixes: frozenset[str]) -> tuple[list[Path], dict[str, list[Path]]]:
    """Regular files with these suffixes, sorted; and what is no file or not followed, by what is wrong with it."""
    known: list[Path] = []
    odd: dict[str, list[Path]] = {}
    closed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        inside = [Path(parent, name) for name in folders if not name.startswith(".")]
        linked = [path for path in inside if path.is_symlink()]
        odd.setdefault("links to folders are not followed; give them by name", []).extend(linked)
        folders[:] = [path.name for path in inside if path.is_symlink() or real_path(path) != results]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in suffixes:
                gone = "links to nothing" if path.is_symlink() else "pipes, sockets and devices"
                (known if path.is_file() else odd.setdefault(gone, [])).append(path)
    for error in closed:
        odd.setdefault(f"folders that cannot be read ({error.strerror})", []).append(Path(os.fspath(error.filename)))
    return sorted(known), {what: sorted(paths) for what, paths in odd.items()}


def _maps_and_results(folder: Path, files: Sequence[Path], records: set[Path]) -> set[Path]:
    """Files that are no photos but belong to one beside them, or to a folder of photos beside theirs."""
    stems = {path.with_suffix("") for path in files}
    recorded = {path.parent for path in records}
    found = set()
    for path in files:
        ending = next((each for each in _MAP_ENDINGS + _RESULT_ENDINGS if path.stem.lower().endswith(each)), "")
        crop = _CROP.search(path.stem)
        ending = crop[0] if crop else ending
        photo = path.with_name(path.stem[: len(path.stem) - len(ending)])
        of_photo = ending in _MAP_ENDINGS and photo in stems
        is_result = bool(crop or ending in _RESULT_ENDINGS) and photo.with_name(photo.name + _RECORD) in records
        inside = path.relative_to(folder).parts[:-1]
        beside = any(
            part.lower() in _MAP_FOLDERS and _has_photos_beside(folder.joinpath(*inside[:depth]))
            for depth, part in enumerate(inside)
        )
        is_sheet = path.name == SHEET and (path.parent in recorded or _has_photos_beside(path.parent))
        if of_photo or is_result or is_sheet or beside:
            found.add(path)
    return found


def _has_photos_beside(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in _PHOTO_FOLDERS)


def _tell_left_out(folder: Path, paths: Sequence[Path], what: str, noun: str = "file") -> None:
    if paths:
        first = paths[0].relative_to(folder).as_posix()
        _logger.warning("%s: left out %s, first %s: %s", folder, count(len(paths), noun), first, what)

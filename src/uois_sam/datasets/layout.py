"""Layouts of data sets on disk: find their folder and files, or say what was expected and found."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from uois_sam.errors import DatasetError
from uois_sam.io.formats import IMAGE_SUFFIXES, UNREAD_SUFFIXES, readable_suffixes

LABEL_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".bmp", ".pgm"})
"""Lower-case suffixes of label maps: formats that keep every value."""
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")
_NO_PICTURES = frozenset(
    {".json", ".jsonl", ".txt", ".md", ".csv", ".npy", ".npz", ".pkl", ".db", ".ini", ".yaml", ".yml"}
)


@dataclass(frozen=True)
class Listing:
    """The pictures of one folder."""

    files: Mapping[str, str]
    """Paths below the folder by name (path without suffix), in natural order."""
    unread: Mapping[str, int]
    """Number of pictures in unsupported formats, by suffix."""

    @property
    def notes(self) -> list[str]:
        """Remarks for reports on the files left out."""
        return [
            f"{number} {suffix or 'files without suffix'} left out: not a format that is read here"
            + ("; pip install pillow-heif to read it" if suffix.lower() in (".heic", ".heif") else "")
            for suffix, number in sorted(self.unread.items())
        ]


def list_pictures(
    folder: Path, suffixes: Collection[str] | None = None, *, recursive: bool = False, mixed: bool = False
) -> Listing:
    """List the pictures of a folder by name, without hidden files.

    Args:
        folder: where to look; a missing one has none.
        suffixes: lower-case suffixes taken; every format that photos are read in, if left out.
        recursive: also look into the folders in it.
        mixed: the folder holds other things as well, so that only known kinds of pictures count as left out.

    Raises:
        DatasetError: if the names of two pictures differ in their suffix only.
    """
    taken = readable_suffixes() if suffixes is None else suffixes
    files: dict[str, str] = {}
    unread: Counter[str] = Counter()
    for file in sorted(_files(folder, recursive), key=natural):
        stem, suffix = os.path.splitext(file)
        if suffix.lower() in taken:
            if stem in files:
                raise DatasetError(f"{folder}: expected one photo called {stem}, found {files[stem]} and {file}")
            files[stem] = file
        elif suffix.lower() in UNREAD_SUFFIXES | IMAGE_SUFFIXES or not (mixed or suffix.lower() in _NO_PICTURES):
            unread[suffix] += 1
    return Listing(files, unread)


def _files(folder: Path, recursive: bool) -> Iterator[str]:
    """Return the paths of files below a folder, relative to it and with "/", without hidden files."""
    for top, folders, files in os.walk(folder, onerror=_fail) if os.path.isdir(folder) else ():
        below = os.path.relpath(top, folder).replace(os.sep, "/") + "/" if top != str(folder) else ""
        yield from (below + name for name in files if not name.startswith("."))
        if not recursive:
            return
        folders[:] = [name for name in folders if not name.startswith(".")]


def _fail(error: OSError) -> None:
    raise error


def pair_notes(photos: Collection[str], labels: Iterable[str], kind: str = "label") -> list[str]:
    """Return a note on labels without photo; none if every label has one."""
    lonely = [name for name in labels if name not in photos]
    if not lonely:
        return []
    return [f"{len(lonely)} {kind}{'s' * (len(lonely) > 1)} without a photo left out, first {lonely[0]}"]


def find_root(root: str | os.PathLike[str], markers: Sequence[str], layout: str, inner: Sequence[str] = ()) -> Path:
    """Return the folder that holds a data set: ``root``, or the folder with the archive's name inside it.

    Args:
        root: folder given by the user.
        markers: glob patterns relative to the data set's folder; any match identifies it.
        layout: expected layout, worded for an error message.
        inner: usual names of the data set's own folder.

    Raises:
        DatasetError: if there is no such folder, or it has another layout.
    """
    root = Path(root)
    if not os.path.isdir(root):
        found = "a file" if os.path.exists(root) else "nothing there"
        raise DatasetError(f"{root}: expected a folder with {layout}, found {found}")
    with suppress(NotImplementedError, ValueError):  # a pattern with an option in it that is no name of a folder
        for folder in (root, *(root / name for name in inner)):
            if any(next(folder.glob(marker), None) is not None for marker in markers):
                return folder
    raise DatasetError(f"{root}: expected {layout}, found {contents(root)}")


def contents(folder: Path) -> str:
    """Return the first few names in a folder, for error messages."""
    names = sorted(path.name + ("/" if os.path.isdir(path) else "") for path in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def checked_name(name: str, source: str | os.PathLike[str]) -> str:
    """Return a relative path with "/" between its parts, whatever its separators.

    Args:
        name: from an annotation file or a folder's listing.
        source: where it is from, for messages.

    Raises:
        DatasetError: if it leads out of the data set, or no file can have it.
    """
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    leads_out = plain.startswith("/") or ".." in parts or bool(PureWindowsPath(plain).drive)
    if leads_out or not parts or _UNPRINTABLE.search(plain):
        raise DatasetError(f"{source}: expected names of files inside the data set, found {ascii(name)[:120]}")
    return "/".join(parts)


def as_named(path: Path) -> Path:
    """Return the path, or the one with its suffix in capitals if only that file exists."""
    capitals = path.with_name(path.stem + path.suffix.upper())
    return capitals if not os.path.isfile(path) and os.path.isfile(capitals) else path


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorting key that puts ``learn2`` before ``learn10``."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((1, int(part), "") if part.isdecimal() and len(part) < 100 else (0, 0, part) for part in parts)


def check_all_there(root: Path, photos: int, labels: Iterable[Path]) -> None:
    """Check that every photo has its label file.

    Raises:
        DatasetError: if some are missing; the message counts them and names the first.
    """
    missing = [label for label in labels if not os.path.isfile(label)]
    if missing:
        first = missing[0].relative_to(root).as_posix()
        raise DatasetError(
            f"{root}: expected a label for each of {photos} photos, found {photos - len(missing)}; "
            f"the first one missing is {first}"
        )

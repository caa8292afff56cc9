"""Finding a data set's folder, and saying what was looked for and what was found when it is another one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from uois_sam.errors import DatasetError

PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg")
"""Lower-case suffixes of the photos of data sets."""


def find_root(root: str | os.PathLike[str], markers: Sequence[str], layout: str, inner: Sequence[str] = ()) -> Path:
    """The folder that holds a data set: ``root`` itself, or the folder of the archive's name inside it.

    Args:
        root: what the user gave.
        markers: glob patterns relative to the data set's folder; any of them tells that this is it.
        layout: the layout looked for, in the words of an error message.
        inner: names that the data set's own folder usually has.

    Raises:
        DatasetError: no such folder, or a folder of another layout.
    """
    root = Path(root)
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing there"
        raise DatasetError(f"{root}: expected a folder with {layout}, found {found}")
    for folder in (root, *(root / name for name in inner)):
        if any(next(folder.glob(marker), None) is not None for marker in markers):
            return folder
    raise DatasetError(f"{root}: expected {layout}, found {contents(root)}")


def contents(folder: Path) -> str:
    """The first few names in a folder, for error messages."""
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def is_photo(path: Path, suffixes: Sequence[str] = PHOTO_SUFFIXES) -> bool:
    """Whether the name is a photo's; a hidden file's (file managers leave some) is not."""
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def png_stems(folder: Path) -> list[str]:
    """Names without suffix of the PNGs in a folder, in natural order, hidden files left out."""
    return sorted((path.stem for path in folder.iterdir() if is_photo(path, (".png",))), key=natural)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorting key that puts ``learn2`` before ``learn10``."""
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"([0-9]+)", text))


def check_all_there(root: Path, photos: int, labels: Iterable[Path]) -> None:
    """Make sure that every photo has its label file.

    Raises:
        DatasetError: some are missing; the message counts them and names the first.
    """
    missing = [label for label in labels if not label.is_file()]
    if missing:
        first = missing[0].relative_to(root).as_posix()
        raise DatasetError(
            f"{root}: expected a label for each of {photos} photos, found {photos - len(missing)}; "
            f"the first one missing is {first}"
        )

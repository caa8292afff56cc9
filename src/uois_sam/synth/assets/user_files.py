"""Users' own files: found in a folder, tried, and left out with a line in the log when they cannot be used."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Collection
from pathlib import Path

_LOG = logging.getLogger(__name__)


def usable_files(folder: Path, suffixes: Collection[str], read: Callable[[Path], object]) -> list[Path]:
    """The files of a folder, in name order, that ``read`` takes without complaint; folders in it are not searched.

    Args:
        folder: where they are; there are none where it is no folder.
        suffixes: in lower case, with the dot; other files, and hidden ones, are passed over.
        read: reads a file, raising anything when it cannot.
    """
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        path
        for path in names
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and _is_usable(path, read)
    ]


def _is_usable(path: Path, read: Callable[[Path], object]) -> bool:
    try:
        read(path)
    except Exception as error:  # a reader of foreign files may raise anything
        tell_skipped(path, error)
        return False
    return True


def tell_skipped(path: Path, reason: object) -> None:
    """Log that a file is left out, with the first line of the reason (an exception's type where it has no text)."""
    lines = str(reason).splitlines()
    tell(f"skipped {path}: {(lines[0] if lines else type(reason).__name__).removeprefix(f'{path}: ')}")


def tell(message: str) -> None:
    """Log once: workers of a pool read the same files again."""
    if multiprocessing.parent_process() is None:
        _LOG.warning(message)

"""Users' own files: found in a folder, tried, and left out with a line in the log when they cannot be used."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Collection
from pathlib import Path

_LOG = logging.getLogger(__name__)


def usable_files(folder: Path, suffixes: Collection[str], read: Callable[[Path], object]) -> dict[str, Path]:
    """Return the files of a folder that ``read`` accepts, as ``file/<name>`` -> path in name order.

    Folders in it are not searched.

    Args:
        folder: where to look; the result is empty if it is not a folder.
        suffixes: in lower case, with the dot; other files and hidden ones are ignored.
        read: reads a file, and raises any exception if it cannot.
    """
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    return {
        f"file/{path.name}": path
        for path in names
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and _is_usable(path, read)
    }


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

"""A user's own files: found in a folder, read, and left out with a warning if they cannot be used."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from uois_sam.io.files import regular_size

ContentT = TypeVar("ContentT")

_LOG = logging.getLogger(__name__)


def read_usable(folder: Path, suffixes: Collection[str], read: Callable[[Path], ContentT]) -> dict[str, ContentT]:
    """Read the files of a folder, without those of folders in it.

    Args:
        folder: where to look; the result is empty if it is not a folder.
        suffixes: in lower case, with the dot; other files and hidden ones are ignored.
        read: reads a file; files for which it raises any exception are logged and left out.

    Returns:
        ``file/<name>`` -> what ``read`` returned, in the order of names.
    """
    contents = {}
    for path in sorted(folder.iterdir()) if os.path.isdir(folder) else []:
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            try:
                regular_size(path)  # a pipe would be waited for
                contents[f"file/{path.name}"] = read(path)
            except Exception as error:  # a reader of foreign files may raise anything
                warn_skipped(path, error)
    return contents


def warn_skipped(path: Path, reason: object) -> None:
    """Log that a file is left out, with the first line of the reason (an exception's type if it has no text)."""
    lines = str(reason).splitlines()
    warn(f"skipped {path}: {(lines[0] if lines else type(reason).__name__).removeprefix(f'{path}: ')}")


def warn(message: str) -> None:
    """Log in the parent process only: its workers read the same files again."""
    if multiprocessing.parent_process() is None:
        _LOG.warning(message)

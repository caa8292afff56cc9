"""Files that appear whole or not at all: written under a temporary name beside their place, then renamed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from uois_sam.errors import OutputError

Content = bytes | Callable[[BinaryIO], object]
"""What a file is to hold: the bytes, or a function that writes them into a binary file open for writing."""


def write_atomically(path: str | os.PathLike[str], content: Content) -> None:
    """Write one file so that readers see the old file or the whole new one, and nothing is left behind on failure.

    Args:
        path: where the file goes; its folder must exist.
        content: the bytes, or a function that writes them.

    Raises:
        OutputError: the system refuses (no such folder, no permission, disk full, ...).
    """
    write_together({Path(path): content})


def write_together(contents: Mapping[Path, Content]) -> None:
    """Write several files that belong together: all of them appear, in the given order, or none does.

    Everything is written to temporary files first, so a full disk leaves the old files as they were. Should one of
    the renames after that fail, the files renamed before it are removed.

    Raises:
        OutputError: as :func:`write_atomically`.
    """
    staged: dict[Path, Path] = {}
    placed: list[Path] = []
    try:
        for path, content in contents.items():
            # Not derived from the final name, which may already be as long as the file system allows.
            staged[path] = path.parent / f".{uuid4().hex}.tmp"
            with _naming(path):
                _write(staged[path], content)
        for path, temporary in staged.items():
            with _naming(path):
                os.replace(temporary, path)
            placed.append(path)
    except BaseException:
        for leftover in (*staged.values(), *placed):
            with suppress(OSError):
                leftover.unlink()
        raise


def regular_size(path: str | os.PathLike[str]) -> int:
    """Size in bytes of a regular file: reading from a pipe or a device may never end.

    Raises:
        OSError: missing, a folder, a pipe, a device, or a name that no file can have.
    """
    try:
        found = os.stat(path)
    except ValueError as error:  # a null character, or one that the file system cannot encode
        raise OSError(errno.EINVAL, "a name that no file can have") from error
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device", os.fspath(path))
    return found.st_size


def stamp(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Time of the last change in nanoseconds and size in bytes: another stamp, another content.

    Raises:
        OSError: as :func:`regular_size`.
    """
    size = regular_size(path)
    return os.stat(path).st_mtime_ns, size


def read_bounded(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a regular file of at most ``most`` bytes.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
    """
    if (size := regular_size(path)) > most:
        raise OSError(errno.EFBIG, f"{size} bytes, where at most {most} are read", os.fspath(path))
    with open(path, "rb") as file:
        return file.read(most)


def make_output_folder(folder: str | os.PathLike[str]) -> None:
    """Create a folder, parents included, and make sure that files can be written into it.

    Raises:
        OutputError: it cannot be created (for example below a regular file) or not written into.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"cannot write {folder}: expected a folder, found a file")
    with _naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{uuid4().hex}.tmp"
        probe.touch()
        probe.unlink()


def _write(temporary: Path, content: Content) -> None:
    with open(temporary, "xb") as file:
        if callable(content):
            content(file)
        else:
            file.write(content)
        file.flush()
        # Some file systems report a full disk only here, and without it a power cut may leave a renamed, empty file.
        os.fsync(file.fileno())


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error

"""Files that appear whole or not at all: written under a temporary name beside their place, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from uois_sam.errors import OutputError

Content = bytes | Callable[[BinaryIO], object]
"""What a file is to hold: the bytes, or a function that writes them into a binary file open for writing."""
_TEMPORARY = re.compile(r"\.(?:(?P<host>[0-9a-f]{8})-(?P<process>[0-9]{1,10})-)?[0-9a-f]{12,32}\.tmp")
_ABANDONED_SECONDS = 24 * 3600
"""Age from which a temporary file of another machine, whose processes cannot be asked for, counts as left behind."""


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
            staged[path] = _temporary(path.parent)
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


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a regular file: False for names that no file can have, which pathlib may raise for.

    Raises:
        OSError: a folder above may not be searched: what is there must not pass for missing.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except ValueError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
            return False
        raise


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return an absolute path without links, as far as there are files; ``Path.resolve`` raises RuntimeError for a link
    to itself."""
    return Path(os.path.realpath(path))


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
    if os.path.lexists(folder) and not os.path.isdir(folder):
        found = "a file" if os.path.exists(folder) else "a link to nothing"
        raise OutputError(f"cannot write {folder}: expected a folder, found {found}")
    with _naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = _temporary(folder)
        probe.touch()
        probe.unlink()
    sweep_leftovers(folder)


def sweep_leftovers(folder: str | os.PathLike[str], *, recursive: bool = False) -> int:
    """Remove the temporary files that killed processes left in a folder; those of running ones stay.

    Returns:
        Number of files removed.
    """
    removed = 0
    for parent, folders, names in os.walk(folder):
        for name in names:
            if (match := _TEMPORARY.fullmatch(name)) and _is_left_behind(Path(parent, name), match):
                with suppress(OSError):
                    os.unlink(os.path.join(parent, name))
                    removed += 1
        if not recursive:
            folders.clear()
    return removed


@contextmanager
def only_run(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep a folder, which has to exist, to one run at a time; the system ends the claim with the process.

    Where the system or the file system has no locks on folders (Windows, some network drives) nothing is claimed.

    Raises:
        OutputError: another process works in this folder.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with _naming(Path(folder)):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise OutputError(f"{folder}: another run is writing into this folder; wait for its end") from error
        yield
    finally:
        os.close(handle)


def _temporary(folder: Path) -> Path:
    """A name beside the final place that says which process of which machine writes the file."""
    return folder / f".{_this_host()}-{os.getpid()}-{uuid4().hex[:12]}.tmp"


def _this_host() -> str:
    """Eight digits for the machine, and the container on it, whose process numbers mean something here."""
    with suppress(OSError):
        return hashlib.sha256(f"{platform.node()} {os.stat('/proc/self/ns/pid').st_ino}".encode()).hexdigest()[:8]
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_left_behind(path: Path, match: re.Match[str]) -> bool:
    if match["host"] == _this_host() and os.name == "posix":
        try:
            os.kill(int(match["process"]), 0)
        except (ProcessLookupError, OverflowError):
            return True
        except OSError:  # somebody else's process
            return False
        return False
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    except OSError:
        return False


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

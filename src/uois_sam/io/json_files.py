"""The reader of foreign JSON files: bounded in size, depth and numbers, with errors that name file and field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec
import numpy as np

from uois_sam.errors import UOISError
from uois_sam.io.files import read_bounded
from uois_sam.validation import validated

T = TypeVar("T")

LARGEST_FILE = 1 << 28
"""Bytes of a file that is read as a whole; larger annotation files are walked through by ``io.json_index``."""
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
DEEPEST = 100
"""Levels of lists and objects in each other."""


@overload
def read_json(path: Path, *, what: str = ..., error: type[UOISError] = ..., largest: int = ...) -> Any: ...
@overload
def read_json(path: Path, kind: type[T], *, what: str = ..., error: type[UOISError] = ..., largest: int = ...) -> T: ...
def read_json(
    path: Path,
    kind: Any = Any,
    *,
    what: str = "a JSON file",
    error: type[UOISError] = UOISError,
    largest: int = LARGEST_FILE,
) -> Any:
    """Read a JSON file, checked against a type.

    Args:
        path: the file.
        kind: what its content has to be, see :func:`uois_sam.validation.validated`; any JSON if left out.
        what: the file, in the words of an error message.
        error: what is raised.
        largest: bytes from which a file is refused.

    Raises:
        error: unreadable, too large, not JSON, or of another form.
    """
    try:
        content = read_bounded(path, largest)
    except OSError as problem:
        raise error(f"{path}: expected {what}, found: {problem.strerror or problem}") from problem
    return parse_json(content, kind, where=str(path), what=what, error=error)


@overload
def parse_json(content: bytes | str, *, where: str, what: str = ..., error: type[UOISError] = ...) -> Any: ...
@overload
def parse_json(
    content: bytes | str, kind: type[T], *, where: str, what: str = ..., error: type[UOISError] = ...
) -> T: ...
def parse_json(
    content: bytes | str,
    kind: Any = Any,
    *,
    where: str,
    what: str = "JSON",
    error: type[UOISError] = UOISError,
) -> Any:
    """As :func:`read_json`, of content that is in memory; ``where`` names it in messages.

    Numbers that JSON does not have (NaN, Infinity), that no 64-bit float holds, and nesting beyond :data:`DEEPEST` are
    refused.
    """
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError) as problem:  # msgspec's errors and UnicodeDecodeError are ValueErrors
        reason = "too many levels" if isinstance(problem, RecursionError) else " ".join(str(problem).split())
        raise error(f"{where}: expected {what}, found other content ({reason})") from problem
    if _brackets(data) > DEEPEST and depth_of(value) > DEEPEST:
        raise error(f"{where}: expected {what} of at most {DEEPEST} levels, found more")
    if _LONG_NUMBER.search(data) and any(_is_long(each) for each in _scalars(value)):
        raise error(f"{where}: expected {what} with numbers of 64 bits, found a longer one")
    return value if kind is Any else validated(value, kind, where, error)


def depth_of(value: object) -> int:
    """Levels of lists and dictionaries in each other; 0 for a scalar."""
    depth, level = 0, [value]
    while containers := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _scalars(value: object) -> Iterator[object]:
    level = [value]
    while level:
        each = level.pop()
        if isinstance(each, (dict, list)):
            level.extend(each.values() if isinstance(each, dict) else each)
        else:
            yield each


def _is_long(value: object) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**64


def _brackets(data: bytes) -> int:
    """How deep brackets are nested at most, those in strings counted as well: an upper bound, quickly had."""
    codes = np.frombuffer(data, np.uint8)
    opening, closing = ((codes == first) | (codes == second) for first, second in (b"[{", b"]}"))
    steps = (opening.astype(np.int32) - closing)[opening | closing]
    return int(steps.cumsum().max(initial=0)) if len(steps) else 0

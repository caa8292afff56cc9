"""Offsets of the objects in large JSON files, so that each can be read alone: annotation files outgrow memory."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from uois_sam.errors import DatasetError
from uois_sam.io.files import regular_size, stamp

_CHUNK = 1 << 20
_NUMERIC = "0123456789+-.eE"
"""Characters that may continue a number beyond the window; the empty string at its end counts, too."""
_LARGEST = 1 << 28
"""A single value of more bytes indicates a damaged file."""


@dataclass(frozen=True)
class Located:
    """An object in a JSON file and its position there."""

    key: str
    """Top-level array that holds it."""
    start: int
    """Offset of its first byte in the file."""
    length: int
    """Number of bytes."""
    value: dict[str, Any]
    """Content of the object."""


def iterate_objects(path: Path, keys: Collection[str], optional: Collection[str] = ()) -> Iterator[Located]:
    """Walk through the objects of some top-level arrays of a JSON file, one of them in memory at a time.

    Args:
        path: a file that holds one object whose values under ``keys`` are arrays of objects.
        keys: arrays to read, in any order; all other values are skipped.
        optional: further arrays to read where there are any.

    Raises:
        DatasetError: if the file is unreadable, not JSON, of another form, or without one of the arrays; the message
            has the offset in bytes.
    """
    try:
        regular_size(path)
        with path.open("rb") as file:
            yield from _Reader(path, file).objects(keys, optional)
    except OSError as error:
        raise DatasetError(f"{path}: expected a JSON file, found: {error.strerror or error}") from error


def read_objects(
    path: Path, places: Iterable[tuple[int, int]], opened: tuple[int, int] | None = None
) -> list[dict[str, Any]]:
    """Read objects that :func:`iterate_objects` has located.

    Args:
        path: the file.
        places: offset and length of each in bytes.
        opened: :func:`uois_sam.io.files.stamp` of the file when the places were found.

    Raises:
        DatasetError: if the file has changed or is gone.
    """
    values = []
    try:
        if opened is not None and stamp(path) != opened:
            raise OSError(0, "a file that has changed since")
        with path.open("rb") as file:
            for start, length in places:
                file.seek(start)
                values.append(json.loads(file.read(length)))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path}: expected the content it had when it was opened, found: {reason}") from error
    if not all(isinstance(value, dict) for value in values):
        raise DatasetError(f"{path}: expected the content it had when it was opened, found other content")
    return values


class _Reader:
    """A window on a file, decoded as Latin-1: one character a byte, so that positions are offsets.

    Nothing that JSON's grammar is made of can be part of a longer UTF-8 sequence, so it parses the same; an
    object with other than ASCII characters is decoded once more from its bytes.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.text = ""
        self.base = 0  # offset in the file of text[0]
        self.position = 0  # in text
        self.decode = json.JSONDecoder().raw_decode

    def objects(self, keys: Collection[str], optional: Collection[str]) -> Iterator[Located]:
        if self._more(3) and self.text.startswith("\xef\xbb\xbf"):
            self.position = 3
        self._expect("{")
        missing = list(keys)
        while self._next() != "}":
            key, _ = self._value()
            self._expect(":")
            if key in keys or key in optional:
                missing = [each for each in missing if each != key]
                yield from self._array(key)
            else:
                self._value()
            if self._next() != "}":
                self._expect(",")
        if missing:
            raise DatasetError(
                f"{self.path}: expected the arrays {' and '.join(keys)}, found no {' and no '.join(missing)}; "
                "is the ground truth of this split published?"
            )

    def _array(self, key: str) -> Iterator[Located]:
        self._expect("[")
        while self._next() != "]":
            if self._next() != "{":
                self._fail("an object")
            value, text = self._value()
            if not text.isascii():
                value = self._decoded(text)
            yield Located(key, self.base + self.position - len(text), len(text), value)
            if self._next() != "]":
                self._expect(",")
        self._expect("]")

    def _value(self) -> tuple[Any, str]:
        """Return the next value and its text."""
        self._next()
        size = _CHUNK
        while True:
            try:
                value, end = self.decode(self.text, self.position)
                whole = True
            except json.JSONDecodeError:
                whole = False
            except (ValueError, RecursionError):  # thousands of digits, or of levels: more of the file is no help
                self._fail("JSON")
            if whole and self.text[end : end + 1] not in _NUMERIC:
                break
            if len(self.text) - self.position > _LARGEST:
                self._fail("JSON")
            if not self._more(size):
                if whole:
                    break
                self._fail("JSON")
            size *= 2
        text = self.text[self.position : end]
        self.position = end
        return value, text

    def _decoded(self, text: str) -> Any:
        try:
            return json.loads(text.encode("latin-1"))
        except (UnicodeDecodeError, RecursionError):
            self._fail("UTF-8")

    def _next(self) -> str:
        """Return the next character that is not white space; move the window forward when much of it has been read."""
        if self.position > _CHUNK:
            self.base += self.position
            self.text, self.position = self.text[self.position :], 0
        while True:
            while self.position < len(self.text):
                if self.text[self.position] not in " \t\r\n":
                    return self.text[self.position]
                self.position += 1
            if not self._more(_CHUNK):
                self._fail("JSON")

    def _expect(self, character: str) -> None:
        if self._next() != character:
            self._fail(f"{character!r}")
        self.position += 1

    def _more(self, size: int) -> bool:
        chunk = self.file.read(size)
        self.text += chunk.decode("latin-1")
        return bool(chunk)

    def _fail(self, expected: str) -> NoReturn:
        rest = self.text[self.position : self.position + 20]
        found = repr(rest) if rest else "the end of the file"
        raise DatasetError(f"{self.path}: expected {expected} at byte {self.base + self.position}, found {found}")

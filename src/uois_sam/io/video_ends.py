"""What files themselves say about where a video ends: MP4's edits, packets of MPEG's streams.

OpenCV tells how many pictures a file holds, and neither how many of them are to be shown nor how long that takes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

OPEN_ENDED = "MPEG streams do not say how long they are, so a missing end cannot be told"
_PACKETS = (188, 192, 204)
"""Bytes of a transport stream's packet: plain, with a time before it (cameras), with a checksum after it."""
_MOST_BYTES = 1 << 16
"""Of a box that is read whole; those that are looked into take some dozens."""
_MOST_BOXES = 1 << 12
"""Within one box: a fragmented film has thousands beside each other, which come after its head."""


def is_open_ended(path: str | os.PathLike[str]) -> bool:
    """Whether a file is an MPEG transport or program stream, which may be cut anywhere.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(4 * max(_PACKETS))
    return head[:4] == b"\x00\x00\x01\xba" or _packet_bytes(head) > 0


def is_torn(path: str | os.PathLike[str]) -> bool:
    """Whether a transport stream ends in the middle of a packet.

    Raises:
        OSError: as :func:`is_open_ended`.
    """
    with open(path, "rb") as file:
        size = _packet_bytes(file.read(4 * max(_PACKETS)))
        return size > 0 and file.seek(0, os.SEEK_END) % size > 0


def shown_seconds(path: str | os.PathLike[str]) -> float | None:
    """How long the edits of an MP4 or MOV file show its first video track; None where there are none.

    Phones trim by an edit: all pictures stay in the file, and the edit says which of them to show.

    Raises:
        OSError: as :func:`is_open_ended`.
    """
    with open(path, "rb") as file, suppress(struct.error, StopIteration, ValueError, ZeroDivisionError):
        start, end = next(_boxes(file, b"moov", 0, file.seek(0, os.SEEK_END)))
        header = _content(file, *next(_boxes(file, b"mvhd", start, end)))
        scale = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0]
        for track in _boxes(file, b"trak", start, end):
            media = next(_boxes(file, b"mdia", *track))
            if _content(file, *next(_boxes(file, b"hdlr", *media)))[8:12] == b"vide":
                edits = next(_boxes(file, b"edts", *track))
                return _shown(_content(file, *next(_boxes(file, b"elst", *edits)))) / scale or None
    return None


def _packet_bytes(head: bytes) -> int:
    """Size of a transport stream's packets by their first bytes, 0x47; 0 where it is none."""
    for size in _PACKETS:
        at = 4 if size == 192 else 0
        if len(head) > at + 2 * size and all(head[at + number * size] == 0x47 for number in range(3)):
            return size
    return 0


def _boxes(file: BinaryIO, kind: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of the content of every box of a kind within another one."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        size, found = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        size = end - start if size == 0 else size
        if size < head:
            return
        if found == kind:
            yield start + head, min(end, start + size)
        start += size


def _content(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    content = file.read(min(end - start, _MOST_BYTES))
    if not content:
        raise ValueError("an empty box")
    return content


def _shown(edits: bytes) -> int:
    """Length of all edits that show something, in units of the film's clock."""
    entry = ">Qqi" if edits[0] == 1 else ">Iii"
    count, size = struct.unpack_from(">I", edits, 4)[0], struct.calcsize(entry)
    count = min(count, (len(edits) - 8) // size)
    entries = [struct.unpack_from(entry, edits, 8 + number * size) for number in range(count)]
    return sum(duration for duration, begin, _ in entries if begin >= 0)

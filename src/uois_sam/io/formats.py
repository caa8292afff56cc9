"""The file formats of pictures: which are read, by which suffix a search knows them, and how a file is opened."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from uois_sam.errors import ImageError
from uois_sam.io.files import regular_size

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png",
     ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)  # fmt: skip
"""Lower-case file suffixes taken for photos when a folder is searched."""
HEIF_SUFFIXES = frozenset({".heic", ".heif"})
"""Photos of phones; read where the package pillow-heif is installed."""
UNREAD_SUFFIXES = HEIF_SUFFIXES | {
    ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".jxl", ".nef", ".orf", ".pef", ".psd", ".raf", ".raw",
    ".rw2", ".svg", ".tga",
}  # fmt: skip
"""Lower-case suffixes of pictures that are not read, so that a search can say that it left some."""
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
"""Lower-case file suffixes taken for videos."""
MAX_PIXELS = 178_000_000
"""Larger photos are refused before they are decoded (a decompression bomb); just below Pillow's own hard limit."""
LARGEST_FILE = 1 << 30
"""Bytes of a photo's file."""
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's readers that are tried: some of the others start programs (EPS) or ask for plug-ins."""
_BY_START = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
"""Formats that the first bytes tell, as Pillow does: their readers are there before all others are loaded."""
_PLAIN_HEADER = 1 << 16
"""Bytes in which the header of a PPM has to end, comments included."""
_LARGEST_PLAIN = 1 << 26
"""Bytes of a PPM whose pixels are written as text, which Pillow decodes slowly."""
_COMMENT = re.compile(rb"#[^\r\n]*")


@contextmanager
def open_picture(content: bytes) -> Iterator[Image.Image]:
    """Open the content of a picture's file by one of the named formats, before any pixel is decoded.

    Raises:
        UnidentifiedImageError: no such format.
        OSError, ValueError, SyntaxError, ...: damaged; Pillow's readers raise all kinds.
    """
    if content[:1] == b"P" and content[1:2].isdigit() and not _header_ends(content[:_PLAIN_HEADER]):
        raise UnidentifiedImageError(f"no end of the header in its first {_PLAIN_HEADER} bytes")
    if content[:2] in (b"P1", b"P2", b"P3"):
        if len(content) > _LARGEST_PLAIN:
            raise UnidentifiedImageError(f"numbers as text of {len(content)} bytes, more than {_LARGEST_PLAIN}")
        content = _COMMENT.sub(b"", content)  # Pillow takes the square of their number in time
    with Image.open(io.BytesIO(content), formats=_formats(content)) as image:
        yield image


def is_deep(image: Image.Image) -> bool:
    """Whether a picture, not decoded yet, has 16 bits a channel in its file."""
    return ";16" in str(getattr(image, "tile", ""))


def readable_suffixes() -> frozenset[str]:
    """Lower-case suffixes of the photos that can be read here."""
    return IMAGE_SUFFIXES | HEIF_SUFFIXES if _has_heif() else IMAGE_SUFFIXES


def check_file(path: Path, kind: str) -> None:
    """Name the usual mistakes before a decoder words them obscurely.

    Raises:
        ImageError: missing, no regular file, or empty.
    """
    try:
        size = regular_size(path)
    except OSError as error:
        raise ImageError(f"{path}: expected a {kind}, found: {error.strerror}") from error
    if size == 0:
        raise ImageError(f"{path}: expected a {kind}, found an empty file")
    if path.suffix.lower() in HEIF_SUFFIXES and not _has_heif():
        raise ImageError(
            f"{path}: expected a photo, found HEIC, which needs the package pillow-heif: pip install pillow-heif"
        )


@lru_cache(maxsize=1)
def _has_heif() -> bool:
    """Whether pillow-heif is installed; its reader is added to Pillow's."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _formats(content: bytes) -> tuple[str, ...]:
    """Pillow's readers to try on a file's content."""
    for start, name in _BY_START.items():
        if content.startswith(start):
            return (name,)
    Image.init()
    wanted = (*FORMATS, "HEIF") if _has_heif() else FORMATS
    return tuple(name for name in wanted if name in Image.OPEN)


def _header_ends(start: bytes) -> bool:
    """Whether a portable any-map has its numbers (two of a bitmap, else three) within these bytes."""
    words, needed = 0, 3 if start[1:2] in b"14" else 4
    for line in start.split(b"\n"):
        words += len(line.split(b"#", 1)[0].split())
        if words >= needed:
            return True
    return False

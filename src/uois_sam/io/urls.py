"""Photos inside of a ``data:`` URL; other URLs are refused, since nothing is downloaded by name."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote_to_bytes

from uois_sam.errors import ImageError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""Two letters at least: C:// is a drive of Windows."""


def is_data_url(text: str) -> bool:
    """Whether a text holds the content of a file (RFC 2397)."""
    return text[:5].lower() == "data:"


def data_of_url(text: str) -> bytes:
    """Return the content of a ``data:`` URL.

    Raises:
        ImageError: if it has no comma before its content, or that is no base64 where the URL says so.
    """
    header, comma, content = text[5:].partition(",")
    if not comma:
        raise ImageError(f"expected data:image/...;base64,CONTENT, found no comma in {text[:40]!r}")
    data = unquote_to_bytes(content)
    if not header.lower().replace(" ", "").endswith(";base64"):
        return data
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except ValueError as error:
        raise ImageError(f"expected base64 in {text[:40]!r}..., found: {error}") from error


def refuse_remote(text: str) -> None:
    """Raise ImageError for the address of something elsewhere (http, https, s3, file, ...)."""
    if _SCHEME.match(text):
        raise ImageError(f"{text[:200]}: expected a file, found a URL: download it first, for example by curl -LO")

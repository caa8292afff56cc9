"""Photos inside archives: tar files, WebDataset's among them, and Parquet tables, read one at a time where they lie."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from uois_sam.errors import ImageError, MissingExtraError, count
from uois_sam.io.files import regular_size
from uois_sam.io.formats import LARGEST_FILE, readable_suffixes

TAR_SUFFIX = ".tar"
PARQUET_SUFFIX = ".parquet"
ARCHIVE_SUFFIXES = frozenset({TAR_SUFFIX, PARQUET_SUFFIX})
NAME_COLUMNS = ("__key__", "key", "file_name", "filename", "name", "path", "image_id", "id")
"""Columns of a Parquet table that may name its photos, the surest first."""
PHOTO_COLUMNS = ("image", "photo", "rgb", "jpg", "jpeg", "png", "webp", "bytes", "content", "data")
"""Columns that may hold them: files' contents, or Hugging Face's pairs of ``bytes`` and ``path``."""
_CACHED_GROUPS = 2
"""Row groups held in memory: photos are read in the order of the table, by several threads."""


@dataclass(frozen=True)
class Member:
    """One photo of an archive."""

    archive: Path
    name: str
    """Relative to the archive, with forward slashes; never above it."""
    load: Callable[[], bytes]
    """Returns the content of the photo's file; can be pickled where the archive can be read."""

    def read(self) -> bytes:
        """Return the content of the photo's file.

        Raises:
            ImageError: if the archive has been changed or cannot be read.
        """
        try:
            return self.load()
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise ImageError(f"{self}: expected the photo that the archive listed, found: {error}") from error

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"


def members_of(archive: Path) -> list[Member]:
    """List the photos of an archive, in its order.

    Args:
        archive: an uncompressed tar file, or a Parquet table with a column of photos.

    Raises:
        ImageError: if it is no such file, is compressed or damaged, or has no column of photos.
        MissingExtraError: if it is a Parquet table and pyarrow is not installed.
    """
    try:
        regular_size(archive)
        list_members = _tar_members if archive.suffix.lower() == TAR_SUFFIX else _parquet_members
        return list(list_members(archive))
    except OSError as error:
        raise ImageError(f"{archive}: expected an archive of photos, found: {error.strerror or error}") from error


def _tar_members(archive: Path) -> Iterator[Member]:
    found = 0
    try:
        with tarfile.open(archive, "r:") as tar:
            for info in tar:
                found += 1
                name = PurePosixPath(info.name)
                hidden = any(part.startswith(".") for part in _inside(name).parts)
                if info.isfile() and not hidden and name.suffix.lower() in readable_suffixes():
                    load = partial(_read_span, archive, info.offset_data, info.size)
                    yield Member(archive, _inside(name).as_posix(), load)
    except tarfile.TarError as error:
        what = (
            f"one that is damaged after {count(found, 'file')}"
            if found
            else f"another file, or a compressed one ({error})"
        )
        raise ImageError(f"{archive}: expected an uncompressed tar file, found {what}") from error
    size = regular_size(archive)
    if found and not _ends_as_it_should(archive, size):
        raise ImageError(
            f"{archive}: expected a whole tar file, found one that was cut off after {count(found, 'file')}"
        )


def _ends_as_it_should(archive: Path, size: int) -> bool:
    """Whether a tar file ends in the block of zeros that tarfile does not ask for."""
    with archive.open("rb") as file:
        file.seek(max(0, size - 512))
        return size % 512 == 0 and not any(file.read(512))


def _inside(name: PurePosixPath) -> PurePosixPath:
    """The name without what would lead out of the archive, or of a folder of results."""
    return PurePosixPath(*(part for part in name.parts if part not in ("/", "//", "..", ".")))


def _read_span(archive: Path, offset: int, size: int) -> bytes:
    if size > LARGEST_FILE:
        raise ValueError(f"{size} bytes, more than {LARGEST_FILE}")
    with archive.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise ValueError("the end of the archive")
    return content


def _parquet_members(archive: Path) -> Iterator[Member]:
    table = _open_parquet(archive)
    schema = table.schema_arrow
    photo = _photo_column(archive, schema)
    names = _names(table, photo, schema)
    start = 0
    for group in range(table.num_row_groups):
        rows = table.metadata.row_group(group).num_rows
        for row in range(rows):
            given = names[start + row] if names is not None else None
            name = _inside(PurePosixPath(str(given))) if given not in (None, "") else PurePosixPath()
            load = partial(_read_cell, archive, group, row, photo)
            yield Member(archive, name.as_posix() if name.parts else f"{start + row:08d}", load)
        start += rows


def _open_parquet(archive: Path) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading and writing Parquet", "parquet", "pyarrow") from error
    from pyarrow import ArrowException, ArrowInvalid

    try:
        return pyarrow.parquet.ParquetFile(archive)
    except (ArrowInvalid, ArrowException) as error:
        said = " ".join(str(error).split())[:120]
        raise ImageError(f"{archive}: expected a Parquet table, found another or a damaged file ({said})") from error


def _photo_column(archive: Path, schema: Any) -> str:
    import pyarrow.types as types

    def holds_photos(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
        return _is_binary(kind)

    fitting = [field.name for field in schema if holds_photos(field.type)]
    known = [name for name in PHOTO_COLUMNS if name in fitting]
    if known or len(fitting) == 1:
        return str((known or fitting)[0])
    found = ", ".join(schema.names[:8]) or "none"
    raise ImageError(f"{archive}: expected a column of photos ({', '.join(PHOTO_COLUMNS)}), found columns {found}")


def _is_binary(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _names(table: Any, photo: str, schema: Any) -> list[Any] | None:
    """The photos' names where a column, or Hugging Face's ``path``, gives them."""
    kind = schema.field(photo).type
    nested = getattr(kind, "num_fields", 0) and any(field.name == "path" for field in kind)
    column = next((name for name in NAME_COLUMNS if name in schema.names), None)
    if column is not None:
        return list(table.read(columns=[column]).column(column).to_pylist())
    if nested:
        return [each and each.get("path") for each in table.read(columns=[f"{photo}.path"]).column(photo).to_pylist()]
    return None


@lru_cache(maxsize=_CACHED_GROUPS)
def _row_group(archive: Path, group: int, column: str) -> Any:
    return _open_parquet(archive).read_row_group(group, columns=[column]).column(column)


def _read_cell(archive: Path, group: int, row: int, column: str) -> bytes:
    cell = _row_group(archive, group, column)[row].as_py()
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise ValueError("no content")
    if len(content) > LARGEST_FILE:
        raise ValueError(f"{len(content)} bytes, more than {LARGEST_FILE}")
    return content

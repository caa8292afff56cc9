"""Results of many photos in few files: shards of a thousand photos each, as tar files or Parquet tables, and an index.

A folder with four files for each of a million photos can hardly be listed, copied or removed. A shard appears whole or
not at all, and the index after it, so that a killed run goes on with the photos that no shard holds.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

from uois_sam.errors import MissingExtraError, OutputError
from uois_sam.io.files import write_atomically
from uois_sam.io.json_files import read_json
from uois_sam.validation import validated

ShardKind = Literal["tar", "parquet"]
INDEX = "shards.json"
_SHARD = re.compile(r"shard-(\d{6,})\.(tar|parquet)")


class ShardWriter:
    """Gathers the files of photos and writes them, ``size`` photos at a time. Use it as a context manager.

    In a tar file a photo's files are NAME + ending, side by side, as WebDataset reads them; in a Parquet table a photo
    is a row with the column ``name`` and one for each ending (``_label.png`` is ``label_png``).
    """

    def __init__(self, folder: Path, kind: ShardKind, size: int, made_by: Mapping[str, Any], *, go_on: bool) -> None:
        """
        Args:
            folder: exists already.
            kind: of the shards.
            size: photos a shard.
            made_by: model and settings that the results depend on.
            go_on: add to the shards that are there; otherwise they are removed when the first new one is written.

        Raises:
            OutputError: if shards to go on with are unreadable, or of another kind, model or settings.
            MissingExtraError: if ``kind`` is parquet and pyarrow is not installed.
        """
        if kind == "parquet":
            _pyarrow()
        self.folder, self.kind, self.size, self.made_by = folder, kind, size, dict(made_by)
        self._rows: list[tuple[str, dict[str, bytes]]] = []
        self._entries: list[dict[str, Any]] = self._earlier() if go_on else []
        self._stale = [] if go_on else _shards_in(folder)
        self.done = frozenset(name for entry in self._entries for name in _names_in(folder / entry["file"]))
        """Names of the photos that shards hold already."""

    def add(self, name: str, files: Mapping[str, bytes]) -> None:
        """Take the files of a photo (file name ending to content); writes a shard when there are enough.

        Raises:
            OutputError: if a shard cannot be written.
        """
        self._rows.append((name, dict(files)))
        if len(self._rows) >= self.size:
            self._flush()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rows:
            self._flush()

    def _flush(self) -> None:
        for path in self._stale:
            path.unlink(missing_ok=True)
        if self._stale:
            (self.folder / INDEX).unlink(missing_ok=True)
            self._stale = []
        number = 1 + max((int(match[1]) for each in _shards_in(self.folder) if (match := _SHARD.fullmatch(each.name))),
                         default=-1)  # fmt: skip
        path = self.folder / f"shard-{number:06d}.{self.kind}"
        rows, self._rows = self._rows, []
        write = _write_tar if self.kind == "tar" else _write_parquet
        write_atomically(path, lambda file: write(file, rows))
        self._entries.append({"file": path.name, "photos": len(rows), "bytes": path.stat().st_size,
                              "first": rows[0][0], "last": rows[-1][0]})  # fmt: skip
        self._write_index()

    def _write_index(self) -> None:
        total = sum(entry["photos"] for entry in self._entries)
        index = {"kind": self.kind, "photos": total, **self.made_by, "shards": self._entries}
        write_atomically(self.folder / INDEX, (json.dumps(index, indent=1) + "\n").encode())

    def _earlier(self) -> list[dict[str, Any]]:
        """Entries of the shards that are there, one that was written just before a kill included."""
        there = _shards_in(self.folder)
        if not there:
            return []
        index: dict[str, Any] = {}
        if (self.folder / INDEX).exists():
            index = read_json(self.folder / INDEX, dict, what="an index of shards", error=OutputError)
            found = {key: value for key, value in index.items() if key not in ("kind", "photos", "shards")}
            if index.get("kind") != self.kind or found != json.loads(json.dumps(self.made_by)):
                raise OutputError(
                    f"{self.folder / INDEX}: expected shards of the same kind, model and settings to go on with, found "
                    "others: give another --out, or --overwrite"
                )
        entries = validated(
            index.get("shards", []), list[dict[str, Any]], f"{self.folder / INDEX}: shards", OutputError
        )
        known = {entry.get("file"): entry for entry in entries}
        return [known.get(path.name) or _entry(path) for path in there]


def read_shards(folder: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the name and files (ending to content) of every photo, shard by shard.

    Raises:
        OutputError: if there is no shard, or one is damaged.
        MissingExtraError: for Parquet, if pyarrow is not installed.
    """
    shards = _shards_in(folder)
    if not shards:
        raise OutputError(f"{folder}: expected shards (shard-000000.tar or .parquet), found none")
    for path in shards:
        yield from (_read_tar if path.suffix == ".tar" else _read_parquet)(path)


def _shards_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _SHARD.fullmatch(path.name))


def _entry(path: Path) -> dict[str, Any]:
    names = _names_in(path)
    if not names:
        raise OutputError(f"{path}: expected a shard of photos, found none in it: remove it, or give another --out")
    return {"file": path.name, "photos": len(names), "bytes": path.stat().st_size, "first": names[0], "last": names[-1]}


def _write_tar(file: BinaryIO, rows: list[tuple[str, dict[str, bytes]]]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, files in rows:
            for ending, content in files.items():
                info = tarfile.TarInfo(_without_dots(name) + _dotted(ending))
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def _dotted(ending: str) -> str:
    """WebDataset's form of an ending: ``_label.png`` becomes ``.label.png``."""
    return "." + ending.lstrip("_.")


def _without_dots(name: str) -> str:
    """A name for WebDataset, where names end at the first dot: ``a.jpg`` and ``a.png`` would become one photo."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.replace("%", "%25").replace(".", "%2E")


def _write_parquet(file: BinaryIO, rows: list[tuple[str, dict[str, bytes]]]) -> None:
    pyarrow = _pyarrow()
    endings = dict.fromkeys(ending for _, files in rows for ending in files)
    columns: dict[str, Any] = {"name": pyarrow.array([name for name, _ in rows], pyarrow.string())}
    for ending in endings:
        cells = [files.get(ending) for _, files in rows]
        if ending.endswith(".json"):
            columns[_column(ending)] = pyarrow.array([cell and cell.decode() for cell in cells], pyarrow.string())
        else:
            columns[_column(ending)] = pyarrow.array(cells, pyarrow.large_binary())
    pyarrow.parquet.write_table(pyarrow.table(columns), file, compression="zstd", row_group_size=100)


def _column(ending: str) -> str:
    return ending.lstrip("_.").replace(".", "_")


def _names_in(path: Path) -> list[str]:
    if path.suffix == ".tar":
        return list(dict.fromkeys(name for name, _, _ in _files_in_tar(path)))
    return [str(name) for name in _table(path, ["name"]).column("name").to_pylist()]


def _read_tar(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    for name, files in groupby(_files_in_tar(path), key=lambda file: file[0]):
        yield name, {ending: read() for _, ending, read in files}


def _files_in_tar(path: Path) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Yield the photo, ending and content of every file; a content that is not asked for is not read."""
    with _expecting_a_tar_file(path), tarfile.open(path, "r:") as tar:
        for info in tar:
            folder, _, base = info.name.rpartition("/")
            stem, _, ending = base.partition(".")
            stem = stem.replace("%2E", ".").replace("%25", "%")
            yield f"{folder}/{stem}" if folder else stem, f".{ending}", partial(_content, path, tar, info)


def _content(path: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    with _expecting_a_tar_file(path):
        file = tar.extractfile(info)
        return file.read() if file else b""


@contextmanager
def _expecting_a_tar_file(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, OSError) as error:
        raise OutputError(f"{path}: expected a shard of results, found a damaged file ({error})") from error


def _read_parquet(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    for row in _table(path, None).to_pylist():
        name = str(row.pop("name"))
        cells = {column: cell for column, cell in row.items() if cell is not None}
        yield (
            name,
            {
                "." + column.replace("_", "."): cell.encode() if isinstance(cell, str) else bytes(cell)
                for column, cell in cells.items()
            },
        )


def _table(path: Path, columns: list[str] | None) -> Any:
    pyarrow = _pyarrow()
    try:
        return pyarrow.parquet.read_table(path, columns=columns)
    except (pyarrow.ArrowException, pyarrow.ArrowInvalid, OSError) as error:
        said = " ".join(str(error).split())[:120]
        raise OutputError(f"{path}: expected a shard of results, found a damaged file ({said})") from error


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading and writing Parquet", "parquet", "pyarrow") from error
    return pyarrow

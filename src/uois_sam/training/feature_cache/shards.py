"""Cache of the frozen networks' features on disk, computed once for the fits of the heads.

``maps/0000000.safetensors`` holds the prompt generator's training data of a run of views from number 0 on,
``tokens/0000000.safetensors`` HDNet's and ``evidence/0000000.safetensors`` the mask scorer's, for the same views; the
request says which of them to keep. Tensors are float16. Shards are written atomically, so a killed run goes on with the
next one. ``cache.json`` records what the cache was made from; a cache made from anything else is replaced.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic

from msgspec import Meta
from rich.filesize import decimal
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from uois_sam.datasets.base import Dataset
from uois_sam.errors import OutputError, UOISError, count
from uois_sam.io.files import make_output_folder, regular_size, write_atomically, write_together
from uois_sam.io.json_files import read_json
from uois_sam.models.hpg import HPG
from uois_sam.models.networks import Networks, hash_weights
from uois_sam.training.feature_cache.features import FeatureConfig, view_rows
from uois_sam.training.feature_cache.rows import EvidenceRows, MapRows, R, Rows, TokenRows, join_rows

if TYPE_CHECKING:
    from accelerate import Accelerator

FORMAT = 4
"""Version of the content of shards."""
MARKER = "cache.json"
PARTS: dict[str, type[Rows]] = {"maps": MapRows, "tokens": TokenRows, "evidence": EvidenceRows}
"""Kinds of rows in a cache, each in a folder of its own."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheRequest:
    """Everything that affects a cache's content."""

    base: Networks
    data: Dataset
    data_sha256: str
    """Hash of the images and labels (``splits.look_through``)."""
    config: FeatureConfig
    proposer: HPG | None = None
    """Prompt generator whose peaks are among the prompts."""
    parts: tuple[str, ...] = ("maps", "tokens")
    """Keys of ``PARTS`` to keep."""
    shard: int = 16
    """Views in a file: the most that a killed run has to compute again."""

    @property
    def views(self) -> int:
        """Number of views to cache."""
        return len(self.data) * self.config.views

    def identity(self) -> dict[str, Any]:
        """JSON-ready identity; two requests of the same identity make the same bytes."""
        return {
            "weights": {"base": self.base.sha256, "precision": str(self.base.precision),
                        "proposer": hash_weights([self.proposer]) if self.proposer is not None else None},
            "data": {"sha256": self.data_sha256, "images": len(self.data),
                     "order": hashlib.sha256("\n".join(self.data.names).encode()).hexdigest()},
            "settings": {**asdict(self.config), "frame_hw": self.base.heads.frame_hw, "shard": self.shard,
                         "parts": list(self.parts), "format": FORMAT},
        }  # fmt: skip


@dataclass(frozen=True)
class CacheState:
    """Progress of a cache folder towards a request."""

    folder: Path
    views: int
    """Number of views of the complete cache."""
    shard: int
    """Views in a file."""
    view_bytes: int
    """Bytes of a view, measured on the first one."""
    identity: dict[str, Any]
    """Identity of the request (``CacheRequest.identity``)."""
    parts: tuple[str, ...]
    """Keys of ``PARTS`` that it holds."""

    @property
    def starts(self) -> range:
        """First view of every shard."""
        return range(0, self.views, self.shard)

    @property
    def missing(self) -> list[int]:
        """First views of the missing shards."""
        there = set.intersection(*({path.name for path in (self.folder / p).iterdir()} for p in self.parts))
        return [start for start in self.starts if self.paths(start)[0].name not in there]

    @property
    def cached(self) -> int:
        """Number of views on disk."""
        return self.views - sum(self._size(start) for start in self.missing)

    @property
    def bytes_needed(self) -> int:
        """Size of the missing shards."""
        return (self.views - self.cached) * self.view_bytes

    @property
    def bytes_free(self) -> int:
        """Free space on the folder's disk, in bytes."""
        return shutil.disk_usage(self.folder).free

    def paths(self, start: int) -> list[Path]:
        """Files of a shard, one a part."""
        return [self.folder / part / f"{start:07d}.safetensors" for part in self.parts]

    def maps(self) -> CachedRows[MapRows]:
        """Rows for the prompt generator, streamed from disk."""
        return CachedRows(MapRows, self, "maps")

    def tokens(self) -> CachedRows[TokenRows]:
        """Rows for HDNet, streamed from disk."""
        return CachedRows(TokenRows, self, "tokens")

    def evidence(self) -> CachedRows[EvidenceRows]:
        """Rows for the mask scorer, streamed from disk."""
        return CachedRows(EvidenceRows, self, "evidence")

    def _size(self, start: int) -> int:
        return min(self.shard, self.views - start)


@dataclass(frozen=True)
class CachedRows(Generic[R]):
    """Rows in the shards of a cache (``rows.RowSource``); files are memory-mapped."""

    kind: type[R]
    state: CacheState
    part: str

    @property
    def bounds(self) -> Sequence[range]:
        views, shard = self.state.views, self.state.shard
        return [range(start, min(start + shard, views)) for start in self.state.starts]

    def read(self, shard: int) -> R:
        path = self.state.folder / self.part / f"{self.bounds[shard].start:07d}.safetensors"
        views, first = len(self.bounds[shard]), self.state.folder / self.part / f"{0:07d}.safetensors"
        try:
            regular_size(path)  # reading a pipe would never end
            rows, alike = self.kind(**load_file(path)), _layout(first)
            found = _layout(path)
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            raise UOISError(f"{path}: expected a shard of cached features, found {error}; delete it and start again") \
                from error  # fmt: skip
        if len(rows) != views:
            raise UOISError(f"{path}: expected {count(views, 'view')}, found {len(rows)}; delete it and start again")
        for name, (dtype, shape) in alike.items():
            if found[name] != (dtype, [views, *shape[1:]]):
                kind, sides = found[name]
                raise UOISError(
                    f"{path}: {name}: expected {dtype} of {[views, *shape[1:]]}, as in the first shard, "
                    f"found {kind} of {sides}; delete the cache and start again"
                )
        return rows


def open_cache(request: CacheRequest, folder: Path) -> CacheState:
    """Prepare a cache folder: keep shards of the same request, remove those of other weights, data or settings.

    A new cache computes its first view here to measure the size of a view. Only one process at a time may
    call this (``Accelerator.main_process_first``).
    """
    for name in request.parts:
        make_output_folder(folder / name)
    expected = json.loads(json.dumps(request.identity()))
    found = _read_marker(folder / MARKER)
    if found is not None and found.identity == expected:
        return CacheState(folder, request.views, request.shard, found.view_bytes, expected, request.parts)
    if found is not None or _shards(folder):
        _clear(folder, _difference(found, expected))
    rows = _compute(request, 0)
    size = sum(part.nbytes for part in rows.values())
    marker = {"identity": expected, "view_bytes": size}
    write_atomically(folder / MARKER, (json.dumps(marker, indent=1, sort_keys=True) + "\n").encode())
    return CacheState(folder, request.views, request.shard, size, expected, request.parts)


def fill_cache(request: CacheRequest, state: CacheState, processes: Accelerator) -> Iterator[int]:
    """Compute this process's share of the missing shards; yields the number of views on disk after each.

    Raises:
        OutputError: if the disk is too small or fills up; finished shards stay, and the same call goes on.
    """
    if state.bytes_needed > state.bytes_free:
        raise OutputError(
            f"the cache needs {decimal(state.bytes_needed)} in {state.folder}, {decimal(state.bytes_free)} are free; "
            f"make room or choose another --out"
        )
    missing = state.missing
    processes.wait_for_everyone()  # all must have seen the same shards missing before the first is made
    yield state.cached
    for start in missing[processes.process_index :: processes.num_processes]:
        stop = min(start + state.shard, state.views)
        views = [_compute(request, item) for item in range(start, stop)]
        contents = (save(vars(join_rows([view[part] for view in views]))) for part in state.parts)
        try:
            write_together(dict(zip(state.paths(start), contents, strict=True)))
        except OutputError as error:
            raise OutputError(
                f"{error}; {state.cached} of {count(state.views, 'view')} cached, which stay: make room, then start "
                f"the same command again to go on"
            ) from error
        yield state.cached
    processes.wait_for_everyone()
    yield state.cached


def _compute(request: CacheRequest, item: int) -> dict[str, Rows]:
    seen = "evidence" in request.parts
    computed = view_rows(request.base, request.proposer, request.data, request.config, item, evidence=seen)
    return {part: getattr(computed, part) for part in request.parts}


@dataclass(frozen=True)
class _Marker:
    """Content of the marker."""

    identity: dict[str, Any]
    view_bytes: Annotated[int, Meta(ge=1, le=1 << 40)]


def _read_marker(path: Path) -> _Marker | None:
    """Read the marker; None if it is missing or damaged: the cache is made anew then."""
    try:
        return read_json(path, _Marker)
    except UOISError:
        return None


def _layout(path: Path) -> dict[str, tuple[str, list[int]]]:
    """Dtype and shape of each tensor of a file, from its header."""
    with safe_open(path, "pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: (str(each.get_dtype()), list(each.get_shape())) for name, each in slices.items()}


def _difference(found: _Marker | None, expected: dict[str, Any]) -> str:
    """Say which of weights, data and settings differ."""
    if found is None:
        return "an unknown make"
    return " and ".join(f"other {key}" for key in expected if found.identity.get(key) != expected[key])


def _clear(folder: Path, difference: str) -> None:
    """Remove the marker, then the shards, so that a kill in between leaves no marker without its shards."""
    logger.info("%s: cached features of %s, made anew", folder, difference)
    for path in (folder / MARKER, *_shards(folder)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: expected a file that can be removed, found: {error.strerror}") from error


def _shards(folder: Path) -> list[Path]:
    """Files with names of shards, also in the place where older versions put them."""
    places = (folder, *(folder / part for part in PARTS))
    return [path for place in places for path in place.glob("[0-9]" * 7 + ".safetensors")]

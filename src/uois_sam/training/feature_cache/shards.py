"""Features of the frozen networks, computed once and kept on disk, so that fitting the heads is cheap.

``maps/0000000.safetensors`` holds what the prompt generator learns from, for a run of views beginning with number 0;
``tokens/0000000.safetensors`` what HDNet learns from, and ``evidence/0000000.safetensors`` what the scores that see
masks learn from, for the same views; which of these there are is part of the request. Tensors are float16. A shard
appears whole or not at all, so a run that is killed goes on with the next one. ``cache.json`` says what it was all made
from; a cache made from anything else is not used but made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from rich.filesize import decimal
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from uois_sam.datasets.base import Dataset
from uois_sam.errors import OutputError, UOISError
from uois_sam.io.files import make_output_folder, write_atomically, write_together
from uois_sam.models.hpg import HPG
from uois_sam.models.networks import Networks, hash_weights
from uois_sam.training.feature_cache.features import FeatureConfig, view_rows
from uois_sam.training.feature_cache.rows import EvidenceRows, MapRows, R, Rows, TokenRows, join_rows

if TYPE_CHECKING:
    from accelerate import Accelerator

FORMAT = 4
"""Raised whenever shards come to hold something else."""
MARKER = "cache.json"
PARTS: dict[str, type[Rows]] = {"maps": MapRows, "tokens": TokenRows, "evidence": EvidenceRows}
"""What a cache can hold, each in a folder of its own."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheRequest:
    """Everything that decides a cache's content."""

    base: Networks
    data: Dataset
    data_sha256: str
    """Of the content (``data.look_through``), in any order."""
    config: FeatureConfig
    proposer: HPG | None = None
    """Prompt generator whose peaks are among the prompts."""
    parts: tuple[str, ...] = ("maps", "tokens")
    """Which of ``PARTS`` to keep."""
    shard: int = 16
    """Views a file: what a kill costs at most."""

    @property
    def views(self) -> int:
        """Views to cache."""
        return len(self.data) * self.config.views

    def identity(self) -> dict[str, Any]:
        """JSON-ready; two requests of the same identity make the same bytes."""
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
    """What a cache folder holds of what is asked for."""

    folder: Path
    views: int
    """Views when complete."""
    shard: int
    """Views a file."""
    view_bytes: int
    """Bytes a view takes, measured on the first one."""
    identity: dict[str, Any]
    """Everything that decides the content (``CacheRequest.identity``)."""
    parts: tuple[str, ...]
    """Which of ``PARTS`` it holds."""

    @property
    def starts(self) -> range:
        """First view of every shard."""
        return range(0, self.views, self.shard)

    @property
    def missing(self) -> list[int]:
        """First views of the shards that are not there yet."""
        there = set.intersection(*({path.name for path in (self.folder / p).iterdir()} for p in self.parts))
        return [start for start in self.starts if self.paths(start)[0].name not in there]

    @property
    def cached(self) -> int:
        """Views on disk."""
        return self.views - sum(self._size(start) for start in self.missing)

    @property
    def bytes_needed(self) -> int:
        """Bytes that the missing shards will take."""
        return (self.views - self.cached) * self.view_bytes

    @property
    def bytes_free(self) -> int:
        """Bytes free on the folder's disk."""
        return shutil.disk_usage(self.folder).free

    def paths(self, start: int) -> list[Path]:
        """A shard's files, one a part."""
        return [self.folder / part / f"{start:07d}.safetensors" for part in self.parts]

    def maps(self) -> CachedRows[MapRows]:
        """What the prompt generator learns from, streamed from disk."""
        return CachedRows(MapRows, self, "maps")

    def tokens(self) -> CachedRows[TokenRows]:
        """What HDNet learns from, streamed from disk."""
        return CachedRows(TokenRows, self, "tokens")

    def evidence(self) -> CachedRows[EvidenceRows]:
        """What the scores that see masks learn from, streamed from disk."""
        return CachedRows(EvidenceRows, self, "evidence")

    def _size(self, start: int) -> int:
        return min(self.shard, self.views - start)


@dataclass(frozen=True)
class CachedRows(Generic[R]):
    """Rows in the shards of a cache (``rows.RowSource``); files are mapped, so memory holds only what is touched."""

    kind: type[R]
    state: CacheState
    part: str

    @property
    def bounds(self) -> Sequence[range]:
        views, shard = self.state.views, self.state.shard
        return [range(start, min(start + shard, views)) for start in self.state.starts]

    def read(self, shard: int) -> R:
        path = self.state.folder / self.part / f"{self.bounds[shard].start:07d}.safetensors"
        try:
            rows = self.kind(**load_file(path))
        except (OSError, SafetensorError, TypeError) as error:
            raise UOISError(f"{path}: expected a shard of cached features, found {error}; delete it and start again") \
                from error  # fmt: skip
        if len(rows) != len(self.bounds[shard]):
            raise UOISError(f"{path}: expected {len(self.bounds[shard])} views, found {len(rows)}; delete it")
        return rows


def open_cache(request: CacheRequest, folder: Path) -> CacheState:
    """Prepare a cache folder: keep what fits the request, remove what was made from other weights, data or settings.

    A new cache computes its first view here, to measure what a view takes on disk. Only one process at a time may
    call this (``Accelerator.main_process_first``).
    """
    for part in (folder / name for name in request.parts):
        make_output_folder(part)
        for leftover in part.glob(".*.tmp"):  # of a run that was killed while writing
            leftover.unlink()
    wanted = json.loads(json.dumps(request.identity()))
    found = _read_marker(folder / MARKER)
    if found is not None and found["identity"] == wanted:
        return CacheState(folder, request.views, request.shard, int(found["view_bytes"]), wanted, request.parts)
    if found is not None or _shards(folder):
        _clear(folder, _difference(found, wanted))
    rows = _compute(request, 0)
    size = sum(part.nbytes for part in rows.values())
    marker = {"identity": wanted, "view_bytes": size}
    write_atomically(folder / MARKER, (json.dumps(marker, indent=1, sort_keys=True) + "\n").encode())
    return CacheState(folder, request.views, request.shard, size, wanted, request.parts)


def fill_cache(request: CacheRequest, state: CacheState, processes: Accelerator) -> Iterator[int]:
    """Compute this process's share of the missing shards; yields the views on disk, of all processes, after each.

    Raises:
        OutputError: the disk is too small, or full meanwhile: what is finished stays, and the same call goes on.
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
                f"{error}; {state.cached} of {state.views} views are cached and stay: make room, then start the same "
                f"command again to go on"
            ) from error
        yield state.cached
    processes.wait_for_everyone()
    yield state.cached


def _compute(request: CacheRequest, item: int) -> dict[str, Rows]:
    seen = "evidence" in request.parts
    computed = view_rows(request.base, request.proposer, request.data, request.config, item, evidence=seen)
    return {part: getattr(computed, part) for part in request.parts}


def _read_marker(path: Path) -> dict[str, Any] | None:
    """None if there is none, or none that can be read: then nobody knows what the shards hold."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and {"identity", "view_bytes"} <= found.keys():
            return found
    return None


def _difference(found: dict[str, Any] | None, wanted: dict[str, Any]) -> str:
    """Which of weights, data and settings differ."""
    if found is None:
        return "an unknown make"
    return " and ".join(f"other {key}" for key in wanted if found["identity"].get(key) != wanted[key])


def _clear(folder: Path, difference: str) -> None:
    """Remove shards and marker; the marker first, so that a kill in between leaves no marker without its shards."""
    logger.info("%s: cached features of %s, made anew", folder, difference)
    (folder / MARKER).unlink(missing_ok=True)
    for path in _shards(folder):
        path.unlink()


def _shards(folder: Path) -> list[Path]:
    """Files that are named as shards are, also where an older version put them."""
    places = (folder, *(folder / part for part in PARTS))
    return [path for place in places for path in place.glob("[0-9]" * 7 + ".safetensors")]

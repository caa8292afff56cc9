"""The two stages that every training of heads has: fill the cache, then fit heads on it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal

from uois_sam._deprecated import moved_names
from uois_sam.io.files import make_output_folder
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.feature_cache.shards import CacheRequest, CacheState, fill_cache, open_cache
from uois_sam.training.fit_loop import FitContext
from uois_sam.training.learning_curves import Curves, Epoch

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeadFit:
    """One head to fit, in place."""

    name: str
    """Of its checkpoint folder and its learning curve."""
    epochs: int
    fit: Callable[[FitContext], float]
    """Runs the fit; returns the kept validation loss."""


def cache_features(request: CacheRequest, folder: Path, processes: Accelerator, watch: ProgressCallback) -> CacheState:
    """Fill the cache, saying beforehand what it takes on disk.

    Raises:
        OutputError: the disk is too small, or full meanwhile; the same call goes on.
    """
    with processes.main_process_first():
        state = open_cache(request, folder)
    if processes.is_main_process and state.missing:
        logger.info(
            "caching %d views (%d are there) in %s: %s needed, %s free",
            state.views, state.cached, folder, decimal(state.bytes_needed), decimal(state.bytes_free),
        )  # fmt: skip
    watch.stage("cache", state.views)
    for done in fill_cache(request, state, processes):
        watch.advance(done, "views")
    return state


def fit_heads(
    fits: Sequence[HeadFit],
    cache: CacheState,
    out: Path,
    processes: Accelerator,
    watch: ProgressCallback,
    curves: Curves,
) -> dict[str, float]:
    """Fit heads in place, one after the other; returns the kept validation losses by head.

    Checkpoints lie in ``out/NAME``; a fit that was stopped, or is finished, goes on from there.
    """
    origin = hashlib.sha256(json.dumps(cache.identity, sort_keys=True).encode()).hexdigest()

    def report(epoch: Epoch) -> None:
        curves.add(epoch)
        watch.advance(epoch.number, f"validation loss {epoch.validation:.5f}")

    losses = {}
    for head in fits:
        make_output_folder(out / head.name)
        watch.stage(head.name, head.epochs)
        losses[head.name] = head.fit(FitContext(processes, report, out / head.name, origin))
    if processes.is_main_process:
        curves.draw()
    return losses


__getattr__ = moved_names(__name__, "Watch")

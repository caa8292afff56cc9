"""The two stages that every training of heads has: fill the cache, then fit both heads on it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.models.hdnet import HDNet
from uois_sam.models.hpg import HPG
from uois_sam.training.cache import CacheRequest, CacheState, fill_cache, human, open_cache
from uois_sam.training.curves import Curves, Epoch
from uois_sam.training.heads import HeadConfig, Place, fit_hdnet, fit_hpg
from uois_sam.training.targets import HeatmapTarget

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """Where progress goes: ``stage(name, total)``, then ``advance(done, text)``."""

    stage: Callable[[str, int], None]
    advance: Callable[[int, str], None]


@dataclass(frozen=True)
class Heads:
    """The heads to fit, in place, and how."""

    hpg: HPG
    hdnet: HDNet
    target: HeatmapTarget
    hpg_config: HeadConfig
    hdnet_config: HeadConfig
    validation: int
    """How many of the last views only choose the epoch."""


def cache_features(request: CacheRequest, folder: Path, processes: Accelerator, watch: Watch) -> CacheState:
    """Fill the cache, saying beforehand what it takes on disk.

    Raises:
        OutputError: the disk is too small, or full meanwhile; the same call goes on.
    """
    with processes.main_process_first():
        state = open_cache(request, folder)
    if processes.is_main_process and state.missing:
        logger.info(
            "caching %d views (%d are there) in %s: %s needed, %s free",
            state.views, state.cached, folder, human(state.bytes_needed), human(state.bytes_free),
        )  # fmt: skip
    watch.stage("cache", state.views)
    for done in fill_cache(request, state, processes):
        watch.advance(done, "views")
    return state


def fit_heads(
    heads: Heads, cache: CacheState, out: Path, processes: Accelerator, watch: Watch, curves: Curves
) -> dict[str, float]:
    """Fit both heads in place; returns the kept validation losses by head.

    Checkpoints lie in ``out/hpg`` and ``out/hdnet``; a fit that was stopped, or is finished, goes on from there.
    """
    origin = hashlib.sha256(json.dumps(cache.identity, sort_keys=True).encode()).hexdigest()

    def report(epoch: Epoch) -> None:
        curves.add(epoch)
        watch.advance(epoch.number, f"validation loss {epoch.validation:.5f}")

    losses = {}
    place = Place(processes, report, out / "hdnet", origin)
    watch.stage("hdnet", heads.hdnet_config.epochs)
    losses["hdnet"] = fit_hdnet(heads.hdnet, cache.tokens(), heads.validation, heads.hdnet_config, place)
    place = Place(processes, report, out / "hpg", origin)
    watch.stage("hpg", heads.hpg_config.epochs)
    losses["hpg"] = fit_hpg(heads.hpg, cache.maps(), heads.validation, heads.target, heads.hpg_config, place)
    if processes.is_main_process:
        curves.draw()
    return losses

"""Driver of every training: a list of stages that fit, cache or save, each of which resumes where it was stopped."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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


@dataclass
class Run:
    """One training under way: its folder and processes, and the results of the stages that are done."""

    out: Path
    """Folder of all results; each stage has a folder of its own below it."""
    processes: Accelerator
    progress: ProgressCallback
    curves: Curves
    losses: dict[str, float] = field(default_factory=dict)
    """Validation loss of each fitted head, by name of the stage."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock time of each stage, by name; a resumed stage counts from where it was resumed."""
    cached: CacheState | None = None
    """The cache that the last :class:`Cache` stage filled."""

    @property
    def cache(self) -> CacheState:
        """The filled cache; only after a :class:`Cache` stage."""
        if self.cached is None:
            raise RuntimeError("expected a Cache stage before the stages that read cached features")
        return self.cached

    def folder(self, stage: str) -> Path:
        """The folder of a stage, made if it is missing."""
        make_output_folder(self.out / stage)
        return self.out / stage

    def fit_context(self, stage: str) -> FitContext:
        """Context of a fit on cached features: checkpoints in the stage's folder, epochs to the learning curves."""
        origin = hashlib.sha256(json.dumps(self.cache.identity, sort_keys=True).encode()).hexdigest()

        def report(epoch: Epoch) -> None:
            self.curves.add(epoch)
            self.progress.advance(epoch.number, f"validation loss {epoch.validation:.5f}")

        return FitContext(self.processes, report, self.folder(stage), origin)


class Stage(Protocol):
    """One step of a training. Resumes by itself: run again with the same settings, it does only what is missing."""

    @property
    def name(self) -> str:
        """Name in progress and timings, and of the stage's folder."""
        ...

    def run(self, run: Run) -> None:
        """Do the work that is missing and note the results in ``run``."""
        ...


@dataclass(frozen=True)
class Fit:
    """Fit networks in place."""

    name: str
    length: int
    """Steps or epochs, for the progress."""
    fit: Callable[[Run], float | None]
    """Returns the validation loss of the kept weights; None where nothing is held out."""

    def run(self, run: Run) -> None:
        run.progress.stage(self.name, self.length)
        loss = self.fit(run)
        if loss is not None:
            run.losses[self.name] = loss


@dataclass(frozen=True)
class Cache:
    """Keep the frozen networks' features on disk, for the fits that follow."""

    request: CacheRequest
    name: str = "cache"

    def run(self, run: Run) -> None:
        """Fill the cache, after logging the space that it takes.

        Raises:
            OutputError: if the disk is too small or fills up; the same training goes on once there is room.
        """
        folder = run.out / self.name
        with run.processes.main_process_first():
            state = open_cache(self.request, folder)
        if run.processes.is_main_process and state.missing:
            logger.info(
                "caching %d views (%d are there) in %s: %s needed, %s free",
                state.views, state.cached, folder, decimal(state.bytes_needed), decimal(state.bytes_free),
            )  # fmt: skip
        run.progress.stage(self.name, state.views)
        for done in fill_cache(self.request, state, run.processes):
            run.progress.advance(done, "views")
        run.cached = state


@dataclass(frozen=True)
class Save:
    """Write the result, and the picture of the learning curves beside it, in the main process."""

    save: Callable[[Run, Path], None]
    """Writes the result into the given folder."""
    name: str = "model"

    def run(self, run: Run) -> None:
        if run.processes.is_main_process:
            run.curves.draw()
            self.save(run, run.out / self.name)
        run.processes.wait_for_everyone()


def run(stages: Iterable[Stage], training: Run) -> Run:
    """Run stages in order; returns ``training`` with their results.

    A generator of stages may build the next stage from the results of those before: it is asked for it only then.
    """
    for stage in stages:
        began = time.monotonic()
        stage.run(training)
        training.seconds[stage.name] = time.monotonic() - began
    return training


__getattr__ = moved_names(__name__, "Watch")

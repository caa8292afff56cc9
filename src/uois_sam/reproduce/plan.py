"""The plan of a reproduction: its stages with estimated hours and disk, before anything is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from uois_sam.config import GRID_SIDE
from uois_sam.errors import count
from uois_sam.evaluation.components import PAPER_VARIANTS
from uois_sam.evaluation.report.markdown import table
from uois_sam.evaluation.run import evenly_spaced
from uois_sam.reproduce.config import ReproduceConfig, TrainingData
from uois_sam.reproduce.figures import (
    PREDICTION_BYTES,
    RENDER_CORE_SECONDS,
    SCENE_BYTES,
    SCORE_CORE_SECONDS,
    Figures,
)
from uois_sam.reproduce.stages import REPEATS

BUSY = 2.0
"""Times as long as its own work from which a measurement counts as disturbed."""
HEADS_BYTES = 40_000_000
"""Heads, their checkpoints with the optimiser's state, curves and record."""


@dataclass(frozen=True)
class PlannedStage:
    """One line of the plan."""

    what: str
    images: int
    seconds: float
    nbytes: int
    """Disk that it takes and keeps."""
    passing_bytes: int = 0
    """Disk that it takes and gives back at its end."""


@dataclass(frozen=True)
class Plan:
    """All stages, with what the estimates stand on."""

    stages: tuple[PlannedStage, ...]
    figures: Figures
    workers: int
    out: Path

    @property
    def hours(self) -> float:
        """Estimated hours of all stages."""
        return sum(stage.seconds for stage in self.stages) / 3600

    @property
    def peak_bytes(self) -> int:
        """Most disk that is taken at a time."""
        kept = [sum(stage.nbytes for stage in self.stages[: index + 1]) for index in range(len(self.stages))]
        return max(before + stage.passing_bytes for before, stage in zip(kept, self.stages, strict=True))

    def lines(self) -> list[str]:
        """Return the plan as a markdown table with its total and what it is estimated from."""
        rows = [[each.what, str(each.images), _hours(each.seconds), _disk(each)] for each in self.stages]
        rows.append(["**all**", "", _hours(3600 * self.hours), f"**{decimal(self.peak_bytes)}** at most at a time"])
        return [table(["stage", "images", "hours", "disk"], rows), "", self._estimated_from(), self._room()]

    def _estimated_from(self) -> str:
        figures = self.figures
        weights = "random weights, on which times do not depend" if figures.random else "its own weights"
        return (
            f"Estimates for this machine, as busy as it is now: on {figures.device} in {figures.precision} with "
            f"{weights}, one drawn photo of 640x480 took {figures.cache_seconds:.3g} s to cache, "
            f"{figures.encode_seconds:.3g} s to encode and {figures.points_seconds:.3g} s for the masks of 30 prompts; "
            f"to learn from it takes {figures.hpg_seconds:.3g} s (HPG) and {figures.hdnet_seconds:.3g} s (HDNet) an "
            f"epoch. By earlier measurements a rendered scene takes {RENDER_CORE_SECONDS:g} s of a core and "
            f"{decimal(SCENE_BYTES)}, and scoring a frame {SCORE_CORE_SECONDS:g} s of a core, of which {self.workers} "
            f"are counted on.{self._busy()}"
        )

    def _busy(self) -> str:
        """Say what a busy machine made of the estimates; threads that wait for each other alone make no two of one."""
        if self.figures.slowed < BUSY:
            return ""
        quiet = _hours(3600 * self.hours / self.figures.slowed)
        return (
            f" Other processes had most of the machine meanwhile: everything took {self.figures.slowed:.0f} times as "
            f"long as its own work, so on a quiet one expect about {quiet} hours."
        )

    def _room(self) -> str:
        """Say whether the disk is large enough."""
        free = shutil.disk_usage(_nearest_folder(self.out)).free
        enough = "" if free > self.peak_bytes else f": too little, {decimal(self.peak_bytes)} are needed"
        return f"{decimal(free)} are free for {self.out}{enough}."


def make_plan(
    config: ReproduceConfig, training: TrainingData | None, frames: dict[str, int], figures: Figures, out: Path
) -> Plan:
    """Estimate every stage of a fresh run.

    Args:
        config: what is asked for.
        training: the data to train on; None where scenes are rendered.
        frames: number of frames of each test set.
        figures: cost of one image.
        out: folder for all results.
    """
    return Plan(tuple(_stages(config, training, frames, figures)), figures, config.workers, out)


def _stages(
    config: ReproduceConfig, training: TrainingData | None, frames: dict[str, int], figures: Figures
) -> Iterator[PlannedStage]:
    main, first = config.main_percent, config.test_set_of_ablations
    frames = {name: len(evenly_spaced(count, config.limit)) for name, count in frames.items()}
    if training is None:
        seconds = config.scenes * RENDER_CORE_SECONDS / config.workers
        yield PlannedStage("render scenes", config.scenes, seconds, config.scenes * SCENE_BYTES)
    yield _training(config, training, main, figures, keep=True)
    for name, number in frames.items():
        yield _scoring(f"score on {name}", number, figures, [30], config.workers)
    if first is not None:
        grid = GRID_SIDE**2
        what = f"Table IV on {first}: {count(len(PAPER_VARIANTS) - 1, 'more row')}"
        yield _scoring(what, frames[first], figures, [grid, grid // 2, 30], config.workers, encoded=True)
    photo = figures.encode_seconds + figures.points_seconds
    yield PlannedStage("time a photo", REPEATS, 2 * REPEATS * photo, 0)
    for percent in (each for each in config.shares if each != main and first is not None):
        yield _training(config, training, percent, figures, keep=False)
        yield _scoring(f"Table V: score {percent:g} % on {first}", frames[str(first)], figures, [30], config.workers)


def _training(
    config: ReproduceConfig, training: TrainingData | None, percent: float, figures: Figures, *, keep: bool
) -> PlannedStage:
    images = max(1, round(config.scenes * percent / 100)) if training is None else training.images(percent)
    epoch = figures.hpg_seconds + figures.hdnet_seconds
    seconds = images * (figures.cache_seconds + config.epochs * epoch)
    cache = images * figures.cache_bytes
    what = f"{'' if keep else 'Table V: '}cache and fit heads on {percent:g} %"
    if keep:
        return PlannedStage(what, images, seconds, cache + HEADS_BYTES)
    return PlannedStage(what, images, seconds, HEADS_BYTES, cache)


def _scoring(
    what: str, frames: int, figures: Figures, prompts: Sequence[int], workers: int, *, encoded: bool = False
) -> PlannedStage:
    """One evaluation for each number of prompts, on photos that are encoded once or, for Table IV, before."""
    masks = sum(figures.photo_seconds(each) for each in prompts)
    seconds = masks + (0 if encoded else figures.encode_seconds) + len(prompts) * SCORE_CORE_SECONDS / workers
    return PlannedStage(what, frames, frames * seconds, frames * len(prompts) * PREDICTION_BYTES)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f}" if seconds >= 360 else f"{seconds / 3600:.2f}"


def _disk(stage: PlannedStage) -> str:
    passing = f" + {decimal(stage.passing_bytes)} meanwhile" if stage.passing_bytes else ""
    return f"{decimal(stage.nbytes)}{passing}"


def _nearest_folder(path: Path) -> Path:
    """Return the folder itself, or the nearest one above it that exists."""
    path = path.resolve()
    while not os.path.isdir(path):
        path = path.parent
    return path

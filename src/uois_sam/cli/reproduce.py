"""``uois-sam reproduce``: the paper's trainings, tables and times in one command."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from uois_sam.cli.options import BaseOptions, expect_seed
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.runtime.cores import usable_cores
from uois_sam.runtime.progress import ProgressCallback, print_line

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.reproduce.config import ReproduceConfig


@dataclass(frozen=True)
class Reproduce:
    """Do what the paper did: train both heads, score them, and put the rows beside the paper's on one page.

        uois-sam reproduce --data UOAIS-Sim --ocid OCID-dataset --osd OSD-0.2-depth --out runs/paper --dry-run

    First it lists which weights and data are here and which are missing, with page, size and licence. Then it renders
    scenes if no --data are given, caches features, trains the heads by Sec. IV-A, scores every test set that is given
    (Tables II and III), the four rows of Table IV and the shares of Table V, times a photo, and writes
    OUT/reproduce.html. A run that was stopped goes on where it was when started again with the same options; test sets
    may be added later.

    Exit status: 0 success; 1 done, but images were left out or frames failed (the page says which); 2 nothing could be
    done, or the run could not go on; 130 interrupted.
    """

    out: Path
    """Folder for everything."""
    base: tyro.conf.OmitArgPrefixes[BaseOptions] = field(default_factory=BaseOptions)
    data: Path | None = None
    """Folder of labelled images to train on; if left out, scenes are rendered."""
    dataset: str = "uoais-sim"
    """Kind of --data: uoais-sim as in the paper, folder (rgb/ and label/ of your own), tod, bop, ..."""
    scenes: int | None = None
    """Scenes to render without --data (extra: synth); 4500, as many images as the paper trained on, if left out."""
    ocid: Path | None = None
    """Folder of OCID, for Tables II, IV and V."""
    osd: Path | None = None
    """Folder of OSD, for Table II."""
    phocal: Path | None = None
    """Folder of PhoCAL, for Table III."""
    housecat6d: Path | None = None
    """Folder of HouseCat6D, for Table III."""
    percent: float | None = None
    """Percentage of the images that the main heads are trained on; the paper's 10 of UOAIS-Sim, 100 of other data."""
    shares: tuple[float, ...] = (1.0, 5.0, 10.0, 50.0, 100.0)
    """Percentages of the images for the rows of Table V; of other data than UOAIS-Sim these are other numbers of
    images than the paper's, and the page gives both."""
    epochs: int = 30
    """Passes over the features."""
    seed: int = 0
    """Seed of scenes, shares, prompts and first weights."""
    limit: int | None = None
    """Score at most this many frames of each test set, drawn from all over it."""
    partial: bool = False
    """Accept test sets with fewer frames than published."""
    workers: int = usable_cores()
    """Processes that render or score side by side."""
    dry_run: bool = False
    """Print what is here and what is missing, and the plan with estimated hours and disk; do nothing."""

    def run(self, console: Console) -> int:
        """Do what is missing and return the exit status."""
        config = self.config()
        if self.dry_run:
            return self._plan(console, config)
        from uois_sam.reproduce.run import reproduce
        from uois_sam.runtime.progress import progress

        def opened() -> AbstractContextManager[ProgressCallback]:
            return progress(console)

        if config.data is None:
            _expect_renderer()
        outcome = reproduce(config, self.out, partial(render, self.workers), opened)
        for problem in outcome.problems:
            print_line(console, problem)
        print_line(console, f"the page is {outcome.page}; uois-sam tables {self.out / 'scores'} prints the rows")
        return 1 if outcome.problems else 0

    def config(self) -> ReproduceConfig:
        """Return the settings.

        Raises:
            UOISError: if options contradict each other or a number makes no sense.
        """
        from uois_sam.reproduce.config import BENCHMARKS, SCENES, ReproduceConfig

        expect_seed(self.seed)
        if self.data is not None and self.scenes is not None:
            raise UOISError("expected --data or --scenes to train on, found both; drop one of them")
        benchmarks = {name: root for name in BENCHMARKS if (root := getattr(self, name)) is not None}
        return ReproduceConfig(
            base=self.base.name, **self.base.keywords(), data=self.data, kind=self.dataset,
            scenes=SCENES if self.scenes is None else self.scenes, benchmarks=benchmarks, percent=self.percent,
            shares=self.shares, epochs=self.epochs, seed=self.seed, limit=self.limit, partial=self.partial,
            workers=self.workers,
        )  # fmt: skip

    def _plan(self, console: Console, config: ReproduceConfig) -> int:
        from uois_sam.reproduce.config import open_training
        from uois_sam.reproduce.figures import measure_figures, networks_for_timing
        from uois_sam.reproduce.inventory import take_inventory
        from uois_sam.reproduce.plan import make_plan
        from uois_sam.runtime.progress import progress

        training = None if config.data is None else open_training(config.kind, config.data)
        for item in take_inventory(config, training).items:
            sys.stdout.write(f"- {item.words()}\n")
        frames = {name: len(config.open_benchmark(name)) for name in config.benchmarks}
        with progress(console, bars=False) as watch:
            figures = measure_figures(networks_for_timing(config), watch)
        lines = make_plan(config, training, frames, figures, self.out).lines()
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
        return 0


def _expect_renderer() -> None:
    """Raise MissingExtraError before anything is loaded."""
    try:
        import uois_sam.synth.dataset.generate  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", str(error.name)) from error


def render(workers: int, folder: Path, scenes: int, seed: int, watch: ProgressCallback) -> None:
    """Make the scenes that a folder lacks."""
    from uois_sam.io.files import make_output_folder
    from uois_sam.synth.dataset.config import GenerateConfig
    from uois_sam.synth.dataset.generate import Run

    make_output_folder(folder)
    run = Run(GenerateConfig(scenes=scenes, seed=seed), folder, workers)
    watch.stage("scenes", len(run.todo))
    for done, _ in enumerate(run, start=1):
        watch.advance(done, "")

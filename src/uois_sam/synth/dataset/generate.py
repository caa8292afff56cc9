"""Make data sets of rendered scenes on this machine's cores or on a Ray cluster; runs can be resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from uois_sam.errors import DatasetError, UOISError, WorkerError
from uois_sam.io.contact_sheet import Picture, write_contact_sheet
from uois_sam.runtime import timing as stages
from uois_sam.runtime.cores import usable_cores
from uois_sam.runtime.executors import Executor, as_finished, on_processes
from uois_sam.runtime.ray import on_ray
from uois_sam.synth.dataset.annotations import SceneAnnotation
from uois_sam.synth.dataset.config import GenerateConfig
from uois_sam.synth.dataset.make_scene import Job, MadeScene, assets_of, make_scene, prepare_process
from uois_sam.synth.dataset.reader import StoredScene, read_descriptions
from uois_sam.synth.dataset.writer import DatasetWriter
from uois_sam.synth.rendering.variants import check_variant

T = TypeVar("T")


@dataclass
class Run:
    """A data set being made; iterate over it to make the scenes that its folder does not hold yet.

    Layout: ``rgb/<index>.png``, ``label/<index>.png`` (uint16), ``depth/<index>.png`` (uint16 mm), with ``amodal`` also
    ``amodal/<index>.json`` (label -> COCO RLE), ``scenes.jsonl`` (a :class:`SceneAnnotation` a line), ``dataset.json``
    (configuration, statistics, versions, measurements) and ``contact_sheet.jpg``.

    Raises:
        DatasetError: if ``workers`` is below 1, a user's own files cannot be used, or the folder holds other scenes.
        UOISError: if the renderer's variant does not work on this machine.
    """

    config: GenerateConfig
    out: Path
    workers: int = field(default_factory=usable_cores)
    """Processes that render side by side."""
    ray: str | None = None
    """Address of a Ray cluster to render on instead, or ``local`` to start one here."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise DatasetError(f"workers: expected 1 or more, got {self.workers}")
        if self.ray is None:
            check_variant(self.config.variant)
        assets_of(self.config)  # bad files are reported before anything is written; pieces are cut once for all workers
        self._writer = DatasetWriter(self.config, self.out)
        jobs = _jobs(self.config)
        self.total = len(jobs)
        """Number of scenes of the whole data set."""
        self.todo = [job for job in jobs if job.index not in self._writer.annotations]
        """Scenes still to make."""

    def __iter__(self) -> Iterator[SceneAnnotation]:
        """Make the missing scenes; each is on disk before it is yielded.

        Raises:
            DatasetError: if a scene cannot be made.
            WorkerError: if processes keep dying over a scene.
            UOISError: if making a scene fails; the message names it.
        """
        measured = Measurements(self.workers)
        try:
            for made in self._made(measured):
                with measured.writing():
                    self._writer.add(made)
                measured.count(made)
                yield made.annotation
        finally:
            self._writer.close(measured.as_json())
        self._draw_contact_sheet()

    def _draw_contact_sheet(self) -> None:
        scenes = [StoredScene(self.out, annotation) for _, annotation in sorted(self._writer.annotations.items())]

        def read(index: int) -> Picture:
            return scenes[index].image(), scenes[index].labels()

        write_contact_sheet(read, len(scenes), self.out / "contact_sheet.jpg")

    def _made(self, measured: Measurements) -> Iterator[MadeScene]:
        if not self.todo:
            return
        with self._executor(measured) as executor:
            for job, future in as_finished(executor, self.todo):
                yield scene_of(job, future)

    def _executor(self, measured: Measurements) -> AbstractContextManager[Executor[Job, MadeScene]]:
        if self.ray is not None:
            make = partial(_prepare_and_make, self.config, 1)
            return on_ray(make, self.ray, "generate", gpu=self.config.variant == "cuda")
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        return on_processes(partial(_prepare_and_make, self.config, threads), self.workers, measured.count_death)


@dataclass
class Measurements:
    """Time, memory and deaths of processes of one run."""

    workers: int
    started: float = field(default_factory=time.monotonic)
    scenes: int = 0
    deaths: int = 0
    peak_mb: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def count_death(self, job: Job) -> None:
        """Add one process that died over a scene."""
        self.deaths += 1

    def count(self, made: MadeScene) -> None:
        """Add one finished scene."""
        self.scenes += 1
        self.peak_mb = max(self.peak_mb, made.peak_mb)
        for name, value in made.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + value

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Count the time inside towards the stage ``write``; it passes here, not in the workers."""
        with stages.measured() as seconds, stages.stage("write"):
            yield
        self.seconds["write"] = self.seconds.get("write", 0.0) + seconds["write"]

    def as_json(self) -> dict[str, Any]:
        """Return rates and means, rounded."""
        elapsed = time.monotonic() - self.started
        return {
            "workers": self.workers,
            "scenes": self.scenes,
            "seconds": round(elapsed, 1),
            "scenes_an_hour": round(3600 * self.scenes / elapsed),
            "peak_mb_a_worker": round(self.peak_mb),
            "processes_died": self.deaths,
            "seconds_a_scene": {name: round(value / self.scenes, 3) for name, value in self.seconds.items()},
        }


def _jobs(config: GenerateConfig) -> list[Job]:
    if config.from_scenes is None:
        return [Job(index) for index in range(config.scenes)]
    return [Job(index, scene) for index, scene in sorted(read_descriptions(config.from_scenes).items())]


def _prepare_and_make(config: GenerateConfig, threads: int, job: Job) -> MadeScene:
    """Make one scene in any process."""
    prepare_process(config, threads)
    return make_scene(config, job)


def scene_of(job: Job, future: Future[T]) -> T:
    """Return a finished scene, or whatever else is made of it.

    Raises:
        UOISError: if making it failed; the message names the scene.
    """
    try:
        return future.result()
    except WorkerError as error:
        hint = " (try --variant scalar)" if "SIGABRT" in str(error) else ""
        raise WorkerError(f"{error}{hint}") from error
    except UOISError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UOISError(f"{job} failed: {reason}") from error

"""Make data sets of rendered scenes on this machine's cores or on a Ray cluster; runs can be resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from uois_sam.errors import DatasetError
from uois_sam.runtime import timing as stages
from uois_sam.runtime.ray import ray_cluster
from uois_sam.runtime.workers import MAX_DEATHS, Done, Failure, as_error, attempt, run_jobs
from uois_sam.synth.dataset.annotations import SceneAnnotation
from uois_sam.synth.dataset.config import GenerateConfig
from uois_sam.synth.dataset.contact_sheet import Picture, write_contact_sheet
from uois_sam.synth.dataset.make_scene import Job, MadeScene, assets_of, make_scene, prepare_process
from uois_sam.synth.dataset.reader import StoredScene, read_descriptions
from uois_sam.synth.dataset.writer import DatasetWriter
from uois_sam.synth.rendering.variants import check_variant


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
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
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
            DatasetError: if a scene cannot be made, or processes keep dying over it.
            UOISError: if making a scene fails; the message names it.
        """
        measured = Measurements(self.workers)
        try:
            for done in self._made():
                with measured.writing():
                    self._writer.add(done.result)
                measured.count(done)
                yield done.result.annotation
        finally:
            self._writer.close(measured.as_json())
        self._draw_contact_sheet()

    def _draw_contact_sheet(self) -> None:
        scenes = [StoredScene(self.out, annotation) for _, annotation in sorted(self._writer.annotations.items())]

        def read(index: int) -> Picture:
            return scenes[index].image(), scenes[index].labels()

        write_contact_sheet(read, len(scenes), self.out / "contact_sheet.jpg")

    def _made(self) -> Iterator[Done[MadeScene]]:
        if not self.todo:
            return iter(())
        if self.ray is not None:
            return run_on_ray(self.config, self.todo, self.ray)
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        begin = partial(prepare_process, self.config, threads)
        return run_jobs(partial(make_scene, self.config), self.todo, self.workers, begin)


@dataclass
class Measurements:
    """Time, memory and deaths of processes of one run."""

    workers: int
    started: float = field(default_factory=time.monotonic)
    scenes: int = 0
    deaths: int = 0
    peak_mb: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, done: Done[MadeScene]) -> None:
        """Add one finished scene."""
        self.scenes += 1
        self.deaths += done.deaths
        self.peak_mb = max(self.peak_mb, done.result.peak_mb)
        for name, value in done.result.seconds.items():
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


QUEUED_PER_CPU = 2
"""Jobs handed to the cluster at a time: enough that no core waits, few enough that finished scenes do not pile up."""


def run_on_ray(config: GenerateConfig, jobs: Sequence[Job], address: str) -> Iterator[Done[MadeScene]]:
    """Make scenes on a cluster and yield them in the order they finish; their bytes come back to this process.

    Args:
        config: what the scenes are made from.
        jobs: the scenes to make.
        address: of the cluster, as ``ray.init`` takes it (``auto``, ``ray://host:10001``); ``local`` starts one on
            this machine. Where Ray is initialised already, that is used.

    Raises:
        MissingExtraError: Ray is not installed.
        DatasetError: processes died over the same scene ``MAX_DEATHS`` times.
        UOISError: there is no cluster at the address, and as :func:`uois_sam.runtime.workers.run_jobs`.
    """
    with ray_cluster(address, "generate") as ray:
        yield from _run(ray, config, jobs)


def _run(ray: Any, config: GenerateConfig, jobs: Sequence[Job]) -> Iterator[Done[MadeScene]]:
    resources = {"num_gpus": 1} if config.variant == "cuda" else {"num_cpus": 1}
    remote = ray.remote(max_retries=MAX_DEATHS - 1, **resources)(_make)
    shared = ray.put(config)
    limit = QUEUED_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = list(reversed(jobs))
    running: dict[Any, Job] = {}
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                job = waiting.pop()
                running[remote.remote(shared, job)] = job
            (finished, *_), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(finished)
            yield Done(_answer(ray, finished, job), deaths=0)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _answer(ray: Any, reference: Any, job: Job) -> MadeScene:
    try:
        answer = ray.get(reference)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise DatasetError(f"{job}: {MAX_DEATHS} processes died over it ({type(error).__name__})") from error
    if isinstance(answer, Failure):
        raise as_error(answer, job)
    made: MadeScene = answer
    return made


def _make(config: GenerateConfig, job: Job) -> MadeScene | Failure:
    """Body of a task."""
    return attempt(partial(make_scene, config), partial(prepare_process, config, 1), job)

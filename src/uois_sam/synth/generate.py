"""Write data sets of rendered scenes, on this machine's cores or on a Ray cluster; resumable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from uois_sam.errors import DatasetError
from uois_sam.synth import stages
from uois_sam.synth.contact_sheet import Picture, write_contact_sheet
from uois_sam.synth.crew import Done, run_jobs
from uois_sam.synth.making import GenerateConfig, Job, MadeScene, make_scene, sources_of, start
from uois_sam.synth.native import NativeScene, read_descriptions
from uois_sam.synth.record import SceneRecord
from uois_sam.synth.render import check_variant
from uois_sam.synth.store import Store, config_json, differences
from uois_sam.synth.variety import Variety

__all__ = ["PRESETS", "GenerateConfig", "Run", "generate", "with_preset"]

PRESETS = {
    "tabletop-val": GenerateConfig(
        scenes=300, seed=20_260_101, variety=Variety(split="val", framing=(0.7, 1.6), surroundings=0.0)
    )
}
"""Their scenes stay the same whatever happens to the defaults: scores of years compare."""
"""Data sets that are the same for everybody, by name."""


@dataclass
class Run:
    """A data set being made; iterate over it to make the scenes that its folder does not hold yet.

    Raises:
        DatasetError: fewer than one worker, own files that cannot be used, or a folder with other scenes.
        UOISError: the renderer's variant does not work on this machine.
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
        sources_of(self.config)  # bad files are told before anything is written, and prepared once for all workers
        self._store = Store(self.config, self.out)
        jobs = _jobs(self.config)
        self.total = len(jobs)
        """Number of scenes of the whole data set."""
        self.todo = [job for job in jobs if job.index not in self._store.records]
        """Scenes that are not there yet."""

    def __iter__(self) -> Iterator[SceneRecord]:
        """Make what is missing; every scene is on disk when its record comes.

        Raises:
            DatasetError: a scene cannot be made, or processes keep dying over it.
            UOISError: making a scene failed; the message names it.
        """
        measured = Measured(self.workers)
        try:
            for done in self._made():
                with measured.writing():
                    self._store.add(done.result)
                measured.count(done)
                yield done.result.record
        finally:
            self._store.close(measured.as_json())
        self._draw_contact_sheet()

    def _draw_contact_sheet(self) -> None:
        scenes = [NativeScene(self.out, record) for _, record in sorted(self._store.records.items())]

        def read(index: int) -> Picture:
            return scenes[index].image(), scenes[index].labels()

        write_contact_sheet(read, len(scenes), self.out / "contact_sheet.jpg")

    def _made(self) -> Iterator[Done[MadeScene]]:
        if not self.todo:
            return iter(())
        if self.ray is not None:
            from uois_sam.synth.on_ray import run_on_ray

            return run_on_ray(self.config, self.todo, self.ray)
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        begin = partial(start, self.config, threads)
        return run_jobs(partial(make_scene, self.config), self.todo, self.workers, begin)


def generate(config: GenerateConfig, out: Path, workers: int) -> Iterator[SceneRecord]:
    """Write the scenes that ``out`` does not hold yet, yielding each as it lands on disk.

    Layout: ``rgb/<index>.png``, ``label/<index>.png`` (uint16), ``depth/<index>.png`` (uint16 mm), with ``amodal`` also
    ``amodal/<index>.json`` (label -> COCO RLE), ``scenes.jsonl`` (a :class:`SceneRecord` a line), ``dataset.json``
    (configuration, statistics, versions, measurements) and ``contact_sheet.jpg``.

    Raises:
        DatasetError: ``out`` holds a data set made with another configuration, or a scene cannot be made.
    """
    return iter(Run(config, out, workers))


@dataclass
class Measured:
    """Facts about a run that differ from machine to machine."""

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
        """Rates and means, rounded."""
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


def with_preset(config: GenerateConfig, name: str) -> GenerateConfig:
    """The preset's data set, rendered with the variant and labels that ``config`` asks for.

    Raises:
        DatasetError: ``config`` asks for anything else that is not as usual: the preset would silently drop it.
    """
    preset = replace(PRESETS[name], variant=config.variant, amodal=config.amodal)
    usual = replace(GenerateConfig(), variant=config.variant, amodal=config.amodal)
    dropped = {option: value for option, _, value in differences(config_json(usual), config_json(config))}
    fixed = {option for option, _, _ in differences(config_json(preset), config_json(config))}
    told = ", ".join(f"{option} {value!r}" for option, value in dropped.items() if option in fixed)
    if told:
        raise DatasetError(f"preset {name} is the same for everybody: expected no setting of yours besides, got {told}")
    return preset

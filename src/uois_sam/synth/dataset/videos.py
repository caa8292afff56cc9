"""Videos: for each a folder in the native layout, with the frames in place of scenes and labels that are ids.

``OUT/video_000000/{rgb,label,depth}/000000.png`` and so on; every reader of rendered scenes reads a video's folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from uois_sam.errors import DatasetError, count
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.runtime.executors import as_finished, on_processes
from uois_sam.synth.dataset.config import GenerateConfig
from uois_sam.synth.dataset.generate import Run, scene_of
from uois_sam.synth.dataset.make_scene import Job, assets_of, draw_scene, prepare_process, scene_seed
from uois_sam.synth.motion import Cast, film, motion_of
from uois_sam.synth.physics import UnsettledError
from uois_sam.synth.scene import Scene

DESCRIPTIONS = "frames.jsonl"
"""The description of every frame, below a video's folder."""
MOST_DRAWS = 16
LEAST_IN_SIGHT = 2
"""Objects that have to be in sight in a video's first frame."""
_STREAM = 71
_LOOK_HW = (96, 128)
"""Size at which a scene is looked at before it is filmed."""
_NEXT = 1_000_003
"""Step between the scenes that are tried for a video."""


def folder_of(out: Path, index: int) -> Path:
    """Folder of a video."""
    return out / f"video_{index:06d}"


def videos(config: GenerateConfig, out: Path, frames: int, workers: int, ray: str | None = None) -> Iterator[Run]:
    """Describe the frames of all videos and yield, for each, the run that renders them.

    Args:
        config: ``scenes`` is the number of videos; the rest holds for every frame.
        out: folder that the videos' folders are made in.
        frames: of each video.
        workers: processes.
        ray: as in :class:`~uois_sam.synth.dataset.generate.Run`.

    Raises:
        DatasetError: fewer than two frames, descriptions are given in ``config``, a folder holds other frames, or no
            scene can be found that has enough in sight.
    """
    if frames < 2:
        raise DatasetError(f"video: expected 2 frames or more, got {frames}")
    if config.from_scenes is not None:
        raise DatasetError("video: expected no --from-scenes beside it, whose scenes have no motion")
    assets_of(config)
    todo = [Job(index) for index in range(config.scenes) if not (folder_of(out, index) / DESCRIPTIONS).exists()]
    threads = max(1, (os.cpu_count() or 1) // workers)
    with on_processes(partial(_describe, config, frames, threads), workers, lambda job: None) as executor:
        for job, future in as_finished(executor, todo):
            described = scene_of(job, future)
            make_output_folder(folder_of(out, job.index))
            lines = "".join(scene.to_json() + "\n" for scene in described)
            write_atomically(folder_of(out, job.index) / DESCRIPTIONS, lines.encode())
    for index in range(config.scenes):
        folder = folder_of(out, index)
        run = Run(replace(config, scenes=frames, from_scenes=folder / DESCRIPTIONS), folder, workers, ray)
        if run.total != frames:
            raise DatasetError(f"{folder} holds a video of {count(run.total, 'frame')}, but asked for was {frames}: "
                               "choose another --out")  # fmt: skip
        yield run


def _describe(config: GenerateConfig, frames: int, threads: int, job: Job) -> list[Scene]:
    """Find a scene for a video and describe its frames, in any process."""
    prepare_process(config, threads)
    assets, motion = assets_of(config), motion_of(job.index)
    look = replace(config, height=_LOOK_HW[0], width=_LOOK_HW[1], samples=1)
    for attempt in range(MOST_DRAWS):
        scene, rendering, _ = draw_scene(look, assets, job.index + attempt * _NEXT)
        order = np.argsort(-rendering.truth.visible_px, kind="stable")
        seen = tuple(int(index) for index in order if rendering.truth.visible_px[index])
        if len(seen) < LEAST_IN_SIGHT:
            continue
        rng = np.random.default_rng([scene_seed(config.seed, job.index, attempt), _STREAM])
        try:
            return film(scene, motion, Cast(rng, config.variety, assets, frames, seen))
        except UnsettledError:
            continue
    raise DatasetError(
        f"video {job.index}: expected a scene with {LEAST_IN_SIGHT} objects in sight, found none in {MOST_DRAWS} draws"
    )

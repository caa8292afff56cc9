"""A film of a table being cleared, as MuJoCo draws it: an MP4, and a small GIF beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from uois_sam.errors import UOISError
from uois_sam.grasping.pictures import animation
from uois_sam.io.files import write_atomically
from uois_sam.io.overlay import colours
from uois_sam.io.video_writer import VideoWriter
from uois_sam.types import ImageArray

SIZE_HW = (360, 480)
RATE = 20.0
"""Frames a second: with one every 0.1 s of simulated time, twice as fast as it happened."""
GIF_EVERY = 4
GIF_WIDTH_PX = 300


class Film:
    """Films a world; a context manager. The file appears at its end, whole.

    Args:
        path: of the MP4; the GIF has the same name.

    Raises:
        UOISError: if nothing can be drawn or written here.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = VideoWriter(path, RATE)
        self._renderer: Any = None
        self._small: list[ImageArray] = []
        self._frames = 0

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()
        if self._renderer is not None:
            self._renderer.close()
        if self._small:
            milliseconds = round(1000 * GIF_EVERY / RATE)
            write_atomically(self._path.with_suffix(".gif"), animation(self._small, milliseconds, GIF_WIDTH_PX))

    def __call__(self, model: Any, data: Any) -> None:
        """Take the next picture."""
        if self._renderer is None:
            self._open(model)
        self._renderer.update_scene(data, self._camera)
        picture = np.asarray(self._renderer.render())
        self._writer.add(picture, self._frames / RATE)
        if self._frames % GIF_EVERY == 0:
            self._small.append(picture)
        self._frames += 1

    def _open(self, model: Any) -> None:
        try:
            self._renderer = mujoco.Renderer(model, *SIZE_HW)
        except Exception as error:  # whatever the system's graphics raise
            raise UOISError(f"a film needs OpenGL, by a display or EGL (MUJOCO_GL=egl); found: {error}") from error
        names = [model.body(index).name for index in range(model.nbody)]
        objects = [index for index, name in enumerate(names) if name.startswith("object")]
        model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.45, 0.55
        for index, name in enumerate(names):
            if name.startswith("prop"):
                model.geom_rgba[model.geom_bodyid == index] = [0.8, 0.76, 0.7, 1.0]
        for index, colour in zip(objects, colours(len(objects)), strict=True):
            model.geom_rgba[model.geom_bodyid == index] = [*(colour / 255), 1.0]
        base = model.body("base").pos if "base" in names else np.array([0.6, 0.0, 0.0])
        self._camera = mujoco.MjvCamera()
        self._camera.lookat[:] = base / 2 + [0, 0, 0.12]
        self._camera.distance, self._camera.elevation = 1.45, -28.0
        self._camera.azimuth = float(np.rad2deg(np.arctan2(base[1], base[0]))) + 35.0  # looks towards the arm

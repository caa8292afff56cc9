"""``experiments/mujoco_photo.py``: its camera sees what the labels say. Rays in place of OpenGL, which CI may lack."""

from __future__ import annotations

import mujoco
import numpy as np

from scripts import load_script
from uois_sam.grasping.tables import TableConfig, draw_table, look
from uois_sam.synth.rendering.variants import choose_variant

CONFIG = TableConfig(objects=2, arrangement="packed", size_hw=(48, 64))


def test_objects_are_where_the_labels_have_them() -> None:
    choose_variant()
    scene = draw_table(3, CONFIG)
    _, labels = look(scene, CONFIG, photo=False)
    model = load_script("experiments/mujoco_photo.py").model_of(scene, CONFIG.size_hw)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    eye, axes = data.cam_xpos[0], data.cam_xmat[0].reshape(3, 3)
    height, width = CONFIG.size_hw
    half = np.tan(np.deg2rad(model.cam_fovy[0]) / 2)
    hit = np.full((height, width), -1, dtype=np.int32)
    geom = np.zeros(1, dtype=np.int32)
    for y in range(height):
        for x in range(width):
            seen = np.array([(2 * x + 1 - width) / height * half, (height - 2 * y - 1) / height * half, -1.0])
            ray = axes @ (seen / np.linalg.norm(seen))
            mujoco.mj_ray(model, data, eye, ray, None, 1, -1, geom)
            hit[y, x] = geom[0]
    names = np.array([*(model.geom(index).name for index in range(model.ngeom)), ""])
    for label in (1, 2):
        theirs, ours = np.char.startswith(names[hit], f"object{label - 1}_"), labels == label
        assert np.count_nonzero(theirs & ours) > 10
        assert np.count_nonzero(theirs ^ ours) <= 0.1 * np.count_nonzero(theirs | ours)

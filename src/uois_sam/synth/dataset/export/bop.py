"""BOP's layout: ``<out>/<split>_pbr/<scene>/{rgb,depth,mask,mask_visib}`` with ``scene_{camera,gt,gt_info}.json``.

Poses and depth in millimetres, pixel centres at integer coordinates, camera frame as OpenCV's: the format's own
conventions. Every shape has its own ``obj_id``; ``objects.json`` says which family and seed it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from uois_sam.io.encoding import encode_png
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.synth.dataset.annotations import LabelledObject, SceneAnnotation
from uois_sam.synth.dataset.config import PNG_LEVEL
from uois_sam.synth.dataset.export.hard_links import link_or_copy
from uois_sam.synth.dataset.reader import StoredScene, expect_amodal_masks
from uois_sam.synth.rendering.ground_truth import mask_box
from uois_sam.types import BoolArray

FRAMES_A_SCENE = 1000
"""As in BOP's own rendered training sets; the frames of a ``scene`` are unrelated."""

Entries = dict[str, dict[str, Any]]


def write_bop(scenes: list[StoredScene], out: Path, split: str) -> Iterator[StoredScene]:
    """Write scenes in BOP's layout; frame ``index`` goes to scene ``index // 1000`` under ``index % 1000``.

    Args:
        scenes: what to write, in order of their indices; they need amodal masks.
        out: folder that holds the splits.
        split: ``train`` or ``val``.

    Raises:
        DatasetError: if there are no amodal masks.
        OutputError: if a file cannot be written.
    """
    expect_amodal_masks(scenes)
    ids: dict[tuple[str, int], int] = {}
    for number, chunk in groupby(scenes, key=lambda scene: scene.annotation.index // FRAMES_A_SCENE):
        folder = out / f"{split}_pbr" / f"{number:06d}"
        for kind in ("rgb", "depth", "mask", "mask_visib"):
            make_output_folder(folder / kind)
        files: Entries = {"scene_camera": {}, "scene_gt": {}, "scene_gt_info": {}}
        for scene in chunk:
            frame = scene.annotation.index % FRAMES_A_SCENE
            for name, entry in _write_frame(scene, folder, frame, ids).items():
                files[name][str(frame)] = entry
            yield scene
        for name, entries in files.items():
            write_atomically(folder / f"{name}.json", json.dumps(entries, indent=1).encode())
    shapes = {str(number): {"family": family, "seed": seed} for (family, seed), number in ids.items()}
    write_atomically(out / "objects.json", json.dumps(shapes, indent=1).encode())


def _write_frame(scene: StoredScene, folder: Path, frame: int, ids: dict[tuple[str, int], int]) -> dict[str, Any]:
    """Write one frame's pictures; return its entries in the scene's three files."""
    annotation, name = scene.annotation, f"{frame:06d}.png"
    link_or_copy(scene.photo, folder / "rgb" / name)
    link_or_copy(scene.folder / "depth" / scene.photo.name, folder / "depth" / name)
    known = scene.depth_mm() > 0
    poses, infos = [], []
    for number, (one, visible, amodal) in enumerate(scene.masks()):
        mask_name = f"{frame:06d}_{number:06d}.png"
        write_atomically(folder / "mask" / mask_name, _mask_png(amodal))
        write_atomically(folder / "mask_visib" / mask_name, _mask_png(visible))
        shape = annotation.scene.objects[one.label - 1]
        poses.append({**_pose(annotation, one), "obj_id": ids.setdefault((shape.family, shape.seed), len(ids) + 1)})
        infos.append({
            "bbox_obj": _xywh(list(one.whole_box)), "bbox_visib": _xywh(mask_box(visible).tolist()),
            "px_count_all": one.whole_px, "px_count_valid": int((amodal & known).sum()),
            "px_count_visib": one.visible_px, "visib_fract": one.visible_px / one.whole_px,
        })  # fmt: skip
    return {"scene_camera": _camera(annotation), "scene_gt": poses, "scene_gt_info": infos}


def _camera(annotation: SceneAnnotation) -> dict[str, Any]:
    rotation, translation_mm = _split(np.array(annotation.camera_from_world))
    return {"cam_K": np.array(annotation.intrinsics).ravel().tolist(), "depth_scale": 1.0,
            "cam_R_w2c": rotation, "cam_t_w2c": translation_mm}  # fmt: skip


def _pose(annotation: SceneAnnotation, one: LabelledObject) -> dict[str, Any]:
    rotation, translation_mm = _split(np.array(annotation.camera_from_world) @ np.array(one.world_from_object))
    return {"cam_R_m2c": rotation, "cam_t_m2c": translation_mm}


def _split(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[list[float], list[float]]:
    """Rotation row by row, translation in millimetres."""
    return matrix[:3, :3].ravel().tolist(), (1000 * matrix[:3, 3]).tolist()


def _xywh(box_xyxy: list[int]) -> list[int]:
    x0, y0, x1, y1 = box_xyxy
    return [x0, y0, x1 - x0, y1 - y0]


def _mask_png(mask: BoolArray) -> bytes:
    return encode_png(np.where(mask, 255, 0).astype(np.uint8), PNG_LEVEL)

"""Small trees in the exact layouts of public data sets, made by functions that tests call with what they need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

HW = (4, 6)
PHOTO = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def save(path: Path, pixels: npt.NDArray[Any]) -> Path:
    """Write pixels in the format that the suffix names, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def save_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def columns(*values: int, dtype: str = "uint8") -> npt.NDArray[Any]:
    """A (4, 6) label map whose columns have these values, as many as given; the rest 0."""
    labels = np.zeros(HW, dtype)
    labels[:, : len(values)] = values
    return labels


def ocid_frame(root: Path, sequence: str, stem: str, labels: npt.NDArray[Any]) -> None:
    """One frame of OCID with depth; ``sequence`` is ``ARID20/floor/bottom/seq01`` or the like."""
    save(root / sequence / "rgb" / f"{stem}.png", PHOTO)
    save(root / sequence / "label" / f"{stem}.png", labels)
    save(root / sequence / "depth" / f"{stem}.png", np.full(HW, 1500, np.uint16))
    (root / sequence / "pcd").mkdir(exist_ok=True)
    (root / sequence / "pcd" / f"{stem}.pcd").touch()


def osd_frame(root: Path, name: str, labels: npt.NDArray[Any]) -> None:
    """One frame of OSD-0.2-depth."""
    save(root / "image_color" / f"{name}.png", PHOTO)
    save(root / "annotation" / f"{name}.png", labels)
    save(root / "disparity" / f"{name}.png", np.full(HW, 800, np.uint16))


def phocal_sequence(root: Path, number: int, masks: Sequence[npt.NDArray[Any]], depth_scale: float = 1000.0) -> None:
    """One sequence of PhoCAL with frames 000000, 000001, ..."""
    folder = root / f"sequence_{number}"
    for index, mask in enumerate(masks):
        save(folder / "rgb" / f"{index:06d}.png", PHOTO)
        save(folder / "mask" / f"{index:06d}.png", mask)
        save(folder / "depth" / f"{index:06d}.png", np.full(HW, 900, np.uint16))
    camera = {"fx": 600.0, "fy": 600.0, "cx": 3.0, "cy": 2.0, "width": 6, "height": 4, "depth_scale": depth_scale}
    save_json(folder / "scene_camera.json", {"rgb": camera})
    save_json(folder / "rgb_scene_gt.json", {str(index): [{"inst_id": 0}] for index in range(len(masks))})
    even, odd = np.arange(0, len(masks), 2), np.arange(1, len(masks), 2)
    np.savez(folder / "train_test_split.npz", train_idxs=even, test_idxs=odd)


def housecat_scene(root: Path, name: str, masks: Sequence[npt.NDArray[Any]]) -> None:
    """One scene of HouseCat6D; its pickled labels are bytes that no pickle starts with."""
    for index, mask in enumerate(masks):
        save(root / name / "rgb" / f"{index:06d}.png", PHOTO)
        save(root / name / "instance" / f"{index:06d}.png", mask)
        save(root / name / "depth" / f"{index:06d}.png", np.full(HW, 700, np.uint16))
        (root / name / "labels").mkdir(exist_ok=True)
        (root / name / "labels" / f"{index:06d}_label.pkl").write_bytes(b"not to be loaded")
    (root / name / "intrinsics.txt").write_text("600 0 3\n0 600 2\n0 0 1\n")
    (root / name / "meta.txt").touch()


def tod_scene(root: Path, folder: str, number: int) -> None:
    """One scene of TOD: view 0 empty, view 1 a table, views 2 to 6 with objects 2 and 3 on it."""
    scene = root / folder / f"scene_{number:05d}"
    for view in range(7):
        labels = {0: columns(0), 1: columns(1, 1)}.get(view, columns(1, 2, 3, 3))
        save(scene / f"segmentation_{view:05d}.png", labels)
        save(scene / f"rgb_{view:05d}.jpeg", PHOTO)
        save(scene / f"depth_{view:05d}.png", np.full(HW, 1200, np.uint16))
    save_json(scene / "scene_description.txt", {"views": 7})

"""Small trees in the exact layouts of public data sets, made by functions that tests call with what they need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam.io.masks import encode_mask

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


def rle(mask: npt.NDArray[Any]) -> dict[str, Any]:
    """Compressed COCO RLE of a mask."""
    return encode_mask(mask.astype(bool))


def uoais_sim(root: Path, split: str, images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]]) -> Path:
    """UOAIS-Sim's JSON file with these images and annotations, and a photo and depth (0.1 mm) for each image."""
    for image in images:
        save(root / split / image["file_name"], PHOTO)
        save(root / split / image["depth_file_name"], np.full(HW, 6000, np.uint16))
    content = {"info": {}, "licenses": [], "categories": [{"id": 1, "name": "object"}]}
    path = root / "annotations" / f"coco_anns_uoais_sim_{split}.json"
    return save_json(path, {**content, "images": images, "annotations": annotations})


def uoais_image(identity: int, place: str = "bin") -> dict[str, Any]:
    """The JSON entry of one image."""
    names = {"file_name": f"{place}/color/{identity}.png", "depth_file_name": f"{place}/depth/{identity}.png"}
    return {"id": identity, "height": HW[0], "width": HW[1], **names}


def uoais_annotation(identity: int, image: int, visible: npt.NDArray[Any], **other: Any) -> dict[str, Any]:
    """The JSON entry of one object, whose amodal mask is one column wider."""
    amodal = visible.astype(bool) | np.roll(visible.astype(bool), 1, axis=1)
    masks = {"segmentation": rle(amodal), "visible_mask": rle(visible), "occluded_mask": rle(amodal & (visible == 0))}
    entry = {"id": identity, "image_id": image, "category_id": 1, "iscrowd": 0, "area": int(visible.sum()), **masks}
    return {**entry, "occluded_rate": 0.25, **other}


def bop_scene(root: Path, scene: int, images: dict[int, Sequence[npt.NDArray[Any]]], depth_scale: float = 0.1) -> Path:
    """One scene of a BOP data set with the visible masks of each image's objects; object k is k tenths visible."""
    folder = root / f"{scene:06d}"
    for image, masks in images.items():
        save(folder / "rgb" / f"{image:06d}.png", PHOTO)
        save(folder / "depth" / f"{image:06d}.png", np.full(HW, 5000, np.uint16))
        (folder / "mask_visib").mkdir(exist_ok=True)
        for index, mask in enumerate(masks):
            save(folder / "mask_visib" / f"{image:06d}_{index:06d}.png", (mask > 0).astype(np.uint8) * 255)
    pose = {"cam_R_m2c": [1, 0, 0, 0, 1, 0, 0, 0, 1], "cam_t_m2c": [0, 0, 500.0], "obj_id": 3}
    save_json(folder / "scene_gt.json", {str(image): [pose] * len(masks) for image, masks in images.items()})
    info = {str(image): [{"visib_fract": k / 10} for k in range(len(masks))] for image, masks in images.items()}
    save_json(folder / "scene_gt_info.json", info)
    camera = {"cam_K": [600, 0, 3, 0, 600, 2, 0, 0, 1], "depth_scale": depth_scale}
    save_json(folder / "scene_camera.json", {str(image): camera for image in images})
    return folder

"""UOAIS-Sim's layout: photos by kind of place, one COCO file a split with visible, amodal and occluded masks.

``<out>/annotations/coco_anns_uoais_sim_<split>.json`` and ``<out>/<split>/{bin,tabletop}/{color,depth}/<index>.png``.
Depth is uint16 in 0.1 mm as there: 0 beyond 6.55 m.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from uois_sam.io.encoding import encode_png
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.io.masks import encode_mask
from uois_sam.synth.dataset.config import PNG_LEVEL
from uois_sam.synth.dataset.export.hard_links import link_or_copy
from uois_sam.synth.dataset.reader import StoredScene, expect_amodal_masks
from uois_sam.synth.rendering.ground_truth import mask_box

BIN_PLACES = frozenset({"bin", "tray", "drawer"})
"""Places that count as bins in UOAIS-Sim; all others count as table tops."""
DEPTH_STEPS_PER_MM = 10


def write_uoais(scenes: list[StoredScene], out: Path, split: str) -> Iterator[StoredScene]:
    """Write scenes in UOAIS-Sim's layout; image ids count from 1, bins first, as in the original.

    Args:
        scenes: what to write; they need amodal masks.
        out: folder that holds the splits.
        split: ``train`` or ``val``.

    Raises:
        DatasetError: if there are no amodal masks.
        OutputError: if a file cannot be written.
    """
    expect_amodal_masks(scenes)
    for subset in ("bin", "tabletop"):
        for kind in ("color", "depth"):
            make_output_folder(out / split / subset / kind)
    make_output_folder(out / "annotations")
    ordered = sorted(scenes, key=lambda scene: (subset_of(scene) != "bin", scene.annotation.index))
    images = []
    annotations: list[str] = []  # as text: an eighth of the memory of the same in dictionaries
    for image_id, scene in enumerate(ordered, 1):
        images.append(_place_image(scene, image_id, out / split))
        annotations += (json.dumps(each) for each in _annotations(scene, image_id, len(annotations) + 1))
        yield scene
    path = out / "annotations" / f"coco_anns_uoais_sim_{split}.json"
    write_atomically(path, lambda file: _write_json(file, images, annotations))


def subset_of(scene: StoredScene) -> str:
    """``bin`` or ``tabletop``."""
    return "bin" if scene.annotation.scene.place in BIN_PLACES else "tabletop"


def _place_image(scene: StoredScene, image_id: int, folder: Path) -> dict[str, Any]:
    """Put photo and depth below the split's folder; return the entry in ``images``."""
    subset, name = subset_of(scene), scene.photo.name
    height, width = scene.annotation.size_hw
    link_or_copy(scene.photo, folder / subset / "color" / name)
    write_atomically(folder / subset / "depth" / name, _depth_png(scene.depth_mm()))
    return {"id": image_id, "file_name": f"{subset}/color/{name}", "depth_file_name": f"{subset}/depth/{name}",
            "height": height, "width": width}  # fmt: skip


def _annotations(scene: StoredScene, image_id: int, first_id: int) -> Iterator[dict[str, Any]]:
    for annotation_id, (one, visible, amodal) in enumerate(scene.masks(), first_id):
        x0, y0, x1, y1 = mask_box(amodal).tolist()
        yield {
            "id": annotation_id, "image_id": image_id, "category_id": 1, "iscrowd": 0,
            "bbox": [x0, y0, x1 - x0, y1 - y0], "area": int(amodal.sum()), "segmentation": encode_mask(amodal),
            "visible_mask": encode_mask(visible), "occluded_mask": encode_mask(amodal & ~visible),
            "occluded_rate": 1 - one.visible_fraction,
        }  # fmt: skip


def _write_json(file: BinaryIO, images: list[dict[str, Any]], annotations: list[str]) -> None:
    head = {"info": {"description": "made by uois-sam generate"}, "licenses": [],
            "categories": [{"id": 1, "name": "object", "supercategory": "object"}], "images": images}  # fmt: skip
    file.write(json.dumps(head)[:-1].encode() + b', "annotations": [')
    for index, line in enumerate(annotations):
        file.write((b", " if index else b"") + line.encode())
    file.write(b"]}")


def _depth_png(depth_mm: npt.NDArray[np.uint16]) -> bytes:
    steps = depth_mm.astype(np.int64) * DEPTH_STEPS_PER_MM
    return encode_png(np.where(steps <= 65535, steps, 0).astype(np.uint16), PNG_LEVEL)

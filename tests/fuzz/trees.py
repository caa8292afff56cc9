"""Small valid inputs that cases start from, made anew in a folder for each."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dataset_trees import (
    bop_scene,
    columns,
    housecat_scene,
    ocid_frame,
    osd_frame,
    phocal_sequence,
    save,
    tod_scene,
    uoais_annotation,
    uoais_image,
    uoais_sim,
)
from uois_sam.io.masks import encode_mask

MASKS = [columns(1, 1), columns(0, 0, 0, 1, 1)]


def picture(rng: random.Random, folder: Path) -> Path:
    """A photo of some format and mode."""
    suffix, mode = rng.choice([
        ("png", "RGB"), ("png", "L"), ("png", "RGBA"), ("png", "P"), ("png", "I;16"), ("png", "1"), ("png", "LA"),
        ("jpg", "RGB"), ("jpg", "L"), ("jpg", "CMYK"), ("tif", "RGB"), ("tif", "I;16"), ("tif", "L"), ("tif", "F"),
        ("webp", "RGB"), ("webp", "RGBA"), ("gif", "P"), ("bmp", "RGB"), ("ppm", "RGB"), ("pgm", "L"), ("jp2", "RGB"),
    ])  # fmt: skip
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (24, 32, 3), np.uint8)
    deep = mode in ("I;16", "F")
    image = Image.fromarray(noise[:, :, 0].astype(np.uint16 if mode == "I;16" else np.float32)) if deep else (
        Image.fromarray(noise).convert(mode))  # fmt: skip
    options: dict[str, Any] = {}
    if suffix == "jpg":
        options = {"progressive": rng.random() < 0.3, "quality": rng.choice((30, 95))}
    if suffix == "tif":
        options = {"compression": rng.choice((None, "tiff_lzw", "tiff_deflate", "packbits"))}
    if suffix in ("gif", "tif", "webp") and not deep and rng.random() < 0.3:
        options |= {"save_all": True, "append_images": [image, image]}
    path = folder / f"photo.{suffix}"
    image.save(path, **options)
    return path


def coco(root: Path) -> Path:
    """UOAIS-Sim with masks in every encoding; returns its annotation file."""
    images = [uoais_image(30), uoais_image(4, "tabletop")]
    polygons = [[1, 0, 3, 0, 3, 4, 1, 4], [0, 0, 2, 0, 2, 2]]
    annotations = [
        uoais_annotation(5, 30, columns(0, 1)),
        uoais_annotation(7, 30, columns(0, 0, 1), visible_mask=polygons),
        uoais_annotation(9, 4, columns(1), visible_mask={"size": [4, 6], "counts": [4, 8, 12]}),
        uoais_annotation(11, 4, columns(0, 0, 0, 1), iscrowd=1),
    ]
    return uoais_sim(root, "train", images, annotations)


def dataset(rng: random.Random, root: Path) -> tuple[str, dict[str, Any]]:
    """A data set of some kind; returns its name and the options to open it with."""
    name = rng.choice(("bop", "phocal", "ocid", "osd", "housecat6d", "tod", "folder", "folder", "flat"))
    if name == "bop":
        bop_scene(root / "test", 1, {0: MASKS, 3: MASKS[:1]})
    elif name == "phocal":
        phocal_sequence(root, 1, [columns(1, 2), columns(2)])
        return name, {"partial": True, "every": 1, "depth": True, "split": rng.choice(("all", "train"))}
    elif name == "ocid":
        ocid_frame(root, "ARID20/floor/bottom/seq01", "result_1", columns(1, 2, 3))
        ocid_frame(root, "YCB10/table/top/mixed/seq02", "result_2", columns(1, 2, 3, 4))
    elif name == "osd":
        osd_frame(root, "learn0", columns(1, 2))
        osd_frame(root, "test3", columns(1))
    elif name == "housecat6d":
        housecat_scene(root, "scene01", [columns(1, 2), columns(3)])
        return name, {"partial": True, "every": 1, "depth": True}
    elif name == "tod":
        tod_scene(root, "training_set", 0)
        return name, {"depth": True}
    else:
        folder(root, flat=name == "flat")
        return "folder", {"depth": True, "partial": rng.random() < 0.5}
    return name, {"partial": True, "depth": True}


def folder(root: Path, flat: bool = False) -> None:
    """A labelled folder of two photos with everything that may lie beside them."""
    photo = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    for name in ("a", "b"):
        where = {kind: root / f"{name}_{kind}.png" for kind in ("label", "ignore", "depth")} if flat else {
            kind: root / kind / f"{name}.png" for kind in ("label", "ignore", "depth")}  # fmt: skip
        save(root / f"{name}.png" if flat else root / "rgb" / f"{name}.png", photo)
        save(where["label"], columns(1, 1, 2, dtype="uint16"))
        save(where["ignore"], columns(0, 0, 0, 0, 255))
        save(where["depth"], np.full((4, 6), 700, np.uint16))


def native(root: Path) -> None:
    """Two scenes as ``uois-sam generate`` writes them, made up."""
    from uois_sam.synth.dataset.annotations import LabelledObject, SceneAnnotation
    from uois_sam.synth.scene import Camera, Lamp, ObjectSpec, Pose, Prop, Scene, Sky, Surface

    surface = Surface("plain", 1)
    eye = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))
    labels = columns(1, 1, 0, 2, 2, dtype="uint16")
    objects = tuple(ObjectSpec("can", k, (surface,), Pose()) for k in (1, 2))
    scene = Scene(
        1, "table", "scattered", "ceiling", objects, (Prop("box", (1.0, 1.0, 0.1), surface, Pose()),),
        (Lamp((0.0, 0.0, 2.0), 0.5, (9.0, 9.0, 9.0)),), Sky(), Camera((0.0, -1.0, 1.0), (0.0, 0.0, 0.0), 50.0, 0.0),
    )  # fmt: skip
    labelled = tuple(LabelledObject(k, "can", eye, 8, 8, 9, (0, 0, 2, 4)) for k in (1, 2))
    annotation = SceneAnnotation(
        0, (4, 6), tuple(row[:3] for row in eye[:3]), eye, labelled, 0, {}, scene
    )  # fmt: skip
    lines = []
    for index in (0, 1):
        name = f"{index:06d}"
        save(root / "rgb" / f"{name}.png", np.full((4, 6, 3), 90 + index, np.uint8))
        save(root / "label" / f"{name}.png", labels)
        save(root / "depth" / f"{name}.png", np.full((4, 6), 900, np.uint16))
        amodal = {str(k): encode_mask(labels == k) for k in (1, 2)}
        (root / "amodal").mkdir(exist_ok=True)
        (root / "amodal" / f"{name}.json").write_text(json.dumps(amodal))
        lines.append(replace(annotation, index=index).to_json())
    (root / "scenes.jsonl").write_text("\n".join(lines) + "\n")


def model_folder(root: Path) -> None:
    """A tiny compact model with random weights."""
    import torch

    from uois_sam.checkpoints.compact import compact_networks
    from uois_sam.checkpoints.folder import card_settings
    from uois_sam.checkpoints.loading import save
    from uois_sam.models.compact.efficientnet import Stage
    from uois_sam.models.compact.encoder import CompactConfig
    from uois_sam.models.compact.model import CompactModel
    from uois_sam.training.train_compact import make_card

    stages = tuple(Stage(1, 3, stride, 2, channels) for stride, channels in ((1, 8), (2, 8), (2, 8), (2, 16), (2, 16)))
    config = CompactConfig((96, 128), 8, stages, 16, 8, 1, 2, 8, 4, 8, 16, 8)
    card = make_card(config, {"random": True}, name="tiny")
    save(compact_networks(CompactModel(config), "tiny", torch.device("cpu")), card, card_settings(card), root)


def as_plain(instance: Any) -> dict[str, Any]:
    """A dataclass as JSON holds it."""
    return dict(json.loads(json.dumps(asdict(instance))))


_FACES = ("132", "143", "567", "578", "126", "165", "237", "276", "348", "387", "415", "458")
CUBE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1\nvt 0 0\nvt 1 0\nvt 1 1\n" + "".join(
    f"f {a}/1 {b}/2 {c}/3\n" for a, b, c in _FACES
)
"""A cube of 1 unit as OBJ."""

"""The classes of cases: each makes its input in a folder from a seeded generator, and reads it as the product does."""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import state_cases, trees
from fuzz.mutations import HOSTILE, json_text, mutate_bytes, mutate_json, mutate_tree
from uois_sam.datasets import open_dataset
from uois_sam.datasets.labels import read_label_map
from uois_sam.errors import UOISError
from uois_sam.io.images import read_photo

Case = Callable[[random.Random, Path], None]


def photos(rng: random.Random, folder: Path) -> None:
    """Photos with changed bytes."""
    path = trees.picture(rng, folder)
    path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    _read_picture(path)


def special_photos(rng: random.Random, folder: Path) -> None:
    """Files that claim to be photos and are none, or have no end."""
    path = folder / f"x{rng.choice(('.png', '.jpg', '.tif', '.ppm', '.gif', '.webp', '.bmp'))}"
    kind = rng.randrange(9)
    if kind == 0 and hasattr(os, "mkfifo"):
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.write_bytes(rng.choice((b"P6", b"P5", b"P1", b"P2", b"P3", b"P7")) + b" #" + b"x" * 10**6)
    elif kind == 3:
        path.write_bytes(b"P2\n9 9\n255\n" + b"# c\n" * 10**5)
    elif kind == 4:
        path.write_bytes(_tiff_of_pages(rng.choice((3, 100_000))))
    elif kind == 5:
        path.write_bytes(rng.choice((b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GRIB", b"BUFR", b"\x89HDF\r\n\x1a\n")) + bytes(99))
    elif kind == 6:
        path.write_bytes(b"P5 %d %d 255 " % (rng.choice((0, 1, 10**4, 10**5)), rng.choice((0, 1, 10**4, 10**9))))
    elif kind == 7:
        path = folder / rng.choice(("\0.png", "\ud800.png", "x" * 300 + ".png"))
    else:
        path.write_bytes(rng.randbytes(rng.choice((0, 1, 99, 10**5))))
    _read_picture(path)


def _read_picture(path: Path) -> None:
    for read in (read_photo, read_label_map):
        try:
            read(path)
        except UOISError:
            continue


def _tiff_of_pages(pages: int) -> bytes:
    """A grey pixel a page, all pages sharing it."""
    head = b"II*\0" + (8).to_bytes(4, "little")
    tags = ((256, 4, 1), (257, 4, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (279, 4, 1))
    size = 2 + 12 * len(tags) + 4
    content = bytearray(head)
    for page in range(pages):
        following = 0 if page == pages - 1 else 8 + (page + 1) * size
        content += len(tags).to_bytes(2, "little")
        for tag, kind, value in tags:
            content += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little")
            content += value.to_bytes(4, "little")
        content += following.to_bytes(4, "little")
    return bytes(content)


def coco(rng: random.Random, folder: Path) -> None:
    """COCO files with changed values or bytes."""
    path = trees.coco(folder)
    path.write_bytes(json_text(rng, json.loads(path.read_text())))
    _read_all("uoais-sim", folder, {"depth": True})


def datasets(rng: random.Random, folder: Path) -> None:
    """Trees of the other data sets with changed files."""
    name, options = trees.dataset(rng, folder)
    mutate_tree(rng, folder)
    _read_all(name, folder, options)


def _read_all(name: str, root: Path, options: dict[str, Any]) -> None:
    data = open_dataset(name, root, **options)
    for index in range(len(data)):
        try:
            sample = data[index]
        except UOISError:
            continue
        assert sample.labels.dtype == np.uint16
        assert sample.labels.shape == sample.image.shape[:2]
        json.dumps(dict(sample.notes))
    json.dumps([data.names, data.notes]).encode()


def native(rng: random.Random, folder: Path) -> None:
    """Scenes of our own with changed files, read back and converted."""
    from uois_sam.synth.dataset.export import EXPORTERS
    from uois_sam.synth.dataset.reader import read_descriptions, read_scenes

    data = folder / "scenes"
    trees.native(data)
    if rng.random() < 0.6:
        log = data / "scenes.jsonl"
        lines = log.read_bytes().splitlines()
        lines[0] = json_text(rng, json.loads(lines[0])).replace(b"\n", b" ")
        log.write_bytes(b"\n".join(lines) + b"\n")
    else:
        mutate_tree(rng, data)
    for read in (lambda: read_descriptions(data / "scenes.jsonl"), lambda: _read_all("folder", data, {"depth": True})):
        try:
            read()
        except UOISError:
            continue
    scenes = read_scenes(data)
    for name, write in EXPORTERS.items():
        try:
            list(write(scenes, folder / name, "train"))
        except UOISError:
            continue


def predictions(rng: random.Random, folder: Path) -> None:
    """Predictions and reports with changed files."""
    from uois_sam.evaluation.frame_scores import Prediction
    from uois_sam.evaluation.predictions import PredictionFolder
    from uois_sam.evaluation.report.report import read_report

    predicted = PredictionFolder(folder / "predictions")
    predicted.claim({"name": "m", "kind": "model"})
    predicted.write("a/b", Prediction(trees.columns(1, 2, dtype="uint16"), {1: 0.5, 2: 0.25}, 0.1))
    record = folder / "predictions" / "a" / "b.json"
    if rng.random() < 0.5:
        segmented = {"instances": [{"score": 0.5, "segmentation": {}}, {"score": 0.25}]}
        record.write_bytes(json_text(rng, rng.choice((segmented, json.loads(record.read_text())))))
    else:
        mutate_tree(rng, folder / "predictions")
    (folder / "report.json").write_bytes(json_text(rng, {"format": 1, "scores": {"all_frames": {"over_75": 1}}}))
    for read in (
        lambda: predicted.read("a/b"), predicted.method, lambda: predicted.check_complete(["a/b"]),
        lambda: predicted.claim({"name": "m", "kind": "model"}), lambda: read_report(folder / "report.json"),
    ):  # fmt: skip
        try:
            read()
        except UOISError:
            continue


def models(rng: random.Random, folder: Path) -> None:
    """Model folders with changed cards or weights, loaded and used."""
    from uois_sam import UOISSAM

    trees.model_folder(folder / "model")
    card = folder / "model" / "model.json"
    kind = rng.randrange(4)
    if kind == 0:
        mutate_tree(rng, folder / "model")
    else:
        content = json.loads(card.read_text())
        part = rng.choice(("architecture", "selection"))
        if kind == 1:
            card.write_bytes(json_text(rng, content))
        else:
            card.write_text(json.dumps({**content, part: mutate_json(rng, content[part])}))
    model = UOISSAM.from_pretrained(folder / "model", device="cpu")
    model.predict(np.zeros((48, 64, 3), np.uint8))


def settings(rng: random.Random, folder: Path) -> None:
    """Values of settings and of options that data sets take."""
    from uois_sam.config import InferenceConfig
    from uois_sam.datasets import DATASETS, dataset_options

    names = [each.name for each in fields(InferenceConfig)]
    try:
        made = InferenceConfig(**{rng.choice(names): rng.choice(HOSTILE) for _ in range(rng.choice((1, 2)))})
        json.dumps(trees.as_plain(made))
    except UOISError:
        pass
    trees.folder(folder)
    name = rng.choice(sorted(DATASETS))
    option = rng.choice([*dataset_options(name), "nonsense"])
    with contextlib.suppress(UOISError):
        _read_all(name, folder, {option: rng.choice(HOSTILE)})


def meshes(rng: random.Random, folder: Path) -> None:
    """Meshes with changed bytes."""
    from uois_sam.synth.assets import convex_pieces
    from uois_sam.synth.assets.user_meshes import load_meshes

    convex_pieces.SECONDS = 5.0  # well within the limit of a case
    suffix, content = rng.choice(_meshes())
    (folder / "meshes").mkdir()
    (folder / "meshes" / f"part{suffix}").write_bytes(mutate_bytes(rng, content))
    load_meshes(folder / "meshes", rng.choice((1.0, 0.1)), folder / "cache")


def _meshes() -> list[tuple[str, bytes]]:
    import trimesh

    box = trimesh.creation.box((0.1, 0.2, 0.1))
    exported = [(f".{kind}", box.export(file_type=kind)) for kind in ("ply", "stl", "glb")]
    return [(".obj", trees.CUBE.encode()), *((suffix, bytes(content)) for suffix, content in exported)]


CLASSES: dict[str, Case] = {
    "photos": photos, "special photos": special_photos, "coco": coco, "data sets": datasets, "native": native,
    "predictions": predictions, "models": models, "settings": settings, "meshes": meshes,
    **state_cases.CLASSES,
}  # fmt: skip

"""Intrinsics as data sets state them, read with the depth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_trees import (
    HW,
    bop_scene,
    columns,
    housecat_scene,
    osd_frame,
    phocal_sequence,
    save,
    save_json,
    tod_scene,
)
from uois_sam.datasets import open_dataset
from uois_sam.errors import DatasetError
from uois_sam.types import Camera

SMALL = Camera(600.0, 600.0, 3.0, 2.0)


def camera(kind: str, root: Path, **options: object) -> Camera | None:
    return open_dataset(kind, root, depth=True, partial=True, **options)[0].camera


def labelled(root: Path) -> Path:
    save(root / "rgb" / "000004.png", np.zeros((*HW, 3), np.uint8))
    save(root / "label" / "000004.png", columns(1))
    save(root / "depth" / "000004.png", np.full(HW, 700, np.uint16))
    return root


def test_of_published_data_sets(tmp_path: Path) -> None:
    osd_frame(tmp_path / "osd", "learn0", columns(1))
    assert camera("osd", tmp_path / "osd") == Camera(525, 525, 319.5, 239.5)
    phocal_sequence(tmp_path / "phocal", 1, [columns(1)])
    assert camera("phocal", tmp_path / "phocal") == SMALL
    housecat_scene(tmp_path / "housecat", "scene01", [columns(1)])
    assert camera("housecat6d", tmp_path / "housecat") == SMALL
    bop_scene(tmp_path / "bop" / "test", 1, {0: [columns(1)]})
    assert camera("bop", tmp_path / "bop") == SMALL
    tod_scene(tmp_path / "tod", "test_set", 0)
    found = camera("tod", tmp_path / "tod", split="test")
    assert found is not None and 2 * np.degrees(np.arctan(240 / found.fy)) == pytest.approx(45)


def test_without_depth_none_is_read(tmp_path: Path) -> None:
    osd_frame(tmp_path, "learn0", columns(1))
    assert open_dataset("osd", tmp_path, partial=True)[0].camera is None


def test_of_a_folder_for_one_photo_or_for_all(tmp_path: Path) -> None:
    root = labelled(tmp_path)
    assert camera("folder", root) is None
    save_json(root / "camera.json", {"fx": 1, "fy": 2, "cx": 3, "cy": 4, "note": "for all"})
    assert camera("folder", root) == Camera(1, 2, 3, 4)
    save_json(root / "camera" / "000004.json", {"fx": 5, "fy": 6, "cx": 7, "cy": 8})
    assert camera("folder", root) == Camera(5, 6, 7, 8)
    flat = tmp_path / "flat"
    for ending, pixels in (
        (".png", np.zeros((*HW, 3), np.uint8)), ("_label.png", columns(1)), ("_depth.png", np.full(HW, 700, np.uint16)),
    ):  # fmt: skip
        save(flat / f"a{ending}", pixels)
    save_json(flat / "a_camera.json", {"fx": 5, "fy": 6, "cx": 7, "cy": 8})
    assert camera("folder", flat) == Camera(5, 6, 7, 8)


def test_of_a_rendered_scene(tmp_path: Path) -> None:
    root = labelled(tmp_path)
    record = {"index": 4, "intrinsics": [[687.1, 0, 319.5], [0, 687.1, 239.5], [0, 0, 1]], "objects": []}
    (root / "scenes.jsonl").write_text(json.dumps(record) + "\n")
    assert camera("folder", root) == Camera(687.1, 687.1, 319.5, 239.5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"fx": 1}, "expected the field fy, found none"),
        ({"fx": 0, "fy": 2, "cx": 3, "cy": 4}, "fx: expected"),
        ({"K": [1, 2, 3]}, "expected intrinsics as fx, fy, cx and cy in pixels, found none of them"),
        ([1, 2], "expected named entries"),
    ],
)
def test_a_camera_file_of_other_content(tmp_path: Path, content: object, said: str) -> None:
    save_json(labelled(tmp_path) / "camera.json", content)
    with pytest.raises(DatasetError, match=said) as caught:
        camera("folder", tmp_path)
    assert "camera.json" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["600 0 3", "600 x 3 0 600 2 0 0 1", "600 5 3 0 600 2 0 0 1", "-600 0 3 0 600 2 0 0 1"]
)
def test_a_text_file_that_is_no_camera(tmp_path: Path, text: str) -> None:
    housecat_scene(tmp_path, "scene01", [columns(1)])
    (tmp_path / "scene01" / "intrinsics.txt").write_text(text)
    with pytest.raises(DatasetError, match=r"intrinsics.txt"):
        camera("housecat6d", tmp_path)

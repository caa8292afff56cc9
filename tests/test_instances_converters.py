"""Instances as files and as the objects of other libraries."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import OutputError, UOISError
from uois_sam.exchange.native import read_record
from uois_sam.instances import Instances

MASKS = np.zeros((2, 4, 6), np.bool_)
MASKS[0, 1:3, 1:4] = True
MASKS[1, 3, 5] = True
SCORES = np.array([0.75, 0.5], np.float32)


def found(image: bool = True) -> Instances:
    boxes = np.array([[1, 1, 4, 3], [5, 3, 6, 4]], np.float32)
    photo = np.full((4, 6, 3), 90, np.uint8) if image else None
    return Instances(MASKS, SCORES, boxes, boxes[:, :2], model="m-1", image=photo)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_saved_files_are_those_of_the_command(tmp_path: Path) -> None:
    found().save(tmp_path, "cup", ("native", "coco", "labelme"))
    assert files(tmp_path) == [
        "coco/annotations/instances_default.json", "coco/results.json", "cup.json", "cup_label.png", "cup_overlay.jpg",
        "labelme/cup.json", "labelme/cup.png",
    ]  # fmt: skip
    schema = json.loads((Path(__file__).parents[1] / "docs/reference/segment.schema.json").read_text())
    pytest.importorskip("jsonschema").validate(json.loads((tmp_path / "cup.json").read_text()), schema)
    with Image.open(tmp_path / "cup_label.png") as label:
        assert np.array_equal(np.asarray(label), found().label_map())
    again = read_record(tmp_path / "cup.json")
    assert np.array_equal(again.masks, MASKS) and again.scores is not None and again.scores.tolist() == [0.75, 0.5]


@pytest.mark.parametrize("height", [-4, 0, 4.5])
def test_a_record_of_a_photo_that_cannot_be(tmp_path: Path, height: float) -> None:
    found().save(tmp_path, "cup", ("native",))
    record = json.loads((tmp_path / "cup.json").read_text())
    (tmp_path / "cup.json").write_text(json.dumps({**record, "height": height}))
    with pytest.raises(OutputError, match=r"cup.json: height, width"):
        read_record(tmp_path / "cup.json")


def test_without_the_photo_there_is_no_overlay(tmp_path: Path) -> None:
    found(image=False).save(tmp_path)
    assert files(tmp_path) == ["photo.json", "photo_label.png"]


def test_what_cannot_be_saved_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UOISError, match="found 'cocos'; did you mean coco"):
        found().save(tmp_path, formats=["cocos"])
    with pytest.raises(UOISError, match="grasp planners need photo, depth and intrinsics, found no depth"):
        found().save(tmp_path, formats=["grasp"])


def test_labelme_content() -> None:
    content = found().to_labelme("photos/cup.jpg", polygons=True)
    assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == ("cup.jpg", 4, 6)
    first, second = content["shapes"]
    assert first["shape_type"] == "polygon" and sorted(map(tuple, first["points"])) == [(1, 1), (1, 3), (4, 1), (4, 3)]
    assert second["score"] == 0.5 and set(first) >= {"label", "points", "group_id", "shape_type", "flags"}


def test_what_transformers_returns() -> None:
    content = found().to_hf()
    assert [mask.dtype for mask in content["masks"]] == [np.bool_] * 2
    assert content["scores"].tolist() == [0.75, 0.5]


def test_libraries_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("supervision", "fiftyone"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UOISError, match=f"needs the package '{package}': pip install {package}"):
            getattr(found(), f"to_{package}")()


def stand_in(name: str, *kinds: str) -> ModuleType:
    """A module whose classes keep their arguments."""
    module = ModuleType(name)
    for kind in kinds:
        setattr(module, kind, type(kind, (), {"__init__": lambda self, **given: self.__dict__.update(given)}))
    return module


def test_arguments_of_supervision_and_fiftyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", stand_in("supervision", "Detections"))
    monkeypatch.setitem(sys.modules, "fiftyone", stand_in("fiftyone", "Detections", "Detection"))
    detections: Any = found().to_supervision()
    assert detections.xyxy.tolist() == [[1, 1, 4, 3], [5, 3, 6, 4]] and detections.mask is not None
    assert detections.class_id.tolist() == [0, 0] and detections.confidence.tolist() == [0.75, 0.5]
    first, second = found().to_fiftyone().detections
    assert first.bounding_box == pytest.approx([1 / 6, 1 / 4, 3 / 6, 2 / 4]) and first.mask.shape == (2, 3)
    assert (second.label, second.confidence) == ("object", 0.5)


def test_ids_of_tracked_objects_go_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", stand_in("supervision", "Detections"))
    plain, tracked = found(), replace(found(), ids=np.array([7, 3]))
    assert plain.to_supervision().tracker_id is None
    assert tracked.to_supervision().tracker_id.tolist() == [7, 3]
    assert [row.get("track_id") for row in plain.to_coco()] == [None, None]
    assert [row["track_id"] for row in tracked.to_coco()] == [7, 3]
    assert tracked[[1]].ids.tolist() == [3] and tracked[0].id == 7 and plain[0].id is None
    assert np.unique(tracked.id_map()).tolist() == [0, 3, 7]
    with pytest.raises(UOISError, match="id_map needs ids"):
        plain.id_map()

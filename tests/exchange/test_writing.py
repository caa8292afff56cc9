"""Writers: what each format cannot hold, what is counted, and files over all photos."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from PIL import Image

from uois_sam.errors import OutputError, UOISError
from uois_sam.exchange.format import FormatOptions
from uois_sam.exchange.label_studio import brush_rle
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.exchange.registry import FORMATS, open_formats
from uois_sam.exchange.voc import voc_palette
from uois_sam.exchange.writing import FormatWriter, write_photos


def photo(name: str = "a.png", **other: Any) -> LabelledPhoto:
    masks = np.zeros((2, 4, 6), np.bool_)
    masks[0, :2, :3] = True
    masks[1, 1:, 2:] = True
    return LabelledPhoto(name, masks, np.array([0.9, 0.5], np.float32), image=np.zeros((4, 6, 3), np.uint8), **other)


ALL_BUT_GRASP = [name for name in FORMATS if name != "grasp"]


def test_empty_masks_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = photo()
    empty = replace(whole, masks=np.concatenate([whole.masks[:1], np.zeros((1, 4, 6), np.bool_)]))
    notes = write_photos([empty], tmp_path, open_formats(ALL_BUT_GRASP))
    assert {key: number for key, number in notes.items() if "empty" in key} == {
        f"{name}: empty masks left out": 1 for name in ALL_BUT_GRASP
    }
    assert len(json.loads((tmp_path / "coco/results.json").read_text())) == 1


def test_a_photo_without_objects_is_written(tmp_path: Path) -> None:
    none = replace(photo(), masks=np.zeros((0, 4, 6), np.bool_), scores=np.zeros(0, np.float32))
    write_photos([none], tmp_path, open_formats(ALL_BUT_GRASP))
    assert json.loads((tmp_path / "coco/results.json").read_text()) == []
    assert json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())["images"][0]["id"] == 1
    assert (tmp_path / "yolo/labels/a.txt").read_text() == ""
    assert json.loads((tmp_path / "labelme/a.json").read_text())["shapes"] == []


def test_labels_without_scores_are_no_results(tmp_path: Path) -> None:
    write_photos([replace(photo(), scores=None)], tmp_path, open_formats(["coco"]))
    rows = json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())["annotations"]
    assert len(rows) == 2 and "score" not in rows[0]
    assert not (tmp_path / "coco/results.json").exists()


def test_categories_get_numbers_and_unknown_ones_are_added_or_refused(tmp_path: Path) -> None:
    named = photo(categories=("cup", "spoon"))
    write_photos([named], tmp_path, open_formats(["coco"], FormatOptions(names=("spoon",))))
    content = json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())
    assert {each["name"]: each["id"] for each in content["categories"]} == {"spoon": 1, "cup": 2}
    assert [row["category_id"] for row in content["annotations"]] == [2, 1]
    for name in ("yolo", "voc"):
        with pytest.raises(UOISError, match="a.png: expected categories out of spoon, found cup"):
            write_photos([named], tmp_path, open_formats([name], FormatOptions(names=("spoon",))))


def test_voc_holds_254_objects(tmp_path: Path) -> None:
    many = np.zeros((255, 16, 16), np.bool_)
    many[np.arange(255), np.arange(255) // 16, np.arange(255) % 16] = True
    with pytest.raises(UOISError, match="VOC's maps hold 254 objects, found 255"):
        write_photos([LabelledPhoto("a.png", many)], tmp_path, open_formats(["voc"]))
    write_photos([LabelledPhoto("a.png", many[:254])], tmp_path, open_formats(["voc"]))
    with Image.open(tmp_path / "voc/SegmentationObject/a.png") as picture:
        assert np.asarray(picture).max() == 254


def test_colours_are_those_of_voc() -> None:
    assert voc_palette()[[0, 1, 2, 15, 255]].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 128, 128], [224, 224, 192]
    ]  # fmt: skip


def test_two_photos_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected one photo called a, found two"):
        write_photos([photo("a.png"), photo("a.jpg")], tmp_path, open_formats(["coco"]))
    assert not list(tmp_path.rglob("*.json"))


def test_earlier_files_stay_when_a_run_fails(tmp_path: Path) -> None:
    write_photos([photo()], tmp_path, open_formats(["coco"]))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}

    def stopped() -> None:
        with FormatWriter(tmp_path, open_formats(["coco"])) as writer:
            writer.add(photo("b.png"))
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_yolo_holds_what_is_visible(tmp_path: Path) -> None:
    whole = photo()
    behind = replace(whole, masks=np.concatenate([whole.masks, whole.masks[:1]]), scores=None)
    notes = write_photos([behind], tmp_path, open_formats(["yolo"]))
    assert notes == {"yolo: objects of which too little is visible for the label map, left out": 1}
    assert len((tmp_path / "yolo/labels/a.txt").read_text().splitlines()) == 2


# --- Label Studio


def unpacked(rle: list[int]) -> npt.NDArray[np.uint8]:
    """Label Studio's decoder, bit by bit."""
    text = "".join(f"{byte:08b}" for byte in rle)
    at = 0

    def take(bits: int) -> int:
        nonlocal at
        at += bits
        return int(text[at - bits : at], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    found: list[int] = []
    while len(found) < total:
        repeated, length = take(1), take(sizes[take(2)]) + 1
        found += [take(word)] * length if repeated else [take(word) for _ in range(length)]
    return np.array(found, np.uint8)


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
def test_brush_strokes_hold_the_mask(mask: npt.NDArray[np.bool_]) -> None:
    assert np.array_equal(
        unpacked(brush_rle(mask)).reshape(*mask.shape, 4), np.repeat(mask[..., None], 4, 2) * np.uint8(255)
    )


def test_long_runs_are_split() -> None:
    mask = np.zeros((300, 300), np.bool_)
    mask[200:] = True
    assert np.array_equal(unpacked(brush_rle(mask))[::4].reshape(300, 300), mask * np.uint8(255))


def test_label_studio_tasks(tmp_path: Path) -> None:
    hole = np.ones((1, 4, 6), np.bool_)
    hole[0, 1, 1] = False
    photos = [photo("sub/a.png"), LabelledPhoto("b.png", hole, image=np.zeros((4, 6, 3), np.uint8))]
    write_photos(photos, tmp_path, open_formats(["label-studio"], FormatOptions("polygon")))
    folder = tmp_path / "label-studio"
    first, second = json.loads((folder / "tasks.json").read_text())
    assert first["data"]["image"] == "/data/local-files/?d=images/sub/a.png" and (folder / "images/sub/a.png").is_file()
    region = first["predictions"][0]["result"][0]
    assert (region["type"], region["original_width"], region["original_height"]) == ("polygonlabels", 6, 4)
    assert sorted(map(tuple, region["value"]["points"])) == [(0, 0), (0, 50), (50, 0), (50, 50)]
    assert second["predictions"][0]["result"][0]["type"] == "brushlabels"
    assert '<Label value="object"/>' in (folder / "labels.xml").read_text()


def test_label_studio_finds_photos_of_any_name(tmp_path: Path) -> None:
    """It takes the name out of an address, where some characters mean something else."""
    names = [f"sub/{name}.png" for name in ("a+b", "50%", "a&b", "photo #1", "a%20b", "käse", "a=b;c?d")]
    write_photos(map(photo, names), tmp_path, open_formats(["label-studio"]))
    folder = tmp_path / "label-studio"
    for name, task in zip(names, json.loads((folder / "tasks.json").read_text()), strict=True):
        asked = parse_qs(urlsplit(task["data"]["image"]).query)["d"]
        assert asked == [f"images/{name}"] and (folder / asked[0]).is_file()


def test_a_full_disk_is_said_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of files over all photos go into files without a name, which are written to until the last is closed."""
    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: open("/dev/full", "r+b"))  # noqa: SIM115
    for number in (1, 1000):
        with pytest.raises(OutputError, match=f"cannot write into {re.escape(str(tmp_path))}: No space left"):
            write_photos((photo(f"{each}.png") for each in range(number)), tmp_path, open_formats(["bop"]))

"""Labels of other tools: every way they come in, and what is said of bad ones."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from rich.console import Console

from dataset_trees import HW, PHOTO, columns, rle, save, save_json
from uois_sam.cli.import_labels import Import
from uois_sam.datasets import FolderDataset, open_dataset
from uois_sam.errors import UOISError

COUNTS = [4, 4, 16]
"""Uncompressed RLE of the second column."""


def coco(root: Path, annotations: list[dict[str, Any]], images: list[dict[str, Any]] | None = None) -> Path:
    save(root / "images/a.png", PHOTO)
    listed = images or [{"id": 7, "file_name": "a.png", "height": HW[0], "width": HW[1]}]
    found = [{"id": index, "image_id": 7, "category_id": 1, **each} for index, each in enumerate(annotations, 1)]
    content = {
        "images": listed,
        "annotations": found,
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "table"}],
    }
    return save_json(root / "annotations.json", content)


def test_coco_takes_polygons_with_holes_and_both_kinds_of_rle(tmp_path):
    ring = [0, 0, 3, 0, 3, 3, 0, 3, 0, 0, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1]  # a square of 3 with a hole of 1
    path = coco(
        tmp_path,
        [
            {"segmentation": [ring]},
            {"segmentation": rle(columns(0, 0, 0, 1))},
            {"segmentation": {"size": [4, 6], "counts": [16, 4, 4]}},
        ],
    )
    for root in (path, tmp_path):
        sample = open_dataset("coco", root)[0]
        assert sample.name == "a"
        assert sample.labels.tolist() == [
            [1, 1, 1, 2, 3, 0],
            [1, 0, 1, 2, 3, 0],
            [1, 1, 1, 2, 3, 0],
            [0, 0, 0, 2, 3, 0],
        ]


def test_coco_crowds_and_chosen_categories_are_ignored_or_left_out(tmp_path):
    table = {"segmentation": rle(columns(1)), "category_id": 2}
    path = coco(
        tmp_path,
        [
            {"segmentation": {"size": [4, 6], "counts": COUNTS}, "iscrowd": 1},
            table,
            {"segmentation": rle(columns(0, 0, 1))},
        ],
    )
    every = open_dataset("coco", path)[0]
    assert every.ignore is not None and np.array_equal(every.ignore, columns(0, 1) > 0)
    assert every.labels[0].tolist() == [1, 0, 2, 0, 0, 0]
    cups = open_dataset("coco", path, categories=["cup"])[0]
    assert cups.labels[0].tolist() == [0, 0, 1, 0, 0, 0]
    assert cups.notes["objects of categories that were not asked for left out"] == 1
    ignored = open_dataset("coco", path, ignore_categories=["table"])[0]
    assert ignored.ignore is not None and ignored.ignore[0].tolist() == [True, True, False, False, False, False]
    with pytest.raises(UOISError, match="expected categories out of cup, table, found 'cups'"):
        open_dataset("coco", path, categories=["cups"])
    with pytest.raises(UOISError, match="coco: expected categories as a list of str, found "):
        open_dataset("coco", path, categories=[1])


def test_coco_counts_what_has_no_mask(tmp_path):
    empty = {"size": [4, 6], "counts": [24]}
    path = coco(
        tmp_path,
        [
            {"bbox": [1, 1, 2, 2]},
            {"segmentation": []},
            {"segmentation": empty},
            {"segmentation": rle(columns(1)), "bbox": [5, 1, -4, 2]},
        ],
    )
    sample = open_dataset("coco", path)[0]
    assert sample.labels.max() == 2 and sample.notes == {
        "labels without a mask (boxes, points, lines) left out": 2,
        "objects without a visible pixel, so without a label": 1,
        "boxes turned inside out; their masks are used": 1,
    }


def test_coco_and_photos_that_do_not_belong_together(tmp_path):
    one = [{"segmentation": rle(columns(1))}]
    other_size = coco(tmp_path / "size", one, [{"id": 7, "file_name": "a.png", "height": 6, "width": 4}])
    with pytest.raises(UOISError, match="image 7: expected the size of a.png, 6x4, found 4x6"):
        open_dataset("coco", other_size)[0]
    missing = coco(tmp_path / "missing", one, [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}])
    with pytest.raises(UOISError, match="expected all photos that it names, found 1 of 2 photos missing"):
        open_dataset("coco", missing)
    assert "1 of 2 photos missing" in open_dataset("coco", missing, partial=True).notes[0]
    with pytest.raises(UOISError, match="expected photo a.png in"):
        open_dataset("coco", missing.rename(tmp_path / "alone.json"))
    extra = coco(tmp_path / "extra", one)
    save(tmp_path / "extra/images/z.png", PHOTO)
    assert open_dataset("coco", extra).notes == ("1 photo without labels in the annotation file left out, first z",)
    save_json(tmp_path / "extra/other.json", {"images": []})
    with pytest.raises(UOISError, match=r"expected one COCO annotation file, found annotations.json, other.json"):
        open_dataset("coco", tmp_path / "extra")


# --- YOLO


def yolo(root: Path, text: str) -> Path:
    save(root / "images/train/a.png", PHOTO)
    (root / "labels/train").mkdir(parents=True, exist_ok=True)
    (root / "labels/train/a.txt").write_text(text)
    return root


def test_yolo_polygons_in_the_order_of_lines_the_smaller_in_front(tmp_path):
    root = yolo(tmp_path, "0 0.5 0 1 0 1 0.5 0.5 0.5\n1 0 0 1 0 1 1 0 1\n\n2 0.5 0.5 0.2 0.2\n")
    save(root / "images/train/b.png", PHOTO)
    (root / "labels/train/lonely.txt").write_text("")
    data = open_dataset("yolo", root)
    assert data.names == ("train/a", "train/b")
    assert data[0].labels.tolist() == [[2, 2, 2, 1, 1, 1]] * 2 + [[2] * 6] * 2
    assert data[0].notes == {"labels without a mask (boxes, points, lines) left out": 1}
    assert not data[1].labels.any()
    assert data.notes == (
        "1 photo without a label file taken as empty, first train/b",
        "1 label file without a photo left out, first labels/train/lonely.txt",
    )
    assert open_dataset("yolo", root, categories=[1])[0].labels.tolist() == [[1] * 6] * 4
    with pytest.raises(UOISError, match="yolo: expected categories as a list of int"):
        open_dataset("yolo", root, categories=["cup"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 1 2 3 4 5 6", "line 1: expected a class of 0 or more and coordinates within 0 to 1"),
        ("0 0.1 0.1 0.2 nan 0.3 0.3", "coordinates within 0 to 1"),
        ("-1 0 0 1 0 1 1", "expected a class of 0 or more"),
        ("cup 0 0 1 0 1 1", "expected a class and numbers, found 'cup 0"),
        ("0 0 0 1 0 1", "expected x and y of three points or more, found 5 numbers"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    data = open_dataset("yolo", yolo(tmp_path, line))
    with pytest.raises(UOISError, match=message):
        data[0]


# --- LabelMe


def shape(kind: str, points: list[list[float]], label: str = "cup", **other: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **other}


def labelme(root: Path, shapes: list[Any], **other: Any) -> Path:
    save(root / "a.png", PHOTO)
    content = {"shapes": shapes, "imagePath": "a.png", "imageData": None, "imageHeight": HW[0], "imageWidth": HW[1]}
    save_json(root / "a.json", {**content, **other})
    return root


def png64(mask: npt.NDArray[Any]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_labelme_shapes_of_all_kinds(tmp_path):
    root = labelme(
        tmp_path,
        [
            shape("rectangle", [[2, 2], [0, 0]]),  # corners in any order
            shape("mask", [[3, 0], [4, 1]], mask=png64(np.array([[1, 0], [1, 1]]))),
            shape("polygon", [[0, 3], [1, 3], [1, 4], [0, 4]], group_id=5),
            shape("circle", [[5.5, 3.5], [5.9, 3.5]], group_id=5),
            shape("rectangle", [[3, 3], [4, 4]], label="__ignore__"),
            shape("point", [[1, 1]]),
        ],
    )
    sample = open_dataset("labelme", root)[0]
    assert sample.labels.tolist() == [[1, 1, 0, 2, 0, 0], [1, 1, 0, 2, 2, 0], [0] * 6, [3, 0, 0, 0, 0, 3]]
    assert sample.ignore is not None and np.argwhere(sample.ignore).tolist() == [[3, 3]]
    assert sample.notes == {
        "labels without a mask (boxes, points, lines) left out": 1,
        "crowds and objects left out of training and scoring": 1,
    }


def test_labelme_photos_inside_the_file_or_in_another_folder(tmp_path):
    root = labelme(tmp_path / "inside", [shape("rectangle", [[0, 0], [1, 1]])])
    content = (root / "a.png").read_bytes()
    (root / "a.png").unlink()
    labelme_file = json.loads((root / "a.json").read_text())
    save_json(root / "a.json", {**labelme_file, "imageData": base64.b64encode(content).decode()})
    assert np.array_equal(open_dataset("labelme", root)[0].image, PHOTO)
    save_json(root / "ann/a.json", {**labelme_file, "imagePath": "..\\photos\\x.png"})
    (root / "a.json").unlink()
    save(root / "photos/x.png", PHOTO)
    assert np.array_equal(open_dataset("labelme", root)[0].image, PHOTO)
    (root / "photos/x.png").unlink()
    with pytest.raises(UOISError, match="expected its photo .* beside it or in it, found none"):
        open_dataset("labelme", root)[0]


@pytest.mark.parametrize(
    ("shapes", "other", "message"),
    [
        ([], {"imageHeight": 9}, "a.json: expected the size of its photo, 6x4, found 6x9"),
        ([7], {}, "shape 0: expected a shape with label and points, found int"),
        ([{"label": "x"}], {}, "shape 0: expected the field points"),
        ([shape("mask", [[0, 0], [9, 9]], mask=png64(np.ones((10, 10))))], {}, "expected a mask of 10x10 inside 6x4"),
        ([shape("mask", [[3, 3], [1, 1]], mask=png64(np.ones((3, 3))))], {}, "expected a mask of -1x-1"),
        ([shape("mask", [[0, 0], [1, 1]], mask="!")], {}, "expected a mask as PNG in base64"),
        ([shape("rectangle", [[0, 0]])], {}, "expected two points of a rectangle, found 1"),
        ([shape("polygon", [[0, 0], [1, 1]])], {}, "expected a polygon of 3 points"),
    ],
)  # fmt: skip
def test_a_bad_shape_is_named(tmp_path, shapes, other, message):
    data = open_dataset("labelme", labelme(tmp_path, shapes, **other))
    with pytest.raises(UOISError, match=message):
        data[0]


# --- VOC


def test_voc_void_is_ignored_and_unlabelled_photos_are_counted(tmp_path):
    save(tmp_path / "JPEGImages/a.png", PHOTO)
    save(tmp_path / "JPEGImages/b.png", PHOTO)
    save(tmp_path / "SegmentationObject/a.png", columns(1, 255, 2))
    data = open_dataset("voc", tmp_path)
    assert data[0].labels[0].tolist() == [1, 0, 2, 0, 0, 0]
    assert data[0].ignore is not None and np.array_equal(data[0].ignore, columns(0, 1) > 0)
    assert data.notes == ("1 photo without labels left out, first b",)
    save(tmp_path / "SegmentationObject/z.png", columns(1))
    with pytest.raises(UOISError, match="found 1 of 2 photos missing"):
        open_dataset("voc", tmp_path)


# --- any masks


def test_masks_as_maps_arrays_colours_and_one_file_an_object(tmp_path):
    for name in "abcde":
        save(tmp_path / f"images/{name}.png", PHOTO)
    save(tmp_path / "masks/a_mask.png", columns(1, 300, dtype="uint16"))
    np.save(tmp_path / "masks/b.npy", columns(1, 70_000, dtype="int64"))
    colours = np.zeros((*HW, 3), np.uint8)
    colours[:, 0], colours[:, 1] = (0, 0, 200), (200, 0, 0)
    save(tmp_path / "masks/c.png", colours)
    save(tmp_path / "masks/d.tif", columns(0, 70_000, dtype="int32"))
    save(tmp_path / "masks/e/1.png", columns(1) * np.uint8(255))
    save(tmp_path / "masks/e/2.png", columns(0, 1) * np.uint8(255))
    data = open_dataset("masks", tmp_path)
    rows = [data[index].labels[0, :3].tolist() for index in range(5)]
    assert rows == [[1, 300, 0], [1, 2, 0], [1, 2, 0], [0, 1, 0], [1, 2, 0]]
    assert [list(data[index].notes) for index in (1, 2, 3)] == [
        ["label maps with ids above 65535 or below 0, numbered anew"],
        ["colour-coded label maps, each colour but black taken as one object"],
        ["label maps with ids above 65535 or below 0, numbered anew"],
    ]


def test_masks_beside_photos_and_void(tmp_path):
    save(tmp_path / "a.png", PHOTO)
    save(tmp_path / "a_seg.png", columns(3, 255))
    sample = open_dataset("masks", tmp_path, void=255)[0]
    assert sample.labels[0].tolist() == [3, 0, 0, 0, 0, 0]
    assert sample.ignore is not None and np.array_equal(sample.ignore, columns(0, 1) > 0)


def test_masks_that_do_not_belong_together(tmp_path):
    save(tmp_path / "images/a.png", PHOTO)
    save(tmp_path / "masks/a.png", columns(1))
    save(tmp_path / "masks/lonely.png", columns(1))
    assert open_dataset("masks", tmp_path).notes == ("1 label without a photo left out, first lonely",)
    save(tmp_path / "masks/a_label.png", columns(1))
    with pytest.raises(UOISError, match="expected one label for photo a, found a.png and a_label.png"):
        open_dataset("masks", tmp_path)
    (tmp_path / "masks/a_label.png").unlink()
    save(tmp_path / "images/b.png", PHOTO)
    with pytest.raises(
        UOISError, match="expected a label for each of 2 photos, found 1; the first one missing is that of b"
    ):
        open_dataset("masks", tmp_path)
    save(tmp_path / "masks/b.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(UOISError, match=r"b.png: expected the size of b.png, 6x4, found 9x9"):
        open_dataset("masks", tmp_path)[1]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full(HW, 0.5), "expected whole numbers as labels"),
        (np.zeros((4, 6, 3)), r"expected labels of shape \(H, W\), found \(4, 6, 3\)"),
        (np.array([{}]), "expected labels as an array of numbers"),
    ],
)
def test_arrays_that_are_no_labels(tmp_path, array, message):
    save(tmp_path / "images/a.png", PHOTO)
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks/a.npy", array, allow_pickle=True)
    with pytest.raises(UOISError, match=message):
        open_dataset("masks", tmp_path)[0]


# --- the command


def imported(kind: Any, src: Path, out: Path, *options: str) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    return Import(kind, src, out, options).run(console), console.file.getvalue()


def test_import_writes_a_folder_with_depth_and_says_what_it_left_out(tmp_path):
    save(tmp_path / "src/images/a.png", PHOTO)
    save(tmp_path / "src/images/b.png", PHOTO)
    save(tmp_path / "src/masks/a.png", columns(1, 255))
    save(tmp_path / "src/depth/a.png", np.full(HW, 7000, np.uint16))
    status, said = imported(
        "masks", tmp_path / "src", tmp_path / "out", "void=255", "depth=true", "depth_unit_m=0.0001", "partial=true"
    )
    assert status == 0 and "1 photo in" in said and "note: 1 photo without labels left out, first b" in said
    assert (tmp_path / "out/rgb/a.png").read_bytes() == (tmp_path / "src/images/a.png").read_bytes()
    sample = open_dataset("folder", tmp_path / "out", depth=True)[0]
    assert sample.labels[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert sample.ignore is not None and np.array_equal(sample.ignore, columns(0, 255) > 0)
    assert sample.depth_m is not None and sample.depth_m[0, 0] == pytest.approx(0.7)


def test_import_into_a_used_folder_says_what_it_replaced_and_leaves_nothing_stale(tmp_path):
    """The old photo of another format and the old ignore mask would be taken for the new ones'."""
    for name, values in (("a", (1, 255)), ("b", (1, 2))):
        save(tmp_path / f"first/images/{name}.bmp", PHOTO)
        save(tmp_path / f"first/masks/{name}.png", columns(*values))
    imported("masks", tmp_path / "first", tmp_path / "out", "void=255")
    save(tmp_path / "second/images/a.png", PHOTO)
    save(tmp_path / "second/masks/a.png", columns(3))
    status, said = imported("masks", tmp_path / "second", tmp_path / "out")
    assert status == 0 and "1 photo in" in said
    assert "note: photos and labels that were there before, replaced: 1 in 1 frame, first a" in said
    assert "note: 1 photo from before stays in" in said
    found = FolderDataset(tmp_path / "out")
    assert found.names == ("a", "b") and found[0].ignore is None and found[0].labels[0, 0] == 3
    assert sorted(path.name for path in (tmp_path / "out/rgb").iterdir()) == ["a.png", "b.bmp"]
    assert "replaced: 2" not in imported("masks", tmp_path / "second", tmp_path / "new")[1]


def test_import_goes_on_past_a_bad_photo_and_fails_without_any(tmp_path):
    root = tmp_path / "src"
    for name in "ab":
        save(root / f"images/{name}.png", PHOTO)
        save(root / f"masks/{name}.png", columns(1))
    save(root / "masks/a.png", np.zeros((9, 9), np.uint8))
    status, said = imported("masks", root, tmp_path / "out")
    assert status == 1 and "1 photo failed:" in said and "expected the size of a.png" in said
    assert FolderDataset(tmp_path / "out").names == ("b",)
    with pytest.raises(UOISError, match="expected another folder"):
        imported("masks", root, root)
    with pytest.raises(UOISError, match="masks: expected options out of .*, found 'photo'; did you mean photos"):
        imported("masks", root, tmp_path / "out", "photo=x")

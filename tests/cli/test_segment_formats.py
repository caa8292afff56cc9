"""`uois-sam segment --format` around a fake model: what other tools are given, for whole folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from scipy.io import loadmat

from cli.test_segment import FakeModel, photo, results, segment, written
from uois_sam.cli.segment.formats import FormatChoice
from uois_sam.errors import UOISError
from uois_sam.io import shapes
from uois_sam.io.masks import decode_mask

ALL = "native,coco,yolo,labelme,voc,bop"
INTRINSICS = "20,20,8,6"


def photos(folder: Path, count: int = 3) -> Path:
    for index in range(count):
        photo(folder / f"sub/{index}.png", value=90 + index)
    return folder


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in written(out)}


def test_several_formats_at_once(tmp_path):
    out = tmp_path / "out"
    status, said = segment(photos(tmp_path / "in"), out=out, formats=FormatChoice(ALL))
    assert status == 0 and "note: bop: photos whose names are not BOP's" in said
    files = written(out)
    assert set(results("sub/0", "sub/1", "sub/2")) <= set(files)
    assert {
        "coco/annotations/instances_default.json",
        "coco/results.json",
        "yolo/labels/sub/0.txt",
        "yolo/images/sub/0.png",
    } <= set(files)
    assert {"labelme/sub/2.json", "labelme/sub/2.png", "voc/SegmentationObject/sub/1.png", "voc/labelmap.txt"} <= set(
        files
    )
    # The photo's own file, and the numbers of the native label map.
    assert (out / "yolo/images/sub/0.png").read_bytes() == (tmp_path / "in/sub/0.png").read_bytes()
    with Image.open(out / "sub/0_label.png") as native, Image.open(out / "voc/SegmentationObject/sub/0.png") as voc:
        assert voc.mode == "P" and np.array_equal(np.asarray(native), np.asarray(voc))


def test_the_label_map_is_painted_once_a_photo(tmp_path, monkeypatch):
    painted = []
    monkeypatch.setattr(
        shapes, "paint_masks", lambda masks, paint=shapes.paint_masks: painted.append(1) or paint(masks)
    )
    segment(photos(tmp_path / "in", 2), out=tmp_path / "out", formats=FormatChoice(ALL))
    assert len(painted) == 2


def test_one_coco_file_for_the_whole_folder(tmp_path):
    segment(photos(tmp_path / "in"), out=tmp_path / "out", formats=FormatChoice("coco"))
    assert written(tmp_path / "out") == ["coco/annotations/instances_default.json", "coco/results.json"]
    coco = COCO(tmp_path / "out/coco/annotations/instances_default.json")
    assert [(i["id"], i["file_name"], i["width"], i["height"]) for i in coco.loadImgs(coco.getImgIds())] == [
        (1, "sub/0.png", 16, 12), (2, "sub/1.png", 16, 12), (3, "sub/2.png", 16, 12)
    ]  # fmt: skip
    assert coco.loadCats(coco.getCatIds()) == [{"id": 1, "name": "object", "supercategory": ""}]
    first, second = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    assert (first["bbox"], first["area"], first["score"]) == ([0, 0, 8, 12], 96, 0.875)
    assert (second["bbox"], second["id"]) == ([8, 0, 8, 6], 4)
    assert coco.annToMask(second).sum() == 48
    found = coco.loadRes(str(tmp_path / "out/coco/results.json"))
    assert len(found.getAnnIds()) == 6


def test_ids_and_categories_of_ones_own_coco_file(tmp_path):
    own = {
        "images": [
            {"id": 70, "file_name": "sub/1.png"},
            {"id": 5, "file_name": "train/0.png"},
            {"id": 6, "file_name": "z"},
        ],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}, {"id": 9, "name": "table"}],
    }  # fmt: skip
    file = tmp_path / "own.json"
    file.write_text(json.dumps(own))
    choice = FormatChoice("coco", coco_images=file)
    status, said = segment(photos(tmp_path / "in"), out=tmp_path / "out", formats=choice)
    assert status == 0
    assert "note: coco: photos that the given annotation file does not list, left out: 1" in said
    assert "note: coco: photos found in the given annotation file by the last part of their names: 1" in said
    assert "note: coco: images of the given annotation file that no photo belongs to: 1" in said
    assert "note: coco: categories added to those of the given annotation file: 1" in said
    found = COCO(file).loadRes(str(tmp_path / "out/coco/results.json"))
    assert sorted(found.getImgIds(found.getImgIds())) == [5, 6, 70]
    assert {(a["image_id"], a["category_id"]) for a in found.dataset["annotations"]} == {(5, 10), (70, 10)}


def test_a_clashing_or_damaged_coco_file_is_one_line(tmp_path):
    file = tmp_path / "own.json"
    for content, expected in (
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}]}, "every file_name of images once"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "every id of images once, found 1"),
        ({"images": [{"id": "1", "file_name": "a"}]}, "expected an integer id and a file_name"),
        ({"images": []}, "expected images, found none"),
        ({"annotations": []}, "found no images"),
        (
            {"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]},
            "expected every id of categories once",
        ),
    ):  # fmt: skip
        file.write_text(json.dumps(content))
        with pytest.raises(UOISError, match=expected):
            FormatChoice("coco", coco_images=file).plan()


@pytest.mark.parametrize("workers", [1, 3])
def test_files_are_the_same_whatever_the_number_of_workers(tmp_path, workers):
    segment(photos(tmp_path / "in", 6), out=tmp_path / "one", formats=FormatChoice(ALL))
    segment(photos(tmp_path / "in", 6), out=tmp_path / "more", workers=workers, formats=FormatChoice(ALL))
    assert contents(tmp_path / "one") == contents(tmp_path / "more")


def test_a_continued_run_holds_the_earlier_photos_too(tmp_path):
    photos(tmp_path / "in")
    segment(tmp_path / "in", out=tmp_path / "whole", formats=FormatChoice(ALL))
    segment(tmp_path / "in", out=tmp_path / "parts")
    (tmp_path / "parts/sub/1.json").unlink()
    status, said = segment(tmp_path / "in", out=tmp_path / "parts", overwrite=False, formats=FormatChoice(ALL))
    assert status == 0 and "1 photo, 2 objects" in said and "2 photos skipped" in said
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_an_interrupted_run_leaves_no_half_of_a_file(tmp_path):
    photos(tmp_path / "in")
    photo(tmp_path / "in/sub/3.png", height=13)
    with pytest.raises(KeyboardInterrupt):
        segment(
            tmp_path / "in", out=tmp_path / "out", model=FakeModel({13: KeyboardInterrupt()}), formats=FormatChoice(ALL)
        )
    assert not [name for name in written(tmp_path / "out") if name.startswith(("coco", "bop"))]
    assert not [name for name in written(tmp_path / "out") if name.endswith(".tmp")]


def test_a_photo_that_fails_is_left_out_and_said(tmp_path):
    photos(tmp_path / "in")
    (tmp_path / "in/sub/1.png").write_bytes(b"no photo")
    status, said = segment(tmp_path / "in", out=tmp_path / "out", formats=FormatChoice("coco"))
    assert status == 1 and "1 input failed" in said
    images = json.loads((tmp_path / "out/coco/annotations/instances_default.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["sub/0.png", "sub/2.png"]


def test_photos_of_one_name_stay_apart(tmp_path):
    first, second = photo(tmp_path / "a/x.png"), photo(tmp_path / "b/x.png", height=14)
    _, said = segment(first.parent, second.parent, out=tmp_path / "out", formats=FormatChoice("coco,yolo"))
    images = json.loads((tmp_path / "out/coco/annotations/instances_default.json").read_text())["images"]
    assert [(image["file_name"], image["height"]) for image in images] == [("x.png", 12), ("x.png-2.png", 14)]
    assert "note: coco: photos of the same relative path" in said
    assert len([name for name in written(tmp_path / "out") if name.startswith("yolo/labels")]) == 2


# --- grasp planners


def depth_of(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 16), 700, np.uint16)).save(folder / name)
    return folder


def test_inputs_of_grasp_planners(tmp_path):
    image = np.zeros((12, 16, 3), np.uint8)
    image[..., 0] = 200  # red
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in/a.png")
    choice = FormatChoice("grasp", depth=depth_of(tmp_path / "depth", ["a.png"]), intrinsics=INTRINSICS)
    status, _ = segment(tmp_path / "in", out=tmp_path / "out", formats=choice)
    assert status == 0
    with np.load(tmp_path / "out/grasp/contact_graspnet/a.npz") as scene:
        assert scene["rgb"].dtype == np.uint8 and scene["rgb"][0, 0].tolist() == [0, 0, 200]  # BGR
        assert scene["depth"].dtype == np.float32 and scene["depth"][0, 0] == pytest.approx(0.7)
        assert scene["K"].tolist() == [[20, 0, 8], [0, 20, 6], [0, 0, 1]]
        assert np.unique(scene["segmap"]).tolist() == [0, 1, 2]
    scene_folder = tmp_path / "out/grasp/graspnet/a"
    meta = loadmat(scene_folder / "meta.mat")
    assert meta["intrinsic_matrix"].tolist() == [[20, 0, 8], [0, 20, 6], [0, 0, 1]] and meta["factor_depth"] == 1000
    with Image.open(scene_folder / "depth.png") as depth, Image.open(scene_folder / "workspace_mask.png") as where:
        assert np.asarray(depth)[0, 0] == 700 and np.unique(np.asarray(where)).tolist() == [0, 255]
    gqcnn = tmp_path / "out/grasp/gqcnn/a"
    assert np.load(gqcnn / "depth_0.npy").shape == (12, 16, 1)
    assert json.loads((gqcnn / "camera.intr").read_text())["_width"] == 16
    with Image.open(gqcnn / "segmask_2.png") as mask:
        assert mask.mode == "L" and np.count_nonzero(np.asarray(mask)) == 48


def test_depth_that_is_missing_or_of_another_size_fails_that_photo_only(tmp_path):
    photos(tmp_path / "in")
    depth = depth_of(tmp_path / "depth", ["sub/0.png"])
    np.save(depth / "sub/2.npy", np.full((5, 4), 0.7))
    choice = FormatChoice("native,grasp", depth=depth, intrinsics=INTRINSICS)
    status, said = segment(tmp_path / "in", out=tmp_path / "out", formats=choice)
    assert status == 1 and "2 inputs failed" in said
    assert "sub/1.png: expected one depth image" in said
    assert "expected depth of the photo's size, 16x12, found 4x5" in said
    assert set(results("sub/0", "sub/2")) <= set(written(tmp_path / "out"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "native,coca"}, "--format: expected native, coco, .*, found 'coca'; did you mean coco"),
        ({"format": ","}, "--format: expected native, coco"),
        ({"format": "grasp"}, "expected --depth and --intrinsics, found no --depth"),
        ({"format": "grasp", "depth": Path("nowhere"), "intrinsics": INTRINSICS}, "expected a folder of depth images"),
        ({"format": "native", "depth": Path("d")}, "expected --depth and --intrinsics together, found no --intrinsics"),
        ({"format": "yolo", "intrinsics": INTRINSICS}, "expected --depth and --intrinsics together, found no --depth"),
        ({"format": "yolo", "coco_images": Path("d")}, "--coco-images: expected coco among the formats, found yolo"),
        ({"format": "grasp", "depth": Path(), "intrinsics": "1,2"}, "--intrinsics: expected fx,fy,cx,cy"),
        ({"format": "grasp", "depth": Path(), "intrinsics": "0,2,3,4"}, "expected fx and fy above 0"),
        ({"format": "grasp", "depth": Path(), "intrinsics": INTRINSICS, "depth_scale": 1000}, "--depth-scale"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused_before_anything_runs(options, message):
    with pytest.raises(UOISError, match=message):
        FormatChoice(**options).plan()


def test_going_on_needs_native_results(tmp_path):
    with pytest.raises(UOISError, match="expected native among the formats"):
        segment(photos(tmp_path / "in"), out=tmp_path / "out", overwrite=False, formats=FormatChoice("coco"))


def test_a_photo_that_other_programs_would_turn_is_written_upright(tmp_path):
    image = Image.new("RGB", (16, 12), (90, 90, 90))
    exif = image.getexif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in/a.jpg", exif=exif)
    segment(tmp_path / "in", out=tmp_path / "out", formats=FormatChoice("labelme"))
    record = json.loads((tmp_path / "out/labelme/a.json").read_text())
    assert (record["imagePath"], record["imageWidth"], record["imageHeight"]) == ("a.png", 12, 16)
    with Image.open(tmp_path / "out/labelme/a.png") as copy:
        assert copy.size == (12, 16)


def test_a_photo_without_suffix_gets_one_in_the_copy(tmp_path):
    photo(tmp_path / "a.png").rename(tmp_path / "a")
    segment(tmp_path / "a", out=tmp_path / "out", formats=FormatChoice("yolo"))
    assert "yolo/images/a.png" in written(tmp_path / "out")


def test_bop_numbers_come_from_the_names(tmp_path):
    photo(tmp_path / "in/000048/rgb/000007.png")
    segment(tmp_path / "in", out=tmp_path / "out", formats=FormatChoice("bop"))
    rows = json.loads((tmp_path / "out/bop/uois-sam_dataset-test.json").read_text())
    assert [(row["scene_id"], row["image_id"], row["category_id"], row["time"]) for row in rows] == [(48, 7, 1, -1)] * 2
    assert rows[1]["bbox"] == [8, 0, 8, 6] and decode_mask(rows[1]["segmentation"]).sum() == 48
    shutil.rmtree(tmp_path / "out")

"""UOAIS-Sim on small trees in its layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset_trees import HW, columns, rle, uoais_annotation, uoais_image, uoais_sim
from uois_sam.datasets import open_dataset
from uois_sam.datasets.coco_index import CocoIndex
from uois_sam.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images 30 (bin), 4 (tabletop, empty) and 100 (tabletop), annotations in no order."""
    images = [uoais_image(30), uoais_image(4, "tabletop"), uoais_image(100, "tabletop")]
    annotations = [
        uoais_annotation(9, 100, columns(0, 0, 0, 1)),
        uoais_annotation(7, 30, columns(0, 0, 1)),
        uoais_annotation(5, 30, columns(0, 1)),
        uoais_annotation(8, 30, columns(0)),  # nothing visible
        uoais_annotation(11, 30, columns(0, 0, 0, 0, 1, 1), iscrowd=1),
        uoais_annotation(12, 30, columns(0, 0, 0, 1), occluded_rate=None),
    ]
    uoais_sim(tmp_path / "UOAIS-Sim", "train", images, annotations)
    return tmp_path / "UOAIS-Sim"


def rewrite(root: Path, **changes: Any) -> None:
    path = root / "annotations" / "coco_anns_uoais_sim_train.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_names_are_file_names_in_the_order_of_image_ids(root: Path) -> None:
    dataset = open_dataset("uoais-sim", root)
    assert dataset.names == ("tabletop/color/4", "bin/color/30", "tabletop/color/100")
    assert open_dataset("uoais-sim", root.parent).names == dataset.names
    assert dataset.notes == ("3 frames where 45000 are published for UOAIS-Sim",)


def test_labels_are_visible_masks_in_the_order_of_annotation_ids(root: Path) -> None:
    empty, crowded, last = open_dataset("uoais-sim", root)
    assert not empty.labels.any()
    assert empty.visible_fractions is None
    assert crowded.labels[0].tolist() == [0, 1, 2, 3, 0, 0]
    assert last.labels[0].tolist() == [0, 0, 0, 1, 0, 0]


def test_crowds_are_ignored_and_occlusion_is_known_where_it_is_stated(root: Path) -> None:
    sample = open_dataset("uoais-sim", root)[1]
    assert sample.ignore is not None
    assert sample.ignore[0].tolist() == [False] * 4 + [True] * 2
    assert sample.visible_fractions == {1: 0.75, 2: 0.75}


def test_depth_is_where_the_json_says_in_tenths_of_millimetres(root: Path) -> None:
    assert open_dataset("uoais-sim", root)[0].depth_m is None
    depth_m = open_dataset("uoais-sim", root, depth=True)[0].depth_m
    assert depth_m is not None
    assert np.allclose(depth_m, 0.6)


def test_images_without_depth(root: Path) -> None:
    image = uoais_image(30)
    del image["depth_file_name"]
    rewrite(root, images=[image], annotations=[uoais_annotation(1, 30, columns(1))])
    assert open_dataset("uoais-sim", root, depth=True)[0].depth_m is None


def test_subsets_and_splits(root: Path) -> None:
    assert open_dataset("uoais-sim", root, subset="bin").names == ("bin/color/30",)
    assert len(open_dataset("uoais-sim", root, subset="tabletop")) == 2
    uoais_sim(root, "val", [uoais_image(1)], [uoais_annotation(1, 1, columns(1))])
    dataset = open_dataset("uoais-sim", root, split="val")
    assert (dataset.names, dataset.notes) == (("bin/color/1",), ())
    with pytest.raises(DatasetError, match="expected split train or val and subset .* found trian and all"):
        open_dataset("uoais-sim", root, split="trian")


def test_one_in_ten(root: Path) -> None:
    dataset = open_dataset("uoais-sim", root, every=10, offset=1)
    assert dataset.names == ("bin/color/30",)
    assert dataset[0].labels.max() == 3


@pytest.mark.parametrize("encode", ["uncompressed", "polygons"])
def test_other_encodings_of_masks(root: Path, encode: str) -> None:
    visible = columns(0, 1, 1)
    masks: dict[str, Any] = {
        "uncompressed": {"size": list(HW), "counts": [4, 8, 12]},  # column by column
        "polygons": [[1, 0, 3, 0, 3, 4, 1, 4]],
    }
    rewrite(root, annotations=[{**uoais_annotation(1, 30, visible), "visible_mask": masks[encode]}])
    assert (open_dataset("uoais-sim", root)[1].labels == visible).all()


def test_polygons_of_too_few_points_are_left_out_and_counted(root: Path) -> None:
    for pieces in ([[3, 3], [1, 0, 3, 0, 3, 4, 1, 4]], [[1, 0, 3, 0, 3, 4, 1, 4], [3, 3, 4, 4]]):
        rewrite(root, annotations=[{**uoais_annotation(1, 30, columns(1)), "visible_mask": pieces}])
        sample = open_dataset("uoais-sim", root)[1]
        assert (sample.labels == columns(0, 1, 1)).all()
        assert sample.notes == {"polygons of fewer than three points left out": 1}


def test_what_does_not_show_is_counted(root: Path) -> None:
    sample = open_dataset("uoais-sim", root)[1]
    assert sample.notes == {
        "objects without a visible pixel, so without a label": 1,
        "crowds and objects left out of training and scoring": 1,
    }
    rewrite(root, annotations=[uoais_annotation(1, 30, columns(1)), uoais_annotation(2, 30, columns(1))])
    assert open_dataset("uoais-sim", root)[1].notes == {"objects wholly covered by others, so without a label": 1}


def test_windows_separators(root: Path) -> None:
    image = {**uoais_image(30), "file_name": "bin\\color\\30.png", "depth_file_name": "bin\\depth\\30.png"}
    rewrite(root, images=[image], annotations=[uoais_annotation(1, 30, columns(1))])
    dataset = open_dataset("uoais-sim", root, depth=True)
    assert dataset.names == ("bin/color/30",)
    assert dataset[0].depth_m is not None


def test_photos_that_the_file_does_not_list_are_noted(root: Path) -> None:
    rewrite(root, images=[uoais_image(30)], annotations=[uoais_annotation(1, 30, columns(1))])
    uoais_sim(root, "val", [uoais_image(31)], [uoais_annotation(1, 31, columns(1))])
    (root / "val" / "bin" / "color" / "31.png").rename(root / "train" / "bin" / "color" / "31.png")
    (note,) = (note for note in open_dataset("uoais-sim", root).notes if "list" in note)
    assert note == "1 photo that the annotation file does not list, first bin/color/31"


def test_a_file_that_changes_after_opening(root: Path) -> None:
    dataset = open_dataset("uoais-sim", root)
    rewrite(root, info={"changed": True})
    with pytest.raises(DatasetError, match="expected the content it had when it was opened, found: .* changed"):
        dataset[0]


def test_pickles_small_and_reads_the_same(root: Path) -> None:
    dataset = open_dataset("uoais-sim", root)
    data = pickle.dumps(dataset)
    assert len(data) < 5000
    assert (pickle.loads(data)[1].labels == dataset[1].labels).all()


class TestBadFiles:
    def check(self, root: Path, message: str, **changes: Any) -> None:
        rewrite(root, **changes)
        with pytest.raises(DatasetError, match=message):
            list(open_dataset("uoais-sim", root))

    def test_another_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected UOAIS-Sim's annotations/coco_anns.*_train.json"):
            open_dataset("uoais-sim", tmp_path)

    def test_no_images(self, root: Path) -> None:
        self.check(root, "expected images, found none", images=[])

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            ({"file_name": "a.png"}, "expected an integer id and file_name .* found id None"),
            ({"id": 1}, "file_name None"),
            ({"id": 1, "file_name": "../../etc/a.png"}, "expected names of files inside the data set"),
            ({"id": 1, "file_name": "/etc/a.png"}, "expected names of files inside the data set"),
            (uoais_image(30), "expected every id once, found 30 more often"),
            ({**uoais_image(30), "id": 31}, "expected every file_name once, found 1 in 2 images"),
        ],
    )
    def test_images(self, root: Path, image: dict[str, Any], message: str) -> None:
        self.check(root, message, images=[uoais_image(30), image], annotations=[uoais_annotation(1, 30, columns(1))])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"image_id": 5}, "expected an image for every annotation, found none with id 5"),
            ({"image_id": "30"}, "expected an integer id and image_id"),
            ({"id": None}, "found id None"),
            ({"visible_mask": None}, "image 30, annotation 1: visible_mask: expected RLE with .*, found None"),
            ({"visible_mask": []}, "visible_mask: expected a polygon of 3 points or more"),
            ({"visible_mask": {"size": list(HW)}}, "visible_mask: expected RLE with size and counts"),
            (
                {"visible_mask": {"size": list(HW), "counts": [4, "x"]}},
                "visible_mask: expected counts as text or whole",
            ),
            ({"visible_mask": rle(np.zeros((6, 4), bool))}, "visible_mask: expected a mask of 6x4, found 4x6"),
            ({"visible_mask": {"size": list(HW), "counts": [4, 800]}}, "expected runs of 24 pixels .* found 804"),
            ({"visible_mask": {"size": list(HW), "counts": [4, 5]}}, "expected runs of 24 pixels .* found 9"),
            ({"visible_mask": {"size": list(HW), "counts": ""}}, "expected runs of 24 pixels .* found 0"),
            ({"visible_mask": {"size": list(HW), "counts": [10, -5, 19]}}, "expected runs of 0 or more .* found -5"),
            ({"visible_mask": {"size": list(HW), "counts": "04P"}}, "expected whole counts .* cut short"),
            ({"visible_mask": {"size": list(HW), "counts": "\u00e9~"}}, "found other characters"),
            ({"visible_mask": [[10, 10]]}, "expected a polygon of 3 points or more"),
            ({"visible_mask": [[[0, 0], [3, 0], [3, 3]]]}, "expected polygons as lists of x and y by turns"),
            ({"visible_mask": [[0, 0, 3, 0, 3, float("nan")]]}, "expected polygon points within .* found nan"),
            ({"visible_mask": [[0, 0, 2e8, 3e8, 3, 3]]}, "expected polygon points within .* found 2.*0"),
            ({"visible_mask": [[0, 0, 24, 3, 0, 3] * 500]}, "expected outlines that fit a frame of 6x4"),
            ({"occluded_rate": "n/a"}, "annotation 1: expected an occluded_rate from 0 to 1, found 'n/a'"),
            ({"occluded_rate": float("nan")}, "expected an occluded_rate from 0 to 1, found nan"),
            ({"id": 2**64 + 1}, "expected an integer id and image_id .* found id 18446744073709551617"),
            ({"image_id": 10**30}, "expected an integer id and image_id"),
            ({"id": True}, "expected an integer id and image_id .* found id True"),
        ],
    )
    def test_annotations(self, root: Path, change: dict[str, Any], message: str) -> None:
        self.check(root, message, annotations=[{**uoais_annotation(1, 30, columns(1)), **change}])

    def test_no_truth_at_all(self, root: Path) -> None:
        self.check(
            root, "expected annotations, found none for 3 images; is the ground truth .* published", annotations=[]
        )
        path = root / "annotations" / "coco_anns_uoais_sim_train.json"
        path.write_text(json.dumps({"images": [uoais_image(30)]}))
        with pytest.raises(DatasetError, match="expected the arrays images and annotations, found no annotations"):
            open_dataset("uoais-sim", root)

    def test_nesting_and_numbers_by_the_thousand(self, root: Path) -> None:
        path = root / "annotations" / "coco_anns_uoais_sim_train.json"
        for value in ("[" * 100_000 + "]" * 100_000, "1" * 5000):
            path.write_text('{"images": ' + value + "}")
            with pytest.raises(DatasetError, match="expected .* at byte"):
                open_dataset("uoais-sim", root)

    def test_a_bad_annotation_costs_its_frame_alone(self, root: Path) -> None:
        bad = uoais_annotation(1, 30, columns(1), visible_mask={"size": list(HW), "counts": [10, 5]})
        rewrite(root, annotations=[bad, uoais_annotation(2, 100, columns(1))])
        dataset = open_dataset("uoais-sim", root)
        with pytest.raises(DatasetError, match="_train.json: image 30, annotation 1: visible_mask"):
            dataset[1]
        assert dataset[2].labels.any()

    def test_an_annotation_id_that_comes_twice(self, root: Path) -> None:
        annotations = [uoais_annotation(1, 30, columns(1)), uoais_annotation(1, 4, columns(1))]
        self.check(root, "expected every id once, found 1 more often", annotations=annotations)

    def test_a_truncated_file(self, root: Path) -> None:
        path = root / "annotations" / "coco_anns_uoais_sim_train.json"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(DatasetError, match="_train.json: expected .* at byte"):
            open_dataset("uoais-sim", root)


def test_the_index_agrees_with_pycocotools(root: Path) -> None:
    from pycocotools.coco import COCO

    path = root / "annotations" / "coco_anns_uoais_sim_train.json"
    theirs, ours = COCO(str(path)), CocoIndex(path)
    for image_id, name in zip(sorted(theirs.imgs), ours.names, strict=True):
        assert ours.image(name) == theirs.imgs[image_id]
        expected = sorted(theirs.imgToAnns[image_id], key=lambda annotation: annotation["id"])
        assert list(ours.annotations(name)) == expected

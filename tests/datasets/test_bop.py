"""BOP data sets on small trees in the scene-wise format."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from dataset_trees import HW, PHOTO, bop_scene, columns, save, save_json
from uois_sam.datasets import open_dataset
from uois_sam.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scenes; the first image has three objects, of which the first is hidden."""
    masks = [columns(0), columns(0, 1), columns(0, 0, 1)]
    bop_scene(tmp_path / "test", 10, {3: masks, 12: []})
    bop_scene(tmp_path / "test", 2, {0: [columns(1)]})
    save_json(tmp_path / "camera.json", {})
    save_json(tmp_path / "test_targets_bop19.json", [{"scene_id": 10, "im_id": 3, "obj_id": 3, "inst_count": 1}])
    return tmp_path


def test_names_are_scene_and_image(root: Path) -> None:
    dataset = open_dataset("bop", root)
    assert dataset.names == ("000002/000000", "000010/000003", "000010/000012")
    assert open_dataset("bop", root / "test").names == dataset.names


def test_labels_are_the_visible_masks_by_place_in_the_ground_truth(root: Path) -> None:
    sample = open_dataset("bop", root)[1]
    assert sample.labels[0].tolist() == [0, 2, 3, 0, 0, 0]
    assert sample.visible_fractions == {2: 0.1, 3: 0.2}
    assert sample.ignore is None


def test_an_image_without_objects(root: Path) -> None:
    sample = open_dataset("bop", root)[2]
    assert not sample.labels.any()
    assert sample.visible_fractions is None


def test_hardly_visible_objects_can_be_ignored(root: Path) -> None:
    sample = open_dataset("bop", root, min_visible=0.15)[1]
    assert sample.labels[0].tolist() == [0, 0, 3, 0, 0, 0]
    assert sample.ignore is not None
    assert sample.ignore[0].tolist() == [False, True, False, False, False, False]


def test_targets(root: Path) -> None:
    assert open_dataset("bop", root, targets="test_targets_bop19.json").names == ("000010/000003",)
    save_json(root / "other.json", [{"scene": 1}])
    with pytest.raises(DatasetError, match="other.json: expected a list of targets"):
        open_dataset("bop", root, targets="other.json")
    with pytest.raises(DatasetError, match="no.json: expected a JSON file, found: .*No such file"):
        open_dataset("bop", root, targets="no.json")


def test_depth_by_the_unit_of_each_image(tmp_path: Path) -> None:
    bop_scene(tmp_path / "test", 1, {0: []}, depth_scale=0.1)
    depth_m = open_dataset("bop", tmp_path, depth=True)[0].depth_m
    assert depth_m is not None
    assert np.allclose(depth_m, 0.5)  # 5000 steps of 0.1 mm


def test_jpeg_training_photos_and_grey_tiffs(tmp_path: Path) -> None:
    scene = bop_scene(tmp_path / "train_pbr", 0, {0: [columns(1)]})
    save(scene / "rgb" / "000000.jpg", PHOTO)
    (scene / "rgb" / "000000.png").unlink()
    assert open_dataset("bop", tmp_path, split="train_pbr")[0].labels[0, 0] == 1
    (scene / "rgb").rename(scene / "gray")
    save(scene / "gray" / "000000.tif", PHOTO[:, :, 0])
    (scene / "gray" / "000000.jpg").unlink()
    assert open_dataset("bop", tmp_path, split="train_pbr")[0].image.shape == (*HW, 3)


def test_without_visibility_file(root: Path) -> None:
    (root / "test" / "000010" / "scene_gt_info.json").unlink()
    assert open_dataset("bop", root)[1].visible_fractions is None
    with pytest.raises(DatasetError, match="scene_gt_info.json: expected a JSON file"):
        open_dataset("bop", root, min_visible=0.1)[1]


def test_hidden_files_are_skipped(root: Path) -> None:
    (root / "test" / "000010" / "rgb" / "._000003.png").write_bytes(b"left by a file manager")
    assert len(open_dataset("bop", root)) == 3


def test_pickles(root: Path) -> None:
    dataset = pickle.loads(pickle.dumps(open_dataset("bop", root)))
    assert [sample.name for sample in dataset] == list(dataset.names)


def test_objects_wholly_covered_are_counted(tmp_path: Path) -> None:
    bop_scene(tmp_path / "test", 1, {0: [columns(1), columns(1), columns(0, 1)]})
    sample = open_dataset("bop", tmp_path)[0]
    assert sample.labels[0].tolist() == [2, 3, 0, 0, 0, 0]
    assert sample.notes == {"objects wholly covered by others, so without a label": 1}


def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    scene = bop_scene(tmp_path / "test", 1, {0: [columns(1), columns(0, 1)]})
    dataset = open_dataset("bop", tmp_path)
    assert dataset[0].labels.max() == 2
    truth = json.loads((scene / "scene_gt.json").read_text())
    save_json(scene / "scene_gt.json", {"0": truth["0"][:1]})
    save_json(scene / "scene_gt_info.json", {"0": [{"visib_fract": 0.75}]})
    for again in (dataset, open_dataset("bop", tmp_path)):
        assert again[0].labels.max() == 1
        assert again[0].visible_fractions == {1: 0.75}


def test_masks_without_photos_and_pictures_of_other_kinds_are_noted(tmp_path: Path) -> None:
    scene = bop_scene(tmp_path / "test", 1, {0: [columns(1)], 7: [columns(1)]})
    (scene / "rgb" / "000007.png").rename(scene / "rgb" / "000007.exr")
    assert open_dataset("bop", tmp_path).notes == (
        "scene 000001: 1 .exr left out: not a format that is read here",
        "scene 000001: 1 labelled image without a photo left out, first 000007",
    )


class TestBadTrees:
    def test_another_split(self, root: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected BOP's val/<scene>.* found camera.json, test/"):
            open_dataset("bop", root, split="val")

    @pytest.mark.parametrize("needed", ["scene_gt.json", "mask_visib"])
    def test_unpublished_ground_truth(self, root: Path, needed: str) -> None:
        path = root / "test" / "000002" / needed
        path.rename(path.with_name("away"))
        with pytest.raises(DatasetError, match=f"000002: expected {needed}, found .* is the ground truth .* published"):
            open_dataset("bop", root)

    def test_a_missing_mask(self, root: Path) -> None:
        (root / "test" / "000010" / "mask_visib" / "000003_000001.png").unlink()
        with pytest.raises(DatasetError, match="000003_000001.png: expected a label image, .*No such file"):
            open_dataset("bop", root)[1]

    def test_a_mask_of_another_size(self, root: Path) -> None:
        save(root / "test" / "000010" / "mask_visib" / "000003_000001.png", np.zeros((6, 4), np.uint8))
        with pytest.raises(DatasetError, match="000003_000001.png: expected the size of 000003.png, 6x4, found 4x6"):
            open_dataset("bop", root)[1]

    def test_an_image_without_entry(self, root: Path) -> None:
        save(root / "test" / "000010" / "rgb" / "000099.png", PHOTO)
        with pytest.raises(DatasetError, match="scene_gt.json: expected an entry for image 99, found none"):
            open_dataset("bop", root)[3]

    @pytest.mark.parametrize("content", [[1], {"3": 5}, {"three": []}])
    def test_another_form_of_ground_truth(self, root: Path, content: object) -> None:
        save_json(root / "test" / "000010" / "scene_gt.json", content)
        with pytest.raises(DatasetError, match="scene_gt.json: expected entries of BOP's form"):
            open_dataset("bop", root)[1]

    def test_counts_that_differ(self, root: Path) -> None:
        save_json(root / "test" / "000010" / "scene_gt_info.json", {"3": [{"visib_fract": 1}]})
        with pytest.raises(DatasetError, match="scene_gt_info.json: expected 3 objects for image 3, found 1"):
            open_dataset("bop", root)[1]

    def test_one_image_in_two_formats(self, root: Path) -> None:
        save(root / "test" / "000010" / "rgb" / "000003.jpg", PHOTO)
        with pytest.raises(DatasetError, match="expected one photo called 000003, found 000003.jpg and 000003.png"):
            open_dataset("bop", root)

    def test_names_that_are_no_numbers(self, root: Path) -> None:
        save(root / "test" / "000010" / "rgb" / "overview.png", PHOTO)
        with pytest.raises(DatasetError, match="expected numbers .* found 000010/overview"):
            open_dataset("bop", root)

    @pytest.mark.parametrize("share", [-0.1, 1.1])
    def test_senseless_visibility(self, root: Path, share: float) -> None:
        with pytest.raises(DatasetError, match="expected min_visible within 0 to 1"):
            open_dataset("bop", root, min_visible=share)

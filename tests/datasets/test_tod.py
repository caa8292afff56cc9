"""TOD on small trees in its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataset_trees import tod_scene
from uois_sam.datasets import open_dataset
from uois_sam.errors import DatasetError, ImageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tod_scene(tmp_path, "training_set", 0)
    tod_scene(tmp_path, "training_set", 1)
    tod_scene(tmp_path, "test_set", 7)
    return tmp_path


def test_the_views_with_objects_of_each_scene(root: Path) -> None:
    dataset = open_dataset("tod", root)
    assert dataset.names[4:6] == ("scene_00000/00006", "scene_00001/00002")
    assert len(dataset) == 10
    assert dataset[0].labels[0].tolist() == [0, 1, 2, 2, 0, 0]  # the table is background


def test_test_scenes_and_other_views(root: Path) -> None:
    dataset = open_dataset("tod", root, split="test", views=[0, 1])
    assert dataset.names == ("scene_00007/00000", "scene_00007/00001")
    assert not dataset[1].labels.any()


def test_v6_has_other_ids(root: Path) -> None:
    assert open_dataset("tod", root, first_object=3)[0].labels[0].tolist() == [0, 0, 1, 1, 0, 0]


def test_depth_in_millimetres(root: Path) -> None:
    depth_m = open_dataset("tod", root, depth=True)[0].depth_m
    assert depth_m is not None
    assert np.allclose(depth_m, 1.2)


def test_fewer_scenes_than_published_are_noted(root: Path) -> None:
    assert open_dataset("tod", root).notes == ("10 frames where 200000 are published for TOD",)


def test_one_in_ten(root: Path) -> None:
    assert open_dataset("tod", root, every=10).names == ("scene_00000/00002",)


def test_missing_files_say_so_when_asked_for(root: Path) -> None:
    (root / "training_set" / "scene_00000" / "segmentation_00002.png").unlink()
    (root / "training_set" / "scene_00000" / "rgb_00003.jpeg").unlink()
    dataset = open_dataset("tod", root)
    with pytest.raises(DatasetError, match="segmentation_00002.png: expected a label image, .*No such file"):
        dataset[0]
    with pytest.raises(ImageError, match="rgb_00003.jpeg: expected a photo, found: No such file"):
        dataset[1]
    assert dataset[2].name == "scene_00000/00004"


@pytest.mark.parametrize("options", [{"split": "val"}, {"views": [7]}, {"views": []}])
def test_senseless_options(root: Path, options: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match="expected split train or test and views out of 0..6"):
        open_dataset("tod", root, **options)


def test_a_missing_split(tmp_path: Path) -> None:
    tod_scene(tmp_path, "training_set", 0)
    with pytest.raises(DatasetError, match="expected TOD's test_set/scene_.* found training_set/"):
        open_dataset("tod", tmp_path, split="test")

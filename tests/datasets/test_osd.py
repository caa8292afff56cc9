"""OSD on small trees in its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_trees import columns, osd_frame, save
from uois_sam.datasets import open_dataset
from uois_sam.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three frames, and what people merge into the folder."""
    root = tmp_path / "OSD-0.2-depth"
    for name in ("test2", "test10", "learn0"):
        osd_frame(root, name, columns(0, 1, 2))
    save(root / "amodal_annotation" / "test2_1.png", columns(0, 255, 255))
    (root / "pcd").mkdir()
    return root


def test_frames_in_natural_order_and_every_label_an_object(root: Path) -> None:
    dataset = open_dataset("osd", root, partial=True)
    assert dataset.names == ("learn0", "test2", "test10")
    assert dataset[0].labels[0].tolist() == [0, 1, 2, 0, 0, 0]
    assert dataset[0].depth_m is None
    assert any("boundary scores have a ceiling" in note for note in dataset.notes)


def test_all_111_need_no_permission(tmp_path: Path) -> None:
    names = [f"learn{index}" for index in range(45)] + [f"test{index}" for index in range(66)]
    for name in names:
        osd_frame(tmp_path, name, columns(1))
    dataset = open_dataset("osd", tmp_path)
    assert set(dataset.names) == set(names)
    assert not any("published" in note for note in dataset.notes)
    (tmp_path / "image_color" / "test65.png").unlink()
    with pytest.raises(DatasetError, match=r"found 110 frames where 111 are .*\(1 are missing, first test65\)"):
        open_dataset("osd", tmp_path)


def test_palette_annotations_hold_indices(root: Path) -> None:
    image = Image.fromarray(columns(0, 3), mode="L")
    image.putpalette([(91 * i) % 256 for i in range(768)])
    image.save(root / "annotation" / "learn0.png")
    assert open_dataset("osd", root, partial=True)[0].labels[0].tolist() == [0, 3, 0, 0, 0, 0]


def test_depth_is_the_folder_disparity(root: Path) -> None:
    depth_m = open_dataset("osd", root, partial=True, depth=True)[0].depth_m
    assert depth_m is not None
    assert np.allclose(depth_m, 0.8)


def test_other_annotations_on_demand(root: Path) -> None:
    for name in ("test2", "test10", "learn0"):
        save(root / "annotation_fixed" / f"{name}.png", columns(5))
    dataset = open_dataset("osd", root, partial=True, annotations="annotation_fixed")
    assert dataset[0].labels[0, 0] == 5
    assert "labels from annotation_fixed, unlike published scores" in dataset.notes


@pytest.mark.parametrize("folder", ["annotation", "elsewhere"])
def test_no_annotations(root: Path, folder: str) -> None:
    if folder == "annotation":
        (root / folder).rename(root / "moved")
    with pytest.raises(DatasetError, match=f"found no folder {folder}"):
        open_dataset("osd", root, partial=True, annotations=folder)


def test_a_missing_annotation(root: Path) -> None:
    (root / "annotation" / "test2.png").unlink()
    with pytest.raises(DatasetError, match="found 2; the first one missing is annotation/test2.png"):
        open_dataset("osd", root, partial=True)


def test_another_folder(tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    with pytest.raises(DatasetError, match="expected OSD's image_color/.* found rgb/"):
        open_dataset("osd", tmp_path)

"""Other layouts, read back by the package's own loaders for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uois_sam.datasets.registry import open_dataset
from uois_sam.errors import DatasetError
from uois_sam.io.masks import decode_mask
from uois_sam.synth.dataset.export import EXPORTERS
from uois_sam.synth.dataset.reader import StoredScene, read_scenes
from uois_sam.types import LabelMap

pytestmark = pytest.mark.slow


def write(layout: str, scenes: Path, out: Path, split: str = "train") -> list[StoredScene]:
    return list(EXPORTERS[layout](read_scenes(scenes), out, split))


def same_objects(one: LabelMap, other: LabelMap) -> bool:
    """Whether two label maps show the same masks, numbered in any way."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).T
    return len(pairs) == len(np.unique(one)) == len(np.unique(other)) and [0, 0] in pairs.tolist()


def test_same_objects_tells_masks_apart() -> None:
    a = np.array([[0, 1], [2, 2]], dtype=np.uint16)
    assert same_objects(a, np.array([[0, 5], [3, 3]], dtype=np.uint16))
    assert not same_objects(a, np.array([[0, 5], [3, 5]], dtype=np.uint16))
    assert not same_objects(a, np.array([[0, 5], [5, 5]], dtype=np.uint16))


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_uoais_loader_reads_what_was_written(tiny_scenes: Path, tmp_path: Path, split: str) -> None:
    scenes = {scene.annotation.index: scene for scene in write("uoais", tiny_scenes, tmp_path, split)}
    data = open_dataset("uoais-sim", tmp_path, split=split, depth=True)
    assert len(data) == 3
    for sample in data:
        scene = scenes[int(sample.name.split("/")[-1])]
        assert same_objects(sample.labels, scene.labels())
        assert np.array_equal(sample.image, np.asarray(Image.open(scene.photo)))
        assert sample.depth_m is not None
        depth_mm = scene.depth_mm()
        near = depth_mm < 6500
        assert sample.depth_m[near] == pytest.approx(depth_mm[near] / 1000, abs=1e-4)
        fractions = sorted((sample.visible_fractions or {}).values())
        assert fractions == pytest.approx(sorted(one.visible_fraction for one in scene.annotation.objects))


def test_uoais_masks_add_up(tiny_scenes: Path, tmp_path: Path) -> None:
    write("uoais", tiny_scenes, tmp_path)
    content = json.loads((tmp_path / "annotations" / "coco_anns_uoais_sim_train.json").read_text())
    assert len({each["id"] for each in content["annotations"]}) == len(content["annotations"]) > 0
    for each in content["annotations"]:
        amodal, visible, hidden = (decode_mask(each[k]) for k in ("segmentation", "visible_mask", "occluded_mask"))
        assert np.array_equal(visible ^ hidden, amodal)
        assert each["occluded_rate"] == pytest.approx(hidden.sum() / amodal.sum())
        x, y, w, h = each["bbox"]
        assert amodal[y : y + h, x : x + w].sum() == amodal.sum() == each["area"]
        assert amodal[y].any() and amodal[y + h - 1].any() and amodal[:, x].any() and amodal[:, x + w - 1].any()


def test_the_bop_loader_reads_what_was_written(tiny_scenes: Path, tmp_path: Path) -> None:
    scenes = write("bop", tiny_scenes, tmp_path)
    data = open_dataset("bop", tmp_path, split="train_pbr", depth=True)
    assert len(data) == len(scenes) == 3
    for sample, scene in zip(data, scenes, strict=True):
        assert same_objects(sample.labels, scene.labels())
        assert sample.depth_m is not None
        assert sample.depth_m == pytest.approx(scene.depth_mm() / 1000, abs=1e-6)


def test_bop_poses_put_objects_where_their_masks_are(tiny_scenes: Path, tmp_path: Path) -> None:
    """The origin of an object's frame, seen through K and pose, lies in the box around its whole silhouette."""
    write("bop", tiny_scenes, tmp_path)
    folder = tmp_path / "train_pbr" / "000000"
    camera, poses, infos = (
        json.loads((folder / f"scene_{name}.json").read_text()) for name in ("camera", "gt", "gt_info")
    )
    shapes = json.loads((tmp_path / "objects.json").read_text())
    near = 0
    for frame, entries in poses.items():
        k = np.array(camera[frame]["cam_K"]).reshape(3, 3)
        for entry, info in zip(entries, infos[frame], strict=True):
            assert str(entry["obj_id"]) in shapes
            x, y, z = k @ np.array(entry["cam_t_m2c"])
            left, top, width, height = info["bbox_obj"]
            inside = left - width / 2 < x / z < left + 1.5 * width and top - height / 2 < y / z < top + 1.5 * height
            near += inside
            assert 200 < z < 5000, "millimetres"
            assert np.linalg.det(np.array(entry["cam_R_m2c"]).reshape(3, 3)) == pytest.approx(1)
            assert 0 < info["visib_fract"] <= 1
            assert info["px_count_visib"] <= info["px_count_valid"] <= info["px_count_all"]
    assert near == sum(map(len, poses.values()))


@pytest.mark.parametrize("layout", EXPORTERS)
def test_masks_are_needed_and_nothing_is_written_without(layout: str, tiny_scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "scenes.jsonl").write_text((tiny_scenes / "scenes.jsonl").read_text())
    for folder in ("rgb", "label", "depth"):
        (tmp_path / folder).symlink_to(tiny_scenes / folder)
    with pytest.raises(DatasetError, match="--amodal"):
        write(layout, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_any_other_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"found no scenes\.jsonl"):
        read_scenes(tmp_path)

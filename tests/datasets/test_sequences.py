"""PhoCAL and HouseCat6D on small trees in their layouts."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from dataset_trees import HW, columns, housecat_scene, phocal_sequence, save, save_json
from uois_sam.datasets import open_dataset
from uois_sam.datasets.base import DatasetInfo
from uois_sam.datasets.phocal import PhoCALDataset
from uois_sam.errors import DatasetError

BARE_ARRAY = b"\x93NUMPY\x01\x00\x46\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }".ljust(79) + b"\n\x00"
"""What an .npy file holds."""


@pytest.fixture
def phocal(tmp_path: Path) -> Path:
    """Sequences 2 and 10 of twelve frames."""
    for number in (10, 2):
        phocal_sequence(tmp_path, number, [columns(0, 1, 2)] * 12)
    return tmp_path


@pytest.fixture
def housecat(tmp_path: Path) -> Path:
    for name in ("scene01", "scene02", "val_scene1", "test_scene1"):
        housecat_scene(tmp_path, name, [columns(0, 1, 2)] * 4)
    save(tmp_path / "obj_models_small_size_final" / "a.png", columns(0))
    return tmp_path


class TestPhoCAL:
    def test_one_frame_in_ten_through_all_sequences(self, phocal: Path) -> None:
        dataset = open_dataset("phocal", phocal, partial=True)
        assert dataset.names == ("sequence_2/000000", "sequence_2/000010", "sequence_10/000008")
        assert "one in 10 of 24 frames, from frame 0 on" in dataset.notes
        assert dataset[2].labels[0].tolist() == [0, 1, 2, 0, 0, 0]

    def test_the_offset_is_ours_to_state(self, phocal: Path) -> None:
        dataset = open_dataset("phocal", phocal, partial=True, offset=9)
        assert dataset.names == ("sequence_2/000009", "sequence_10/000007")
        assert "one in 10 of 24 frames, from frame 9 on" in dataset.notes

    def test_every_frame_on_demand(self, phocal: Path) -> None:
        assert len(open_dataset("phocal", phocal, every=1)) == 24

    def test_missing_sequences_are_named(self, phocal: Path) -> None:
        with pytest.raises(DatasetError, match="found 3 frames where 721 .*without sequence_1, sequence_3, .*partial"):
            open_dataset("phocal", phocal)

    def test_as_many_frames_off_as_there_are_sequences_may_be_sampling(
        self, phocal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        info = PhoCALDataset.info
        for published, fine in ((5, True), (1, True), (6, False), (0, False)):
            changed = DatasetInfo(info.title, info.homepage, info.licence, frames=published, every=10)
            monkeypatch.setattr(PhoCALDataset, "info", changed)
            if fine:
                assert any(f"where {published} are published" in note for note in PhoCALDataset(phocal).notes)
            else:
                with pytest.raises(DatasetError, match="published"):
                    PhoCALDataset(phocal)

    def test_masks_of_three_channels(self, phocal: Path) -> None:
        coloured = np.zeros((*HW, 3), np.uint8)
        coloured[:, 1] = (3, 7, 9)  # red is what OpenCV calls channel 2
        save(phocal / "sequence_2" / "mask" / "000000.png", coloured)
        assert open_dataset("phocal", phocal, partial=True)[0].labels[0].tolist() == [0, 3, 0, 0, 0, 0]

    @pytest.mark.parametrize(("scale", "metres"), [(1000.0, 0.9), (10000.0, 0.09)])
    def test_the_depth_unit_is_in_the_camera_file(self, tmp_path: Path, scale: float, metres: float) -> None:
        phocal_sequence(tmp_path, 1, [columns(1)], depth_scale=scale)
        depth_m = open_dataset("phocal", tmp_path, partial=True, depth=True)[0].depth_m
        assert depth_m is not None
        assert np.allclose(depth_m, metres)

    @pytest.mark.parametrize("content", [{"rgb": {"depth_scale": 0}}, {"rgb": {"depth_scale": "much"}}, [1]])
    def test_a_senseless_camera_file(self, tmp_path: Path, content: object) -> None:
        phocal_sequence(tmp_path, 1, [columns(1)])
        save_json(tmp_path / "sequence_1" / "scene_camera.json", content)
        with pytest.raises(
            DatasetError,
            match="scene_camera.json: (expected .*depth_scale|depth_scale: expected|expected named entries)",
        ):
            open_dataset("phocal", tmp_path, partial=True, depth=True)[0]

    def test_splits(self, phocal: Path) -> None:
        assert open_dataset("phocal", phocal, split="test", every=1).names[:2] == (
            "sequence_2/000001",
            "sequence_2/000003",
        )
        assert len(open_dataset("phocal", phocal, split="train", every=1)) == 12
        with pytest.raises(DatasetError, match="expected split all, train or test, found 'val'"):
            open_dataset("phocal", phocal, split="val")

    def test_pickled_splits_are_refused_with_advice(self, phocal: Path) -> None:
        indices = np.array([1, "two", None], dtype=object)
        np.savez(phocal / "sequence_2" / "train_test_split.npz", test_idxs=indices, allow_pickle=True)
        with pytest.raises(DatasetError, match=r"can run code and are not loaded; save test_idxs as an integer array"):
            open_dataset("phocal", phocal, split="test", every=1)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda path: path.unlink(), "expected an .npz file .* found: .*No such file"),
            (lambda path: path.write_bytes(b"PK\x03\x04 cut short"), "expected an .npz file"),
            (lambda path: path.write_bytes(BARE_ARRAY), "expected an .npz file"),
            (lambda path: path.write_bytes(pickle.dumps([1, 2])), "expected plain numbers, found pickled objects"),
            (lambda path: np.savez(path, train=np.arange(3)), "expected an array test_idxs, found train"),
            (lambda path: np.savez(path, test_idxs=np.zeros(3)), "expected integers in test_idxs, found float64"),
        ],
    )
    def test_bad_split_files(self, phocal: Path, make: object, message: str) -> None:
        assert callable(make)
        make(phocal / "sequence_2" / "train_test_split.npz")
        with pytest.raises(DatasetError, match=f"train_test_split.npz: {message}"):
            open_dataset("phocal", phocal, split="test", every=1)

    def test_a_list_of_frames_instead(self, phocal: Path, tmp_path: Path) -> None:
        lines = ["/data/phocal/sequence_10/rgb/000003.png", r"D:\phocal\sequence_2\rgb\000001.png", "sequence_2/rgb/5"]
        (tmp_path / "data_list.txt").write_text("\n".join(lines[:2]) + "\n")
        dataset = open_dataset("phocal", phocal, frame_list=tmp_path / "data_list.txt", partial=True)
        assert dataset.names == ("sequence_10/000003", "sequence_2/000001")
        assert not any("one in" in note for note in dataset.notes)
        (tmp_path / "data_list.txt").write_text("\n".join(lines))
        with pytest.raises(DatasetError, match="data_list.txt: expected photos .*found sequence_2/rgb/5 and 0 more"):
            open_dataset("phocal", phocal, frame_list=tmp_path / "data_list.txt", partial=True)
        with pytest.raises(DatasetError, match="expected a list of photos, found an unreadable file"):
            open_dataset("phocal", phocal, frame_list=tmp_path / "no.txt")

    def test_a_missing_mask(self, phocal: Path) -> None:
        (phocal / "sequence_2" / "mask" / "000010.png").unlink()
        with pytest.raises(DatasetError, match="each of 3 photos, found 2; .* sequence_2/mask/000010.png"):
            open_dataset("phocal", phocal, partial=True)

    def test_another_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected PhoCAL's .sequence_\*./.rgb,mask.*found an empty folder"):
            open_dataset("phocal", tmp_path)


class TestHouseCat6D:
    def test_one_in_ten_of_all_scenes(self, housecat: Path) -> None:
        dataset = open_dataset("housecat6d", housecat, partial=True, offset=3)
        assert dataset.names == ("scene01/000003", "val_scene1/000001")
        assert dataset[1].labels[0].tolist() == [0, 1, 2, 0, 0, 0]

    @pytest.mark.parametrize(
        ("split", "scenes"),
        [
            ("train", {"scene01", "scene02"}),
            ("val", {"val_scene1"}),
            ("test", {"test_scene1"}),
            ("all", {"scene01", "scene02", "val_scene1", "test_scene1"}),
        ],
    )
    def test_splits(self, housecat: Path, split: str, scenes: set[str]) -> None:
        dataset = open_dataset("housecat6d", housecat, split=split, every=1)
        assert {name.split("/")[0] for name in dataset.names} == scenes

    def test_a_split_is_not_compared_with_the_published_count(self, housecat: Path) -> None:
        assert not any("published" in note for note in open_dataset("housecat6d", housecat, split="test").notes)

    def test_missing_kinds_of_scenes_are_named(self, tmp_path: Path) -> None:
        housecat_scene(tmp_path, "scene01", [columns(1)])
        with pytest.raises(DatasetError, match=r"1 frame where 2503 .*without any val_scene\*, test_scene\*"):
            open_dataset("housecat6d", tmp_path)

    def test_masks_of_three_channels_and_depth(self, housecat: Path) -> None:
        save(housecat / "scene01" / "instance" / "000000.png", np.dstack([columns(4), columns(1), columns(2)]))
        sample = open_dataset("housecat6d", housecat, partial=True, depth=True)[0]
        assert sample.labels[0].tolist() == [4, 0, 0, 0, 0, 0]
        assert sample.depth_m is not None
        assert np.allclose(sample.depth_m, 0.7)

    def test_unknown_split(self, housecat: Path) -> None:
        with pytest.raises(DatasetError, match="expected split out of all, train, val, test, found 'trian'"):
            open_dataset("housecat6d", housecat, split="trian")

"""OCID on small trees in its layout: what counts as an object, the shifted sequence, missing parts."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from dataset_trees import columns, ocid_frame, save
from uois_sam.datasets import open_dataset
from uois_sam.datasets.ocid import OCIDDataset
from uois_sam.errors import DatasetError

SHIFTED = "ARID10/floor/top/curved/seq05"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A floor scene, a table scene and one of YCB10, in a folder whose own path says "table" and "rgb"."""
    root = tmp_path / "table-rgb" / "OCID-dataset"
    ocid_frame(root, "ARID20/floor/bottom/seq01", "result_2018-08-21-13-44-34", columns(1, 1, 2, 4, 9))
    ocid_frame(root, "ARID20/table/top/seq12", "result_2018-08-21-13-44-35", columns(1, 2, 2, 3, 7))
    ocid_frame(root, "YCB10/table/bottom/cuboid/seq02", "result_2018-08-24-09-00-00", columns(1, 2, 3))
    return root


def test_names_are_paths_without_the_folder_rgb(root: Path) -> None:
    dataset = open_dataset("ocid", root, partial=True)
    assert dataset.names == (
        "ARID20/floor/bottom/seq01/result_2018-08-21-13-44-34",
        "ARID20/table/top/seq12/result_2018-08-21-13-44-35",
        "YCB10/table/bottom/cuboid/seq02/result_2018-08-24-09-00-00",
    )
    assert [sample.name for sample in dataset] == list(dataset.names)


def test_the_floor_goes_in_floor_scenes_floor_and_table_in_table_scenes(root: Path) -> None:
    floor, table, ycb = open_dataset("ocid", root, partial=True)
    assert floor.labels[0].tolist() == [0, 0, 1, 2, 3, 0]  # the path above the data set says "table" too
    assert table.labels[0].tolist() == [0, 0, 0, 1, 2, 0]
    assert ycb.labels[0].tolist() == [0, 0, 1, 0, 0, 0]
    assert floor.labels.dtype == np.uint16


def test_the_folder_around_it_does_as_well(root: Path) -> None:
    assert open_dataset("ocid", root.parent, partial=True).names == open_dataset("ocid", root, partial=True).names


def test_depth_is_in_metres_and_read_only_when_asked(root: Path) -> None:
    assert open_dataset("ocid", root, partial=True)[0].depth_m is None
    depth_m = open_dataset("ocid", root, partial=True, depth=True)[0].depth_m
    assert depth_m is not None
    assert depth_m.dtype == np.float32
    assert np.allclose(depth_m, 1.5)


class TestShiftedSequence:
    """ARID10/floor/top/curved/seq05: ids 0, 256 (the floor), 257, ..."""

    @pytest.fixture
    def shifted(self, root: Path) -> Path:
        ocid_frame(root, SHIFTED, "result_a", columns(0, 256, 256, 257, 300, dtype="uint16"))
        return root

    def test_its_floor_counts_as_in_published_scores_and_is_warned_of(
        self, shifted: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            dataset = open_dataset("ocid", shifted, partial=True)
        assert "rebase_ids corrects it" in caplog.text
        assert any(SHIFTED in note for note in dataset.notes)
        assert dataset[0].labels[0].tolist() == [0, 1, 1, 2, 3, 0]

    def test_corrected_on_demand_and_nothing_else_changes(self, shifted: Path) -> None:
        plain = open_dataset("ocid", shifted, partial=True)
        dataset = open_dataset("ocid", shifted, partial=True, rebase_ids=True)
        assert dataset[0].labels[0].tolist() == [0, 0, 0, 1, 2, 0]
        assert any("unlike in published scores" in note for note in dataset.notes)
        for index in range(1, 4):
            assert (dataset[index].labels == plain[index].labels).all()

    @pytest.mark.parametrize("rebase_ids", [False, True])
    def test_a_sequence_corrected_on_disk_is_left_alone(
        self, root: Path, caplog: pytest.LogCaptureFixture, rebase_ids: bool
    ) -> None:
        ocid_frame(root, SHIFTED, "result_a", columns(0, 1, 1, 2, 45))
        dataset = open_dataset("ocid", root, partial=True, rebase_ids=rebase_ids)
        assert not any(SHIFTED in note for note in dataset.notes)
        assert not caplog.text
        assert dataset[0].labels[0].tolist() == [0, 0, 0, 1, 2, 0]

    def test_a_damaged_file_in_it_is_told_when_it_is_read(self, shifted: Path) -> None:
        (shifted / SHIFTED / "label" / "result_a.png").write_bytes(b"damaged")
        dataset = open_dataset("ocid", shifted, partial=True)
        assert dataset[1].labels.any()
        with pytest.raises(DatasetError, match="result_a.png: expected a label image"):
            dataset[0]


class TestWhatIsMissing:
    def test_frames(self, root: Path) -> None:
        with pytest.raises(DatasetError) as caught:
            OCIDDataset(root)
        for part in ("found 3 frames where 2390 are published", "first ARID20/floor/top", "set partial"):
            assert part in str(caught.value)

    def test_frames_are_noted_when_that_is_fine(self, root: Path) -> None:
        (note,) = open_dataset("ocid", root, partial=True).notes
        assert note.startswith("3 frames where 2390 are published for OCID (")

    def test_a_label(self, root: Path) -> None:
        (root / "ARID20/table/top/seq12/label/result_2018-08-21-13-44-35.png").unlink()
        with pytest.raises(DatasetError, match="each of 3 photos, found 2; the first one missing is ARID20/table/top"):
            open_dataset("ocid", root, partial=True)

    def test_another_folder(self, tmp_path: Path) -> None:
        save(tmp_path / "image_color" / "test0.png", columns(1))
        with pytest.raises(DatasetError, match=r"expected OCID's .ARID20.*found image_color/"):
            open_dataset("ocid", tmp_path)

    def test_neither_floor_nor_table(self, root: Path) -> None:
        ocid_frame(root, "ARID20/shelf/top/seq01", "a", columns(1))
        with pytest.raises(DatasetError, match="expected floor or table .* found ARID20/shelf/top/seq01/a"):
            open_dataset("ocid", root, partial=True)

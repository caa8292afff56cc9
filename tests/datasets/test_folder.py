"""Folder data sets on small trees, the odd ones included."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from dataset_trees import PHOTO, save
from uois_sam.datasets import Dataset, FolderDataset, open_dataset
from uois_sam.datasets.labels import read_label_map
from uois_sam.errors import DatasetError, ImageError

LABELS = np.zeros((4, 6), np.uint16)
LABELS[1:3, 1:3] = 1
LABELS[0, 5] = 40000


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """Two samples, the second with an ignore mask."""
    for name in ("000001", "000002"):
        save(tmp_path / "rgb" / f"{name}.png", PHOTO)
        save(tmp_path / "label" / f"{name}.png", LABELS)
    save(tmp_path / "ignore" / "000002.png", (LABELS == 1).astype(np.uint8) * 255)
    return tmp_path


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Two samples and a note; the first has an ignore mask."""
    for name in ("b", "a"):
        save(tmp_path / f"{name}.jpg", PHOTO)
        save(tmp_path / f"{name}_label.png", LABELS)
    save(tmp_path / "a_ignore.png", (LABELS == 1).astype(np.uint8) * 255)
    (tmp_path / "README.md").write_text("about these photos")
    return tmp_path


class TestLayouts:
    def test_nested(self, nested: Path) -> None:
        dataset: Dataset = FolderDataset(nested)
        assert (len(dataset), list(dataset.names)) == (2, ["000001", "000002"])
        sample = dataset[0]
        assert sample.name == "000001"
        assert (str(sample.image.dtype), str(sample.labels.dtype)) == ("uint8", "uint16")
        assert (sample.image == PHOTO).all()
        assert (sample.labels == LABELS).all()
        assert sample.ignore is None
        ignore = dataset[1].ignore
        assert ignore is not None
        assert ignore.dtype == np.bool_
        assert (ignore == (LABELS == 1)).all()

    def test_flat(self, flat: Path) -> None:
        dataset = FolderDataset(str(flat))
        assert dataset.names == ("a", "b")
        assert dataset[0].ignore is not None
        assert dataset[1].ignore is None
        assert (dataset[1].labels == LABELS).all()
        assert dataset[1].image.shape == (4, 6, 3)

    def test_flat_png_photos(self, tmp_path: Path) -> None:
        save(tmp_path / "x.png", PHOTO)
        save(tmp_path / "x_label.png", LABELS)
        assert FolderDataset(tmp_path).names == ("x",)

    def test_names_may_contain_folders(self, nested: Path) -> None:
        save(nested / "rgb" / "bin" / "7.jpg", PHOTO)
        save(nested / "label" / "bin" / "7.png", LABELS)
        dataset = FolderDataset(nested)
        assert dataset.names == ("000001", "000002", "bin/7")
        assert dataset[-1].name == "bin/7"

    def test_iterates_and_pickles(self, nested: Path) -> None:
        dataset = pickle.loads(pickle.dumps(FolderDataset(nested)))
        assert [sample.name for sample in dataset] == ["000001", "000002"]
        with pytest.raises(IndexError):
            dataset[2]

    def test_hidden_files_are_skipped(self, nested: Path) -> None:
        (nested / "rgb" / "._000001.png").write_bytes(b"left by a file manager")
        assert len(FolderDataset(nested)) == 2

    def test_pixels_are_read_late(self, nested: Path) -> None:
        (nested / "rgb" / "000001.png").write_bytes(b"damaged")
        dataset = FolderDataset(nested)
        assert dataset[1].name == "000002"
        with pytest.raises(ImageError):
            dataset[0]


class TestWhatIsLeftOut:
    def test_photos_in_every_format_are_read(self, tmp_path: Path) -> None:
        for index, suffix in enumerate((".png", ".bmp", ".webp", ".tif", ".PNG")):
            save(tmp_path / "rgb" / f"{index}{suffix}", PHOTO)
            save(tmp_path / "label" / f"{index}.png", LABELS)
        dataset = FolderDataset(tmp_path)
        assert (dataset.names, dataset.notes) == (("0", "1", "2", "3", "4"), ())
        assert all(sample.image.shape == PHOTO.shape for sample in dataset)

    def test_labels_without_a_photo_and_other_kinds_of_pictures_are_noted(
        self, nested: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("uois_sam.io.formats._has_heif", lambda: False)
        save(nested / "label" / "lonely.png", LABELS)
        (nested / "rgb" / "9.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
        (nested / "rgb" / "8.dng").write_bytes(b"II*\0")
        notes = FolderDataset(nested).notes
        assert notes == (
            "1 .HEIC left out: not a format that is read here; pip install pillow-heif to read it",
            "1 .dng left out: not a format that is read here",
            "1 label without a photo left out, first lonely",
        )

    def test_a_flat_folder_may_hold_other_things(self, flat: Path) -> None:
        save(flat / "c_label.png", LABELS)
        (flat / "d.cr2").write_bytes(b"II*\0")
        dataset = FolderDataset(flat)
        assert dataset.names == ("a", "b")
        assert len(dataset.notes) == 2

    def test_label_maps_in_other_formats(self, tmp_path: Path) -> None:
        save(tmp_path / "rgb" / "a.png", PHOTO)
        save(tmp_path / "label" / "a.tif", LABELS)
        save(tmp_path / "rgb" / "b.png", PHOTO)
        save(tmp_path / "label" / "b.PNG", LABELS)
        assert all((sample.labels == LABELS).all() for sample in FolderDataset(tmp_path))

    def test_photos_without_a_label_are_left_out_if_that_is_asked_for(self, nested: Path) -> None:
        (nested / "label" / "000002.png").unlink()
        dataset = open_dataset("folder", nested, partial=True)
        assert dataset.names == ("000001",)
        assert dataset.notes == ("1 of 2 photos left out for want of a label, first 000002",)

    def test_void_is_ignored(self, nested: Path) -> None:
        sample = open_dataset("folder", nested, void=40000)[1]
        assert set(np.unique(sample.labels)) == {0, 1}
        assert sample.ignore is not None and sample.ignore[0, 5] and sample.ignore[1, 1]
        with pytest.raises(DatasetError, match="void within"):
            open_dataset("folder", nested, void=-1)

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ([255, 0, 255, 0, 0, 0], "a mask of 0 and 255 in several regions taken as one object"),
            ([255, 255, 0, 0, 0, 0], None),
            ([0, 1, 2, 255, 0, 0], "label 255 beside small ones taken as an object: if it is void, set void=255"),
            ([0, 1, 254, 255, 0, 0], None),
        ],
    )
    def test_doubtful_values(self, nested: Path, values: list[int], said: str | None) -> None:
        for name in ("000001", "000002"):
            save(nested / "label" / f"{name}.png", np.tile(np.array(values, np.uint8), (4, 1)))
        dataset = FolderDataset(nested)
        for told in (dataset.notes, dataset[1].notes):
            assert len(told) == (said is not None) and all(str(said) in note for note in told)


class TestDepthAndVisibility:
    def test_the_unit_of_depth(self, nested: Path, caplog: pytest.LogCaptureFixture) -> None:
        save(nested / "depth" / "000001.png", np.full((4, 6), 9000, np.uint16))
        dataset = open_dataset("folder", nested, depth=True)
        assert dataset.notes == ("depth has a median of 9 m with depth_unit_m=0.001: is that the unit?",)
        assert "is that the unit?" in caplog.text
        tenths = open_dataset("folder", nested, depth=True, depth_unit_m=0.0001)
        depth_m = tenths[0].depth_m
        assert depth_m is not None and np.allclose(depth_m, 0.9)
        assert tenths.notes == ()
        for bad in (0.0, -1.0, float("nan"), 2.0):
            with pytest.raises(DatasetError, match="depth_unit_m above 0"):
                open_dataset("folder", nested, depth_unit_m=bad)

    def test_depth_is_in_millimetres_and_optional(self, nested: Path) -> None:
        save(nested / "depth" / "000001.png", np.full((4, 6), 1234, np.uint16))
        with_depth, without = open_dataset("folder", nested, depth=True)
        assert with_depth.depth_m is not None
        assert np.allclose(with_depth.depth_m, 1.234)
        assert without.depth_m is None
        assert FolderDataset(nested)[0].depth_m is None

    def test_depth_beside_flat_photos_is_no_photo(self, flat: Path) -> None:
        save(flat / "a_depth.png", np.full((4, 6), 500, np.uint16))
        dataset = open_dataset("folder", flat, depth=True)
        assert dataset.names == ("a", "b")
        assert dataset[0].depth_m is not None

    @pytest.mark.parametrize(
        ("pixels", "found"), [(np.zeros((6, 4), np.uint16), "6x4, found 4x6"), (PHOTO, "in one channel")]
    )
    def test_bad_depth(self, nested: Path, pixels: npt.NDArray[Any], found: str) -> None:
        save(nested / "depth" / "000001.png", pixels)
        with pytest.raises(DatasetError, match=f"depth/000001.png: expected .*{found}"):
            open_dataset("folder", nested, depth=True)[0]

    def test_visible_fractions_come_from_the_records_of_scenes(self, nested: Path) -> None:
        lines = [
            json.dumps({"index": 1, "objects": [{"label": 1, "visible_fraction": 0.1}]}),  # made again later
            json.dumps({"index": 2, "objects": 3}),  # an earlier version's count
            json.dumps({"name": "not a record"}),
            json.dumps({"index": 1, "objects": [{"label": 1, "visible_fraction": 0.5}]}),
            '{"index": 2, "objects": [{"lab',  # the run was killed here
        ]
        (nested / "scenes.jsonl").write_text("\n".join(lines))
        dataset = pickle.loads(pickle.dumps(FolderDataset(nested)))
        assert dataset[0].visible_fractions == {1: 0.5}
        assert dataset[1].visible_fractions is None

    def test_records_of_another_form(self, nested: Path) -> None:
        (nested / "scenes.jsonl").write_text('{"index": 1, "objects": [{"label": 1}]}\n')
        with pytest.raises(DatasetError, match="scenes.jsonl: expected label and visible_fraction .* scene 000001"):
            FolderDataset(nested)[0]


class TestLabelMaps:
    @pytest.mark.parametrize(("name", "dtype"), [("x.png", "uint8"), ("x.png", "uint16"), ("x.tif", "int32")])
    def test_values_are_kept(self, tmp_path: Path, name: str, dtype: str) -> None:
        values = np.array([[0, 1, 2], [100, 200, 255 if dtype == "uint8" else 65535]], np.dtype(dtype))
        read = read_label_map(save(tmp_path / name, values))
        assert read.dtype == np.uint16
        assert (read == values).all()

    def test_palette_indices_are_the_labels(self, tmp_path: Path) -> None:
        indices = np.array([[0, 1], [2, 7]], np.uint8)
        image = Image.fromarray(indices, mode="L")
        image.putpalette([(37 * i) % 256 for i in range(768)])
        image.save(tmp_path / "p.png")
        assert Image.open(tmp_path / "p.png").mode == "P"
        assert (read_label_map(tmp_path / "p.png") == indices).all()

    def test_one_bit_masks(self, tmp_path: Path) -> None:
        mask = np.array([[True, False], [False, True]])
        assert read_label_map(save(tmp_path / "m.png", mask)).tolist() == [[1, 0], [0, 1]]

    @pytest.mark.parametrize(
        ("name", "pixels", "found"),
        [
            ("rgb.png", PHOTO, "found Pillow mode 'RGB'"),
            ("rgba.png", np.zeros((2, 2, 4), np.uint8), "found Pillow mode 'RGBA'"),
            ("float.tif", np.zeros((2, 2), np.float32), "found Pillow mode 'F'"),
            ("wide.tif", np.full((2, 2), 70000, np.int32), "within 0..65535, found 70000..70000"),
        ],
    )
    def test_refused(self, tmp_path: Path, name: str, pixels: npt.NDArray[Any], found: str) -> None:
        path = save(tmp_path / name, pixels)
        with pytest.raises(DatasetError, match=f"{name}: expected labels .*{re.escape(found)}"):
            read_label_map(path)

    @pytest.mark.parametrize("keep", [0, 20, 50])
    def test_truncated(self, tmp_path: Path, keep: int) -> None:
        path = save(tmp_path / "x.png", LABELS)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(DatasetError, match="expected a label image, found an unreadable file"):
            read_label_map(path)


class TestErrors:
    def check(self, root: Path, *parts: str) -> None:
        with pytest.raises(DatasetError) as caught:
            FolderDataset(root)
        for part in (str(root), *parts):
            assert part in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing_root(self, tmp_path: Path) -> None:
        self.check(tmp_path / "no", "expected a folder with rgb/<name>", "<id>_label.png", "found nothing there")

    def test_root_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        self.check(tmp_path / "file", "found a file")

    def test_empty_root(self, tmp_path: Path) -> None:
        self.check(tmp_path, "found an empty folder")

    def test_other_layout(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        for i in range(6):
            (tmp_path / f"{i}.txt").touch()
        self.check(tmp_path, "found 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more")

    def test_only_labels(self, tmp_path: Path) -> None:
        save(tmp_path / "a_label.png", LABELS)
        self.check(tmp_path, "found a_label.png")

    def test_no_photos_in_rgb(self, tmp_path: Path) -> None:
        (tmp_path / "rgb").mkdir()
        self.check(tmp_path, "found a folder rgb without photos")

    def test_missing_label(self, nested: Path) -> None:
        (nested / "label" / "000002.png").unlink()
        self.check(nested, "a label for each of 2 photos, found 1", "first one missing is label/000002.png")

    def test_missing_label_in_flat_layout(self, flat: Path) -> None:
        (flat / "a_label.png").unlink()
        self.check(flat, "found 1", "a_label.png")

    def test_two_photos_of_one_name(self, nested: Path) -> None:
        save(nested / "rgb" / "000001.jpg", PHOTO)
        self.check(nested / "rgb", "one photo called 000001, found 000001.jpg and 000001.png")

    @pytest.mark.parametrize("folder", ["label", "ignore"])
    def test_sizes_that_differ(self, nested: Path, folder: str) -> None:
        save(nested / folder / "000002.png", np.zeros((6, 4), np.uint8))
        with pytest.raises(DatasetError, match=f"{folder}/000002.png: .*000002.png, 6x4, found 4x6"):
            FolderDataset(nested)[1]

    def test_colour_label(self, nested: Path) -> None:
        save(nested / "label" / "000001.png", PHOTO)
        with pytest.raises(DatasetError, match="one channel of 8 or 16 bits, found Pillow mode 'RGB'"):
            FolderDataset(nested)[0]


class TestWhatMayNotBeRead:
    def test_an_ignore_map_that_may_not_be_looked_at_is_no_missing_one(
        self, nested: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset, stat = FolderDataset(nested), os.stat

        def refuse(path: Any, *args: Any, **options: Any) -> os.stat_result:
            if "ignore" in Path(os.fspath(path)).parts:
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return stat(path, *args, **options)

        monkeypatch.setattr(os, "stat", refuse)
        with pytest.raises(DatasetError, match=r"ignore.*: expected a readable file, found: Permission denied"):
            dataset[0]

"""Held-out photos, the look through the labels, and small copies of large photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from finetuning_photos import write_photos
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import DatasetError
from uois_sam.finetuning.photos import FEWEST_HELD_OUT, LARGEST_SIDE, MOST_HELD_OUT, SmallCopies, examine, hold_out


def ignore(done: int) -> None:
    """Receive progress."""


@given(st.integers(5, 300), st.floats(0.01, 0.5), st.integers(0, 9))
def test_each_photo_is_either_learned_from_or_held_out(photos: int, share: float, seed: int) -> None:
    names = [f"{index:06d}" for index in range(photos)]
    found = hold_out(names, [1] * photos, share, seed)
    assert sorted((*found.learn, *found.test)) == list(range(photos))
    assert len(found.test) == min(max(min(5, photos // 2), round(share * photos)), MOST_HELD_OUT)
    assert found == hold_out(names, [1] * photos, share, seed)
    assert found.words == f"{len(found.test)} of {photos} photos held out"


def test_another_seed_holds_out_others() -> None:
    names = [f"{index:06d}" for index in range(40)]
    assert hold_out(names, [1] * 40, 0.25, 0).test != hold_out(names, [1] * 40, 0.25, 1).test


@pytest.mark.parametrize("pattern", ["{}_{}", "{}/{:04d}", "{}_BURST{:03d}", "{}-frame{}", "{} {}"])
def test_photos_of_a_sequence_stay_together(pattern: str) -> None:
    names = [pattern.format(place, number) for place in "abcdefgh" for number in range(5)]
    found = hold_out(names, [1] * 40, 0.25, 0)
    learned = {names[index][0] for index in found.learn}
    tested = {names[index][0] for index in found.test}
    assert not learned & tested
    assert len(found.test) == 10
    assert "2 of 8 sequences" in found.words


@pytest.mark.parametrize("names", [[f"IMG_{k}" for k in range(9)], [f"a{k}" for k in range(8)] + ["b1", "c1", "d1"]])
def test_names_of_few_or_one_large_sequence_tell_none(names: list[str]) -> None:
    found = hold_out(names, [1] * len(names), 0.25, 0)
    assert len(found.test) == len(names) // 2
    assert "sequence" not in found.words


def test_held_out_photos_have_objects() -> None:
    objects = [0] * 40 + [1] * 10
    found = hold_out([f"{k}" for k in range(50)], objects, 0.05, 0)
    assert sum(objects[index] for index in found.test) >= FEWEST_HELD_OUT


def test_a_share_that_leaves_too_few_to_learn_from_is_told() -> None:
    with pytest.raises(DatasetError, match="found 2 photos left beside 4 held out"):
        hold_out(["1", "2", "3", "4", "5", "6"], [1] * 6, 0.7, 0)


def test_few_photos_are_refused(tmp_path: Path) -> None:
    data = FolderDataset(write_photos(tmp_path / "few", 4))
    with pytest.raises(DatasetError, match="expected 5 labelled photos or more to fine-tune on, found 4"):
        examine(data, ignore)


def test_labels_without_objects_are_refused(tmp_path: Path) -> None:
    data = FolderDataset(write_photos(tmp_path / "none", 6, objects=0))
    with pytest.raises(DatasetError, match="found none in 6 images"):
        examine(data, ignore)


def test_photos_without_objects_do_not_count_as_labelled(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 6)
    for index in range(2):
        Image.fromarray(np.zeros((96, 128), np.uint16)).save(root / "label" / f"{index}.png")
    with pytest.raises(DatasetError, match="with a labelled object, found 4 of 6"):
        examine(FolderDataset(root), ignore)


def test_labels_of_another_size_are_named(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 6)
    Image.fromarray(np.ones((48, 64), np.uint16)).save(root / "label" / "3.png")
    with pytest.raises(DatasetError, match=r"3\.png.*64x48"):
        examine(FolderDataset(root), ignore)


def test_labels_that_say_mostly_nothing_are_refused(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 6)
    (root / "ignore").mkdir()
    for index in range(6):
        mask = np.zeros((96, 128), np.uint8)
        mask[:60] = 255
        Image.fromarray(mask).save(root / "ignore" / f"{index}.png")
    with pytest.raises(DatasetError, match="at least half of all pixels, found 62 % ignored"):
        examine(FolderDataset(root), ignore)


def test_ignored_pixels_are_told(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 5)
    (root / "ignore").mkdir()
    mask = np.zeros((96, 128), np.uint8)
    mask[:48] = 1
    Image.fromarray(mask).save(root / "ignore" / "2.png")
    notes = examine(FolderDataset(root), ignore).notes
    assert notes == (
        "10.0 % of all pixels are marked to be ignored: they are left out of scores, and learned as background",
    )


def test_facts_count_objects_and_photos_without(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 6)
    Image.fromarray(np.zeros((96, 128), np.uint16)).save(root / "label" / "0.png")
    facts = examine(FolderDataset(root), ignore)
    assert facts.objects[0] == 0
    assert min(facts.objects[1:]) >= 1
    assert "1 of 6 photos without a labelled object" in facts.notes[-1]


def test_large_photos_are_copied_small_and_others_left_alone(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 2)
    side = 2 * LARGEST_SIDE
    image, labels, void = np.zeros((side // 2, side, 3), np.uint8), np.zeros((side // 2, side), np.uint16), None
    image[:, side // 2 :], labels[:, side // 2 :] = (250, 120, 10), 700
    void = np.zeros((side // 2, side), np.uint8)
    void[: side // 4] = 1
    (root / "ignore").mkdir()
    Image.fromarray(image).save(root / "rgb" / "1.png")
    Image.fromarray(labels).save(root / "label" / "1.png")
    Image.fromarray(void).save(root / "ignore" / "1.png")
    data = FolderDataset(root)
    copies = SmallCopies(data, [0, 1], ignore)
    assert (copies.names, len(copies), copies.copied) == (("0", "1"), 2, 1)
    np.testing.assert_array_equal(copies[0].image, data[0].image)
    small = copies[1]
    assert small.image.shape == (LARGEST_SIDE // 2, LARGEST_SIDE, 3)
    assert small.ignore is not None
    half = LARGEST_SIDE // 2
    np.testing.assert_allclose(small.image[50, half + 100], (250, 120, 10), atol=4)  # RGB, not BGR
    assert (small.labels[:, half:] == 700).all()
    assert not small.labels[:, :half].any()
    assert small.ignore[: half // 2].all()
    assert not small.ignore[half // 2 :].any()

"""Which images are used: a seeded share, a seeded hold-out, and a hash that tells data sets apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import DatasetError
from uois_sam.training.splits import LeftOut, SubsetDataset, leave_out, look_through, sample_percent, split_data
from uois_sam.types import Sample


class Numbered:
    """Images that are told apart by their name."""

    def __init__(self, count: int) -> None:
        self.names = tuple(f"{index:05d}" for index in range(count))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.names[index], np.zeros((2, 2, 3), np.uint8), np.full((2, 2), index, np.uint16))


def test_ten_percent_of_uoais_sim_are_4500_images() -> None:
    sampled = sample_percent(Numbered(45_000), 10, 0)
    assert len(sampled) == 4500
    assert list(sampled.names) == sorted(set(sampled.names))
    halves = len([name for name in sampled.names if name < "22500"])
    assert 2100 < halves < 2400  # its first half shows bins, its second half tables
    assert sampled[7].name == sampled.names[7]


@given(st.integers(1, 400), st.floats(0.01, 100), st.floats(0.01, 100), st.integers(0, 3))
def test_a_smaller_share_is_part_of_a_larger_one(count: int, one: float, other: float, seed: int) -> None:
    small, large = (set(sample_percent(Numbered(count), share, seed).names) for share in sorted((one, other)))
    assert small
    assert small <= large


def test_the_seed_decides_which_images() -> None:
    names = [sample_percent(Numbered(100), 10, seed).names for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    assert sample_percent(Numbered(9), 100, 0).names == Numbered(9).names


@pytest.mark.parametrize("percent", [0, -1, 100.1, float("nan")])
def test_other_percentages_are_refused(percent: float) -> None:
    with pytest.raises(DatasetError, match="expected above 0, at most 100"):
        sample_percent(Numbered(9), percent, 0)


@given(st.integers(2, 300), st.floats(0, 1), st.integers(0, 3))
def test_every_image_trains_or_validates_and_neither_part_is_empty(count: int, share: float, seed: int) -> None:
    split = split_data(Numbered(count), share, seed)
    training, validation = split.data.names[: -split.validation], split.data.names[-split.validation :]
    assert training and validation
    assert list(training) == sorted(training)
    assert sorted((*training, *validation)) == list(Numbered(count).names)


@pytest.mark.parametrize("count", [0, 1])
def test_one_image_is_too_few_to_train_and_validate(count: int) -> None:
    with pytest.raises(DatasetError, match=f"at least 2 labelled images.*got {count}"):
        split_data(Numbered(count), 0.1, 0)


def test_the_look_through_counts_and_hashes(rectangles: Path) -> None:
    data = FolderDataset(rectangles)
    seen: list[int] = []
    facts = look_through(data, seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert (facts.images, facts.objects) == (6, sum(len(np.unique(data[k].labels)) - 1 for k in range(6)))
    assert facts == look_through(FolderDataset(rectangles))
    reversed_data = SubsetDataset(data, range(5, -1, -1))
    assert look_through(reversed_data).sha256 != facts.sha256
    (rectangles / "label" / "1.png").write_bytes((rectangles / "label" / "2.png").read_bytes())
    assert look_through(data).sha256 != facts.sha256


def test_many_more_images_than_readers_come_in_order() -> None:
    assert look_through(Numbered(300)).images == 300
    assert look_through(Numbered(300)) == look_through(Numbered(300))


def test_an_unreadable_image_is_left_out_named_and_counted(rectangles: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, whole = FolderDataset(rectangles), look_through(FolderDataset(rectangles))
    (rectangles / "rgb" / "4.png").write_bytes(b"")
    facts = look_through(data)
    assert (facts.images, whole.images) == (5, 6)
    assert [(each.index, each.name) for each in facts.left_out] == [(4, "4")]
    assert "4.png" in facts.left_out[0].reason
    assert facts.sha256 != whole.sha256
    assert facts.to_json()["left_out"] == [{"name": "4", "reason": facts.left_out[0].reason}]
    facts.log()
    assert [record.message[:18] for record in caplog.records if record.levelname == "WARNING"] == [
        "left out 4: " + str(rectangles)[:6], "1 of 6 images left"
    ]  # fmt: skip


def test_a_split_without_unreadable_images_keeps_its_parts(rectangles: Path) -> None:
    split = split_data(FolderDataset(rectangles), 0.34, 0)
    facts = look_through(split.data)
    assert leave_out(split, facts) is split
    for gone, validation in ((0, 2), (5, 1)):
        left = replace(facts, left_out=(LeftOut(gone, split.data.names[gone], "damaged"),))
        found = leave_out(split, left)
        assert found.validation == validation
        assert list(found.data.names) == [name for k, name in enumerate(split.data.names) if k != gone]
    with pytest.raises(DatasetError, match="found 4 and 0 that can be read; the first that cannot: damaged"):
        leave_out(split, replace(facts, left_out=(LeftOut(4, "a", "damaged"), LeftOut(5, "b", "too"))))


def test_a_data_set_that_is_mostly_unreadable_is_refused(rectangles: Path) -> None:
    data = FolderDataset(rectangles)
    for number in (0, 1, 2, 4):
        (rectangles / "rgb" / f"{number}.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"found 4 of the first 5 that cannot be read; the first: .*0\.png"):
        look_through(data)


def test_notes_of_single_images_are_counted(rectangles: Path) -> None:
    Image.open(rectangles / "rgb" / "1.png").convert("L").save(rectangles / "rgb" / "1.png")
    assert [note for note in look_through(FolderDataset(rectangles)).notes if "grey" in note and "in 1 frame" in note]

"""A bag is a stream of its images, stamped by their headers."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from bags import COLOUR, KINDS, photo_pixels, raw, stamp_of, write_bag
from uois_sam.ros.bags import BagError
from uois_sam.streams.bags import BagSource
from uois_sam.streams.choose import source_of

PHOTOS = [photo_pixels(seed) for seed in range(3)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bag_is_watched(tmp_path: Path, kind: str) -> None:
    source = source_of(str(write_bag(tmp_path / "drive", {COLOUR: [raw(photo) for photo in PHOTOS]}, kind)))
    assert isinstance(source, BagSource) and not source.live and not source.reopens
    frames = list(source.frames(Event()))
    assert [frame.index for frame in frames] == [0, 1, 2]
    for index, (frame, photo) in enumerate(zip(frames, PHOTOS, strict=True)):
        assert np.array_equal(frame.image, photo)
        assert frame.stamp_s == pytest.approx(stamp_of(index)[0] + 1e-9 * stamp_of(index)[1], abs=1e-6)


def test_a_bag_that_is_damaged_on_the_way_gives_what_comes_before(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(photo_pixels(seed, 480, 640)) for seed in range(4)]}, "bag")
    content = bytearray(bag.read_bytes())
    third = [found.start() for found in re.finditer(b"op=\x02", content)][2]  # header of a message
    content[third : third + 2] = b"xx"
    bag.write_bytes(content)
    frames = source_of(str(bag)).frames(Event())
    assert [next(frames).index, next(frames).index] == [0, 1]
    with pytest.raises(BagError, match="found a damaged one after 2 images"):
        next(frames)
    bag.write_bytes(content[: len(content) // 2])  # without its index
    with pytest.raises(BagError, match="expected a whole bag, found a damaged one"):
        list(source_of(str(bag)).frames(Event()))


def test_images_of_several_sizes_keep_their_own(tmp_path: Path) -> None:
    sizes = [(48, 64), (96, 128), (64, 48)]
    photos = [raw(photo_pixels(seed, *size)) for seed, size in enumerate(sizes)]
    frames = list(source_of(str(write_bag(tmp_path / "drive", {COLOUR: photos}))).frames(Event()))
    assert [frame.image.shape[:2] for frame in frames] == sizes


def test_one_of_several_topics_and_a_bad_image(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(PHOTOS[0], "rgb9"), raw(PHOTOS[1])], "/other": [raw(PHOTOS[2])]})
    with pytest.raises(BagError, match="expected the name of one of its topics"):
        list(source_of(str(bag)).frames(Event()))
    lines: list[str] = []
    source = source_of(f"{bag}:{COLOUR}", tell=lines.append)
    assert [frame.index for frame in source.frames(Event())] == [1]
    assert isinstance(source, BagSource) and source.unread == 1 and "found 'rgb9'" in lines[0]
    stopped = Event()
    stopped.set()
    assert list(source_of(f"{bag}:/other").frames(stopped)) == []


def test_what_is_guessed_of_images_is_said_once(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(PHOTOS[0]), *(raw(photo, "8UC3") for photo in PHOTOS[1:])]})
    lines: list[str] = []
    assert len(list(source_of(str(bag), tell=lines.append).frames(Event()))) == 3
    assert lines == [f"{bag}: image 1: 8UC3 taken as BGR"]

"""Tiles: where they lie, and how what is found in them becomes one result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uois_sam.instances import Instances
from uois_sam.models.tiles import OVERLAP, choose_count, frame_around, in_one, lay_tiles, merge, pieces_of
from uois_sam.models.zoom import Crop
from uois_sam.types import BoolArray

PHOTO = (40, 60)
TILES = [Crop(0, 0, 40, 36), Crop(0, 24, 40, 36)]
"""Two side by side: columns 0 to 35 and 24 to 59."""


def box(left: int, top: int, right: int, bottom: int) -> BoolArray:
    mask = np.zeros(PHOTO, dtype=np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def seen(mask: BoolArray, score: float, tile: Crop) -> Instances:
    """What a perfect model finds of one object in a tile."""
    part = tile.cut(mask)
    rows, columns = np.nonzero(part)
    ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return Instances(
        part[None], np.array([score], np.float32), np.array([ends], np.float32),
        np.array([[columns.mean(), rows.mean()]], np.float32),
    )  # fmt: skip


def merged(*found: tuple[int, BoolArray, float]) -> Instances:
    """View (-1 for the whole photo), mask in the photo, score."""
    views = {-1: Crop(0, 0, *PHOTO), 0: TILES[0], 1: TILES[1]}
    pieces = [
        piece
        for view, mask, score in found
        for piece in pieces_of(seen(mask, score, views[view]), views[view], PHOTO, view)
    ]
    return in_one(merge(pieces, TILES, iou=0.3), np.zeros((*PHOTO, 3), np.uint8), "perfect-1")


@given(st.integers(1, 8), st.integers(30, 3000), st.integers(30, 3000), st.integers(0, 50))
def test_tiles_cover_the_part_and_overlap(count: int, height: int, width: int, first: int) -> None:
    tiles = lay_tiles(Crop(first, 2 * first, height, width), count)
    assert len(tiles) == count**2
    covered = np.zeros((first + height, 2 * first + width), dtype=np.int32)
    for tile in tiles:
        assert tile.top >= first and tile.left >= 2 * first
        tile.cut(covered)[:] += 1
    assert covered[first:, 2 * first :].min() >= 1
    for one, other in zip(tiles[:-1], tiles[1:], strict=True):
        if one.top == other.top:
            assert one.left + one.width - other.left >= OVERLAP * one.width - 2


def test_what_lies_whole_in_one_tile_is_taken_from_there() -> None:
    """The right tile sees the last columns of it only, cut by its edge, and is surer of them."""
    found = merged((0, box(10, 5, 30, 20), 0.6), (1, box(10, 5, 30, 20), 0.9))
    assert len(found) == 1 and found.scores[0] == pytest.approx(0.6)
    assert np.array_equal(found.masks[0], box(10, 5, 30, 20))
    assert found.boxes[0].tolist() == [10, 5, 30, 20] and found.points[0].tolist() == [19.5, 12]


def test_what_both_tiles_see_whole_is_one_object() -> None:
    found = merged((0, box(26, 5, 33, 20), 0.6), (1, box(26, 5, 33, 20), 0.9))
    assert found.scores.tolist() == pytest.approx([0.9])


def test_what_no_tile_holds_is_joined() -> None:
    long = box(10, 10, 55, 15)
    found = merged((0, long, 0.8), (1, long, 0.5))
    assert len(found) == 1 and np.array_equal(found.masks[0], long)
    assert found.scores[0] == pytest.approx((0.8 * 26 + 0.5 * 31) / 57, abs=0.01)


def test_neighbours_that_disagree_where_both_see_them_are_not_joined() -> None:
    """One above the other: each reaches an edge of its tile, and in the overlap they share nothing."""
    assert len(merged((0, box(10, 5, 36, 10), 0.8), (1, box(24, 20, 50, 25), 0.7))) == 2


def test_what_is_larger_than_a_tile_comes_from_the_whole_photo_where_tiles_say_nothing() -> None:
    large, small = box(2, 2, 58, 38), box(5, 5, 12, 12)
    assert len(merged((-1, large, 0.9), (0, small, 0.8))) == 2
    # Where tiles take it apart, they are right: it was several things seen as one.
    parts = [(0, box(3, 3, 20, 37), 0.8), (0, box(20, 3, 35, 37), 0.7), (1, box(37, 3, 57, 37), 0.6)]
    found = merged((-1, large, 0.9), *parts)
    assert found.scores.tolist() == pytest.approx([0.8, 0.7, 0.6])


def test_results_are_best_first_and_nothing_is_an_empty_result() -> None:
    found = merged((0, box(1, 1, 5, 5), 0.5), (1, box(50, 1, 55, 5), 0.9), (0, box(10, 20, 15, 25), 0.7))
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert merged().masks.shape == (0, *PHOTO)


def test_the_part_around_a_region_has_the_proportions_of_the_photo_and_holds_it() -> None:
    found = frame_around(box(50, 10, 60, 20))
    assert (found.height, found.width) == (10, 15) and found.left + found.width == 60
    assert np.count_nonzero(found.cut(box(50, 10, 60, 20))) == 100


def specks(number: int, side: int, photo: tuple[int, int] = (960, 1280)) -> Instances:
    masks = np.zeros((number, *photo), dtype=np.bool_)
    masks[:, :side, :side] = True
    none = np.zeros((number, 4), np.float32)
    return Instances(masks, np.ones(number, np.float32), none, none[:, :2])


def test_tiles_are_chosen_where_prompts_are_used_up_or_things_are_tiny() -> None:
    area = Crop(0, 0, 960, 1280)
    assert choose_count(specks(9, 100), 0, 45, area, 4) == (1, 4)
    assert choose_count(specks(9, 100), 10, 45, area, 4) == (2, 4)
    assert choose_count(specks(9, 30), 0, 45, area, 4) == (3, 4)  # 0.07 % of the photo; 9 times as large is 0.66 %
    assert choose_count(specks(3, 30), 0, 45, area, 4) == (1, 4)  # of a few objects the median says nothing
    assert choose_count(specks(9, 30), 0, 45, Crop(0, 0, 300, 400), 4) == (1, 1)  # too few pixels to see more in

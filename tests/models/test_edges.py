"""Outlines moved to the photo's edges: drawn shapes whose true outline is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uois_sam.models.edges import LEAST_AGREEMENT
from uois_sam.models.edges import follow_edges as follow_edges_in_place
from uois_sam.types import BoolArray, FloatArray, ImageArray


def a_box(height: int = 240, width: int = 320) -> tuple[ImageArray, BoolArray]:
    """A light box with a little noise on a dark table, and its mask."""
    truth = np.zeros((height, width), dtype=np.bool_)
    truth[height // 4 : height * 3 // 4, width // 4 : width // 2] = True
    image = np.where(truth, 190, 60)[..., None] + np.random.default_rng(0).normal(0, 4, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8), truth


def follow_edges(masks: BoolArray, image: ImageArray, region_fraction: float = 0.0) -> tuple[BoolArray, FloatArray]:
    """On a copy."""
    moved = masks.copy()
    return moved, follow_edges_in_place(moved, image, region_fraction)


def iou(one: BoolArray, other: BoolArray) -> float:
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))


@pytest.mark.parametrize("scale", [1, 4])
def test_an_outline_beside_an_edge_moves_onto_it(scale: int) -> None:
    image, truth = a_box(240 * scale, 320 * scale)
    drawn = np.roll(truth, (scale, -scale), axis=(0, 1))

    moved, boxes = follow_edges(drawn[None], image)

    assert iou(drawn, truth) < 0.97
    assert iou(moved[0], truth) > 0.99
    rows, columns = np.nonzero(moved[0])
    assert boxes.tolist() == [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]


def test_an_outline_on_its_edge_stays() -> None:
    image, truth = a_box()

    assert iou(follow_edges(truth[None], image)[0][0], truth) > 0.995


def test_where_colours_do_not_change_a_straight_outline_stays() -> None:
    _, drawn = a_box()
    moved = follow_edges(drawn[None], np.full((*drawn.shape, 3), 128, dtype=np.uint8))[0][0]

    changed = np.argwhere(moved != drawn)
    corners = np.array([[60, 80], [60, 159], [179, 80], [179, 159]])
    assert all(np.abs(corners - place).max(axis=1).min() <= 4 for place in changed), "only corners are rounded"


def test_a_thin_thing_is_not_eaten() -> None:
    image, _ = a_box()
    drawn = np.zeros(image.shape[:2], dtype=np.bool_)
    drawn[100:102, 200:300] = True

    assert np.array_equal(follow_edges(drawn[None], image)[0][0], drawn)


def test_what_moving_cuts_off_is_cleaned_away() -> None:
    """Something beside the box, joined to it by a thread over the table, is an island once the thread is gone."""
    image, truth = a_box()
    image[100:112, 172:184] = 190
    drawn = truth.copy()
    drawn[100:112, 172:184] = True
    drawn[105:107, 160:172] = True

    as_moved, cleaned = (follow_edges(drawn[None], image, fraction)[0][0] for fraction in (0.0, 0.2))

    assert as_moved[106, 178] and not as_moved[106, 166], "cut off"
    assert not cleaned[:, 165:].any()
    assert iou(cleaned, truth) > 0.98


def test_masks_move_each_by_itself() -> None:
    image, truth = a_box()
    drawn = np.stack([np.roll(truth, 2, axis=1), np.zeros_like(truth), truth])

    moved, boxes = follow_edges(drawn, image)

    assert np.array_equal(moved[0], follow_edges(drawn[:1], image)[0][0])
    assert not moved[1].any()
    assert boxes[1].tolist() == [0, 0, 0, 0]


def test_no_masks_give_none() -> None:
    moved, boxes = follow_edges(np.zeros((0, 5, 7), dtype=np.bool_), np.zeros((5, 7, 3), dtype=np.uint8))

    assert moved.shape == (0, 5, 7)
    assert boxes.shape == (0, 4)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.integers(1, 700), st.integers(0, 2**32 - 1))
def test_any_mask_of_any_size_keeps_most_of_itself(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    drawn = np.zeros((1, height, width), dtype=np.bool_)
    top, left = int(rng.integers(height)), int(rng.integers(width))
    drawn[0, top : top + int(rng.integers(1, 30)), left : left + int(rng.integers(1, 60))] = True

    moved, _ = follow_edges(drawn, image)

    assert moved.shape == drawn.shape
    assert iou(moved, drawn) >= LEAST_AGREEMENT

"""Harder appearances: whose colours change, and that labels never do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uois_sam.training.appearance import cast_shadows, harden, match_neighbours, random_convolution
from uois_sam.training.augmentation import View

HW = (60, 80)


def view(*boxes: tuple[int, int, int, int, int]) -> View:
    """A noisy grey view with numbered boxes (rows and columns from, to, and a grey value)."""
    image = np.random.default_rng(0).normal(30, 8, (*HW, 3))
    labels = np.zeros(HW, dtype=np.int32)
    for value, (top, bottom, left, right, grey) in enumerate(boxes, 1):
        image[top:bottom, left:right] += grey - 30
        labels[top:bottom, left:right] = value
    return View(np.clip(image, 0, 255).astype(np.uint8), labels)


def test_one_of_two_that_touch_takes_the_others_colour() -> None:
    before = view((10, 40, 10, 30, 80), (10, 40, 30, 50, 200), (45, 55, 60, 75, 140))
    for seed in range(10):
        after = match_neighbours(before, np.random.default_rng(seed))
        greys = [float(after.image[before.labels == value].mean()) for value in (1, 2)]
        assert abs(greys[0] - greys[1]) < 0.4 * 120
        changed = (after.image != before.image).any(axis=2)
        assert len(np.unique(before.labels[changed])) == 1
        assert not changed[before.labels == 3].any()  # it touches nothing
        np.testing.assert_array_equal(after.labels, before.labels)


def test_without_neighbours_nothing_changes() -> None:
    before = view((5, 20, 5, 20, 80), (5, 20, 25, 40, 200))
    after = match_neighbours(before, np.random.default_rng(0))
    np.testing.assert_array_equal(after.image, before.image)


def test_shadows_darken_and_leave_labels_and_hue() -> None:
    before = view((10, 40, 10, 30, 80), (10, 40, 30, 50, 200))
    darker = []
    for seed in range(20):
        after = cast_shadows(before, np.random.default_rng(seed))
        np.testing.assert_array_equal(after.labels, before.labels)
        light = after.image[before.labels == 2].astype(float) / before.image[before.labels == 2]
        assert np.abs(light - light.mean(axis=1, keepdims=True)).max() < 0.02  # all channels alike
        darker.append(after.image.mean() < before.image.mean())
    assert np.mean(darker) > 0.8


def test_random_textures_change_colours_and_leave_labels_light_and_outlines() -> None:
    before = view((10, 40, 10, 30, 80), (10, 40, 30, 50, 200))
    changes = []
    for seed in range(20):
        after = random_convolution(before, np.random.default_rng(seed))
        np.testing.assert_array_equal(after.labels, before.labels)
        assert np.abs(after.image.mean(axis=(0, 1)) - before.image.mean(axis=(0, 1))).max() < 12  # clipping only
        changes.append(np.abs(after.image.astype(int) - before.image).mean())
        inside = after.image[15:35, 35:45].reshape(-1, 3).mean(axis=0)
        outside = after.image[50:58, 60:78].reshape(-1, 3).mean(axis=0)
        assert np.abs(inside - outside).max() > 15  # the bright box stands out in some channel
    assert np.median(changes) > 10


def test_a_random_convolution_of_a_flat_view_is_finite() -> None:
    flat = View(np.full((*HW, 3), 90, dtype=np.uint8), np.zeros(HW, dtype=np.int32))
    for seed in range(10):
        after = random_convolution(flat, np.random.default_rng(seed))
        assert np.abs(after.image.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("change", [harden, random_convolution])
def test_equal_seeds_give_equal_views(change: Callable[[View, np.random.Generator], View]) -> None:
    before = view((10, 40, 10, 30, 80), (10, 40, 30, 50, 200))
    first, again = (change(before, np.random.default_rng(4)).image for _ in range(2))
    np.testing.assert_array_equal(first, again)

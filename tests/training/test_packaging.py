"""Objects dressed as packaging: where the print lies, how it is shaded, and that labels never change."""

from __future__ import annotations

import numpy as np
import pytest

from uois_sam.training.augmentation import View
from uois_sam.training.packaging import dress_objects, shading


def a_view() -> View:
    """A large grey box, lit from the left, and a small one, on a black table."""
    labels = np.zeros((120, 160), dtype=np.int32)
    labels[20:80, 30:110] = 3
    labels[100:105, 10:16] = 7
    image = np.zeros((120, 160, 3), dtype=np.uint8)
    image[labels > 0] = 120
    image[20:80, 30:70] = 180
    return View(image, labels)


@pytest.mark.parametrize("seed", range(20))
def test_only_pixels_of_large_objects_change_and_labels_stay(seed: int) -> None:
    before = a_view()
    kept = before.image.copy()

    after = dress_objects(before, np.random.default_rng(seed))

    assert np.array_equal(after.labels, before.labels)
    assert np.array_equal(after.image[after.labels != 3], kept[after.labels != 3])
    assert np.array_equal(before.image, kept), "the view given is left as it was"
    assert after.image.dtype == np.uint8


def test_prints_cover_much_of_the_object_and_have_edges_of_their_own() -> None:
    changed, edges = [], []
    for seed in range(40):
        view = a_view()
        after = dress_objects(view, np.random.default_rng(seed))
        inside = view.labels == 3
        changed.append((np.abs(after.image[inside].astype(int) - view.image[inside]).max(axis=1) > 20).mean())
        steps = np.abs(np.diff(after.image[22:78, 72:108].astype(int), axis=1)).max(axis=(1, 2))
        edges.append((steps > 60).mean())

    assert np.mean(changed) > 0.5
    assert np.mean(edges) > 0.3, "half of the box is one colour before"


def test_the_same_seed_gives_the_same_print_and_another_another() -> None:
    first, again, other = (dress_objects(a_view(), np.random.default_rng(seed)).image for seed in (4, 4, 5))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_view_without_large_objects_is_left_alone() -> None:
    view = a_view()
    view.labels[view.labels == 3] = 0

    assert dress_objects(view, np.random.default_rng(0)) is view


def test_light_on_an_object_is_one_on_average_and_brighter_on_the_lit_side() -> None:
    view = a_view()
    mask = view.labels == 3

    light = shading(view.image.astype(np.float32), mask)[..., 0]

    assert light[mask].mean() == pytest.approx(1, abs=0.03)
    assert light[50, 40] > 1.1 > 0.9 > light[50, 100]

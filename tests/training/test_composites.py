"""Composite views: what is lent, where it goes, and what stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from uois_sam.training.augmentation import View, photometric_jitter
from uois_sam.training.composites import REACH, compose, paste_objects, print_on_objects

HW = (96, 128)


def view(*boxes: tuple[int, int, int, int], colour: int = 90) -> View:
    """A grey view with numbered boxes (rows and columns from, to)."""
    image, labels = np.full((*HW, 3), 20, dtype=np.uint8), np.zeros(HW, dtype=np.int32)
    for value, (top, bottom, left, right) in enumerate(boxes, 1):
        image[top:bottom, left:right], labels[top:bottom, left:right] = colour, value
    return View(image, labels)


def test_a_pasted_object_is_a_new_one_that_occludes() -> None:
    host, donor = view((40, 60, 50, 80)), view((30, 42, 30, 50), colour=220)
    pasted = paste_objects(host, donor, np.random.default_rng(1))
    new = pasted.labels == 2
    assert set(np.unique(pasted.labels)) == {0, 1, 2}
    assert new.sum() == 12 * 20
    assert pasted.image[new].mean() > 150
    assert ((pasted.labels == 1) == ((host.labels == 1) & ~new)).all()


def test_views_are_made_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """In double they take half as long again."""
    clip, seen = np.clip, set()

    def clipped(pixels: Any, *bounds: Any) -> Any:
        seen.add(pixels.dtype)
        return clip(pixels, *bounds)

    monkeypatch.setattr(np, "clip", clipped)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        made = compose(view((40, 60, 50, 80)), view((30, 42, 30, 50)), rng)
        photometric_jitter(made.image, rng)
    assert seen == {np.dtype(np.float32)}


def test_pasted_objects_stay_near_the_objects() -> None:
    host, donor = view((45, 50, 60, 66)), view((30, 36, 30, 36))
    for seed in range(30):
        ys, xs = np.nonzero(paste_objects(host, donor, np.random.default_rng(seed)).labels == 2)
        assert 45 - REACH * 128 - 1 <= ys.mean() <= 50 + REACH * 128 + 1
        assert 60 - REACH * 128 - 1 <= xs.mean() <= 66 + REACH * 128 + 1


@pytest.mark.parametrize(("host", "donor"), [
    (view(), view((30, 42, 30, 50))),
    (view((40, 60, 50, 80)), view()),
    (view((40, 60, 50, 80)), view((0, 12, 30, 50))),
    (view((40, 60, 50, 80)), view((5, 90, 5, 120))),
    (view((40, 60, 50, 80)), view((30, 31, 30, 32))),
], ids=["empty scene", "nothing to lend", "cut by the frame", "too large", "too small"])  # fmt: skip
def test_nothing_is_pasted(host: View, donor: View) -> None:
    pasted = paste_objects(host, donor, np.random.default_rng(0))
    np.testing.assert_array_equal(pasted.labels, host.labels)
    np.testing.assert_array_equal(pasted.image, host.image)


def test_a_print_stays_within_its_object() -> None:
    host = view((20, 70, 30, 100), (80, 84, 10, 16))
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    printed = print_on_objects(host, picture, np.random.default_rng(3))
    changed = (printed.image != host.image).any(axis=2)
    assert changed[host.labels == 1].mean() > 0.1
    assert not changed[host.labels != 1].any()  # nor on the other object, which is too small
    np.testing.assert_array_equal(printed.labels, host.labels)


def test_ignored_pixels_stay_ignored_unless_covered() -> None:
    host = view((40, 60, 50, 80))
    host.labels[70:, :] = -1
    composed = compose(host, view((30, 42, 30, 50)), np.random.default_rng(0))
    assert ((composed.labels == -1) <= (host.labels == -1)).all()
    assert (composed.labels[70:] != 0).all()


def test_equal_seeds_give_equal_views() -> None:
    host, donor = view((40, 60, 50, 80)), view((30, 42, 30, 50))
    first, again = (compose(host, donor, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)

"""Depth that lies beside its photo: noticed from edges, with the pixels; and never where there is nothing to tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from by_hand import PHOTO
from depth_views import CAMERA, FLOOR, HW, TABLE, Box, View, look
from uois_sam.depth import DepthMap, understand
from uois_sam.depth.registration import Shift, find_shift
from uois_sam.types import ImageArray

BOXES: list[Box] = [((-0.25, -0.1, 0), (-0.1, 0.05, 0.12)), ((0.05, -0.15, 0), (0.2, 0.0, 0.08)),
                    ((-0.05, 0.08, 0), (0.12, 0.2, 0.15))]  # fmt: skip


def view() -> tuple[View, ImageArray]:
    """Boxes on a table, each thing of its own colour, with a texture that is the same everywhere."""
    seen = look([TABLE, FLOOR, *BOXES])
    rng = np.random.default_rng(3)
    colours = rng.integers(40, 200, (len(BOXES) + 3, 3))
    image = colours[seen.labels + 1] + rng.normal(0, 6, (*HW, 1))
    return seen, image.clip(0, 255).astype(np.uint8)


def moved(depth_m: npt.NDArray[np.float32], right: int, down: int) -> npt.NDArray[np.float32]:
    """Depth that lies beside its photo; zeros come in from the sides."""
    values = np.zeros_like(depth_m)
    height, width = depth_m.shape
    values[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = depth_m[
        max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)
    ]
    return values


def test_registered_depth_is_not_doubted() -> None:
    seen, image = view()
    assert find_shift(image, seen.depth_m) is None
    assert find_shift(image, moved(seen.depth_m, 1, 0)) is None  # edges of depth are ragged by as much


@pytest.mark.parametrize(("right", "down"), [(5, 0), (-5, 3), (0, -6), (4, 4)])
def test_a_shift_is_found_with_its_direction(right: int, down: int) -> None:
    seen, image = view()
    found = find_shift(image, moved(seen.depth_m, right, down))
    assert found is not None
    assert abs(found.right - right) <= 1 and abs(found.down - down) <= 1


def test_pixels_are_those_of_the_photo() -> None:
    """Of one four times as large, which is looked at on 320 columns."""
    seen, image = view()
    large, depth = (np.repeat(np.repeat(each, 4, axis=0), 4, axis=1) for each in (image, moved(seen.depth_m, 5, -4)))
    found = find_shift(large, depth)
    assert found is not None
    assert abs(found.right - 20) <= 4 and abs(found.down + 16) <= 4


def test_nothing_is_said_without_edges_to_tell_by() -> None:
    seen, image = view()
    shifted = moved(seen.depth_m, 5, 0)
    rng = np.random.default_rng(0)
    assert find_shift(np.full((*HW, 3), 90, np.uint8), shifted) is None  # a photo of one colour
    assert find_shift(rng.integers(0, 256, (*HW, 3)).astype(np.uint8), shifted) is None  # noise
    assert find_shift(image, np.ones(HW, np.float32)) is None  # a wall
    assert find_shift(image, np.zeros(HW, np.float32)) is None
    assert find_shift(PHOTO, np.ones(PHOTO.shape[:2], np.float32)) is None  # a tiny photo


def test_the_note_says_how_far_and_which_way() -> None:
    assert "about 8 pixels too far right and 4 pixels too high for" in Shift(8, -4).note
    assert "about 3 pixels too far left for" in Shift(-3, 0).note
    assert "about 6 pixels too low for" in Shift(0, 6).note


def test_a_scene_says_it_and_is_understood_all_the_same() -> None:
    seen, image = view()
    for depth, shifted in ((seen.depth_m, False), (moved(seen.depth_m, 6, 0), True)):
        scene = understand(image, DepthMap(depth, CAMERA), (seen.labels > 1).astype(np.float32), None)
        assert scene is not None and scene.support is not None
        said = [note for note in scene.notes if note.startswith("depth seems to be shifted: its edges lie about 6 pix")]
        assert len(said) == len(scene.notes) == shifted

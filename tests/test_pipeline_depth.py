"""Depth in the pipeline, on outputs written by hand: what it leaves out, what it says, and what it never changes.

The photo's objects in ``helpers/by_hand.py`` are BOTTOM (columns 4 to 11, rows 4 to 7), TOP_LEFT (0 to 5, 0 to 3) and
TOP_RIGHT (12 to 15, 0 to 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from by_hand import BOTTOM, PHOTO, TOP_LEFT, TOP_RIGHT, assert_found, model
from uois_sam.errors import ImageError, UOISError
from uois_sam.instances import Instances
from uois_sam.types import Camera

B, L, R = (BOTTOM, 1.0, (3, 6)), (TOP_LEFT, 0.9, (1, 1)), (TOP_RIGHT, 0.8, (6, 1))
CAMERA = Camera(16.0, 16.0, 7.5, 3.5)
NEAR = "-9,9,-9,9,0.1,1.5"
"""A workspace that ends 1.5 m in front of the camera."""


def depth(right_m: float = 1.0, rows: slice = slice(None)) -> np.ndarray:
    """1 m everywhere, and another depth in the four columns on the right."""
    values = np.full((8, 16), 1.0, np.float32)
    values[rows, 12:] = right_m
    return values


def predict(values: Any, **what: Any) -> Instances:
    return model().predict(PHOTO, depth=values, camera=CAMERA, **what)


def same(first: Instances, second: Instances) -> bool:
    names = ("masks", "scores", "boxes", "points")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def test_without_depth_nothing_changes_and_nothing_is_said() -> None:
    plain, none = model().predict(PHOTO), model().predict(PHOTO, depth=None, workspace="off")
    assert same(plain, none) and plain.notes == none.notes == ()
    said = model().predict(PHOTO, workspace=NEAR)
    assert same(plain, said) and said.notes[0].startswith("workspace not used: it is in metres")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((4, 16)), "expected the photo's size, 16x8, found 16x4"),
        (np.zeros((8, 16)), "found it at 0.0%"),
        (np.full((8, 16), 6000, np.uint16), "its median is 6 m, too far for a table"),
        (np.full((8, 16), np.nan), "found it at 0.0%"),
    ],
)
def test_depth_that_cannot_be_used_leaves_the_result_of_the_photo(values: Any, said: str) -> None:
    found = predict(values)
    assert same(found, model().predict(PHOTO))
    (note,) = found.notes
    assert note.startswith("depth not used: ") and said in note


def test_what_stands_outside_the_workspace_is_left_out_and_counted() -> None:
    assert_found(predict(depth(2.0), workspace=NEAR), B, L)
    (note,) = [note for note in predict(depth(2.0), workspace=NEAR).notes if note.startswith("outside")]
    assert note.startswith("outside the workspace: 2 prompts left out, ")  # not even asked for
    assert_found(predict(depth(2.0), workspace="off"), B, L, R)
    assert_found(predict(depth(1.0), workspace=NEAR), B, L, R)


def test_masks_outside_the_workspace_are_left_out_also_where_their_prompt_is_inside() -> None:
    """The prompt of TOP_RIGHT is in row 1 of 8: of its four rows the other three are far away."""
    values = depth(2.0, slice(0, 4))
    values[:2, 12:14] = 1.0
    found = predict(values, workspace=NEAR)
    assert_found(found, B, L)
    assert any(note.startswith("outside the workspace: 1 mask left out, ") for note in found.notes)


def test_holes_are_no_evidence() -> None:
    values = depth(0.0)
    assert_found(predict(values, workspace=NEAR), B, L, R)
    values[:, :12] = np.nan
    values[0, 0] = values[5, 5] = values[7, 0] = 1.0
    assert_found(predict(values, workspace=NEAR), B, L, R)


def test_what_lies_flat_on_the_support_is_left_out_where_colour_is_not_sure() -> None:
    """All of the photo is one plane; scores are 1.0, 0.9 and 0.8, until HDNet is asked for less."""
    assert_found(predict(depth(), workspace="off"), B, L, R)
    found = model(score_threshold=0.1).predict(PHOTO, depth=depth(), camera=CAMERA, workspace="off")
    (note,) = [note for note in found.notes if note.startswith("support taken")]
    assert note.startswith("support taken for an object: 1 mask left out")
    assert len(found) == len(model(score_threshold=0.1).predict(PHOTO)) - 1


def test_an_encoded_photo_takes_depth_later() -> None:
    encoded = model().encode_image(PHOTO)
    with_depth = encoded.with_depth(depth(2.0), CAMERA)
    assert_found(with_depth.predict(workspace=NEAR), B, L)
    assert_found(with_depth.with_request(workspace="off").predict(), B, L, R)
    assert_found(with_depth.with_settings(max_prompts=5).predict(workspace=NEAR), B, L)
    assert same(encoded.predict(), model().predict(PHOTO))


def test_a_workspace_of_a_fixed_camera_and_its_record() -> None:
    fixed = model().with_request(workspace=NEAR)
    assert fixed.request.to_json() == {"workspace": [-9, 9, -9, 9, 0.1, 1.5]}
    assert_found(fixed.predict(PHOTO, depth=depth(2.0), camera=CAMERA), B, L)
    assert model().with_request(workspace="off").request.to_json() == {"workspace": "off"}


def test_depth_and_tiles() -> None:
    found = predict(depth(2.0), workspace=NEAR, tiles=2)
    assert not any(np.array_equal(mask, model().predict(PHOTO).masks[2]) for mask in found.masks)


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(ImageError, match="camera: expected intrinsics with depth"):
        model().predict(PHOTO, depth=depth())
    with pytest.raises(ImageError, match="expected depth as well, found none"):
        model().predict(PHOTO, camera=CAMERA)
    with pytest.raises(ImageError, match="expected \\(H, W\\) numbers"):
        predict(np.zeros((8, 16, 3)))
    with pytest.raises(UOISError, match="workspace: expected"):
        predict(depth(), workspace="nearby")
    with pytest.raises(UOISError, match="points and boxes give one mask each"):
        model().predict(PHOTO, points=[(1, 1)], workspace="off")

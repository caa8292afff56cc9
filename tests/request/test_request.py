"""Words of a request: how each is read, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uois_sam.config import InferenceConfig
from uois_sam.errors import UOISError
from uois_sam.request import WORDS, Request, Target


def asked(**what: Any) -> Request:
    return Request().changed(what)


def test_a_request_for_nothing_changes_nothing() -> None:
    settings = InferenceConfig()
    assert asked() == Request() and asked().settings(settings, (4, 6)) is settings
    assert asked().inside((4, 6)) is None and asked().to_json() == {}


def test_every_word_can_be_taken_back() -> None:
    given = asked(min_score=0.5, min_area=3, region=(0, 0, 2, 2), exclude=(1, 1, 2, 2), tiles=2)
    assert given.changed(dict.fromkeys(WORDS)) == Request()


@pytest.mark.parametrize(
    ("given", "read"),
    [(3, 3), ("3", 3), (np.int64(3), 3), (0.02, 0.02), ("0.02", 0.02), ("2%", 0.02), (1.0, 1.0), (1, 1), (0, 0)],
)
def test_an_area_is_pixels_as_a_whole_number_and_a_share_otherwise(given: Any, read: float) -> None:
    area = asked(min_area=given).min_area
    assert area == pytest.approx(read) and type(area) is type(read)


def test_areas_become_the_settings_of_the_part_that_is_looked_at() -> None:
    """A photo of 1000 pixels, of which a part of 100 is looked at."""
    found = asked(min_area="1%", max_area=50).settings(InferenceConfig(), (20, 50), share=0.1)
    assert found.min_area_px == 10 and found.max_area_fraction == pytest.approx(0.5)
    assert asked(max_area=0.5).settings(InferenceConfig(), (20, 50), share=0.1).max_area_fraction == 1.0


@pytest.mark.parametrize(
    ("what", "read"),
    [
        ({"points": [(1, 2), (3, 4)]}, (Target(((1, 2, 1),)), Target(((3, 4, 1),)))),
        ({"points": [(1, 2), (3, 4)], "labels": [1, 0]}, (Target(((1, 2, 1), (3, 4, 0))),)),
        ({"points": [[(1, 2), (3, 4)], [(5, 6)]]}, (Target(((1, 2, 1), (3, 4, 1))), Target(((5, 6, 1),)))),
        ({"points": np.zeros((2, 1, 2))}, (Target(((0, 0, 1),)), Target(((0, 0, 1),)))),
        ({"points": [[(1, 2)], [(3, 4)]], "labels": [[1], [1]]}, (Target(((1, 2, 1),)), Target(((3, 4, 1),)))),
        ({"boxes": np.array([[0, 0, 2, 3]])}, (Target((), (0, 0, 2, 3)),)),
        ({"points": [[(1, 2)], [(3, 4)]], "labels": [[0], [1]], "boxes": [(0, 0, 2, 3), None]},
         (Target(((1, 2, 0),), (0, 0, 2, 3)), Target(((3, 4, 1),)))),
        ({"points": []}, ()),
        ({"boxes": []}, ()),
    ],
)  # fmt: skip
def test_clicks_and_boxes_are_grouped_by_object(what: dict[str, Any], read: tuple[Target, ...]) -> None:
    assert asked(**what).targets == read


BAD: list[tuple[dict[str, Any], str]] = [
    ({"min_score": 1.5}, "min_score: expected a number of at most 1"),
    ({"min_score": float("nan")}, "min_score"),
    ({"min_foreground": -0.1}, "min_foreground: expected a number from 0 to 1"),
    ({"max_objects": 0}, "max_objects: expected a whole number of at least 1"),
    ({"max_prompts": 5000}, "max_prompts: expected a whole number from 0 to 1024"),
    ({"min_area": -1}, "min_area: expected pixels (a whole number) or a share"),
    ({"min_area": float("nan")}, "min_area: expected pixels"),
    ({"max_area": 400.5}, "max_area: expected pixels"),
    ({"max_area": "much"}, "max_area: expected pixels"),
    ({"min_area": 9, "max_area": 3}, "min_area: expected at most max_area, found 9 above 3"),
    ({"region": (5, 5, 2, 9)}, "region: expected a box as x0,y0,x1,y1 with x0 < x1 and y0 < y1, found 5,5,2,9"),
    ({"region": (1, 2, 3)}, "region: expected a box x0,y0,x1,y1, a polygon"),
    ({"region": "1,2 3,4"}, "region: expected a box"),
    ({"region": [(0, 0), (1, float("inf")), (1, 1)]}, "region: expected a box"),
    ({"region": "no_such_mask.png"}, "region: expected a box x0,y0,x1,y1, a polygon x,y x,y x,y ..., or a mask"),
    ({"region": np.zeros((4, 4), bool)}, "region: expected a mask with pixels inside"),
    ({"region": np.full((4, 4), np.nan)}, "region: expected a mask of numbers"),
    ({"exclude": ["1,2,3,4", "5,5,1,1"]}, "exclude: expected a box as x0,y0,x1,y1 with x0 < x1"),
    ({"tiles": 0}, "tiles: expected a whole number from 1 to 8"),
    ({"tiles": "many"}, "tiles: expected a whole number"),
    ({"points": [(1, 2)], "labels": [2]}, "labels: expected 1 (on the object) or 0 (beside it)"),
    ({"points": [(1, 2)], "labels": [1, 1]}, "labels: expected 1"),
    ({"points": [(1, 2)], "labels": [0]}, "points: expected a click on the object (label 1) or a box"),
    ({"labels": [1]}, "labels: expected points as well"),
    ({"boxes": [(4, 0, 1, 3)]}, "boxes: expected x0 < x1 and y0 < y1, found 4,0,1,3"),
    ({"boxes": [(0, 0, 1)]}, "boxes: expected shape (M, 4)"),
    ({"boxes": (0, 0, 1, 1)}, "boxes: expected shape (M, 4)"),
    ({"boxes": [(0, 0, 1, float("nan"))]}, "boxes: expected shape (M, 4)"),
    ({"points": [(1, 1), (2, 2)], "boxes": [(0, 0, 1, 1)]}, "boxes: expected one for each of 2 objects"),
    ({"points": [(1, 1)], "region": (0, 0, 2, 2), "max_objects": 3}, "expected no max_objects and no region"),
    ({"boxes": [(0, 0, 10**400, 1)]}, "boxes: expected shape (M, 4)"),
    ({"boxes": np.array([[0, 0, 5 + 1j, 1]])}, "boxes: expected shape (M, 4)"),
    ({"points": [(10**400, 1)]}, "points: expected shape (M, 2)"),
    ({"points": np.array([[5 + 1j, 1]])}, "points: expected shape (M, 2)"),
    ({"points": [(1, 2), (3, 4)], "labels": [[1], [1, 0]]}, "labels: expected 1"),
    ({"region": (0, 0, 10**400, 9)}, "region: expected a box"),
    ({"region": np.array([0, 0, 5 + 1j, 9])}, "region: expected a box"),
    ({"workspace": (0, 1, 0, 1, 0, 10**400)}, "workspace: expected"),
    ({"workspace": np.array([0, 1, 0, 1, 0, 1 + 1j])}, "workspace: expected"),
    ({"regoin": (0, 0, 2, 2)}, "unknown word 'regoin'; did you mean region?"),
]


@pytest.mark.parametrize(("what", "message"), BAD)
def test_what_cannot_be_read_is_one_line(what: dict[str, Any], message: str) -> None:
    with pytest.raises(UOISError) as error:
        asked(**what)
    assert message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300


# --- regions


def test_boxes_polygons_and_masks_of_the_same_place_are_the_same() -> None:
    expected = np.zeros((8, 10), bool)
    expected[2:6, 1:5] = True
    for region in (
        (1, 2, 5, 6), "1,2,5,6", "10%,25%,50%,75%", (0.1, 0.25, 0.5, 0.75), expected, expected.astype(np.uint16) * 900,
        [(1, 2), (4, 2), (4, 5), (1, 5)], "1,2 4,2 4,5 1,5", np.array([[1, 2], [4, 2], [4, 5], [1, 5]]),
    ):  # fmt: skip
        assert np.array_equal(asked(region=region).inside((8, 10)), expected), region
        assert np.array_equal(asked(exclude=region).inside((8, 10)), ~expected), region


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "RGB", "RGBA", "P", "LA"])
def test_a_mask_may_be_a_picture_of_any_mode(tmp_path: Path, mode: str) -> None:
    inside = np.zeros((5, 7), np.uint8)
    inside[1:3, 2:6] = 255
    picture = Image.fromarray(inside)
    if mode == "I;16":
        picture = Image.fromarray(inside.astype(np.uint16))
    elif mode != "L":
        picture = picture.convert("RGB").convert(mode)
    picture.save(tmp_path / "mask.png")
    found = asked(region=tmp_path / "mask.png")
    assert np.array_equal(found.inside((5, 7)), inside > 0)
    assert np.array_equal(asked(region=str(tmp_path / "mask.png")).inside((5, 7)), inside > 0)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("not a picture")
    with pytest.raises(UOISError, match="region: expected a mask as a picture"):
        asked(region=tmp_path / "mask.png")


def test_a_record_has_what_was_given_and_the_content_of_masks(tmp_path: Path) -> None:
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    first = asked(region=mask, exclude=[(0, 0, 1, 1)], max_objects=3, min_area="2%").to_json()
    mask[1, 1] = True
    assert json.loads(json.dumps(first)) == first
    assert set(first) == {"region", "exclude", "max_objects", "min_area"}
    assert asked(region=mask).to_json()["region"] != first["region"]
    pointed = asked(points=[(1, 2)], boxes=[(0, 0, 3, 3)]).to_json()
    assert pointed == {"points": [[[1, 2, 1]]], "boxes": [[0, 0, 3, 3]]}

"""What is asked for of a photo, and what the result says of limits, on outputs written by hand.

The photo's objects in ``helpers/by_hand.py`` are BOTTOM (columns 4 to 11, rows 4 to 7), TOP_LEFT (0 to 5, 0 to 3) and
TOP_RIGHT (12 to 15, 0 to 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from by_hand import BOTTOM, PHOTO, TOP_LEFT, TOP_RIGHT, assert_found, model
from uois_sam import UOISSAM
from uois_sam.errors import ImageError, UOISError
from uois_sam.models.zoom import Crop

B, L, R = (BOTTOM, 1.0, (3, 6)), (TOP_LEFT, 0.9, (1, 1)), (TOP_RIGHT, 0.8, (6, 1))


def notes_of(**what: Any) -> tuple[str, ...]:
    return model().predict(PHOTO, **what).notes


def test_nothing_asked_and_nothing_lost_leaves_no_note() -> None:
    assert notes_of() == ()
    assert notes_of(max_prompts=5, max_objects=3, max_area=1.0, min_area=12, region=(0, 0, 16, 8)) == ()


def test_words_do_what_the_settings_they_stand_for_do() -> None:
    assert_found(model().predict(PHOTO, min_score=0.85), B, L)
    assert_found(model().predict(PHOTO, max_prompts=2), L, R)
    assert_found(model().predict(PHOTO, max_objects=1), B)
    assert_found(model().predict(PHOTO, min_foreground=1.0))
    assert_found(model(score_threshold=0.99).predict(PHOTO, min_score=0.85), B, L)


def test_areas_are_pixels_or_shares_of_the_photo() -> None:
    """In the photo of 128 pixels BOTTOM has 32, TOP_LEFT 24, TOP_RIGHT 16."""
    assert_found(model().predict(PHOTO, min_area=24), B, L)
    assert_found(model().predict(PHOTO, min_area=25), B)
    assert_found(model().predict(PHOTO, min_area="18.75%"), B, L)
    assert_found(model().predict(PHOTO, max_area=24), L, R)
    assert_found(model().predict(PHOTO, max_area=0.18), R)


def test_peaks_without_a_prompt_are_counted() -> None:
    (note,) = notes_of(max_prompts=2)
    assert note.startswith("prompts used up: 5 peaks, of which the 3 weakest got no prompt; raise --max-prompts")


def test_the_area_limit_names_what_it_alone_kept_out() -> None:
    """Of the masks above 24 pixels only BOTTOM would have been kept; TOP_LEFT hides TOP_LEFT_WIDER either way."""
    (note,) = notes_of(max_area=24)
    assert note.startswith("too large: 1 mask above 19% of the view left out")
    (saved,) = model(max_area_fraction=0.2).predict(PHOTO).notes
    assert saved.startswith("too large: 1 mask above 20%")


def test_small_masks_and_objects_beyond_the_number_asked_for_are_counted() -> None:
    assert notes_of(min_area=25)[0].startswith("too small: 2 masks below 25 pixels left out")
    assert notes_of(max_objects=1)[0].startswith("too many: 2 objects beyond the best 1 left out")


def test_in_a_region_stands_what_has_half_of_its_mask_there() -> None:
    """A cell of the mask grid is two pixels wide; the prompt of BOTTOM is at column 6.5, that of TOP_LEFT at 2.5."""
    assert_found(model().predict(PHOTO, region=(8, 0, 16, 8)), R)
    assert_found(model().predict(PHOTO, region=(6, 0, 14, 8)), B, R)
    assert_found(model().predict(PHOTO, exclude=[(0, 0, 4, 8), (12, 0, 16, 8)]), B)
    whole = np.zeros((8, 16), np.uint8)
    whole[:, :6] = 255
    assert_found(model().predict(PHOTO, region=whole), L)
    assert_found(model().predict(PHOTO, region=[(0, 0), (0.4, 0), (0.4, 1), (0, 1)]), L)


def test_prompts_are_not_spent_outside_the_region() -> None:
    """The two strongest peaks lie above; with room for two prompts, the region's own are used."""
    (note,) = notes_of(max_prompts=2, region=(0, 4, 16, 8))
    assert note.startswith("prompts used up: 3 peaks")
    assert_found(model().predict(PHOTO, max_prompts=2, region=(0, 4, 16, 8)), B)


def test_a_region_in_which_nothing_fits_says_so() -> None:
    found = model().predict(PHOTO, region=(0, 7, 2, 8))
    assert len(found) == 0
    assert found.notes[0].startswith("nothing in the region: no mask has half of itself in the 2 pixels to look at")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"region": (0, 0, 17, 8)}, "region: expected it inside a photo 16 wide and 8 high, found 0,0,17,8"),
        ({"region": (3, 3, 3.2, 3.2)}, "region: expected a region that holds a pixel"),
        ({"region": np.ones((9, 16), bool)}, "region: expected a mask of the photo's size, 16 x 8, found 16 x 9"),
        ({"exclude": (0, 0, 16, 8)}, "exclude: expected some of the photo"),
        ({"min_area": 40, "max_area": 0.1}, "min_area: expected at most max_area, 13 pixels of this photo, found 40"),
        ({"points": [(1, 1), (16, 1)]}, "inside a photo 16 wide and 8 high"),
        ({"boxes": [(0, 0, 4, 9)]}, "boxes: expected a box inside a photo 16 wide and 8 high, found 0,0,4,9"),
    ],
)
def test_what_does_not_fit_the_photo_is_one_line(what: dict[str, Any], message: str) -> None:
    with pytest.raises(ImageError) as error:
        model().predict(PHOTO, **what)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_bad_words_are_refused_before_a_photo_is_read() -> None:
    with pytest.raises(UOISError, match="min_score"):
        model().predict("no_such_file.png", min_score=2)
    with pytest.raises(UOISError, match="did you mean max_objects"):
        model().with_request(max_object=3)


def test_a_request_holds_for_every_photo_and_a_call_adds_to_it() -> None:
    camera = model().with_request(region=(0, 0, 16, 4))
    assert_found(camera.predict(PHOTO), L, R)
    assert_found(camera.with_settings(score_threshold=0.85).predict(PHOTO), L)
    assert_found(camera.predict(PHOTO, max_objects=1), L)
    assert_found(camera.predict(PHOTO, region=None), B, L, R)
    assert_found(camera.encode_image(PHOTO).predict(region=None), B, L, R)
    assert [len(found) for found in camera.predict_batch([PHOTO, PHOTO])] == [2, 2]


def test_a_closer_look_says_what_it_did_not_look_at(tiny_pipeline: UOISSAM, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is that of the objects that the photo as a whole has outside the part."""
    loose = {"score_threshold": -10.0, "foreground_threshold": 0.0, "heatmap_threshold": -10.0, "nms_iou": 1.0}
    scene = tiny_pipeline.with_settings(**loose, max_area_fraction=1.0, zoom=True, prompts="heatmap")
    photo = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    window = Crop(0, 0, 60, 45)
    monkeypatch.setattr("uois_sam.pipeline.view.find_crop", lambda *_: window)
    found = scene.predict(photo)
    whole = scene.with_settings(zoom=False).predict(photo)
    beyond = [each for each in whole if each.point[0] >= 45 and each.mask[:, 45:].sum() >= 0.5 * each.mask.sum()]
    said = [note for note in found.notes if note.startswith("closer look")]
    assert beyond
    assert said[0].startswith(f"closer look: {len(beyond)} object{'s' * (len(beyond) > 1)} left out outside the 50%")
    monkeypatch.setattr("uois_sam.pipeline.view.find_crop", lambda *_: Crop(0, 0, 60, 90))
    assert not [note for note in scene.predict(photo).notes if note.startswith("closer look")]

"""Prompting an encoded photo with points of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from uois_sam import UOISSAM
from uois_sam.errors import ImageError, UOISError
from uois_sam.instances import Instances
from uois_sam.pipeline import EncodedImage
from uois_sam.pipeline.pointing import notes_on
from uois_sam.pipeline.view import View
from uois_sam.request import Request

HEIGHT, WIDTH = 60, 90
POINTS = [(5.0, 5.0), (80.0, 50.0), (40.25, 30.5), (5.0, 50.0)]


@pytest.fixture
def scene(tiny_pipeline: UOISSAM) -> EncodedImage:
    return tiny_pipeline.encode_image(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))


def test_every_point_gets_one_instance_in_the_order_given(scene: EncodedImage) -> None:
    """No threshold, no suppression, no sorting: 100 points on one spot are 100 instances."""
    instances = scene.predict(POINTS)
    np.testing.assert_allclose(instances.points, POINTS, atol=1e-4)
    assert instances.masks.shape == (4, HEIGHT, WIDTH)
    backwards = scene.predict(POINTS[::-1])
    np.testing.assert_allclose(backwards.points, POINTS[::-1], atol=1e-4)
    assert len(scene.predict([POINTS[0]] * 100)) == 100


def test_points_together_give_what_each_gives_alone(scene: EncodedImage) -> None:
    together = scene.predict(POINTS)
    for index, point in enumerate(POINTS):
        alone = scene.predict([point])
        assert together.scores[index] == pytest.approx(alone.scores[0], abs=1e-5)
        assert (together.masks[index] != alone.masks[0]).mean() < 0.002  # rounding may flip a pixel on an edge


def test_a_point_keeps_its_place_through_more_than_one_chunk(scene: EncodedImage) -> None:
    xs = np.linspace(0, WIDTH - 1, 150)
    many = scene.predict(np.stack([xs, np.full(150, 20.0)], axis=1))
    np.testing.assert_allclose(many.points[:, 0], xs, atol=1e-4)


def test_settings_do_not_touch_the_masks_of_given_points(scene: EncodedImage) -> None:
    strict = scene.with_settings(score_threshold=1.0, max_area_fraction=0.0, nms_iou=0.0, min_area_px=10**6)
    assert np.array_equal(strict.predict(POINTS).masks, scene.predict(POINTS).masks)


def test_lists_tuples_and_arrays_of_any_number_type_are_the_same(scene: EncodedImage) -> None:
    expected = scene.predict([(10, 20), (30, 40)])
    for points in ([[10, 20], [30, 40]], np.array([[10, 20], [30, 40]]), np.array([[10, 20], [30, 40]], np.float64)):
        assert np.array_equal(scene.predict(points).masks, expected.masks)


@pytest.mark.parametrize("points", [[], np.zeros((0, 2))])  # a detector that found nothing asks for nothing
def test_no_points_give_no_instances(scene: EncodedImage, points: Any) -> None:
    instances = scene.predict(points)
    assert instances.masks.shape == (0, HEIGHT, WIDTH)
    assert instances.points.shape == (0, 2)


@pytest.mark.parametrize("point", [(-0.5, -0.5), (WIDTH - 0.5, HEIGHT - 0.5), (0, HEIGHT - 1)])
def test_the_photo_reaches_half_a_pixel_beyond_the_outermost_centres(
    scene: EncodedImage, point: tuple[float, float]
) -> None:
    assert len(scene.predict([point])) == 1


@pytest.mark.parametrize("point", [(-0.6, 5), (5, -1), (WIDTH, 5), (5, HEIGHT - 0.4), (np.nan, 5), (np.inf, 5)])
def test_a_point_outside_the_photo_is_an_image_error(scene: EncodedImage, point: tuple[float, float]) -> None:
    with pytest.raises(ImageError, match=f"inside a photo {WIDTH} wide and {HEIGHT} high"):
        scene.predict([(5, 5), point])


@pytest.mark.parametrize("points", [(3, 4), [[1, 2, 3]], np.zeros((1, 1, 1, 2)), [[1, 2], [3]], [["left", "top"]], 7])
def test_points_of_another_shape_are_an_image_error(scene: EncodedImage, points: Any) -> None:
    with pytest.raises(ImageError, match=r"\(M, 2\)"):
        scene.predict(points)


# --- boxes and several clicks


def test_boxes_and_clicks_give_one_mask_each_in_the_order_given(scene: EncodedImage) -> None:
    """The second object is a single click, whose mask is what it always was."""
    found = scene.predict(
        points=[[(5, 5), (80, 50)], [(40.25, 30.5)], [(20, 20)]],
        labels=[[1, 0], [1], [1]],
        boxes=[None, None, (10, 10, 40, 40)],
    )
    assert len(found) == 3 and found.masks.shape == (3, HEIGHT, WIDTH)
    np.testing.assert_allclose(found.points, [(5, 5), (40.25, 30.5), (20, 20)], atol=1e-4)
    alone = scene.predict([(40.25, 30.5)])
    assert np.array_equal(found.masks[1], alone.masks[0]) and found.scores[1] == alone.scores[0]


def test_a_mask_stays_in_its_box(scene: EncodedImage) -> None:
    """Within a cell of the mask grid of 24x32 cells over the photo."""
    found = scene.predict(boxes=[(20, 10, 60, 50)])
    left, top, right, bottom = found.boxes[0]
    assert found.masks.any() and found.points[0].tolist() == [39.5, 29.5]
    assert left >= 20 - 4 and right <= 60 + 4 and top >= 10 - 4 and bottom <= 50 + 4


def test_a_click_beside_the_object_is_not_in_the_mask(scene: EncodedImage) -> None:
    first = scene.predict([(40.0, 30.0)]).masks[0]
    rows, columns = np.nonzero(first)
    farthest = np.hypot(rows - 30, columns - 40).argmax()
    beside = (float(columns[farthest]), float(rows[farthest]))
    found = scene.predict([(40.0, 30.0), beside], labels=[1, 0]).masks[0]
    assert not found[rows[farthest], columns[farthest]]


@pytest.mark.parametrize("box", [(20, 10, 40, 25), (0, 0, 90, 60)])
def test_with_zoom_a_box_is_looked_at_more_closely(
    scene: EncodedImage, box: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one that has all of the photo around it already."""
    cuts = []
    cut = View.cut
    monkeypatch.setattr(View, "cut", lambda self, crop: cuts.append(crop) or cut(self, crop))
    plain, close = (scene.with_settings(zoom=zoom).predict(boxes=[box]) for zoom in (False, True))
    assert close.masks.shape == plain.masks.shape == (1, HEIGHT, WIDTH) and close.masks.any()
    assert len(cuts) == (box[2] < 90) and np.array_equal(close.masks, plain.masks) == (not cuts)
    for crop in cuts:
        assert crop.left <= 20 and crop.left + crop.width >= 40 and crop.top <= 10 and crop.top + crop.height >= 25
        assert close.boxes[0][0] >= 20 - 2 and close.boxes[0][3] <= 25 + 2  # a cell is 52 / 24 pixels and less


def test_objects_that_are_pointed_at_and_words_of_finding_exclude_each_other(scene: EncodedImage) -> None:
    with pytest.raises(UOISError, match="expected no max_objects"):
        scene.predict(POINTS, max_objects=3)


def test_empty_masks_of_what_was_pointed_at_are_told() -> None:
    targets = Request().changed({"points": [(2, 3), (5, 5)]}).targets
    assert targets is not None and len(targets) == 2
    masks = np.zeros((2, 8, 9), bool)
    masks[0, 3, 2] = True
    found = Instances(masks=masks, scores=np.ones(2, np.float32), boxes=np.zeros((2, 4), np.float32),
                      points=np.zeros((2, 2), np.float32), model="m")  # fmt: skip
    assert notes_on(targets, found) == ("nothing there: 1 of 2 objects pointed at with an empty mask, first number 2",)
    assert notes_on(targets[:1], found[:1]) == ()

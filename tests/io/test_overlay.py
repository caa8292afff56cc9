"""Pictures: right where colour is expected, untouched elsewhere, and never failing on odd shapes."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
import torch

from uois_sam.errors import ImageError, MissingExtraError
from uois_sam.instances import Instances
from uois_sam.io.overlay import (
    FILL_OPACITY,
    PALETTE_SIZE,
    colours,
    foreground_picture,
    heatmap_picture,
)
from uois_sam.types import PromptMaps


def scene(hw=(60, 80), count=2) -> Instances:
    """Side by side rectangles over the middle rows."""
    height, width = hw
    masks = np.zeros((count, height, width), dtype=bool)
    boxes = np.zeros((count, 4), dtype=np.float32)
    for index in range(count):
        left, right = width * index // max(count, 1), max(width * (index + 1) // max(count, 1) - width // 20, 1)
        top, bottom = height // 4, max(height // 4 + 1, 3 * height // 4)
        masks[index, top:bottom, left:right] = True
        boxes[index] = left, top, right, bottom
    return Instances(
        masks=masks,
        scores=np.linspace(0.9, 0.5, count, dtype=np.float32),
        boxes=boxes,
        points=(boxes[:, :2] + boxes[:, 2:] - 1) / 2,
    )


def maps(value: float = 0.0) -> PromptMaps:
    logits = torch.zeros(2, 336, 448)
    logits[1, :, :224] = 50.0
    logits[1, :, 224:] = -50.0
    return PromptMaps(foreground_logits=logits, heatmap=torch.full((1, 336, 448), value))


GREY = np.full((60, 80, 3), 100, dtype=np.uint8)


def test_inside_is_tinted_and_outside_untouched():
    instances = scene()
    picture = instances.overlay(GREY, show_points=False)
    assert picture.shape == GREY.shape and picture.dtype == np.uint8
    tint = np.rint((1 - FILL_OPACITY) * 100 + FILL_OPACITY * colours(1)[0])
    np.testing.assert_allclose(picture[30, 20], tint, atol=1)
    np.testing.assert_array_equal(picture[:10], GREY[:10])
    assert (GREY == 100).all()


def test_outlines_and_points_are_drawn():
    instances = scene()
    plain, pointed = instances.overlay(GREY, show_points=False), instances.overlay(GREY)
    assert np.abs(plain[15, 5:30].astype(int) - colours(1)[0]).max() < 100  # the outline is nearly pure colour
    x, y = np.rint(instances.points[0]).astype(int)
    assert (plain[y, x] != pointed[y, x]).any()
    assert (instances.overlay(GREY, show_scores=True) != pointed).any()


def lettered(picture):
    """Number of nearly white pixels, as only letters and the rings of points have them."""
    return (picture.min(axis=2) > 180).sum()


def test_numbers_are_written_in_white_and_can_be_left_out():
    instances, image = scene((240, 320)), np.full((240, 320, 3), 100, dtype=np.uint8)
    plain = instances.overlay(image, show_points=False, show_numbers=False)
    numbered = instances.overlay(image, show_points=False)
    assert lettered(plain) == 0 < lettered(numbered)
    assert lettered(numbered) < lettered(instances.overlay(image, show_points=False, show_scores=True))
    changed = np.flatnonzero((plain != numbered).any(axis=(0, 2)))
    assert changed.min() > instances.points[0, 0]  # to the right of the points


def test_what_the_label_map_leaves_out_has_no_number_and_no_point():
    instances = scene((240, 320), count=1)
    hidden = Instances(
        masks=np.repeat(instances.masks, 2, axis=0),
        scores=np.array([0.9, 0.8], dtype=np.float32),
        boxes=np.repeat(instances.boxes, 2, axis=0),
        points=instances.points + np.array([[0, 0], [60, 30]], dtype=np.float32),
    )
    image = np.full((240, 320, 3), 100, dtype=np.uint8)
    np.testing.assert_array_equal(hidden.overlay(image), instances.overlay(image))


def test_a_number_stands_on_the_object_where_the_point_does_not():
    instances, image = scene((240, 320), count=1), np.full((240, 320, 3), 100, dtype=np.uint8)
    away = Instances(instances.masks, instances.scores, instances.boxes, np.zeros((1, 2), np.float32))
    plain = away.overlay(image, show_points=False, show_numbers=False)
    rows, columns = np.nonzero((plain != away.overlay(image, show_points=False)).any(axis=2))
    assert instances.masks[0][rows, columns].all()


def test_the_better_of_two_overlapping_masks_is_shown():
    instances = scene(count=1)
    both = Instances(
        masks=np.repeat(instances.masks, 2, axis=0),
        scores=np.array([0.9, 0.8], dtype=np.float32),
        boxes=np.repeat(instances.boxes, 2, axis=0),
        points=np.repeat(instances.points, 2, axis=0),
    )
    np.testing.assert_array_equal(both.overlay(GREY, show_points=False), instances.overlay(GREY, show_points=False))


def test_no_instances_gives_the_photo():
    np.testing.assert_array_equal(scene(count=0).overlay(GREY, show_scores=True), GREY)


@pytest.mark.parametrize("hw", [(1, 1), (1, 300), (300, 1), (20, 2000), (2000, 20)])
def test_odd_shapes(hw):
    image = np.full((*hw, 3), 100, dtype=np.uint8)
    assert scene(hw, count=1).overlay(image, show_scores=True).shape == image.shape
    assert heatmap_picture(image, maps()).shape == image.shape
    assert foreground_picture(image, maps()).shape == image.shape


def test_more_instances_than_colours():
    count = PALETTE_SIZE + 3
    image = np.zeros((40, 20 * count, 3), dtype=np.uint8)
    assert scene((40, 20 * count), count).overlay(image).shape == image.shape


def test_colours_are_distinct_and_always_the_same():
    palette = colours(PALETTE_SIZE)
    assert len(np.unique(palette, axis=0)) == PALETTE_SIZE
    np.testing.assert_array_equal(colours(5), palette[:5])


def test_each_colour_is_as_far_as_can_be_in_cielab_from_those_before_it():
    steps = np.linspace(0, 255, 14, dtype=np.float32)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    lab = np.asarray(cv2.cvtColor(rgb / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)[:, 0]
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    vivid = (lightness > 45) & (lightness < 88) & (chroma > 50)
    rgb, lab = rgb[vivid, 0], lab[vivid]
    chosen = [int(np.argmin(np.abs(rgb - (0, 157, 255)).sum(axis=1)))]  # azure, rare on tables
    distance = np.full(len(lab), np.inf)
    while len(chosen) < PALETTE_SIZE:
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    np.testing.assert_array_equal(colours(PALETTE_SIZE), rgb[chosen].astype(np.uint8))


def test_wrong_size_is_refused():
    with pytest.raises(ImageError, match=r"\(60, 80, 3\).*\(60, 81, 3\)"):
        scene().overlay(np.zeros((60, 81, 3), dtype=np.uint8))


def test_heatmap_grows_brighter_with_the_value():
    brightness = [float(heatmap_picture(GREY, maps(value)).mean()) for value in (0.0, 0.02, 0.3, 1.0, 1.5)]
    assert brightness[0] < brightness[1] < brightness[2] < brightness[3] == brightness[4]


def test_foreground_keeps_the_photo_and_fades_the_rest():
    picture = foreground_picture(GREY, maps())
    np.testing.assert_allclose(picture[:, :38], 100, atol=1)
    assert picture[:, 42:].max() < 60


def test_plot_into_given_and_new_axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert scene().plot(GREY, ax) is ax
    new = scene().plot(GREY)
    assert new is not ax and len(new.images) == 1
    scene(count=0).plot(GREY)
    plt.close("all")


def test_plot_without_a_photo():
    pytest.importorskip("matplotlib")
    with pytest.raises(ImageError, match="expected the photo"):
        scene().plot()


def test_plot_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"pip install -c constraints.txt '.\[plot\]'"):
        scene().plot(GREY)

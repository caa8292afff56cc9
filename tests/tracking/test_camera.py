"""How the camera's motion is seen in the picture, and what it is good for: ids that stay when all moves at once."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from moving import instances, square
from uois_sam.instances import Instances
from uois_sam.tracking import Tracker, TrackerConfig
from uois_sam.tracking.camera import Camera, Shift
from uois_sam.tracking.matching import thinned
from uois_sam.tracking.votes import Votes

Photo = npt.NDArray[np.uint8]


def surface(height: int, width: int, seed: int = 0) -> Photo:
    """A surface with blobs of all kinds of grey."""
    rough = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8)).astype(np.uint8)
    smooth = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.repeat(smooth[..., None], 3, axis=2)


def seen(before: Photo, now: Photo) -> Shift | None:
    camera = Camera()
    assert camera.see(before) is None
    return camera.see(now)


@pytest.mark.parametrize(("dx", "dy"), [(12, 0), (-9, 6), (0, -24)])
def test_a_shift_is_found_to_a_pixel(dx: int, dy: int) -> None:
    whole = surface(560, 720)
    shift = seen(whole[40:520, 40:680], whole[40 - dy : 520 - dy, 40 - dx : 680 - dx])
    assert shift is not None
    moved = shift.points(np.array([[100.0, 100.0], [500.0, 400.0]]))
    assert moved == pytest.approx(np.array([[100.0 + dx, 100 + dy], [500 + dx, 400 + dy]]), abs=1)
    assert shift.zoom == pytest.approx(1, abs=0.01)


def test_a_turn_and_a_zoom_are_found() -> None:
    before = surface(480, 640)
    matrix = cv2.getRotationMatrix2D((320, 240), 4, 1.06)
    shift = seen(before, cv2.warpAffine(before, matrix, (640, 480), borderMode=cv2.BORDER_REFLECT))
    assert shift is not None
    points = np.array([[160.0, 120.0], [480.0, 120.0], [320.0, 360.0]])
    assert shift.points(points) == pytest.approx(points @ matrix[:, :2].T + matrix[:, 2], abs=2.5)
    assert shift.zoom == pytest.approx(1.06, abs=0.015)


@pytest.mark.parametrize("size_hw", [(1, 2000), (2000, 1), (1, 1)])
def test_the_narrowest_photos_are_followed(size_hw: tuple[int, int]) -> None:
    tracker, photo = Tracker(), np.zeros((*size_hw, 3), np.uint8)
    found = replace(instances([(0, 0, size_hw[1], size_hw[0])], image_hw=size_hw), image=photo)
    assert [ids.tolist() for _ in range(3) if (ids := tracker.update(found).ids) is not None] == [[1], [1], [1]]
    assert thinned(found.masks).any()


@pytest.mark.parametrize("zoom", [0.25, 0.5, 2.0, 4.0, 8.0])
def test_an_outline_is_scaled_to_the_pixel(zoom: float) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[8:24, 16:40] = True
    shift = Shift(zoom * np.eye(2), np.full(2, (zoom - 1) / 2))
    moved = Votes.of(mask, np.array([16, 8, 40, 24], np.float32)).moved(shift, (round(64 * zoom),) * 2)
    assert moved.window == tuple(zoom * side for side in (16, 8, 40, 24))
    assert moved.inside.all()


def test_noise_is_no_motion() -> None:
    photo = surface(480, 640)
    noise = np.random.default_rng(1).integers(0, 12, photo.shape)
    assert seen(photo, (photo * 0.9 + noise).astype(np.uint8)) is None


def test_an_object_that_moves_is_not_the_camera() -> None:
    before = surface(480, 640)
    after = before.copy()
    after[100:300, 150:350] = before[100:300, 120:320]
    assert seen(before, after) is None


def test_a_picture_without_corners_says_nothing() -> None:
    grey = np.full((480, 640, 3), 128, dtype=np.uint8)
    assert seen(grey, grey) is None


def test_photos_of_two_sizes_are_not_compared() -> None:
    assert seen(surface(480, 640), surface(240, 640)) is None


def test_a_mask_moves_along() -> None:
    mask = np.zeros((30, 40), dtype=np.bool_)
    mask[10:20, 10:20] = True
    moved = Shift(np.eye(2), np.array([12.0, -8.0])).mask(mask, 4)
    assert np.array_equal(moved, np.roll(mask, (-2, 3), axis=(0, 1)))


def jumping(config: TrackerConfig) -> list[list[int]]:
    """Ids of four like squares in a row, 40 pixels apart, before and after the camera jumps by as much."""
    whole = surface(480, 760)
    places = [square(100 + 40 * number, 200, 30) for number in range(4)]
    tracker, found = Tracker(config), []
    for left in (0, 0, 0, 40, 40):
        boxes = [(x0 - left, y0, x1 - left, y1) for x0, y0, x1, y1 in places]
        each = instances(boxes, image_hw=(480, 640))
        photo = whole[:, left : left + 640]
        out = tracker.update(Instances(each.masks, each.scores, each.boxes, each.points, image=photo))
        assert out.ids is not None
        found.append(out.ids[np.argsort(out.boxes[:, 0])].tolist())
    return found


def test_ids_stay_when_the_camera_jumps_by_the_distance_of_two_objects() -> None:
    assert jumping(TrackerConfig()) == [[1, 2, 3, 4]] * 5
    assert jumping(TrackerConfig(camera=False))[-1] != [1, 2, 3, 4]


def test_a_still_object_is_held_where_the_camera_puts_it() -> None:
    whole = surface(480, 760)
    tracker = Tracker()
    for left in (0, 0, 0, 0, 20):
        there = [square(300 - left, 200, 40)] if left == 0 else []
        each = instances(there, image_hw=(480, 640))
        photo = whole[:, left : left + 640]
        out = tracker.update(Instances(each.masks, each.scores, each.boxes, each.points, image=photo))
    assert out.ids is not None and out.ids.tolist() == [1]
    assert out.boxes[0] == pytest.approx([280, 200, 320, 240], abs=1.5)

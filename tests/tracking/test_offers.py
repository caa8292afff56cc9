"""What the frames before say of the masks that a model offers: weak ones, parts and wholes, and what only flickers."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from live_server import tiny_model
from moving import instances, looks, square
from uois_sam.tracking import Tracker, TrackerConfig
from uois_sam.tracking.offers import Offer, choose, support

Box = tuple[int, int, int, int]
WHOLE: Box = (20, 20, 60, 60)
PART: Box = (20, 20, 60, 42)
"""More than half of the whole, so that the model itself keeps one of them."""
OTHER_PART: Box = (20, 42, 60, 60)


def frames(tracker: Tracker, *offered: Sequence[tuple[Box, float]]) -> list[list[tuple[float, ...]]]:
    """Boxes that are reported of each frame, of masks on offer with their scores."""
    found = []
    for each in offered:
        best = sorted(each, key=lambda one: -one[1])
        masks = instances([box for box, _ in best], [score for _, score in best])
        out = tracker.follow(looks(*[0] * 8), Offer(masks, least=0.4, nms_iou=0.3))  # type: ignore[arg-type]
        found.append(sorted(tuple(box) for box in out.boxes.tolist()))
    return found


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trackers that see no looks and show what they know as it is found."""

    def make(**settings: Any) -> Tracker:
        monkeypatch.setattr("uois_sam.tracking.tracker.likenesses", _no_looks)
        kept = {"hold_frames": 0, "vote": 1.0, "show_standing": 0.0, "confirm_frames": 1, **settings}
        return Tracker(TrackerConfig(**kept))

    monkeypatch.setattr("moving.Looks.embeddings", lambda self, masks: self.rows[: len(masks)])
    return make


def _no_looks(looks: object, tracks: Sequence[object], count: int) -> np.ndarray:
    return np.full((count, len(tracks)), np.nan, dtype=np.float32)


def test_a_known_object_stays_through_a_frame_in_which_its_mask_is_weak(plain: Any) -> None:
    there = [(square(20, 20), 0.7)], [(square(21, 20), 0.3)], [(square(22, 20), 0.7)]
    assert [len(each) for each in frames(plain(), *there)] == [1, 1, 1]
    assert [len(each) for each in frames(plain(memory=0.0), *there)] == [1, 0, 1]


def test_a_weak_mask_of_nothing_known_is_left_out(plain: Any) -> None:
    there = [(square(20, 20), 0.7), (square(80, 60), 0.3)]
    assert frames(plain(), there, there) == [[square(20, 20)]] * 2


def test_a_mask_below_keep_score_is_left_out_whatever_is_known(plain: Any) -> None:
    there = [(square(20, 20), 0.9)], [(square(20, 20), 0.1)]
    assert [len(each) for each in frames(plain(memory=2.0), *there)] == [1, 0]


def test_what_was_whole_stays_whole_though_a_part_scores_higher(plain: Any) -> None:
    there = [(WHOLE, 0.8), (PART, 0.6)], [(WHOLE, 0.6), (PART, 0.65)]
    assert frames(plain(), *there) == [[WHOLE], [WHOLE]]
    assert frames(plain(memory=0.0), *there) == [[WHOLE], [PART]]


def test_what_was_two_stays_two_though_both_together_score_higher(plain: Any) -> None:
    there = [(PART, 0.7), (OTHER_PART, 0.7)], [(WHOLE, 0.68), (PART, 0.6), (OTHER_PART, 0.6)]
    assert frames(plain(), *there) == [[PART, OTHER_PART]] * 2
    assert WHOLE in frames(plain(memory=0.0), *there)[1]


def test_a_much_better_mask_overrules_what_was(plain: Any) -> None:
    there = [(PART, 0.5)], [(WHOLE, 0.95), (PART, 0.45)]
    assert frames(plain(memory=0.25), *there)[1] == [WHOLE]


def test_what_comes_and_goes_is_not_shown_and_that_is_said(plain: Any) -> None:
    tracker = plain(show_standing=0.45)
    steady, doubtful = (square(20, 20), 0.6), (square(80, 60), 0.6)
    for step in range(12):
        frames(tracker, [steady, doubtful] if step % 3 == 0 else [steady])
    assert frames(tracker, [steady, doubtful]) == [[square(20, 20)]]
    assert tracker.born == 2
    for there in ([20], [20], [20, 80]):
        offer = Offer(instances([square(x, 20 + (x > 20) * 40) for x in there], [0.6] * len(there)), 0.4, 0.3)
        notes = tracker.follow(looks(0, 0), offer).notes  # type: ignore[arg-type]
    assert any(note.startswith("doubtful: 1 object left out") for note in notes)


def test_support_is_the_best_product_of_standing_and_overlap() -> None:
    masks = instances([(0, 0, 40, 40), (0, 0, 40, 30), (80, 60, 100, 80)]).masks
    known = instances([(0, 0, 40, 40), (0, 0, 40, 36)]).masks
    added = support(masks, known, np.array([0.5, 0.8], dtype=np.float32))
    assert added == pytest.approx([0.64, 0.8 * (2 * 30 / 36 - 1), 0], abs=1e-6)
    assert support(masks, known[:0], np.zeros(0, dtype=np.float32)).tolist() == [0, 0, 0]


def test_without_memory_the_choice_is_that_of_the_model() -> None:
    boxes = [(0, 0, 40, 40), (2, 2, 42, 42), (60, 0, 90, 40), (60, 50, 90, 90)]
    offer = Offer(instances(boxes, [0.9, 0.8, 0.7, 0.3]), least=0.4, nms_iou=0.3)
    rows = choose(offer.masks.masks, offer, np.zeros(4, dtype=np.float32), TrackerConfig())
    assert rows.tolist() == [0, 2]


def test_a_model_is_asked_for_weaker_masks_and_those_that_overlap_better_ones() -> None:
    asked: dict[str, Any] = {}

    def predict(**what: Any) -> Any:
        asked.update(what)
        return instances([square(5, 5)])

    def with_settings(**what: Any) -> Any:
        asked.update(what)
        return SimpleNamespace(predict=predict)

    own = SimpleNamespace(score_threshold=0.39, nms_iou=0.3)
    encoded: Any = SimpleNamespace(in_effect=own, with_settings=with_settings)
    offer = Offer.of(encoded, TrackerConfig(keep_score=0.2))
    assert (offer.least, offer.nms_iou) == (0.39, 0.3)
    assert asked == {"min_score": 0.2, "nms_iou": 0.9}


def test_a_model_is_followed_from_frame_to_frame() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    model = tiny_model().with_request(min_score=0.0)
    tracker = Tracker(TrackerConfig(show_standing=0.0))
    first, second = (tracker.follow(model.encode_image(photo)) for _ in range(2))
    plain = model.predict(photo)
    assert len(first) == len(plain) > 0
    assert first.ids is not None and second.ids is not None
    assert set(second.ids.tolist()) >= set(first.ids.tolist())

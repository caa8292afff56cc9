"""What the tracker promises: ids that stay through motion, crossing and occlusion; births, deaths, steady outlines."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moving import IMAGE_HW, instances, looks, square
from uois_sam.errors import UOISError
from uois_sam.tracking import Tracker, TrackerConfig
from uois_sam.tracking.scores import flicker


def ids(found: object) -> list[int]:
    return found.ids.tolist()  # type: ignore[attr-defined]


def test_objects_of_the_first_frame_have_ids_at_once() -> None:
    found = Tracker().update(instances([square(10, 10), square(60, 10)]))
    assert ids(found) == [1, 2]
    assert [each.id for each in found] == [1, 2]
    assert [each.label for each in found] == [1, 2]


def test_ids_stay_with_moving_objects_whatever_their_order() -> None:
    tracker = Tracker()
    for step in range(20):
        places = [square(5 + 4 * step, 10), square(100 - 3 * step, 50)]
        there = (1, 2)
        if step % 2:
            places, there = places[::-1], (2, 1)
        assert ids(tracker.update(instances(places))) == list(there)


def test_objects_that_pass_close_by_keep_their_ids_by_their_speed() -> None:
    tracker = Tracker()
    for step in range(24):
        found = tracker.update(instances([square(4 + 4 * step, 30), square(100 - 4 * step, 40)]))
    assert ids(found) == [1, 2]


@pytest.mark.parametrize("with_looks", [True, False])
def test_what_was_covered_has_its_old_id_when_it_is_shown_again(with_looks: bool) -> None:
    tracker = Tracker()
    cover, seen = [], []
    for step in range(40):
        cover_x = -30 + 4 * step
        places, kinds = [], []
        if 0 <= cover_x <= 90:
            places.append((cover_x, 30, cover_x + 36, 66))
            kinds.append(1)
        left, right = 50, 66
        if cover_x <= left < cover_x + 36:
            left = cover_x + 36
        elif left <= cover_x < right:
            right = cover_x
        if right - left > 3:
            places.append((left, 40, right, 56))
            kinds.append(0)
        found = tracker.update(instances(places), looks(*kinds) if with_looks else None)
        of_kind = dict(zip(kinds, found.ids.tolist(), strict=False)) if len(found) == len(kinds) else {}
        cover.append(of_kind.get(1))
        seen.append(of_kind.get(0))
    hidden = [step for step, here in enumerate(seen) if here is None]
    assert len(hidden) >= 4
    assert {here for here in seen if here is not None} == {1}
    assert {here for here in cover if here is not None} == {2}


def test_a_lost_object_is_known_again_by_its_look_nearby() -> None:
    tracker = Tracker()
    tracker.update(instances([square(20, 20)]), looks(0))
    for _ in range(6):
        tracker.update(instances([]), looks())
    assert ids(tracker.update(instances([square(36, 20)]), looks(0))) == [1]


def test_another_look_at_the_same_place_is_another_object() -> None:
    tracker = Tracker(TrackerConfig(confirm_frames=1))
    tracker.update(instances([square(20, 20)]), looks(0))
    for _ in range(6):
        tracker.update(instances([]), looks())
    assert ids(tracker.update(instances([square(20, 20)]), looks(5))) == [2]


def test_the_same_look_far_away_is_another_object() -> None:
    tracker = Tracker(TrackerConfig(confirm_frames=1))
    tracker.update(instances([square(5, 5)]), looks(0))
    tracker.update(instances([]), looks())
    assert ids(tracker.update(instances([square(110, 75)]), looks(0))) == [2]


def test_an_object_dies_after_lost_frames() -> None:
    tracker = Tracker(TrackerConfig(lost_frames=3, confirm_frames=1))
    tracker.update(instances([square(20, 20)]))
    for _ in range(4):
        tracker.update(instances([]))
    assert len(tracker) == 0
    assert ids(tracker.update(instances([square(20, 20)]))) == [2]


def test_what_flashes_up_gets_no_id_and_that_is_said() -> None:
    tracker = Tracker()
    tracker.update(instances([square(20, 20)]))
    found = tracker.update(instances([square(20, 20), square(80, 60)]))
    assert ids(found) == [1]
    assert any(note.startswith("no id yet: 1 object left out") for note in found.notes)
    assert ids(tracker.update(instances([square(20, 20)]))) == [1]
    assert tracker.born == 1


def test_a_new_object_gets_its_id_in_the_frame_that_confirms_it() -> None:
    tracker = Tracker(TrackerConfig(confirm_frames=3))
    tracker.update(instances([square(20, 20)]))
    both = instances([square(20, 20), square(80, 60)])
    assert [ids(tracker.update(both)) for _ in range(3)] == [[1], [1], [1, 2]]


def test_a_new_object_needs_the_score_of_a_birth_and_a_known_one_does_not() -> None:
    tracker = Tracker(TrackerConfig(birth_score=0.5, show_standing=0.0))
    tracker.update(instances([square(20, 20)], scores=[0.9]))
    for _ in range(4):
        found = tracker.update(instances([square(20, 20), square(80, 60)], scores=[0.3, 0.2]))
    assert ids(found) == [1]


def test_a_still_object_is_held_for_a_few_frames_and_that_is_said() -> None:
    tracker = Tracker(TrackerConfig(hold_frames=2))
    for _ in range(5):
        tracker.update(instances([square(20, 20), square(80, 60)]))
    held = [tracker.update(instances([square(20, 20)])) for _ in range(3)]
    assert [ids(each) for each in held] == [[1, 2], [1, 2], [1]]
    assert np.array_equal(held[0].masks[1], instances([square(80, 60)]).masks[0])
    assert any(note.startswith("held: 1 object") for note in held[0].notes)


def test_nothing_is_held_where_something_else_is() -> None:
    tracker = Tracker()
    for _ in range(5):
        tracker.update(instances([square(80, 60)]), looks(0))
    found = tracker.update(instances([(60, 40, 120, 90)]), looks(1))
    assert 1 not in ids(found)


def test_a_moving_object_is_not_held() -> None:
    tracker = Tracker()
    for step in range(8):
        tracker.update(instances([square(10 + 5 * step, 20)]))
    assert ids(tracker.update(instances([]))) == []


def test_votes_make_the_outline_of_a_still_object_steady() -> None:
    rng = np.random.default_rng(0)
    tracker, plain, voted = Tracker(), [], []
    before = None
    for _ in range(30):
        x0, y0, x1, y1 = np.array(square(40, 40, 24)) + rng.integers(-1, 2, 4)
        raw = instances([(int(x0), int(y0), int(x1), int(y1))])
        found = tracker.update(raw)
        if before is not None:
            plain.append(flicker(before[0], raw.masks[0]))
            voted.append(flicker(before[1], found.masks[0]))
        before = raw.masks[0], found.masks[0]
        assert np.array_equal(found.boxes[0], boxed(found.masks[0]))
    assert np.mean(voted) < 0.5 * np.mean(plain)


def boxed(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def test_a_moving_object_has_the_outline_of_this_frame() -> None:
    tracker = Tracker()
    for step in range(10):
        raw = instances([square(10 + 6 * step, 20)])
        assert np.array_equal(tracker.update(raw).masks, raw.masks)


@pytest.mark.parametrize("zoom", [2.0, 0.5, 5.0])
def test_ids_go_on_where_frames_change_their_size_and_keep_their_proportions(zoom: float) -> None:
    """Of an object that moves, one that rests, and one that is covered while the size changes."""
    tracker = Tracker()

    def places(step: int, scale: float) -> list[tuple[int, int, int, int]]:
        boxes = [(8 + 3 * step, 10, 28 + 3 * step, 30), (60, 60, 80, 84), (10, 64, 34, 88)]
        scaled = [tuple(round(scale * value) for value in box) for box in boxes]
        return [scaled[0], scaled[1], *([] if 6 <= step < 10 else [scaled[2]])]  # type: ignore[list-item]

    for step in range(16):
        scale = 1.0 if step < 8 else zoom
        hw = round(96 * scale), round(128 * scale)
        found = tracker.update(instances(places(step, scale), image_hw=hw))
        assert sorted(ids(found))[:2] == [1, 2] and set(ids(found)) <= {1, 2, 3}
        assert [note for note in found.notes if "from here on" in note] == (
            [f"another size: the frames are {hw[1]}x{hw[0]} from here on; ids go on"] if step == 8 else []
        )
    assert ids(found) == [1, 2, 3]
    assert tracker.born == 3


def test_what_is_held_has_the_size_of_its_frame() -> None:
    tracker = Tracker()
    for _ in range(6):
        tracker.update(instances([square(20, 20), square(60, 30)]))
    found = tracker.update(instances([square(40, 40, 32)], image_hw=(192, 256)))
    assert ids(found) == [1, 2]
    expected = instances([square(40, 40, 32), square(120, 60, 32)], image_hw=(192, 256)).masks
    assert np.count_nonzero(found.masks ^ expected) <= 4 * 32
    assert np.allclose(found.boxes[1], [120, 60, 152, 92], atol=1)
    assert found.points[1].tolist() == [2 * (68 + 0.5) - 0.5, 2 * (38 + 0.5) - 0.5]  # points are counted by middles


def test_frames_of_other_proportions_begin_anew_and_that_is_said() -> None:
    tracker = Tracker()
    tracker.update(instances([square(20, 20)]))
    found = tracker.update(instances([square(20, 20)], image_hw=(128, 96)))
    assert ids(found) == [2]
    assert found.notes == ("new ids: the frames are 96x128 from here on; nothing before is known again",)


def test_a_tracker_grows_with_what_it_sees_and_not_with_time() -> None:
    rng = np.random.default_rng(1)
    tracker = Tracker(TrackerConfig(lost_frames=10))
    sizes, known = [], []
    for frame in range(240):
        places = [square(int(x), int(y)) for x, y in rng.integers(0, 76, (6, 2))]
        tracker.update(instances(places), looks(*rng.integers(0, 8, 6).tolist()))
        known.append(len(tracker))
        if frame % 40 == 39:
            sizes.append(len(pickle.dumps(tracker)))
    assert max(known) <= 6 * 12
    assert max(sizes[1:]) < 1.5 * sizes[1]


places = st.lists(
    st.builds(
        lambda x, y, side: (x, y, x + side, y + side), st.integers(0, 90), st.integers(0, 60), st.integers(4, 30)
    ),
    max_size=5,
)


@given(st.lists(places, min_size=1, max_size=8), st.booleans())
def test_ids_of_a_frame_differ_come_in_order_and_belong_to_best_first_masks(
    frames: list[list[tuple[int, int, int, int]]], voting: bool
) -> None:
    tracker = Tracker(TrackerConfig(vote=0.3 if voting else 1.0, confirm_frames=1, show_standing=0.0))
    highest = 0
    for boxes in frames:
        found = tracker.update(instances(boxes))
        assert found.ids is not None
        assert found.masks.shape == (len(found), *IMAGE_HW)
        assert len(set(ids(found))) == len(found)
        assert found.masks.any(axis=(1, 2)).all()
        assert (np.diff(found.scores) <= 0).all()
        new = [each for each in sorted(ids(found)) if each > highest]
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest = tracker.born
        assert set(ids(found)) >= set(new)
        assert len(found) >= len(boxes)


@pytest.mark.parametrize(
    ("name", "value"), [("confirm_frames", -1), ("vote", 1.5), ("reach", -1.0), ("lost_frames", 2.5)]
)
def test_settings_out_of_bounds_are_refused(name: str, value: float) -> None:
    with pytest.raises(UOISError, match=name):
        TrackerConfig(**{name: value})

"""Instances: the label map, sizes, and what no instance at all looks like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from uois_sam.errors import ImageError
from uois_sam.instances import Instances
from uois_sam.io.masks import decode_mask
from uois_sam.io.shapes import mask_polygons
from uois_sam.types import FloatArray


def instances(*drawings: str, scores: tuple[float, ...] = ()) -> Instances:
    """Instances from drawings: rows separated by spaces, ``#`` inside; boxes and points are of no interest here."""
    masks = np.array([[[c == "#" for c in row] for row in drawing.split()] for drawing in drawings], dtype=np.bool_)
    ranks: FloatArray = np.array(scores or np.linspace(0.9, 0.5, len(drawings)), dtype=np.float32)
    count = len(drawings)
    return Instances(masks, ranks, np.zeros((count, 4), dtype=np.float32), np.zeros((count, 2), dtype=np.float32))


def none(height: int, width: int) -> Instances:
    return Instances(
        masks=np.zeros((0, height, width), dtype=np.bool_),
        scores=np.zeros(0, dtype=np.float32),
        boxes=np.zeros((0, 4), dtype=np.float32),
        points=np.zeros((0, 2), dtype=np.float32),
    )


def test_in_the_label_map_the_better_score_wins_where_masks_overlap() -> None:
    labels = instances("##.. ##.. ....", ".##. .##. .##.", "#### .... ....").label_map()
    assert labels.dtype == np.uint16
    assert labels.tolist() == [[1, 1, 2, 3], [1, 1, 2, 0], [0, 2, 2, 0]]


def test_a_mask_hardly_in_sight_is_left_out_of_the_label_map_and_keeps_its_number() -> None:
    nearly_hidden = instances("#########. ..........", "########## ..........", ".......... ##########")
    assert nearly_hidden.label_map().tolist() == [[1] * 9 + [0], [3] * 10]
    assert nearly_hidden.visible_areas().tolist() == [9, 0, 10]
    a_fifth = instances("########..", "##########")
    assert a_fifth.label_map().tolist() == [[1] * 8 + [2] * 2]


def test_pixels_of_what_is_left_out_go_to_the_next_mask_that_holds_them() -> None:
    labels = instances("#########.", "##########", ".........#").label_map()
    assert labels.tolist() == [[1] * 9 + [3]]


def test_stray_pieces_are_left_out_of_the_label_map() -> None:
    masks = np.zeros((1, 10, 20), dtype=np.bool_)
    masks[0, :, :10] = True
    masks[0, 0, 12] = masks[0, 9, 14:17] = True  # 1 and 3 of 104 pixels
    one = Instances(masks, np.ones(1, np.float32), np.zeros((1, 4), np.float32), np.zeros((1, 2), np.float32))
    labels = one.label_map()
    assert not labels[0, 12] and labels[9, 14:17].all() and labels[:, :10].all()
    assert one.visible_areas().tolist() == [103]
    assert one.masks.sum() == 104


@given(hnp.arrays(np.bool_, st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 9))))
def test_a_label_map_shows_pixels_of_masks_only_and_no_slivers(masks: npt.NDArray[np.bool_]) -> None:
    n = len(masks)
    found = Instances(masks, np.ones(n, np.float32), np.zeros((n, 4), np.float32), np.zeros((n, 2), np.float32))
    labels, visible = found.label_map(), found.visible_areas()
    assert visible.tolist() == [np.count_nonzero(labels == i + 1) for i in range(n)]
    for index, mask in enumerate(masks):
        own = labels == index + 1
        assert not (own & ~mask).any()
        # At most 49 of 50 parts of a fifth are lost with stray pieces.
        assert not own.any() or own.sum() >= 0.2 * 0.02 * mask.sum()
        if own.any():
            count, _, stats, _ = cv2.connectedComponentsWithStats(own.astype(np.uint8), connectivity=8)
            assert count == 1 or min(stats[1:, cv2.CC_STAT_AREA]) >= 0.02 * own.sum()


def test_a_mask_hidden_by_better_ones_keeps_its_number_for_itself() -> None:
    labels = instances("##.", "##.", "..#").label_map()
    assert labels.tolist() == [[1, 1, 3]]


def test_more_than_255_instances_keep_their_numbers() -> None:
    masks = np.eye(300, dtype=np.bool_)[:, None]
    many = Instances(masks, np.ones(300, np.float32), np.zeros((300, 4), np.float32), np.zeros((300, 2), np.float32))
    assert many.label_map().tolist() == [list(range(1, 301))]


def test_a_selection_keeps_the_notes_of_the_photo() -> None:
    found = replace(instances("#. ..", ".# .."), notes=("prompts used up: 3 left out",))
    assert instances("#").notes == ()
    assert found[found.scores > 0.7].notes == found[1:].notes == found[:0].notes == found.notes


def test_length_counts_instances_and_size_is_the_photos() -> None:
    three = instances("#. .. ..", ".# .. ..", "#. #. #.")
    assert len(three) == 3
    assert three.image_hw == (3, 2)


def test_no_instance_is_all_background() -> None:
    empty = none(4, 6)
    assert len(empty) == 0
    assert empty.image_hw == (4, 6)
    assert empty.label_map().dtype == np.uint16
    assert np.array_equal(empty.label_map(), np.zeros((4, 6)))
    assert empty.to_coco() == []


def test_coco_results_follow_the_order_and_carry_the_ids() -> None:
    two = instances("##. ...", "... .##", scores=(0.75, 0.25))
    records = two.to_coco(image_id=7, category_id=3)
    assert [(r["image_id"], r["category_id"], r["score"], r["area"]) for r in records] == [
        (7, 3, 0.75, 2),
        (7, 3, 0.25, 2),
    ]
    for record, mask in zip(records, two.masks, strict=True):
        assert np.array_equal(decode_mask(record["segmentation"]), mask)


def test_fields_cannot_be_exchanged_afterwards() -> None:
    with pytest.raises(AttributeError):
        none(2, 2).scores = np.ones(1)  # type: ignore[misc, assignment]


# --- choosing some


def three() -> Instances:
    return instances("#.. ... ...", ".#. ... ...", "... ... ..#", scores=(0.9, 0.7, 0.3))


def test_some_are_chosen_by_a_condition_a_slice_or_numbers() -> None:
    found = three()
    assert found[found.scores > 0.5].scores.tolist() == pytest.approx([0.9, 0.7])
    assert found[1:].scores.tolist() == pytest.approx([0.7, 0.3])
    assert found[[2, 0]].scores.tolist() == pytest.approx([0.3, 0.9])
    assert np.array_equal(found[np.array([2])].masks, found.masks[2:])
    for nothing in ([], found.scores > 1, slice(0, 0)):
        assert len(found[nothing]) == 0 and found[nothing].image_hw == (3, 3)


def test_what_is_chosen_keeps_model_and_photo() -> None:
    photo = np.zeros((3, 3, 3), dtype=np.uint8)
    found = replace(three(), model="m-1", image=photo)[:1]
    assert (found.model, found.image) == ("m-1", photo)


def test_one_instance_knows_its_label() -> None:
    found = three()
    assert [instance.label for instance in found] == [1, 2, 3]
    for instance in found:
        assert np.array_equal(found.label_map() == instance.label, instance.mask)
    assert found[-1].label == 3 and found[-1].score == pytest.approx(0.3)


@pytest.mark.parametrize("index", [3, -4, 99])
def test_a_number_that_is_not_there_says_how_many_there_are(index: int) -> None:
    with pytest.raises(IndexError, match=f"expected the number of one of 3 instances, found {index}"):
        three()[index]


@pytest.mark.parametrize("index", [3, -4, np.array([True, False]), [5]])
def test_what_is_not_there_is_an_index_error(index: Any) -> None:
    with pytest.raises(IndexError):
        three()[index]


def test_the_short_form_says_how_many_and_how_sure() -> None:
    assert repr(replace(three(), model="compact-5")) == "Instances(3 in 3x3, scores 0.30 to 0.90, compact-5)"
    assert repr(none(4, 6)) == "Instances(0 in 6x4)"


# --- outlines and crops


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_filled_outlines_give_the_mask_back_without_its_holes(mask: npt.NDArray[np.bool_]) -> None:
    outlines = mask_polygons(mask)
    filled = np.zeros(mask.shape, dtype=np.uint8)
    for outline in outlines:
        cv2.fillPoly(filled, [outline.astype(np.int32)], 1)
    whole = ndimage.binary_fill_holes(mask, structure=ndimage.generate_binary_structure(2, 1))
    assert np.array_equal(filled.astype(bool), whole)
    areas = [cv2.contourArea(outline) for outline in outlines]
    assert areas == sorted(areas, reverse=True)


def test_outlines_of_a_square_are_its_corners() -> None:
    (outlines,) = instances(".... .##. .##. ....").polygons()
    assert sorted(map(tuple, outlines[0].tolist())) == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_crops_hold_the_object_and_its_margin() -> None:
    photo = np.arange(10 * 12 * 3, dtype=np.uint8).reshape(10, 12, 3)
    mask = np.zeros((1, 10, 12), dtype=np.bool_)
    mask[0, 2:6, 3:5] = True
    mask[0, 2, 4] = False
    box = np.array([[3, 2, 5, 6]], dtype=np.float32)
    found = Instances(mask, np.ones(1, np.float32), box, np.zeros((1, 2), np.float32), image=photo)
    assert np.array_equal(found.crops(pad=0)[0], photo[2:6, 3:5])
    assert np.array_equal(found.crops(pad=0.25)[0], photo[1:7, 2:6])
    assert np.array_equal(found.crops(pad=5.0)[0], photo)  # no further than the photo
    white = found.crops(pad=0, background="white")[0]
    assert white[0, 1].tolist() == [255, 255, 255] and np.array_equal(white[1:], photo[3:6, 3:5])
    fitted = found.crops(pad=0, size=(8, 8), background="black")[0]
    assert fitted.shape == (8, 8, 3) and not fitted[:, :2].any() and not fitted[:, 6:].any() and fitted[:, 2:6].any()


def test_crops_need_the_photo_of_the_masks() -> None:
    with pytest.raises(ImageError, match="expected the photo"):
        three().crops()
    with pytest.raises(ImageError, match=r"shape \(3, 3, 3\), found \(4, 3, 3\)"):
        three().crops(np.zeros((4, 3, 3), dtype=np.uint8))

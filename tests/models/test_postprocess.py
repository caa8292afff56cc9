"""Choosing, thresholding and suppressing masks: exact on 4x4 to 6x6 drawings, and their laws on random ones."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from uois_sam.geometry import Frame, resize_logits
from uois_sam.models.postprocess import (
    box_iou,
    choose_best,
    clean_regions,
    draw_masks,
    mask_boxes,
    mask_iou,
    small_regions,
    suppress,
)

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(0, 6), st.integers(1, 6), st.integers(1, 6)), elements=st.booleans())


def draw(*drawings: str) -> Tensor:
    """(K, h, w) bool masks from drawings: rows separated by spaces, ``#`` inside."""
    return torch.tensor([[[c == "#" for c in row] for row in drawing.split()] for drawing in drawings])


def kept(masks: Tensor, scores: list[float], iou: float, mode: str = "mask") -> list[int]:
    return suppress(masks, torch.tensor(scores), iou, mode).tolist()  # type: ignore[arg-type]


LEFT = "##.. ##.. ##.. ##.."
MIDDLE = ".##. .##. .##. .##."  # shares 4 of 12 pixels with LEFT
RIGHT = "..## ..## ..## ..##"  # shares 4 of 12 pixels with MIDDLE, none with LEFT
LEFT_TOP = "##.. ##.. .... ...."  # half of LEFT
UPPER_TRIANGLE = "#### .### ..## ...#"
LOWER_TRIANGLE = ".... #... ##.. ###."
EMPTY = ".... .... .... ...."


# --- best of four


def test_each_prompt_keeps_its_best_mask_if_the_score_reaches_the_threshold() -> None:
    scores = torch.tensor(
        [
            [0.10, 0.90, 0.30, 0.20],
            [0.47, 0.10, 0.20, 0.30],
            [0.10, 0.20, 0.30, 0.48],
            [1.20, 0.50, 0.60, 0.70],
        ]
    )
    prompt, token, score = choose_best(scores, threshold=0.48)
    assert prompt.tolist() == [0, 2, 3]
    assert token.tolist() == [1, 3, 0]
    torch.testing.assert_close(score, torch.tensor([0.90, 0.48, 1.20]))


def test_without_a_threshold_every_prompt_keeps_a_mask() -> None:
    scores = torch.tensor([[-3.0, -2.0, -4.0, -5.0], [0.0, 0.0, 0.1, 0.0]])
    prompt, token, _ = choose_best(scores, threshold=-float("inf"))
    assert prompt.tolist() == [0, 1]
    assert token.tolist() == [1, 2]


@pytest.mark.parametrize("scores", [torch.zeros(0, 4), torch.full((5, 4), 0.3)])
def test_nothing_reaching_the_threshold_is_no_error(scores: Tensor) -> None:
    assert [len(part) for part in choose_best(scores, threshold=0.48)] == [0, 0, 0]


# --- overlaps


def test_mask_overlaps_of_drawn_masks() -> None:
    overlaps = mask_iou(draw(LEFT, MIDDLE, RIGHT, LEFT_TOP, EMPTY))
    expected = torch.tensor(
        [
            [1, 1 / 3, 0, 1 / 2, 0],
            [1 / 3, 1, 1 / 3, 2 / 10, 0],
            [0, 1 / 3, 1, 0, 0],
            [1 / 2, 2 / 10, 0, 1, 0],
            [0, 0, 0, 0, 0],  # an empty mask overlaps nothing, not even itself
        ]
    )
    torch.testing.assert_close(overlaps, expected)


def test_box_overlaps_of_drawn_masks() -> None:
    overlaps = box_iou(draw(UPPER_TRIANGLE, LOWER_TRIANGLE, LEFT, EMPTY))
    expected = torch.tensor(
        [
            [1, 9 / 16, 1 / 2, 0],
            [9 / 16, 1, 6 / 11, 0],
            [1 / 2, 6 / 11, 1, 0],
            [0, 0, 0, 0],
        ]
    )
    torch.testing.assert_close(overlaps, expected)


def test_boxes_reach_from_the_first_pixel_to_just_behind_the_last() -> None:
    boxes = mask_boxes(draw("..... .##.. .#... .....", "#.... ..... ..... ....#", "..... ..... ...#. ....."))
    assert boxes.tolist() == [[1, 1, 3, 3], [0, 0, 5, 4], [3, 2, 4, 3]]
    assert boxes.dtype == torch.float32
    assert mask_boxes(draw(EMPTY)).tolist() == [[0, 0, 0, 0]]
    assert mask_boxes(torch.zeros(0, 4, 4, dtype=torch.bool)).shape == (0, 4)


@given(MASKS)
def test_mask_overlaps_are_counted_intersections_over_unions(array: npt.NDArray[np.bool_]) -> None:
    overlaps = mask_iou(torch.from_numpy(array)).numpy()
    assert overlaps.shape == (len(array), len(array))
    for i, a in enumerate(array):
        for j, b in enumerate(array):
            union = (a | b).sum()
            assert overlaps[i, j] == pytest.approx((a & b).sum() / union if union else 0)


def test_overlaps_are_exact_also_where_the_networks_run_in_bfloat16() -> None:
    """A bfloat16 product would count 257 pixels as 256."""
    masks = torch.ones(2, 1, 300, dtype=torch.bool)
    masks[1, 0, 257:] = False
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(mask_iou(masks), torch.tensor([[1, 257 / 300], [257 / 300, 1]]))


@given(MASKS)
def test_boxes_hold_all_of_the_mask_and_touch_it_on_every_side(array: npt.NDArray[np.bool_]) -> None:
    for mask, (left, top, right, bottom) in zip(array, mask_boxes(torch.from_numpy(array)).int().tolist(), strict=True):
        inside = mask[top:bottom, left:right]
        assert inside.sum() == mask.sum()
        if mask.any():
            assert inside[0].any()
            assert inside[-1].any()
            assert inside[:, 0].any()
            assert inside[:, -1].any()


@given(MASKS)
def test_box_overlaps_are_the_mask_overlaps_of_the_filled_boxes(array: npt.NDArray[np.bool_]) -> None:
    masks = torch.from_numpy(array)
    filled = torch.zeros_like(masks)
    for row, (left, top, right, bottom) in enumerate(mask_boxes(masks).int().tolist()):
        filled[row, top:bottom, left:right] = True
    torch.testing.assert_close(box_iou(masks), mask_iou(filled))


# --- suppression


def test_a_mask_that_overlaps_a_better_one_too_much_is_dropped() -> None:
    masks = draw(MIDDLE, LEFT, RIGHT)
    assert kept(masks, [0.5, 0.9, 0.7], iou=0.3) == [1, 2]
    assert kept(masks, [0.9, 0.5, 0.7], iou=0.3) == [0]
    assert kept(masks, [0.5, 0.9, 0.7], iou=0.34) == [1, 2, 0]


def test_an_overlap_equal_to_the_limit_is_allowed() -> None:
    masks = draw(LEFT, LEFT_TOP)
    assert kept(masks, [0.9, 0.8], iou=0.5) == [0, 1]
    assert kept(masks, [0.9, 0.8], iou=0.49) == [0]


def test_a_dropped_mask_drops_no_others() -> None:
    assert kept(draw(LEFT, MIDDLE, RIGHT), [0.9, 0.8, 0.7], iou=0.3) == [0, 2]


def test_masks_that_share_a_box_but_no_pixel_meet_only_in_box_mode() -> None:
    masks = draw(UPPER_TRIANGLE, LOWER_TRIANGLE)
    assert kept(masks, [0.6, 0.9], iou=0.3, mode="mask") == [1, 0]
    assert kept(masks, [0.6, 0.9], iou=0.3, mode="box") == [1]


def test_of_equals_the_first_stays() -> None:
    assert kept(draw(LEFT, LEFT, RIGHT), [0.5, 0.5, 0.5], iou=0.3) == [0, 2]


@pytest.mark.parametrize("mode", ["mask", "box"])
def test_suppressing_nothing_leaves_nothing(mode: str) -> None:
    assert kept(torch.zeros(0, 4, 4, dtype=torch.bool), [], iou=0.3, mode=mode) == []


@given(MASKS, st.floats(0, 1), st.sampled_from(["mask", "box"]), st.permutations(range(6)))
def test_suppression_keeps_what_no_better_kept_mask_overlaps_and_nothing_else(
    array: npt.NDArray[np.bool_], iou: float, mode: str, ranks: list[int]
) -> None:
    masks = torch.from_numpy(array)
    scores = [rank / 6 for rank in ranks[: len(array)]]
    chosen = kept(masks, scores, iou, mode)
    overlaps = (mask_iou if mode == "mask" else box_iou)(masks)
    assert [scores[i] for i in chosen] == sorted((scores[i] for i in chosen), reverse=True)
    for index in range(len(array)):
        better = [other for other in chosen if scores[other] > scores[index]]
        assert (index in chosen) == all(overlaps[index, other] <= iou for other in better)


def test_small_islands_and_holes_are_turned_and_large_ones_stay() -> None:
    mask = draw("#####.#. #...#... #.#.#... #...#... #####... ........")
    logits = torch.where(mask, 2.0, -3.0)
    cleaned = clean_regions(logits, 0.9)
    assert ((cleaned > 0) == draw("#####... #####... #####... #####... #####... ........")).all()
    assert torch.equal(cleaned.abs(), logits.abs())


def test_a_hole_open_to_the_border_is_no_hole() -> None:
    mask = draw("###.## #...## ###### ......")
    assert torch.equal(clean_regions(torch.where(mask, 1.0, -1.0), 0.9) > 0, mask)


def test_an_island_as_large_as_the_share_stays() -> None:
    mask = draw("####..## ####..## ........")
    logits = torch.where(mask, 1.0, -1.0)
    assert torch.equal(clean_regions(logits, 0.5), logits)
    assert clean_regions(logits, 0.51)[0, :, 4:].max() < 0


def test_cleaning_is_off_by_default_and_takes_nothing() -> None:
    logits = torch.randn(2, 6, 6)
    assert clean_regions(logits, 0.0) is logits
    assert clean_regions(torch.zeros(0, 6, 6), 0.5).shape == (0, 6, 6)
    assert (clean_regions(torch.full((1, 4, 4), -1.0), 0.5) < 0).all()


@pytest.mark.parametrize("image_hw", [(48, 64), (37, 61), (9, 200)])
@pytest.mark.parametrize("frame", [Frame.stretched((48, 64)), Frame.padded((37, 61), 64)], ids=["stretched", "padded"])
def test_masks_drawn_where_they_are_equal_whole_frames(frame: Frame, image_hw: tuple[int, int]) -> None:
    torch.manual_seed(0)
    logits = torch.nn.functional.avg_pool2d(torch.randn(12, 1, 20, 24), 5, stride=1)[:, 0] - 0.1  # (12, 16, 20)
    logits[3] = -1.0
    logits[4, 0, 0], logits[5, -1, -1] = 5.0, 5.0
    whole = resize_logits(logits, frame, image_hw)
    masks, boxes = draw_masks(logits, frame, image_hw)
    unsure = (whole.abs() < 1e-5).numpy()
    assert ((masks == (whole > 0).numpy()) | unsure).all()
    np.testing.assert_array_equal(boxes, mask_boxes(torch.from_numpy(masks)).numpy())


def test_no_masks_are_drawn_as_none() -> None:
    masks, boxes = draw_masks(torch.zeros(0, 4, 4), Frame.stretched((16, 16)), (5, 6))
    assert masks.shape == (0, 5, 6) and boxes.shape == (0, 4)


def test_regions_are_cleaned_alike_wherever_the_mask_lies() -> None:
    """Only the surroundings of a mask are looked at; far away from the border or at it, the answer is the same."""
    mask = torch.nn.functional.avg_pool2d(torch.randn(20, 1, 16, 18), 3, stride=1)[:, 0]
    inside = (mask > 0).numpy()
    expected = np.stack([small_regions(one, 0.3) for one in inside])
    found = (clean_regions(mask, 0.3) != mask).numpy()
    np.testing.assert_array_equal(found & (mask != 0).numpy(), expected & (mask != 0).numpy())


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.floats(0, 1))
def test_what_is_small_is_small_beside_the_largest_region(mask: npt.NDArray[np.bool_], fraction: float) -> None:
    """By definition, islands before holes: what was cut out of a hole belongs to it."""
    islands, _ = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(islands.ravel(), minlength=2)
    limit = fraction * areas[1:].max()
    cleaned = mask & (areas >= limit)[islands]
    holes, _ = ndimage.label(np.pad(~cleaned, 1, constant_values=True))  # what is open to the border is one with it
    enclosed = np.bincount(holes.ravel()) < limit
    enclosed[[0, holes[0, 0]]] = False
    cleaned |= enclosed[holes[1:-1, 1:-1]]
    np.testing.assert_array_equal(small_regions(mask, fraction), cleaned != mask)

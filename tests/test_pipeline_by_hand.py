"""The whole selection on outputs written by hand (``helpers/by_hand.py``), with every number worked out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from by_hand import (
    BOTTOM,
    LOW_RIGHT,
    PHOTO,
    TOP_LEFT,
    TOP_LEFT_WIDER,
    TOP_RIGHT,
    assert_found,
    in_photo,
    model,
)


def test_the_selection_of_five_prompts_worked_out_by_hand() -> None:
    """Raw scores rank (1.25 first, shown as 1); the fourth prompt's mask overlaps the first's by 6 of 8 pixels and
    the fifth misses the score threshold of 0.48."""
    assert_found(
        model().predict(PHOTO),
        (BOTTOM, 1.0, (3, 6)),
        (TOP_LEFT, 0.9, (1, 1)),
        (TOP_RIGHT, 0.8, (6, 1)),
    )


def test_with_a_higher_overlap_limit_the_suppressed_mask_comes_back() -> None:
    """6 / 8 = 0.75 is no more than 0.75."""
    found = model(nms_iou=0.75).predict(PHOTO)
    assert_found(
        found, (BOTTOM, 1.0, (3, 6)), (TOP_LEFT, 0.9, (1, 1)), (TOP_RIGHT, 0.8, (6, 1)), (TOP_LEFT_WIDER, 0.7, (6, 4))
    )
    assert len(model(nms_iou=0.74).predict(PHOTO)) == 3


def test_the_area_limit_counts_the_photo_and_not_the_padding() -> None:
    """BOTTOM covers 8 of the content's 32 pixels (40 of 64 with the padding that is full of object)."""
    assert len(model(max_area_fraction=0.25).predict(PHOTO)) == 3
    assert_found(model(max_area_fraction=0.249).predict(PHOTO), (TOP_LEFT, 0.9, (1, 1)), (TOP_RIGHT, 0.8, (6, 1)))
    assert_found(model(max_area_fraction=0.13).predict(PHOTO), (TOP_RIGHT, 0.8, (6, 1)))


def test_a_mask_over_the_area_limit_suppresses_nothing() -> None:
    """TOP_LEFT_WIDER, with a score of 1.2, hides TOP_LEFT only as long as its 8 pixels are within the limit."""
    residuals = torch.zeros(5, 4)
    residuals[3, 0] = 0.5
    wider, top_left, top_right = (TOP_LEFT_WIDER, 1.0, (6, 4)), (TOP_LEFT, 0.9, (1, 1)), (TOP_RIGHT, 0.8, (6, 1))
    assert_found(model(residuals).predict(PHOTO), (BOTTOM, 1.0, (3, 6)), wider, top_right)
    assert_found(model(residuals, max_area_fraction=7 / 32).predict(PHOTO), top_left, top_right)


def test_a_lower_score_threshold_lets_the_fifth_prompt_in() -> None:
    found = model(score_threshold=0.47, nms_iou=0.3).predict(PHOTO)
    assert found.scores.tolist() == pytest.approx([1.0, 0.9, 0.8, 0.47])
    assert np.array_equal(found.masks[3], in_photo(LOW_RIGHT))


def test_only_the_strongest_peaks_are_decoded() -> None:
    assert_found(model(max_prompts=2).predict(PHOTO), (TOP_LEFT, 0.9, (1, 1)), (TOP_RIGHT, 0.8, (6, 1)))


def test_hdnet_can_change_which_mask_is_chosen_which_prompts_stay_and_their_order() -> None:
    residuals = torch.zeros(5, 4)
    residuals[0, 2] = -0.5  # 0.90 -> 0.40: EVERYTHING, TOP_LEFT and BOTTOM now score 0.20, 0.40, 0.30: dropped
    residuals[1, 0] = -0.3  # 0.80 -> 0.50
    residuals[2, 3] = -0.3  # 1.25 -> 0.95
    residuals[3, 2] = +0.3  # 0.60 -> 0.90, above its 0.70: TOP_RIGHT, which now hides the second prompt's
    residuals[4, 1] = +0.1  # 0.47 -> 0.57
    assert_found(
        model(residuals).predict(PHOTO),
        (BOTTOM, 0.95, (3, 6)),
        (TOP_RIGHT, 0.9, (6, 4)),
        (LOW_RIGHT, 0.57, (1, 5)),
    )


def test_with_residuals_of_zero_hdnets_answer_is_sams() -> None:
    with_hdnet, without = model(torch.zeros(5, 4)).predict(PHOTO), model().predict(PHOTO)
    assert np.array_equal(with_hdnet.masks, without.masks)
    assert np.array_equal(with_hdnet.scores, without.scores)


def test_given_points_get_their_masks_without_any_selection() -> None:
    """Peaks (1, 5) and (1, 1) as points of the photo: x doubled, y as it is; below the threshold or not."""
    found = model().encode_image(PHOTO).predict([(2.5, 5), (2.5, 1)])
    assert_found(found, (LOW_RIGHT, 0.47, (1, 5)), (TOP_LEFT, 0.9, (1, 1)))


def test_the_label_map_of_the_result() -> None:
    labels = model().predict(PHOTO).label_map()
    expected = 1 * in_photo(BOTTOM) + 2 * in_photo(TOP_LEFT) + 3 * in_photo(TOP_RIGHT)
    assert np.array_equal(labels, expected)

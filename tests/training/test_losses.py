"""Losses worked out by hand: Eq. 2, 3, 4, 6 and 7 of the paper, and SAM's mask losses."""

from __future__ import annotations

from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.training.losses import (
    FOCAL_WEIGHT,
    foreground_loss,
    heatmap_loss,
    hierarchical_mask_loss,
    hpg_loss,
    iou_targets,
    mask_losses,
    score_loss,
)


def draw(*drawings: str) -> Tensor:
    """(K, h, w) bool masks from drawings: rows separated by spaces, ``#`` inside."""
    return torch.tensor([[[c == "#" for c in row] for row in drawing.split()] for drawing in drawings])


def as_logits(masks: Tensor, size: float = 5.0) -> Tensor:
    return torch.where(masks, size, -size)


# --- prompt generator


def test_eq_2_is_the_mean_squared_error_over_all_pixels() -> None:
    predicted = torch.tensor([[[[0.0, 0.5], [1.0, 1.0]]]])
    target = torch.tensor([[[[0.0, 0.0], [1.0, 0.5]]]])
    assert float(heatmap_loss(predicted, target)) == pytest.approx((0.25 + 0.25) / 4)


def test_with_a_peak_weight_high_pixels_count_more() -> None:
    predicted = torch.tensor([[[[0.0, 0.5], [1.0, 1.0]]]])
    target = torch.tensor([[[[0.0, 0.0], [1.0, 0.5]]]])
    assert float(heatmap_loss(predicted, target, peak_weight=4.0)) == pytest.approx((0.25 + (1 + 4 * 0.5) * 0.25) / 4)


def test_eq_3_weighs_classes_inversely_to_their_pixels() -> None:
    """Three background pixels and one object pixel: weights 1/4 and 3/4 after normalisation to sum 1."""
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 1, 0, 0] = log(3)  # background predicted with probability 1/4
    target = torch.tensor([[[False, False], [False, True]]])
    entropies = log(4), log(2), log(2), log(2)
    weighted = 0.25 * sum(entropies[:3]) + 0.75 * entropies[3]
    normaliser = 3 * 0.25 + 0.75
    assert float(foreground_loss(logits, target)) == pytest.approx(weighted / normaliser)


def test_eq_3_is_torchs_weighted_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 5, 7, generator=generator)
    target = torch.rand(3, 5, 7, generator=generator) < 0.2
    counts = torch.stack([(~target).sum(), target.sum()]).float()
    weights = (1 / counts) / (1 / counts).sum()
    torch.testing.assert_close(foreground_loss(logits, target), F.cross_entropy(logits, target.long(), weight=weights))


@pytest.mark.parametrize("value", [False, True])
def test_eq_3_of_an_image_with_one_class_is_the_plain_cross_entropy(value: bool) -> None:
    target = torch.full((1, 2, 3), value)
    assert float(foreground_loss(torch.zeros(1, 2, 2, 3), target)) == pytest.approx(log(2))


def test_eq_4_adds_a_tenth_of_the_foreground_loss_to_the_heatmap_loss() -> None:
    logits, foreground = torch.zeros(1, 2, 2, 2), torch.tensor([[[True, False], [False, False]]])
    heatmap, target = torch.full((1, 1, 2, 2), 0.5), torch.zeros(1, 1, 2, 2)
    assert float(hpg_loss(logits, heatmap, foreground, target)) == pytest.approx(0.1 * log(2) + 0.25)


# --- scores


def test_eq_6_is_the_iou_of_each_predicted_mask_with_the_object_under_the_prompt() -> None:
    truth = draw("##.. ##.. .... ....").float()
    predicted = draw(
        "##.. ##.. .... ....",  # the same
        "##.. .... .... ....",  # half of it
        ".##. .##. .... ....",  # shifted: 2 of 6
        "...# ...# .... ....",  # elsewhere
    )
    targets = iou_targets(as_logits(predicted)[None], truth)
    torch.testing.assert_close(targets, torch.tensor([[1, 1 / 2, 1 / 3, 0]]))


def test_eq_6_is_zero_for_prompts_on_background_whatever_is_predicted() -> None:
    predicted = draw("#### ####", ".... ....", "#... ....", "...# ...#")
    assert iou_targets(as_logits(predicted)[None], torch.zeros(1, 2, 4)).tolist() == [[0, 0, 0, 0]]


def test_eq_6_tells_prompts_apart() -> None:
    truth = draw("##.. ....", ".... ....", "..## ..##").float()
    logits = as_logits(draw("##.. ....")).expand(3, 4, 2, 4)
    assert iou_targets(logits, truth)[:, 0].tolist() == [1, 0, 0]


def test_a_cell_covered_by_half_belongs_to_the_object_and_a_logit_of_zero_does_not_to_the_mask() -> None:
    truth = torch.tensor([[[0.5, 0.49, 1.0, 0.0]]])
    logits = torch.tensor([[1.0, 0.0, 0.0, -1.0]])[None, None].expand(1, 4, 1, 4)
    assert iou_targets(logits, truth).tolist() == [[0.5] * 4]


def test_an_empty_mask_on_an_object_scores_zero() -> None:
    assert iou_targets(torch.full((1, 4, 2, 2), -1.0), torch.ones(1, 2, 2)).tolist() == [[0] * 4]


def test_eq_7_is_the_mean_squared_error_over_prompts_and_their_four_masks() -> None:
    scores = torch.tensor([[0.5, 0.0, 1.0, 0.2], [0.0, 0.0, 0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0, 0.9, 0.2], [0.0, 0.3, 0.0, 0.0]])
    assert float(score_loss(scores, targets)) == pytest.approx((0.25 + 0.01 + 0.09) / 8)


# --- masks


def test_mask_loss_of_an_undecided_cell_is_weighted_focal_plus_dice() -> None:
    """p = 1/2, t = 1: focal (1/2)^2 ln 2; dice 1 - (2/2 + 1) / (1/4 + 1 + 1)."""
    loss = mask_losses(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1))
    assert float(loss) == pytest.approx(FOCAL_WEIGHT * 0.25 * log(2) + 1 / 9)


def test_mask_loss_vanishes_for_a_sure_and_right_mask_and_is_large_for_its_opposite() -> None:
    masks = draw("##.. ....", "#### ....")
    truth = masks.float()
    right, wrong = (mask_losses(sign * as_logits(masks, 20.0)[:, None], truth)[:, 0] for sign in (1, -1))
    torch.testing.assert_close(right, torch.zeros(2), rtol=0, atol=1e-6)
    assert (wrong > 50).all()


def test_on_a_cell_that_is_covered_in_part_the_best_probability_is_the_share() -> None:
    share = torch.full((1, 8, 8), 0.3)
    probabilities = torch.linspace(0.05, 0.95, 19)
    logits = torch.logit(probabilities)[None, :, None, None].expand(1, -1, 8, 8)
    best = probabilities[mask_losses(logits, share)[0].argmin()]
    assert float(best) == pytest.approx(0.3)


def test_of_the_three_multimask_tokens_only_the_best_learns_and_the_single_token_always() -> None:
    truth = draw("##.. ##..", "...# ...#").float()
    logits = torch.full((2, 4, 2, 4), 0.1)
    logits[0, 2] += as_logits(truth[0] > 0, 1.0)  # best for the first prompt
    logits[1, 3] += as_logits(truth[1] > 0, 1.0)  # best for the second
    logits.requires_grad_(True)
    hierarchical_mask_loss(logits, truth).backward()
    assert logits.grad is not None
    learns = logits.grad.abs().sum(dim=(2, 3)) > 0
    assert learns.tolist() == [[True, False, True, False], [True, False, False, True]]


def test_the_hierarchical_loss_is_the_mean_over_prompts_of_single_plus_best() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, 6, generator=generator)
    truth = torch.rand(3, 5, 6, generator=generator)
    each = mask_losses(logits, truth)
    expected = sum(float(row[0]) + float(row[1:].min()) for row in each) / 3
    assert float(hierarchical_mask_loss(logits, truth)) == pytest.approx(expected)


def test_without_a_prompt_on_an_object_there_is_no_mask_loss() -> None:
    logits = torch.zeros(0, 4, 5, 6, requires_grad=True)
    loss = hierarchical_mask_loss(logits, torch.zeros(0, 5, 6))
    assert float(loss.detach()) == 0
    loss.backward()


def test_pixels_that_are_not_counted_change_no_loss_of_hpg() -> None:
    """Counted are the left columns; there everything is as in the losses of the left columns alone."""
    generator = torch.Generator().manual_seed(0)
    logits, heatmap = torch.randn(2, 2, 4, 6, generator=generator), torch.rand(2, 1, 4, 6, generator=generator)
    foreground = torch.rand(2, 4, 6, generator=generator) > 0.5
    target = torch.rand(2, 1, 4, 6, generator=generator)
    counted = (torch.arange(6) < 3).expand(2, 4, 6)
    left = hpg_loss(logits[..., :3], heatmap[..., :3], foreground[..., :3], target[..., :3])
    torch.testing.assert_close(hpg_loss(logits, heatmap, foreground, target, counted), left)
    assert hpg_loss(logits, heatmap, foreground, target, torch.zeros_like(counted)) == 0

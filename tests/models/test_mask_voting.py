"""Votes on outlines, on masks of a few cells."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from uois_sam.config import InferenceConfig
from uois_sam.models.decoding import choose_drawn
from uois_sam.models.postprocess import vote

SURE = 20.0
"""A logit whose probability is 1."""


def mask(*rows: str) -> torch.Tensor:
    """(h, w) logits: # inside, . outside."""
    return torch.tensor([[SURE if cell == "#" else -SURE for cell in row] for row in rows])


WIDE = mask("####.", "####.", "####.")
NARROW = mask("###..", "####.", "####.")
LEANING = mask("####.", "####.", "#####")
ELSEWHERE = mask(".....", ".....", "....#")


def test_the_majority_of_alike_masks_decides_each_cell() -> None:
    voted = vote(torch.stack([NARROW, WIDE, LEANING]), torch.tensor([0, 2]), 0.8)
    assert torch.equal(voted > 0, torch.stack([WIDE, WIDE]) > 0)
    assert voted[0, 0, 3].item() == pytest.approx(1 / 3)  # two of three have it
    assert voted[0, 2, 4].item() == pytest.approx(-1 / 3)


def test_masks_of_other_things_have_no_vote() -> None:
    voted = vote(torch.stack([WIDE, ELSEWHERE]), torch.tensor([0, 1]), 0.5)
    torch.testing.assert_close(voted, torch.stack([WIDE, ELSEWHERE]) / SURE)


@pytest.mark.parametrize(("iou", "cells"), [(11 / 12, 11.0 + 0.0), (0.93, 11.0 + 1.0)])
def test_the_least_overlap_counts_as_enough(iou: float, cells: float) -> None:
    """NARROW has 11 of WIDE's 12 cells: at that very IoU the odd cell stands one against one."""
    voted = vote(torch.stack([WIDE, NARROW]), torch.tensor([0]), iou)
    assert voted.clamp(min=0).sum().item() == pytest.approx(cells, abs=1e-5)


def test_doubtful_masks_weigh_less() -> None:
    doubtful = NARROW.clone()
    doubtful[0, 3] = -0.5  # p = 0.38
    voted = vote(torch.stack([WIDE, doubtful]), torch.tensor([0]), 0.8)
    assert voted[0, 0, 3].item() == pytest.approx((1 + 2 * 0.37754 - 1) / 2, abs=1e-4)


def test_an_empty_mask_stays_empty() -> None:
    empty = torch.full((3, 5), -SURE)
    voted = vote(torch.stack([empty, empty, WIDE]), torch.tensor([0]), 0.8)
    assert not (voted > 0).any()


def test_nothing_chosen() -> None:
    assert vote(torch.stack([WIDE]), torch.zeros(0, dtype=torch.long), 0.8).shape == (0, 3, 5)


@given(st.integers(0, 2**31), st.floats(0.05, 1.0))
def test_copies_change_nothing_and_a_vote_stays_between_its_voters(seed: int, iou: float) -> None:
    logits = 3 * torch.randn(6, 4, 5, generator=torch.Generator().manual_seed(seed))
    everyone = torch.arange(6)
    once = vote(logits, everyone, iou)
    torch.testing.assert_close(vote(torch.cat([logits, logits]), everyone, iou), once, atol=1e-6, rtol=0)
    inside = (logits > 0).flatten(1)
    for one, voted in zip(inside, once, strict=True):
        overlap = (one & inside).sum(1) / (one | inside).sum(1).clamp(min=1)
        voters = 2 * logits[(overlap >= iou) | (inside == one).all(dim=1)].sigmoid() - 1
        assert (voted >= voters.amin(dim=0) - 1e-6).all()
        assert (voted <= voters.amax(dim=0) + 1e-6).all()


def test_all_drawn_masks_vote_and_only_the_chosen_are_kept() -> None:
    logits = torch.stack([torch.stack([NARROW, WIDE, ELSEWHERE, LEANING])])
    scores = torch.tensor([[0.9, 0.5, 0.1, 0.2]])
    plain = choose_drawn(logits, scores, InferenceConfig())
    voted = choose_drawn(logits, scores, InferenceConfig(vote_iou=0.8))
    assert torch.equal(plain.mask_logits[0], NARROW)
    assert torch.equal(voted.mask_logits[0] > 0, WIDE > 0)
    assert torch.equal(voted.scores, plain.scores)
    assert voted.token_index.tolist() == plain.token_index.tolist() == [0]
    assert len(choose_drawn(logits, scores, InferenceConfig(vote_iou=0.8, score_threshold=0.95)).scores) == 0

"""One mask from clicks and a box: hand-drawn masks with exact answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from uois_sam.models.clicks import Clicks, clean, combine, lattice

NONE = torch.zeros(0, 4, 8, 12)


def drawn(*boxes: tuple[int, int, int, int]) -> Tensor:
    """(K, 8, 12) logits, +9 inside xyxy boxes and -9 outside."""
    logits = torch.full((len(boxes), 8, 12), -9.0)
    for row, (left, top, right, bottom) in enumerate(boxes):
        logits[row, top:bottom, left:right] = 9.0
    return logits


def clicks(
    on: list[tuple[float, float]] | None = None,
    beside: list[tuple[float, float]] | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> Clicks:
    return Clicks(torch.tensor(on or []).reshape(-1, 2), torch.tensor(beside or []).reshape(-1, 2), box)


def box_of(mask: Tensor) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((mask > 0).numpy())
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


PART, WHOLE, ALL = (1, 1, 4, 4), (1, 1, 8, 6), (0, 0, 12, 8)
SCORES = torch.tensor([0.9, 0.6, 0.7])


def test_a_click_alone_takes_the_best_score() -> None:
    mask, score = combine(drawn(PART, WHOLE, ALL), SCORES, NONE, torch.zeros(0, 4), clicks([(2, 2)]))
    assert box_of(mask) == PART and score == pytest.approx(0.9)


def test_a_box_takes_the_mask_that_fills_it() -> None:
    for on in ([], [(2.0, 2.0)]):
        mask, score = combine(drawn(PART, WHOLE, ALL), SCORES, NONE, torch.zeros(0, 4), clicks(on, box=WHOLE))
        assert box_of(mask) == WHOLE and score == pytest.approx(0.6)


def test_a_mask_is_cut_off_where_it_leaves_the_box() -> None:
    """But for a margin of 5 %, which the centres of the next cells round it lie within."""
    mask, _ = combine(drawn(ALL), torch.tensor([0.9]), NONE, torch.zeros(0, 4), clicks(box=(2, 2, 6, 5)))
    assert box_of(mask) == (1, 1, 7, 6)


def test_a_second_click_on_the_object_takes_the_mask_that_holds_both() -> None:
    mask, _ = combine(drawn(PART, WHOLE), torch.tensor([0.7, 0.6]), NONE, torch.zeros(0, 4), clicks([(2, 2), (6, 4)]))
    assert box_of(mask) == WHOLE


def test_parts_are_united_where_no_mask_holds_all_clicks() -> None:
    mask, _ = combine(
        drawn(PART, (6, 1, 9, 4)), torch.tensor([0.7, 0.6]), NONE, torch.zeros(0, 4), clicks([(2, 2), (7, 2)])
    )
    assert np.array_equal((mask > 0).numpy(), (drawn(PART, (6, 1, 9, 4)) > 0).any(0).numpy())


def test_a_click_beside_the_object_takes_another_mask_or_cuts_its_own_off() -> None:
    """Beside at (7, 4): WHOLE holds it and PART does not."""
    both = drawn(PART, WHOLE)
    other = drawn((6, 3, 9, 6), ALL, ALL, WHOLE)[None]
    mask, _ = combine(both, torch.tensor([0.5, 0.6]), other, torch.full((1, 4), 0.5), clicks([(2, 2)], [(7, 4)]))
    assert box_of(mask) == PART
    mask, _ = combine(0.1 * both[1:], torch.tensor([0.6]), other, torch.full((1, 4), 0.5), clicks([(2, 2)], [(7, 4)]))
    expected = (drawn(WHOLE)[0] > 0) & ~(drawn((6, 3, 9, 6))[0] > 0)
    assert np.array_equal((mask > 0).numpy(), expected.numpy())


def test_where_its_mask_is_the_objects_own_only_the_surroundings_of_the_click_go() -> None:
    other = drawn(WHOLE, WHOLE, ALL, ALL)[None]
    mask, _ = combine(
        drawn(WHOLE), torch.tensor([0.6]), other, torch.full((1, 4), 0.5), clicks([(2.5, 2.5)], [(7.5, 5.5)])
    )
    assert mask[5, 7] <= 0 and mask[2, 2] > 0
    assert 0 < (drawn(WHOLE)[0] > 0).sum() - (mask > 0).sum() < 12


def test_small_islands_are_removed() -> None:
    islands = torch.maximum(drawn(WHOLE)[0], drawn((10, 0, 11, 1))[0])
    assert box_of(clean(islands, 0.2)) == WHOLE and box_of(clean(islands, 0.0)) == (1, 0, 11, 6)


def test_the_lattice_lies_inside_the_box() -> None:
    points = lattice((4, 0, 8, 8))
    assert len(points) == 9 and points[0] == (5, 2) and points[4] == (6, 4) and points[-1] == (7, 6)

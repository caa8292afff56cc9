"""One mask from clicks and a box: hand-drawn masks with exact answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uois_sam.models.clicks import FOREGROUND_SHARE, Clicks, Drawn, clean, combine, lattice
from uois_sam.models.postprocess import mask_boxes


def drawn(*boxes: tuple[int, int, int, int]) -> Tensor:
    """(K, 8, 12) probabilities, 0.99 inside xyxy boxes and 0.01 outside."""
    masks = torch.full((len(boxes), 8, 12), 0.01)
    for row, (left, top, right, bottom) in enumerate(boxes):
        masks[row, top:bottom, left:right] = 0.99
    return masks


def all_of(masks: Tensor, scores: list[float], *others: Tensor, foreground: Tensor | None = None) -> Drawn:
    """Masks of the points on the object, and four of each click beside it, which score 0.5."""
    beside = torch.stack(others) if others else torch.zeros(0, 4, 8, 12)
    return Drawn(masks, torch.tensor(scores), beside, torch.full((len(beside), 4), 0.5), foreground)


def clicks(
    on: list[tuple[float, float]] | None = None,
    beside: list[tuple[float, float]] | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> Clicks:
    return Clicks(torch.tensor(on or []).reshape(-1, 2), torch.tensor(beside or []).reshape(-1, 2), box)


def box_of(mask: Tensor) -> tuple[int, ...]:
    return tuple(int(value) for value in mask_boxes(mask[None] > 0)[0])


PART, WHOLE, ALL = (1, 1, 4, 4), (1, 1, 8, 6), (0, 0, 12, 8)
SCORES = [0.9, 0.6, 0.7]


def test_a_click_alone_takes_the_best_score() -> None:
    mask, score = combine(all_of(drawn(PART, WHOLE, ALL), [0.9, 0.3, 0.4]), clicks([(2, 2)]))
    assert box_of(mask) == PART and score == pytest.approx(0.9)


def test_a_box_takes_the_mask_that_fills_it() -> None:
    for on in ([], [(2.0, 2.0)]):
        mask, score = combine(all_of(drawn(PART, WHOLE, ALL), SCORES), clicks(on, box=WHOLE))
        assert box_of(mask) == WHOLE and score == pytest.approx(0.6)


def test_a_mask_is_cut_off_where_it_leaves_the_box() -> None:
    """But for cells whose centre is within half a cell of it."""
    mask, _ = combine(all_of(drawn(ALL), [0.9]), clicks(box=(2, 2, 6, 5)))
    assert box_of(mask) == (1, 1, 7, 6)


def test_masks_that_fit_a_box_alike_are_averaged() -> None:
    """Three that agree on the left part outvote what each has alone at the box's other end."""
    left, right = drawn((1, 1, 5, 6))[0], [drawn((8, row, 9, row + 1))[0] for row in (1, 3, 5)]
    masks = torch.stack([torch.maximum(left, each) for each in right])
    mask, _ = combine(all_of(masks, [0.5] * 3), clicks(box=(1, 1, 9, 6)))
    assert box_of(mask) == (1, 1, 5, 6)


def test_the_foreground_decides_in_a_box_where_the_masks_do_not() -> None:
    masks = torch.where(drawn(WHOLE) > 0.5, 0.55, 0.45)
    assert box_of(combine(all_of(masks, [0.5]), clicks(box=WHOLE))[0]) == WHOLE
    seen = drawn(PART)[0]
    mask, _ = combine(all_of(masks, [0.5], foreground=seen), clicks(box=WHOLE))
    assert box_of(mask) == PART
    sure, _ = combine(all_of(drawn(WHOLE), [0.5], foreground=seen), clicks(box=WHOLE))
    assert 0.99 * (1 - FOREGROUND_SHARE) > 0.5 and box_of(sure) == WHOLE


def test_a_second_click_on_the_object_takes_the_mask_that_holds_both() -> None:
    mask, _ = combine(all_of(drawn(PART, WHOLE), [0.7, 0.6]), clicks([(2, 2), (6, 4)]))
    assert box_of(mask) == WHOLE


def test_parts_are_united_where_no_mask_holds_all_clicks() -> None:
    parts = drawn(PART, (6, 1, 9, 4))
    mask, _ = combine(all_of(parts, [0.7, 0.6]), clicks([(2, 2), (7, 2)]))
    assert torch.equal(mask > 0, (parts > 0.5).any(0))


def test_what_is_added_in_a_box_is_rather_a_part_than_something_larger() -> None:
    """The click in the box's corner is on a part and on everything; of equal scores the part is added."""
    masks = drawn((1, 1, 8, 5), (6, 5, 8, 6), ALL)
    mask, _ = combine(all_of(masks, [0.9, 0.1, 0.1]), clicks([(7, 5.5)], box=WHOLE))
    assert torch.equal(mask > 0, (masks[:2] > 0.5).any(0))


def test_a_click_beside_the_object_takes_another_mask_or_cuts_its_own_off() -> None:
    """Beside at (7, 4): WHOLE holds it and PART does not."""
    other = drawn((6, 3, 9, 6), ALL, ALL, WHOLE)
    mask, _ = combine(all_of(drawn(PART, WHOLE), [0.6, 0.5], other), clicks([(2, 2)], [(7, 4)]))
    assert box_of(mask) == PART
    doubtful = torch.where(drawn(WHOLE) > 0.5, 0.7, 0.01)
    mask, _ = combine(all_of(doubtful, [0.6], other), clicks([(2, 2)], [(7, 4)]))
    assert torch.equal(mask > 0, (drawn(WHOLE)[0] > 0.5) & ~(other[0] > 0.5))


def test_where_its_mask_is_the_objects_own_only_the_surroundings_of_the_click_go() -> None:
    other = drawn(WHOLE, WHOLE, ALL, ALL)
    mask, _ = combine(all_of(drawn(WHOLE), [0.6], other), clicks([(2.5, 2.5)], [(7.5, 5.5)]))
    assert mask[5, 7] <= 0 and mask[2, 2] > 0
    assert 0 < (drawn(WHOLE)[0] > 0.5).sum() - (mask > 0).sum() < 12


def test_there_is_a_mask_also_where_no_two_agree() -> None:
    apart = drawn((1, 1, 3, 3), (4, 1, 6, 3), (7, 1, 9, 3))
    mask, _ = combine(all_of(apart, [0.5, 0.6, 0.5]), clicks(box=(1, 1, 9, 3)))
    assert box_of(mask) == (4, 1, 6, 3)


def test_small_islands_are_removed() -> None:
    islands = torch.maximum(drawn(WHOLE)[0], drawn((10, 0, 11, 1))[0]) - 0.5
    assert box_of(clean(islands, 0.2)) == WHOLE and box_of(clean(islands, 0.0)) == (1, 0, 11, 6)


def test_the_lattice_lies_inside_the_box() -> None:
    points = lattice((4, 0, 8, 8))
    assert len(points) == 9 and points[0] == (5, 2) and points[4] == (6, 4) and points[-1] == (7, 6)

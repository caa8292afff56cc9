"""Choosing among a foundation model's masks: exact answers on masks drawn by hand, and properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from uois_sam.geometry import Frame, onto_grid, resize_logits
from uois_sam.models.interfaces import MaskFeatures, ObjectPrompts
from uois_sam.models.redrawing import (
    INNER_POINTS,
    SIDING,
    KnownObjects,
    Redrawer,
    agreements,
    inner_points,
    keep_apart,
    merits,
    prompts_for,
    redraw,
)
from uois_sam.types import TokenPredictions

HERE = "####...."
WIDER = "######.."
NARROWER = "##......"
OTHER = "......##"
BOTH = "########"
NOTHING = "........"


def row(text: str) -> Tensor:
    """(1, w) bool."""
    return torch.tensor([[cell == "#" for cell in text]])


def known(*masks: str, foreground: str | None = None) -> KnownObjects:
    """Objects drawn by hand in one row of cells, all of it photo."""
    shares = torch.stack([row(mask).float() for mask in masks])
    likely = None if foreground is None else row(foreground).float()
    return KnownObjects(shares, torch.ones(1, len(masks[0]), dtype=torch.bool), likely)


def agreement(candidate: str, objects: KnownObjects) -> float:
    return float(agreements(row(candidate)[None], objects, 0)[0])


def test_the_same_mask_agrees_wholly_and_one_beside_it_not_at_all() -> None:
    assert agreement(HERE, known(HERE, foreground=HERE)) == 1
    assert agreement(OTHER, known(HERE, foreground=BOTH)) == 0
    assert agreement(NOTHING, known(HERE, foreground=BOTH)) == 0


def test_without_foreground_every_cell_that_differs_counts_half() -> None:
    assert agreement(WIDER, known(HERE)) == pytest.approx((4 + SIDING * 0.5 * 2) / 6)
    assert agreement(NARROWER, known(HERE)) == pytest.approx((2 + SIDING * 0.5 * 2) / 4)


def test_foreground_takes_sides_for_what_is_added_or_left_out() -> None:
    assert agreement(WIDER, known(HERE, foreground=WIDER)) == pytest.approx((4 + SIDING * 2) / 6)
    assert agreement(WIDER, known(HERE, foreground=HERE)) == pytest.approx(4 / 6)
    assert agreement(NARROWER, known(HERE, foreground=NARROWER)) == pytest.approx((2 + SIDING * 2) / 4)
    assert agreement(NARROWER, known(HERE, foreground=HERE)) == pytest.approx(2 / 4)


def test_what_is_another_objects_is_never_worth_adding_and_always_worth_leaving() -> None:
    assert agreement(BOTH, known(HERE, OTHER, foreground=BOTH)) == pytest.approx((4 + SIDING * 2) / 8)
    assert agreement(NARROWER, known(HERE, WIDER, foreground=BOTH)) == pytest.approx((2 + SIDING * 2) / 4)


def test_a_trained_score_counts_as_much_as_agreement_and_nothing_without_it() -> None:
    levels = torch.tensor([0.75, 0.5, 0.0])
    assert torch.equal(merits(levels, None), levels)
    assert merits(levels, torch.tensor([0.25, 1.5, 1.0])).tolist() == [0.5, 0.75, 0.0]  # scores end at 1


@given(arrays(np.bool_, (3, 6, 7)), arrays(np.float32, (6, 7), elements=st.floats(0, 1, width=32)))
def test_no_candidate_agrees_better_than_the_mask_itself(masks: np.ndarray, foreground: np.ndarray) -> None:
    objects = KnownObjects(
        torch.from_numpy(masks).float(), torch.ones(6, 7, dtype=torch.bool), torch.from_numpy(foreground)
    )
    levels = agreements(torch.from_numpy(masks), objects, 0)
    assert levels[0] == (1 if masks[0].any() else 0)
    assert ((levels >= 0) & (levels <= 1)).all()


class Drawer:
    """Draws four masks of one row, the same for every prompt, and remembers the prompts."""

    def __init__(self, *masks: str) -> None:
        self.logits = torch.stack([5 * (2 * row(mask).float() - 1) for mask in masks])
        self.prompts: list[ObjectPrompts] = []

    def __call__(self, image: Tensor) -> tuple[MaskFeatures, Frame]:
        raise AssertionError("features are given")

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        return self.decode_prompts(features, ObjectPrompts.of_points(points_xy))

    def decode_prompts(self, features: MaskFeatures, prompts: ObjectPrompts) -> TokenPredictions:
        self.prompts.append(prompts)
        n = len(prompts)
        wrong = torch.tensor([0.1, 0.9, 0.95, 0.99]).expand(n, -1)  # as sure of parts and groups as SAM is
        return TokenPredictions(torch.zeros(n, 1), torch.zeros(n, 4, 1), wrong, torch.zeros(n, 1, 1, 1))

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, index: Tensor
    ) -> Tensor:
        return self.logits[index]


def drawn(drawer: Drawer, objects: KnownObjects) -> tuple[Tensor, Tensor]:
    """Masks and agreement for objects prompted with one point."""
    prompts = (ObjectPrompts.of_points(torch.zeros(len(objects.shares), 2)),)
    redrawer = Redrawer("drawer", drawer, drawer, torch.device("cpu"))
    found = redraw(redrawer, MaskFeatures(torch.zeros(1, 1, 1, 2)), prompts, objects)
    return found.mask_logits > 0, found.agreement


def test_the_object_is_taken_and_not_its_part_or_its_group_whatever_their_scores() -> None:
    masks, levels = drawn(Drawer("###.....", NARROWER, BOTH, NOTHING), known("####....", "......##"))
    assert torch.equal(masks[0], row("###....."))
    assert levels[0] == pytest.approx((3 + SIDING * 0.5) / 4)


def test_all_objects_of_all_blocks_are_drawn() -> None:
    drawer = Drawer(HERE, OTHER, NARROWER, BOTH)
    masks, levels = drawn(drawer, known(*[HERE, OTHER] * 5))
    assert torch.equal(masks, torch.stack([row(HERE), row(OTHER)] * 5))
    assert (levels == 1).all()
    assert sum(len(prompts) for prompts in drawer.prompts) == 10


def test_outlines_are_voted_on_by_candidates_that_agree_with_the_best() -> None:
    best, alike = "#" * 20 + "." * 4, "#" * 21 + "." * 3
    masks, _ = drawn(Drawer(best, alike, alike, "." * 24), known(best))
    assert torch.equal(masks[0], row(alike))  # two against one


def test_padding_is_never_inside() -> None:
    objects = known(HERE)
    objects = KnownObjects(objects.shares, row("######.."))
    masks, levels = drawn(Drawer(HERE.replace("....", "..##"), OTHER, OTHER, OTHER), objects)
    assert torch.equal(masks[0], row(HERE))
    assert levels[0] == 1


# --- prompts


@settings(deadline=None)
@given(arrays(np.bool_, (9, 12)).filter(lambda mask: bool(mask.any())), st.integers(0, 11), st.integers(0, 8))
def test_inner_points_are_inside(mask: np.ndarray, x: int, y: int) -> None:
    points = inner_points(mask, np.array([x, y], dtype=np.float32))
    assert points.shape == (INNER_POINTS, 2)
    rows, columns = points[:, 1].astype(int), points[:, 0].astype(int)
    assert mask[rows, columns].all()
    if mask[y, x]:
        assert points[0].tolist() == [x, y]
    assert len(np.unique(points, axis=0)) == min(INNER_POINTS, int(mask.sum()))


def test_the_centre_of_a_ring_is_replaced_by_the_deepest_point_of_it() -> None:
    ring = np.zeros((21, 21), dtype=np.bool_)
    ring[2:19, 2:19] = True
    ring[7:17, 4:14] = False
    x, y = inner_points(ring, np.array([9, 11], dtype=np.float32))[0]
    assert ring[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].all()  # two cells from every edge


def test_every_form_of_prompt_is_asked_in_the_mask_frame() -> None:
    mask = np.zeros((10, 20), dtype=np.bool_)
    mask[2:6, 4:13] = True
    own = np.array([[6.0, 3.0]], dtype=np.float32)
    forms = prompts_for(mask[None], own, lambda points: 2 * points, torch.full((1, 5, 10), 0.75))
    assert [each.points_xy.shape[1] for each in forms] == [1, 3, 0, 3, 3]
    assert [each.boxes_xyxy is not None for each in forms] == [False, False, True, True, True]
    assert forms[0].points_xy.tolist() == [[[12.0, 6.0]]]
    assert forms[2].boxes_xyxy is not None
    assert forms[2].boxes_xyxy.tolist() == [[8.0, 4.0, 24.0, 10.0]]  # centres of the first and last pixels
    assert all((each.labels == 1).all() for each in forms)
    assert forms[4].mask_logits is not None
    assert (forms[4].mask_logits == 4).all()  # half of the way from unsure to sure
    assert len(prompts_for(mask[None], own, lambda points: points)) == 4


# --- suppression


def test_only_what_redrawing_brought_together_is_suppressed() -> None:
    before = torch.stack([row("####...."), row("..####.."), row(".....###")])
    after = torch.stack([row("######.."), row("######.."), row(".....###")])
    assert keep_apart(after, before, 0.3).tolist() == [0, 2]
    assert keep_apart(before, before, 0.1).tolist() == [0, 1, 2]  # they overlapped as much before


def test_what_is_suppressed_suppresses_nothing() -> None:
    before = torch.stack([row("##......"), row("..##...."), row("....##..")])
    after = torch.stack([row("####...."), row(".####..."), row("..####..")])
    assert keep_apart(after, before, 0.5).tolist() == [0, 2]


# --- grids


def test_maps_are_brought_onto_a_grid_and_back() -> None:
    frame = Frame.padded((8, 16), 8)
    maps = torch.zeros(1, 8, 16)
    maps[0, 2:4, 4:8] = 1
    grid = onto_grid(maps, frame, (8, 8))
    assert torch.equal(
        grid[0, :4] > 0.5,
        row("........").repeat(4, 1).index_put((torch.tensor([1, 1]), torch.tensor([2, 3])), torch.tensor(True)),
    )
    assert (grid[0, 4:] == 0).all()
    back = resize_logits(2 * grid - 1, frame, (8, 16)) > 0
    assert torch.equal(back[0], maps[0] > 0)
    assert torch.equal(onto_grid(maps, Frame.stretched((8, 16)), (8, 16)), maps)

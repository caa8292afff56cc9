"""What masks are told by, on masks drawn by hand: every clue has one right answer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from uois_sam.config import InferenceConfig
from uois_sam.models.compact.evidence import HEAT_OF_ONE, MASK_FEATURES, evidence_width, measure_masks
from uois_sam.models.compact.mask_scorer import MaskScorer
from uois_sam.models.decoding import MaskwiseScorer
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.types import PromptMaps, TokenPredictions

WIDTH = 4
FRAME = (64, 64)
"""Mask grid 16x16, evidence 8x8, embedding 4x4."""


def square(top: int, left: int, side: int) -> Tensor:
    """(16, 16) logits, +9 inside a square of evidence cells (twice as large on the mask grid), -9 outside."""
    logits = torch.full((16, 16), -9.0)
    logits[2 * top : 2 * (top + side), 2 * left : 2 * (left + side)] = 9
    return logits


def maps(foreground: Tensor, heat: Tensor) -> PromptMaps:
    """From (8, 8) probabilities of 0 or 1 and heights; repeated to the frame."""
    big = foreground.repeat_interleave(8, 0).repeat_interleave(8, 1)
    logits = torch.stack([torch.zeros(FRAME), torch.where(big > 0.5, 20.0, -20.0)])
    return PromptMaps(logits, heat.repeat_interleave(8, 0).repeat_interleave(8, 1)[None])


def tokens(count: int, scores: Tensor | None = None) -> TokenPredictions:
    scores = torch.full((count, 4), 0.5) if scores is None else scores
    return TokenPredictions(torch.zeros(count, WIDTH), torch.zeros(count, 4, WIDTH), scores, torch.empty(0))


def features() -> MaskFeatures:
    """Left half of the image looks one way, right half another."""
    grid, fine = torch.zeros(1, WIDTH, 4, 4), torch.zeros(1, 2, 16, 16)
    grid[:, 0, :, :2], grid[:, 1, :, 2:] = 1, 1
    fine[:, 0, :, :8], fine[:, 1, :, 8:] = 3, 5
    return MaskFeatures(grid, (fine,))


def measured(logits: Tensor, points: list[tuple[float, float]], **changes: Tensor) -> Tensor:
    """(M, 4, E) with one object, 4x4 cells in the left half, as foreground."""
    foreground = torch.zeros(8, 8)
    foreground[2:6, 0:4] = 1
    heat = torch.zeros(8, 8)
    heat[4, 2] = 0.8
    given = maps(changes.get("foreground", foreground), changes.get("heat", heat))
    predictions = tokens(len(points), changes.get("scores"))
    return measure_masks(features(), given, predictions, logits, torch.tensor(points))


def clue(rows: Tensor, name: str) -> list[list[float]]:
    return rows[..., MASK_FEATURES.index(name)].tolist()


OBJECT, HALF, ALL, NOTHING = square(2, 0, 4), square(2, 0, 2), torch.full((16, 16), 9.0), torch.full((16, 16), -9.0)
ON_OBJECT = (18.0, 34.0)
"""xy in the frame: evidence cell row 4, column 2."""


@pytest.fixture
def rows() -> Tensor:
    return measured(torch.stack([OBJECT, HALF, ALL, NOTHING])[None], [ON_OBJECT])


def test_every_mask_has_all_numbers(rows: Tensor) -> None:
    assert rows.shape == (1, 4, evidence_width(WIDTH))
    assert torch.isfinite(rows).all()
    assert rows[0, :, len(MASK_FEATURES) : len(MASK_FEATURES) + 4].tolist() == torch.eye(4).tolist()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("own score", [0.5, 0.5, 0.5, 0.5]),
        ("size", [0.5, 0.25, 1, math.sqrt(1 / 64)]),
        # the frame's own border is no edge: the object touches it on the left, where 4 of its 16 cells lie
        ("roughness", [10 / 4 / 4, 4 / 2 / 4, 0, 0]),
        ("stability", [1, 1, 1, 0]),
        ("foreground inside", [1, 1, 16 / 64, 0]),
        ("foreground on the edge", [1, 1, 0, 0]),
        ("foreground just outside", [0, 5 / 8, 0, 0]),
        ("heat an area", [0.8 / (HEAT_OF_ONE * 16), 0, 0.8 / (HEAT_OF_ONE * 64), 0]),
        ("heat at most", [0.8, 0, 0.8, 0]),
        ("heat at the prompt", [0.8, 0.8, 0.8, 0.8]),
        ("prompt heat of most", [1, 2, 1, 2]),
        ("foreground at the prompt", [1, 1, 1, 1]),
        ("peaks inside", [1, 0, 1, 0]),
        ("peak heights inside", [0.8, 0, 0.8, 0]),
        ("agreement", [0, 0, 0, 0]),
        ("prompts inside", [0, 0, 0, 0]),
        ("homogeneity", [1, 1, math.sqrt(0.5), 0]),
        ("frame touched", [0.5, 0.25, 1, 0]),
    ],
)
def test_a_clue_is_what_it_says(rows: Tensor, name: str, values: list[float]) -> None:
    assert clue(rows, name)[0] == pytest.approx(values, abs=1e-3)


def test_a_sharp_edge_is_more_certain_than_a_soft_one() -> None:
    """Logits of +1 and -1 instead of 9: tanh(1/2) = 0.462."""
    sharp, soft = clue(
        measured(torch.stack([OBJECT, OBJECT / 9, HALF, HALF / 9])[None], [ON_OBJECT]), "edge certainty"
    )[0][:2]
    assert sharp == pytest.approx(1, abs=1e-3)
    assert soft == pytest.approx(math.tanh(0.5), abs=1e-3)


def test_prompts_agree_on_a_mask_that_both_find() -> None:
    """The second prompt's best mask (by score) is the object too; the third lies elsewhere and does not count."""
    logits = torch.stack([torch.stack([OBJECT, HALF, NOTHING, NOTHING])] * 2 + [torch.stack([ALL] * 4)])
    scores = torch.tensor([[0.9, 0.1, 0.0, 0.0], [0.2, 0.8, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5]])
    rows = measured(logits, [ON_OBJECT, (10.0, 20.0), (60.0, 60.0)], scores=scores)
    assert clue(rows, "prompts inside")[0] == [1, 0 + 1, 0, 0]  # the second lies in both object and half
    assert clue(rows, "agreement")[0][:2] == pytest.approx([4 / 16, 1], abs=1e-6)  # with its best, the half
    assert clue(rows, "agreement of any")[0][:2] == pytest.approx([1, 1], abs=1e-6)
    assert clue(rows, "prompts inside")[2] == [2, 2, 2, 2]


def test_an_untrained_one_leaves_the_decoders_scores() -> None:
    torch.manual_seed(0)
    head = MaskScorer(WIDTH, 8).eval()
    rows = measured(torch.stack([OBJECT, HALF, ALL, NOTHING])[None], [ON_OBJECT], scores=torch.rand(1, 4))
    assert torch.equal(head(rows), rows[..., 0])


def test_lower_precision_does_not_round_counts_of_cells() -> None:
    logits = torch.stack([OBJECT, HALF, ALL, NOTHING])[None]
    full = measured(logits, [ON_OBJECT])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(measured(logits, [ON_OBJECT]), full)


class Drawer:
    """A decoder that draws what it is told for each prompt, by the prompt's column."""

    def __init__(self, logits: dict[int, Tensor]) -> None:
        self.logits = logits

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        predictions = tokens(len(points_xy))
        return TokenPredictions(
            predictions.iou_token, predictions.mask_tokens, predictions.scores, torch.zeros(len(points_xy), WIDTH, 4, 4)
        )

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        return torch.stack([self.logits[int(x)] for x in points_xy[:, 0]])


class Preferring(MaskScorer):
    """Scores a mask by how much of it is foreground, whatever the tokens say."""

    def forward(self, evidence: Tensor) -> Tensor:
        return evidence[..., MASK_FEATURES.index("foreground inside")] * evidence[..., MASK_FEATURES.index("size")] * 2


def test_of_four_masks_the_one_with_the_best_evidence_stays_and_poor_prompts_go() -> None:
    on, off = torch.stack([HALF, OBJECT, NOTHING, ALL]), torch.stack([NOTHING] * 4)
    drawer = Drawer({18: on, 60: off})
    points = torch.tensor([[60.0, 60.0], *[list(ON_OBJECT)] * 6])  # more prompts than go through at once
    foreground = torch.zeros(8, 8)
    foreground[2:6, 0:4] = 1
    given = maps(foreground, torch.zeros(8, 8))
    head = Preferring(WIDTH, 8).eval()
    found = MaskwiseScorer(drawer, head, InferenceConfig()).candidates(features(), given, points)
    assert found.prompt_index.tolist() == [1, 2, 3, 4, 5, 6]
    assert found.token_index.tolist() == [1] * 6
    assert found.scores.tolist() == pytest.approx([1.0] * 6)
    assert torch.equal(found.mask_logits[0], OBJECT)
    none = MaskwiseScorer(drawer, head, InferenceConfig()).candidates(features(), given, points[:0])
    assert len(none.scores) == 0

"""Clues of masks in views whose every height, edge and width is known, and what scores make of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_views import CAMERA, HW, TABLE, Box, look
from uois_sam.depth import DepthMap, understand
from uois_sam.depth.clues import CLUES, Relief, measure
from uois_sam.depth.rescoring import Rescoring, bundled

BLOCK: Box = ((-0.2, -0.1, 0.0), (-0.08, 0.02, 0.1))
SECOND: Box = ((0.05, -0.05, 0.0), (0.17, 0.07, 0.06))
CELLS = (60, 80)


def relief_and_labels() -> tuple[Relief, np.ndarray]:
    view = look([TABLE, BLOCK, SECOND], pitch_deg=60)
    scene = understand(
        np.zeros((*HW, 3), np.uint8), DepthMap(view.depth_m, CAMERA), (view.labels > 0).astype("f4"), None
    )
    assert scene is not None and scene.support is not None
    return scene.relief(0, 0, *HW, CELLS), view.labels[1::2, 1::2]


def clues_of(mask: np.ndarray, relief: Relief) -> dict[str, float]:
    return dict(zip(CLUES, measure(mask[None], relief)[0].tolist(), strict=True))


def test_a_block_stands_in_front_of_what_is_behind_it() -> None:
    relief, labels = relief_and_labels()
    of = clues_of(labels == 1, relief)
    assert of["measured"] == 1 and of["outside"] == 0
    assert 0.5 < of["height"] < 1.0  # tens of centimetres: its top at 10 cm, its side below
    assert of["standing"] > 0.8 and of["flat"] < 0.1
    assert of["edge in front"] > 0.3 and of["edge within a surface"] < 0.2 and of["edge behind"] < 0.05
    assert of["edge in front"] + of["edge on the support"] > 0.75
    assert 0.8 < of["width"] < 2.2  # tens of centimetres


def test_the_table_is_flat_and_no_edge_of_a_part_of_it_steps() -> None:
    relief, labels = relief_and_labels()
    part = np.zeros(CELLS, bool)
    part[40:48, 36:50] = True
    assert (labels[part] == 0).all()
    of = clues_of(part, relief)
    assert of["flat"] > 0.95 and of["standing"] == 0 and abs(of["height"]) < 0.02
    assert of["edge on the support"] > 0.95 and of["roughness"] < 0.2


def test_half_a_block_ends_within_a_surface_and_two_have_steps_inside() -> None:
    relief, labels = relief_and_labels()
    block = labels == 1
    half = block & (np.arange(CELLS[1]) < np.nonzero(block)[1].mean())
    assert clues_of(half, relief)["edge within a surface"] > clues_of(block, relief)["edge within a surface"] + 0.1
    both = np.zeros(CELLS, bool)
    rows, columns = np.nonzero(labels > 0)
    both[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    assert clues_of(both, relief)["steps inside"] > clues_of(block, relief)["steps inside"] + 0.3


def test_without_depth_every_clue_is_nothing_and_a_score_stays_to_the_last_bit() -> None:
    relief, labels = relief_and_labels()
    blind = replace(relief, points=np.zeros_like(relief.points), heights=np.zeros_like(relief.heights),
                    flat=np.zeros_like(relief.flat), cell_m=np.zeros_like(relief.cell_m))  # fmt: skip
    clues = measure(np.stack([labels == 1, labels == 2]), blind)
    assert not clues.any()
    scores = np.array([0.4123456, 0.39], np.float32)
    assert np.array_equal(bundled()(scores, clues), scores)


def test_a_clear_thing_keeps_its_score_among_others_that_are_measured() -> None:
    relief, labels = relief_and_labels()
    glass = labels == 1
    points = np.where(glass[..., None], 0, relief.points).astype(np.float32)
    blind = replace(relief, points=points, heights=np.where(glass, 0, relief.heights).astype(np.float32),
                    flat=relief.flat & ~glass, cell_m=np.where(glass, 0, relief.cell_m).astype(np.float32))  # fmt: skip
    scores = np.array([0.5, 0.5], np.float32)
    found = bundled()(scores, measure(np.stack([glass, labels == 2]), blind))
    assert found[0] == scores[0] and found[1] != scores[1]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_clues_are_finite_and_bounded_whatever_the_depth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hw = (int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    z = np.where(rng.random(hw) < rng.random(), rng.uniform(0.05, 5, hw), 0)
    known = z > 0
    relief = Relief(
        points=np.stack([rng.normal(size=hw) * z, rng.normal(size=hw) * z, z], axis=-1).astype(np.float32),
        heights=np.where(known, rng.normal(size=hw), 0).astype(np.float32),
        outside=known & (rng.random(hw) < 0.3),
        flat=known & (rng.random(hw) < 0.3),
        cell_m=(z * z * 1e-4).astype(np.float32),
        supported=bool(rng.random() < 0.5),
    )
    clues = measure(rng.random((3, *hw)) < rng.random(), relief)
    assert clues.shape == (3, len(CLUES)) and np.isfinite(clues).all() and np.abs(clues).max() <= 5
    assert ((clues[:, 0] >= 0) & (clues[:, 0] <= 1)).all()


def test_no_masks_are_no_error() -> None:
    relief, _ = relief_and_labels()
    assert measure(np.zeros((0, *CELLS), bool), relief).shape == (0, len(CLUES))


def test_a_rescoring_is_its_formula() -> None:
    one = Rescoring(np.array([0.5, 0.2], "f4"), np.array([0.1, 0.2], "f4"), np.array([0.02, -0.01], "f4"), 0.05)
    found = one(np.array([0.6, 0.9], "f4"), np.array([[0.4], [0.2]], "f4"))
    assert found == pytest.approx([0.6 + 0.4 * (0.02 - 0.01 + 0.05), 0.9 + 0.2 * (0.06 + 0.05)], abs=1e-6)


def test_the_bundled_numbers_change_a_score_by_little() -> None:
    """They are a nudge: at most about a third where all speaks for it or against it."""
    weights = bundled().weights
    assert len(weights) == len(CLUES) + 1 and 0 < np.abs(weights).max() < 0.2

"""What depth says of masks: what is left out, and above all what never is."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from uois_sam.depth.scene import SURE, Cells

HW = (6, 8)


def cells(**where: slice) -> Cells:
    """Everything known, with the given columns outside or flat."""
    maps = {name: np.zeros(HW, bool) for name in ("outside", "flat")}
    for name, columns in where.items():
        maps[name][:, columns] = True
    return Cells(np.ones(HW, bool), **maps)


def mask(columns: slice) -> np.ndarray:
    one = np.zeros((1, *HW), bool)
    one[:, :, columns] = True
    return one


def judge(of: Cells, columns: slice, score: float = 0.6) -> tuple[bool, bool]:
    verdict = of.judge(mask(columns), np.array([score], np.float32))
    return bool(verdict.outside[0]), bool(verdict.support[0])


def test_a_mask_stands_outside_when_half_of_its_depth_does() -> None:
    of = cells(outside=slice(4, 8))
    assert judge(of, slice(4, 6)) == (True, False)
    assert judge(of, slice(2, 6)) == (True, False)
    assert judge(of, slice(1, 6)) == (False, False)


def test_a_flat_mask_is_the_support_unless_its_score_is_sure() -> None:
    """A card on the table is flat as well: colour decides there."""
    of = cells(flat=slice(0, 8))
    assert judge(of, slice(0, 3), SURE - 0.01) == (False, True)
    assert judge(of, slice(0, 3), SURE + 0.01) == (False, False)
    assert judge(cells(flat=slice(0, 6)), slice(0, 8)) == (False, False)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_a_mask_is_never_left_out_for_lack_of_depth(seed: int) -> None:
    """Whatever the map says elsewhere: glass has no depth, and stays."""
    rng = np.random.default_rng(seed)
    masks = rng.random((5, *HW)) < rng.random()
    known = rng.random(HW) < 0.5
    known &= ~masks[0]
    outside = known & (rng.random(HW) < 0.7)
    verdict = Cells(known, outside, known & ~outside).judge(masks, rng.random(5).astype(np.float32))
    assert not verdict.outside[0] and not verdict.support[0]
    assert not (verdict.outside & verdict.support).any()


def test_a_little_depth_on_a_glass_is_no_evidence() -> None:
    known = np.zeros(HW, bool)
    known[0, 0] = True  # 1 of 48 cells, and beyond the table
    verdict = Cells(known, known.copy(), np.zeros(HW, bool)).judge(np.ones((1, *HW), bool), np.ones(1, np.float32))
    assert not verdict.outside[0]


def test_no_masks_is_no_error() -> None:
    verdict = cells().judge(np.zeros((0, *HW), bool), np.zeros(0, np.float32))
    assert verdict.outside.shape == (0,)

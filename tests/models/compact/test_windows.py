"""Masks drawn in windows: where windows lie, and that inside of them nothing differs from drawing the whole frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import uois_sam.models.compact.windows as windows
from uois_sam.models.compact.inference import fused
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.compact.windows import Window, windows_around
from uois_sam.models.interfaces import MaskFeatures

GRID = (48, 64)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([(20, 30)], Window(17, 25, 27, 35, GRID)),  # 3 cells on each side, sides of a multiple of 8
        ([(20, 30), (24, 30)], Window(17, 33, 27, 35, GRID)),
        ([(0, 63)], Window(0, 8, 56, 64, GRID)),  # at the border it is shifted, not cut
        ([(0, 0), (47, 63)], Window(0, 48, 0, 64, GRID)),
        ([], Window(0, 48, 0, 64, GRID)),  # nothing is seen: nothing is left out
    ],
)
def test_a_window_holds_what_is_seen_and_a_margin(cells: list[tuple[int, int]], expected: Window) -> None:
    seen = np.zeros((1, *GRID), dtype=np.bool_)
    for row, column in cells:
        seen[0, row, column] = True
    assert list(windows_around(seen)) == [expected]


def test_the_inner_part_leaves_out_the_outermost_cells_but_at_the_border() -> None:
    assert Window(8, 16, 0, 8, GRID).inner() == (slice(18, 30), slice(0, 14))
    assert Window(40, 48, 56, 64, GRID).inner() == (slice(82, 96), slice(114, 128))
    assert Window(0, 24, 0, 32, GRID).share == 0.25


def test_inside_of_windows_nothing_differs(tiny_model: CompactModel, monkeypatch: pytest.MonkeyPatch) -> None:
    config, chosen = tiny_model.config, [Window(0, 8, 8, 24, GRID), Window(16, 32, 40, 64, GRID)]
    monkeypatch.setattr(windows, "windows_around", lambda seen: chosen)
    features = MaskFeatures(
        torch.rand(1, config.width, 24, 32),
        tuple(torch.rand(1, config.fine_width, 24 * step, 32 * step) for step in (2, 4)),
    )
    plain = tiny_model.eval().decoder
    faster = fused(plain, torch.device("cpu"), torch.float32)
    points = torch.tensor([[3.0, 5.0], [40.0, 9.0]])
    with torch.inference_mode():
        predictions = plain.decode_tokens(features, points)
        every = torch.arange(4).expand(2, -1)
        expected, found = (each.upscale(features, predictions, points, every) for each in (plain, faster))
    for row, window in enumerate(chosen):
        rows, columns = window.inner()
        torch.testing.assert_close(found[row, :, rows, columns], expected[row, :, rows, columns], atol=1e-5, rtol=1e-4)
        outside = torch.ones(expected.shape[-2:], dtype=torch.bool)
        outside[rows, columns] = False
        assert not torch.equal(found[row, :, outside], expected[row, :, outside])  # these are the glance's


def test_masks_all_over_the_frame_are_drawn_at_once(tiny_model: CompactModel, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_model.config
    monkeypatch.setattr(windows, "windows_around", lambda seen: [Window(0, 48, 0, 48, GRID)])
    faster = fused(tiny_model.eval().decoder, torch.device("cpu"), torch.float32)
    assert faster.in_windows is not None
    x, fine = torch.rand(1, config.mask_width, *GRID), torch.rand(1, config.fine_width, 96, 128)
    under, weights = torch.rand(1, config.likeness_groups, 8), torch.rand(1, 4, config.mask_width)
    with torch.inference_mode():
        assert faster.in_windows(x, fine, torch.rand(1, 2), under, weights) is None

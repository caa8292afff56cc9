"""The order of Hiera's tokens: windows and what is pooled lie together; padding is one key."""

from __future__ import annotations

import itertools

import pytest
import torch

from tiny_family import FAMILIES
from uois_sam.models.sam2.hiera import PreparedHiera, window_order
from uois_sam.models.sam2.modules import HieraPyramid
from uois_sam.models.unloaded import randomise


def test_blocks_of_two_in_a_grid_of_four() -> None:
    assert window_order(4, (2,)).tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]


@pytest.mark.parametrize(("side", "blocks"), [(256, (8, 4, 8, 56, 56, 2)), (256, (8, 64, 4, 2)), (24, (4, 8, 2, 16))])
def test_every_block_inside_the_grid_is_a_run_and_those_across_its_edge_come_last(
    side: int, blocks: tuple[int, ...]
) -> None:
    order = window_order(side, blocks)
    assert torch.equal(order.sort().values, torch.arange(side * side))
    for size in blocks:
        block = (order // side // size) * side + order % side // size
        runs = [(key, len(list(group))) for key, group in itertools.groupby(block.tolist())]
        assert len(runs) == len({key for key, _ in runs})  # none is torn
        whole = (side // size) ** 2
        assert all(length == size * size for _, length in runs[:whole])
        assert all(length < size * size for _, length in runs[whole:])


@pytest.mark.parametrize("at_once", [1, 5, 1000])
def test_the_number_of_windows_at_once_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = FAMILIES["sam2-tiny"].sam.build()
    randomise(networks, seed=3)
    parts = HieraPyramid(networks.get_submodule("vision_encoder"), networks.get_submodule("mask_decoder")).parts
    prepared = PreparedHiera.of(parts, torch.float32)
    assert prepared.early == 3  # up to the step to the third stage
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    expected = prepared(pixels)
    monkeypatch.setattr("uois_sam.models.sam2.hiera.WINDOWS_AT_ONCE", at_once)
    for found, before in zip(prepared(pixels), expected, strict=True):
        assert torch.allclose(found, before, atol=1e-5)

"""The prompt generator's head: sizes of the paper's model and of compact's, and maps over the whole frame."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from conftest import TINY
from uois_sam.config import PROMPT_FRAME_HW
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.hpg import HPG, UpsamplingBlock


def test_the_papers_head_turns_vit_s_features_into_maps_of_the_prompt_frame() -> None:
    """24x32 patches of 384 channels, C = 256, to H x W x 3 at 336x448 (shapes only: no arithmetic on meta)."""
    with torch.device("meta"):
        head = HPG(inputs=384, width=256, scales=(2, 2, 2))
        features = torch.empty(1, 384, 24, 32)
        logits, heatmap = head(features)
        maps = head.predict(features)
    assert logits.shape == (1, 2, 192, 256)
    assert heatmap.shape == (1, 1, 192, 256)
    assert maps.foreground_logits.shape == (2, *PROMPT_FRAME_HW) == (2, 336, 448)
    assert maps.heatmap.shape == (1, 336, 448)
    assert maps.foreground.shape == (336, 448)


def test_compacts_head_works_at_stride_4_and_speaks_of_the_whole_frame() -> None:
    config = CompactConfig()
    with torch.device("meta"):
        model = CompactModel(config)
        features = torch.empty(1, config.fine_width, 84, 112)
        logits, _ = model.hpg(features)
        maps = model.hpg.predict(features)
    assert logits.shape == (1, 2, 84, 112)
    assert maps.heatmap.shape == (1, 336, 448)


def test_features_are_projected_only_when_their_width_differs() -> None:
    assert isinstance(HPG(8, 8, (1,)).project, nn.Identity)
    assert isinstance(HPG(6, 8, (1,)).project, nn.Conv2d)


@pytest.mark.parametrize(("scale", "expected_hw"), [(1, (4, 6)), (2, (8, 12)), (3.5, (14, 21))])
def test_a_block_is_interpolation_convolution_batch_norm_prelu(scale: float, expected_hw: tuple[int, int]) -> None:
    block = UpsamplingBlock(3, 5, scale).eval()
    assert [name for name, _ in block.named_children()] == ["conv", "norm", "activation"]
    assert block(torch.randn(2, 3, 4, 6)).shape == (2, 5, *expected_hw)


def test_the_first_two_channels_are_the_foreground_logits_and_the_third_is_the_heatmap() -> None:
    head = constant_head()
    logits, heatmap = head(torch.randn(2, 4, 5, 7))
    assert torch.equal(logits, torch.tensor([-1.0, 2.0])[None, :, None, None].expand(2, 2, 5, 7))
    assert torch.equal(heatmap, torch.full((2, 1, 5, 7), 0.25))


def test_prediction_covers_the_frame_and_foreground_is_the_softmax_of_its_logits() -> None:
    maps = constant_head().predict(torch.randn(1, 4, 5, 7))
    assert torch.equal(maps.heatmap, torch.full((1, 10, 21), 0.25))
    torch.testing.assert_close(maps.foreground, torch.full((10, 21), 1 / (1 + torch.e**-3)))


def constant_head() -> HPG:
    """A head whose answer is its last bias: logits -1 and 2, heatmap 0.25."""
    head = HPG(inputs=4, width=4, scales=(1,), frame_hw=(10, 21)).eval()
    with torch.no_grad():
        head.out.weight.zero_()
        assert head.out.bias is not None
        head.out.bias.copy_(torch.tensor([-1.0, 2.0, 0.25]))
    return head


def test_prediction_interpolates_what_the_head_says_up_to_the_frame(tiny_model: CompactModel) -> None:
    head = tiny_model.hpg.eval()
    features = torch.randn(1, TINY.fine_width, 24, 32, generator=torch.Generator().manual_seed(0))
    maps = head.predict(features)
    _, heatmap = head(features)
    assert maps.heatmap.shape == (1, *TINY.input_hw)
    # Of the four pixels across each cell the middle two lie 1/8 of a cell to either side of its centre.
    middle = maps.heatmap[0].unflatten(0, (24, 4)).unflatten(2, (32, 4))[:, 1:3, :, 1:3]
    rows = torch.stack([heatmap[0, 0].roll(1, 0), heatmap[0, 0], heatmap[0, 0].roll(-1, 0)])
    smoothed = blend(rows)
    columns = torch.stack([smoothed.roll(1, 1), smoothed, smoothed.roll(-1, 1)])
    torch.testing.assert_close(middle.mean(dim=(1, 3))[1:-1, 1:-1], blend(columns)[1:-1, 1:-1])


def blend(before_here_after: torch.Tensor) -> torch.Tensor:
    """Mean of what linear interpolation gives 1/8 of a cell before and after the middle of three."""
    before, here, after = before_here_after
    return (before + 14 * here + after) / 16

"""HDNet is Eq. 5: S^' = MLP(Concat(Repeat(T_iou), T_mask)) + S^."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from uois_sam.models.hdnet import HDNet, mlp
from uois_sam.types import TokenPredictions


def predictions(prompts: int, width: int, seed: int = 0) -> TokenPredictions:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return TokenPredictions(draw(prompts, width), draw(prompts, 4, width), draw(prompts, 4), torch.empty(0))


@pytest.fixture
def head() -> HDNet:
    torch.manual_seed(0)
    return HDNet(token_width=6, hidden=8)


def test_the_mlp_has_the_shape_of_sams_iou_head() -> None:
    """Three linear layers, 512 -> 256 -> 256 -> 1 for SAM's tokens of 256 channels, with ReLU between."""
    layers = list(HDNet(token_width=256, hidden=256).mlp)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(512, 256), (256, 256), (256, 1)]


def test_an_mlp_of_depth_one_is_a_linear_layer() -> None:
    (layer,) = mlp(5, 99, 2, depth=1)
    assert isinstance(layer, nn.Linear)
    assert (layer.in_features, layer.out_features) == (5, 2)


def test_with_a_last_layer_of_zeros_the_scores_stay_the_decoders_own(head: HDNet) -> None:
    last = head.mlp[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    given = predictions(5, 6)
    assert torch.equal(head(given), given.scores)


def test_every_score_is_the_mlp_of_iou_token_and_mask_token_plus_the_decoders_own(head: HDNet) -> None:
    given = predictions(7, 6)
    expected = torch.empty(7, 4)
    for prompt in range(7):
        for mask in range(4):
            tokens = torch.cat([given.iou_token[prompt], given.mask_tokens[prompt, mask]])  # this order
            expected[prompt, mask] = head.mlp(tokens)[0] + given.scores[prompt, mask]
    torch.testing.assert_close(head(given), expected)


def test_eq_5_with_weights_written_by_hand() -> None:
    head = HDNet(token_width=1, hidden=1, depth=2)
    first, _, last = head.mlp
    with torch.no_grad():
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        first.weight.copy_(torch.tensor([[2.0, -1.0]]))  # 2 T_iou - T_mask
        first.bias.zero_()
        last.weight.fill_(0.5)
        last.bias.fill_(0.1)
    given = TokenPredictions(
        iou_token=torch.tensor([[1.0]]),
        mask_tokens=torch.tensor([[[0.0], [1.0], [2.0], [3.0]]]),
        scores=torch.tensor([[0.1, 0.2, 0.3, 0.4]]),
        image_state=torch.empty(0),
    )
    # ReLU(2, 1, 0, -1) / 2 + 0.1 + scores
    torch.testing.assert_close(head(given), torch.tensor([[1.2, 0.8, 0.4, 0.5]]))


def test_prompts_do_not_influence_each_other(head: HDNet) -> None:
    given, other = predictions(3, 6), predictions(3, 6, seed=1)
    names = ("iou_token", "mask_tokens", "scores", "image_state")
    mixed = TokenPredictions(*(torch.cat([getattr(given, name)[:2], getattr(other, name)[2:]]) for name in names))
    torch.testing.assert_close(head(mixed)[:2], head(given)[:2])


@pytest.mark.parametrize("prompts", [0, 1, 30])
def test_there_are_four_float32_scores_a_prompt(head: HDNet, prompts: int) -> None:
    refined = head(predictions(prompts, 6))
    assert refined.shape == (prompts, 4)
    assert refined.dtype == torch.float32


def test_scores_may_leave_the_unit_interval(head: HDNet) -> None:
    """Clamping is for display; ranking needs the raw values."""
    given = predictions(4, 6)
    high = TokenPredictions(given.iou_token, given.mask_tokens, given.scores + 100, given.image_state)
    torch.testing.assert_close(head(high), head(given) + 100, rtol=0, atol=1e-4)

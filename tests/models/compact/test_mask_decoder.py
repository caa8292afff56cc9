"""The compact decoder: tokens first, then masks of chosen tokens only; prompts never see each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from conftest import TINY
from predictions import join_predictions
from uois_sam.geometry import grid_points
from uois_sam.models.compact.mask_decoder import CompactDecoder, FourierPositions
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.interfaces import MaskFeatures, select_prompts
from uois_sam.types import TokenPredictions

HEIGHT, WIDTH = TINY.input_hw


@pytest.fixture
def decoder(tiny_model: CompactModel) -> CompactDecoder:
    return tiny_model.decoder.eval().requires_grad_(False)


def mask_features(seed: int = 1) -> MaskFeatures:
    """Random maps of the sizes that the tiny encoder makes."""
    generator = torch.Generator().manual_seed(seed)

    def draw(channels: int, stride: int) -> Tensor:
        return torch.randn(1, channels, HEIGHT // stride, WIDTH // stride, generator=generator)

    return MaskFeatures(grid=draw(TINY.width, 16), fine=(draw(TINY.fine_width, 8), draw(TINY.fine_width, 4)))


def points(count: int) -> Tensor:
    return torch.from_numpy(grid_points(TINY.input_hw, 5)[:count])


def every_token(count: int) -> Tensor:
    return torch.arange(4).expand(count, -1)


@pytest.mark.parametrize("count", [1, 5])
def test_tokens_and_masks_have_the_shapes_the_pipeline_expects(decoder: CompactDecoder, count: int) -> None:
    features = mask_features()
    predictions = decoder.decode_tokens(features, points(count))
    assert predictions.iou_token.shape == (count, TINY.width)
    assert predictions.mask_tokens.shape == (count, 4, TINY.width)
    assert predictions.scores.shape == (count, 4)
    assert predictions.image_state.shape == (count, TINY.width, HEIGHT // 16, WIDTH // 16)
    logits = decoder.upscale(features, predictions, points(count), every_token(count)[:, :3])
    assert logits.shape == (count, 3, HEIGHT // 4, WIDTH // 4)
    assert logits.dtype == torch.float32


def test_decoding_prompts_together_equals_decoding_one_at_a_time(decoder: CompactDecoder) -> None:
    features = mask_features()
    together = decoder.decode_tokens(features, points(6))
    alone = join_predictions([decoder.decode_tokens(features, point[None]) for point in points(6)])
    assert_same(together, alone)
    masks = decoder.upscale(features, together, points(6), every_token(6))
    for index in range(6):
        one = select_prompts(together, torch.tensor([index]))
        mask = decoder.upscale(features, one, points(6)[index : index + 1], every_token(1))
        torch.testing.assert_close(mask[0], masks[index], rtol=1e-4, atol=1e-5)


def test_decoding_a_batch_of_images_equals_decoding_each_alone(decoder: CompactDecoder) -> None:
    """Three prompts on each of two images, of which the last two are drawn."""
    images, at = [mask_features(1), mask_features(2)], points(6)
    fine = zip(*(features.fine for features in images), strict=True)
    both = MaskFeatures(torch.cat([features.grid for features in images]), tuple(map(torch.cat, fine)))
    predictions, drawn = decoder.decode_tokens(both, at), torch.tensor([1, 2, 4, 5])
    masks = decoder.upscale(both, select_prompts(predictions, drawn), at[drawn], every_token(4))
    alone = [decoder.decode_tokens(features, own) for features, own in zip(images, at.split(3), strict=True)]
    for found, features, own in zip(masks.split(2), images, at.split(3), strict=True):
        expected = decoder.upscale(features, decoder.decode_tokens(features, own), own, every_token(3))[1:]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert_same(predictions, join_predictions(alone))
    assert not torch.allclose(predictions.scores[:3], decoder.decode_tokens(images[1], at[:3]).scores, atol=1e-4)


def test_upscaling_chosen_tokens_equals_choosing_among_all_four(decoder: CompactDecoder) -> None:
    features = mask_features()
    predictions = decoder.decode_tokens(features, points(4))
    every = decoder.upscale(features, predictions, points(4), every_token(4))
    chosen = torch.tensor([[2, 0], [3, 3], [1, 2], [0, 1]])
    some = decoder.upscale(features, predictions, points(4), chosen)
    expected = torch.stack([every[row, tokens] for row, tokens in enumerate(chosen)])
    torch.testing.assert_close(some, expected, rtol=1e-4, atol=1e-5)


def test_the_four_masks_of_a_prompt_differ(decoder: CompactDecoder) -> None:
    features = mask_features()
    logits = decoder.upscale(features, decoder.decode_tokens(features, points(1)), points(1), every_token(1))[0]
    for first in range(4):
        for second in range(first):
            assert not torch.allclose(logits[first], logits[second], atol=1e-3)


def assert_same(first: TokenPredictions, second: TokenPredictions) -> None:
    for name, value in vars(first).items():
        torch.testing.assert_close(value, getattr(second, name), rtol=1e-4, atol=1e-5)


def test_the_point_is_seen_in_tokens_and_masks(decoder: CompactDecoder) -> None:
    features = mask_features()
    first, second = (decoder.decode_tokens(features, point[None]) for point in points(2))
    assert not torch.allclose(first.iou_token, second.iou_token, atol=1e-3)
    here, there = (decoder.upscale(features, first, point[None], every_token(1)) for point in points(2))
    assert not torch.allclose(here, there, atol=1e-3)  # same tokens, other point: the offsets enter


def test_selecting_and_joining_prompts_are_inverse(decoder: CompactDecoder) -> None:
    whole = decoder.decode_tokens(mask_features(), points(5))
    parts = [select_prompts(whole, torch.tensor(index)) for index in ([0, 1], [2], [3, 4])]
    for name, value in vars(join_predictions(parts)).items():
        expected = getattr(whole, name)
        assert value is expected if expected is None else torch.equal(value, expected), name
    swapped = select_prompts(whole, torch.tensor([3, 0]))
    assert torch.equal(swapped.scores, whole.scores[[3, 0]])


def test_positions_of_a_grid_are_those_of_its_cells_centres() -> None:
    torch.manual_seed(0)
    positions = FourierPositions(8)
    grid = positions.grid(2, 4)
    assert grid.shape == (8, 8)
    torch.testing.assert_close(grid[0], positions(torch.tensor([0.125, 0.25])))
    torch.testing.assert_close(grid[6], positions(torch.tensor([0.625, 0.75])))
    torch.testing.assert_close(grid.square().sum(dim=1), torch.full((8,), 4.0))  # sines and cosines of four angles

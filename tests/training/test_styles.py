"""Mixed styles: whose statistics a feature takes, and that nothing stays behind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from uois_sam.training.styles import mix_styles, mixed_styles


def two_images() -> Tensor:
    """(2, 1, 1, 2): one image of mean 1 and deviation 1, one of mean 10 and deviation 2."""
    return torch.tensor([[0.0, 2.0], [8.0, 12.0]]).view(2, 1, 1, 2)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([1.0, 1.0], [[0.0, 2.0], [8.0, 12.0]]),
        ([0.0, 0.0], [[8.0, 12.0], [0.0, 2.0]]),
        ([0.5, 1.0], [[4.0, 7.0], [8.0, 12.0]]),  # mean 5.5, deviation 1.5
    ],
)
def test_an_image_takes_on_a_share_of_anothers_mean_and_spread(kept: list[float], expected: list[list[float]]) -> None:
    mixed = mix_styles(two_images(), torch.tensor([1, 0]), torch.tensor(kept))
    torch.testing.assert_close(mixed.view(2, 2), torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_flat_features_stay_finite_and_half_precision_stays_half() -> None:
    flat = torch.full((2, 3, 4, 4), 5.0, dtype=torch.bfloat16)
    mixed = mix_styles(flat, torch.tensor([1, 0]), torch.tensor([0.3, 0.3]))
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed, flat)


def test_no_gradient_passes_through_the_statistics() -> None:
    features = two_images().requires_grad_(True)
    mix_styles(features, torch.tensor([1, 0]), torch.tensor([0.0, 0.0])).sum().backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad.flatten(), torch.tensor([2.0, 2.0, 0.5, 0.5]), rtol=1e-4, atol=1e-4)


def test_a_layer_mixes_within_the_context_only_and_as_its_seed_says() -> None:
    layer, images = nn.Identity(), torch.randn(6, 2, 3, 3)
    seen = []
    for _ in range(2):
        with mixed_styles(layer, 1.0, [4, 2]):
            seen.append(layer(images))
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)
    assert not torch.allclose(seen[0], images)
    assert layer(images) is images


def test_a_share_of_the_cases_is_mixed() -> None:
    layer, images, mixed = nn.Identity(), torch.randn(6, 2, 3, 3), 0
    for seed in range(200):
        with mixed_styles(layer, 0.3, [seed]):
            mixed += layer(images) is not images
    assert 40 <= mixed <= 80
    with mixed_styles(layer, 0.0, [0]):
        assert layer(images) is images


def test_the_layer_is_left_as_it_was_after_an_error() -> None:
    layer, images = nn.Identity(), torch.randn(2, 1, 2, 2)
    with pytest.raises(KeyboardInterrupt), mixed_styles(layer, 1.0, [0]):
        raise KeyboardInterrupt
    assert layer(images) is images

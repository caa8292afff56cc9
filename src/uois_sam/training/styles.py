"""Styles mixed between the images of a step (MixStyle, Zhou et al., arXiv 2104.02008).

The mean and spread of a feature's channels over an image carry its style: light, colour cast, how it was rendered. A
step in which images take on each other's teaches that objects do not depend on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

CONCENTRATION = 0.1
"""Both parameters of the Beta distribution of shares: most images keep their style or take the other's whole."""


def mix_styles(features: Tensor, order: Tensor, shares: Tensor) -> Tensor:
    """Give each image of a batch a mixture of its own style and another image's.

    Args:
        features: (B, C, H, W), floating point.
        order: (B,) int64; the image whose style each one takes from.
        shares: (B,) float32 in [0, 1]; how much of its own style each one keeps.

    Returns:
        (B, C, H, W) of the same dtype. Gradients do not pass through the statistics.
    """
    exact = features.float()
    with torch.no_grad():
        deviation, mean = torch.std_mean(exact, dim=(2, 3), keepdim=True, correction=0)
        deviation = deviation + 1e-6
        own = shares[:, None, None, None]
        new_mean, new_deviation = mean[order].lerp(mean, own), deviation[order].lerp(deviation, own)
    return ((exact - mean) / deviation * new_deviation + new_mean).to(features.dtype)


@contextmanager
def mixed_styles(layer: nn.Module, share: float, seed: list[int]) -> Iterator[None]:
    """While the context lasts, mix the styles of a layer's output in this share of the cases, drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    if not share or rng.random() >= share:
        yield
        return

    def mix(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        count, device = len(output), output.device
        order = torch.from_numpy(rng.permutation(count)).to(device)
        kept = torch.from_numpy(rng.beta(CONCENTRATION, CONCENTRATION, count).astype(np.float32)).to(device)
        return mix_styles(output, order, kept)

    handle = layer.register_forward_hook(mix)
    try:
        yield
    finally:
        handle.remove()

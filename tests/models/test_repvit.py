"""RepViT, written anew, against numbers that timm 1.0.31's gave for the same weights (timm needs torchvision)."""

from __future__ import annotations

import torch

from uois_sam.models.edgetam.repvit import RepViT
from uois_sam.models.unloaded import randomise, unloaded

OF_TIMM = [
    (-0.145418, 0.867418, -0.145293, -0.502611),
    (0.117519, 2.508919, -1.186376, 3.439228),
    (1.36274, 9.641953, 1.661799, -0.367098),
    (1.565594, 10.274808, 0.689821, -12.503004),
]
"""Of every stage: mean, standard deviation, and the values at [0, 1, 0, 1] and [0, -1, -1, -1]."""


def test_stages_are_those_of_timm() -> None:
    with unloaded("EdgeTAM"):
        network = RepViT((8, 16, 24, 32), (2, 1, 3, 1))
    randomise(network, seed=11)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        stages = network.eval()(pixels)
    assert [tuple(stage.shape) for stage in stages] == [(1, 8, 16, 16), (1, 16, 8, 8), (1, 24, 4, 4), (1, 32, 2, 2)]
    for stage, expected in zip(stages, OF_TIMM, strict=True):
        found = torch.stack([stage.mean(), stage.std(), stage[0, 1, 0, 1], stage[0, -1, -1, -1]])
        assert torch.allclose(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)

"""RepViT, written anew, against numbers that timm 1.0.31's gave for the same weights (timm needs torchvision)."""

from __future__ import annotations

import torch

from uois_sam.models.edgetam.repvit import RepViT
from uois_sam.models.unloaded import randomise, unloaded

OF_TIMM = [
    (-0.062292, 0.1367, -0.045591, -0.208519),
    (-0.035064, 0.10951, -0.256027, -0.045361),
    (-0.014105, 0.157987, -4.2e-05, -0.018972),
    (0.002965, 0.15723, -0.115003, -0.02729),
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
        assert torch.allclose(found, torch.tensor(expected), atol=1e-5, rtol=1e-4)

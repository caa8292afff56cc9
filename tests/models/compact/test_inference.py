"""Networks for inference compute what they were trained to, and leave the trained ones alone."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import uois_sam.models.compact.inference as fusing
from uois_sam import UOISSAM
from uois_sam.io.images import read_image
from uois_sam.models.compact.inference import CachedConv, FoldedAttention, fused
from uois_sam.models.compact.mask_decoder import Attention
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.interfaces import MaskFeatures

CPU = torch.device("cpu")
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def trained(tiny_model: CompactModel) -> CompactModel:
    """Norms that have seen something, so that folding them wrongly shows."""
    generator = torch.Generator().manual_seed(0)
    for module in tiny_model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low in ((module.weight, 0.5), (module.bias, -0.5), (module.running_mean, -0.5)):
                assert values is not None
                values.data = low + torch.rand(values.shape, generator=generator)
            module.running_var = 0.2 + torch.rand(module.num_features, generator=generator)
    return tiny_model.eval()


def maps(encoder: nn.Module, precision: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (3, 60, 80), generator=generator, dtype=torch.uint8)
    with torch.inference_mode(), torch.autocast("cpu", precision, enabled=precision != torch.float32):
        features = encoder(image)
    return [features.prompt_features, features.mask_features.grid, *features.mask_features.fine]


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("joint", [True, False], ids=["joint", "folded"])
def test_a_fused_encoder_is_the_same_function(
    trained: CompactModel, monkeypatch: pytest.MonkeyPatch, joint: bool
) -> None:
    if joint and not fusing._has_joint_convolutions(torch.float32):
        pytest.skip("this build of PyTorch has no joint convolutions")
    monkeypatch.setattr(fusing, "_has_joint_convolutions", lambda precision: joint)
    faster = fused(trained.encoder, CPU, torch.float32)
    assert norms(faster) == 0 < norms(trained.encoder)
    assert any(isinstance(module, fusing.JointResidual) for module in faster.modules()) == joint
    for found, expected in zip(maps(faster), maps(trained.encoder), strict=True):
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


def test_a_fused_prompt_generator_is_the_same_function(trained: CompactModel) -> None:
    features = torch.rand(1, trained.config.fine_width, 24, 32)
    with torch.inference_mode():
        expected, found = (hpg.predict(features) for hpg in (trained.hpg, fused(trained.hpg, CPU, torch.float32)))
    torch.testing.assert_close(found.heatmap, expected.heatmap, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.foreground_logits, expected.foreground_logits, atol=1e-5, rtol=1e-5)


def test_a_fused_decoder_is_the_same_function(trained: CompactModel) -> None:
    config = trained.config
    grid = torch.rand(1, config.width, 6, 8)
    fine = tuple(torch.rand(1, config.fine_width, 6 * step, 8 * step) for step in (2, 4))
    features, points = MaskFeatures(grid, fine), torch.rand(5, 2) * 90
    faster = fused(trained.decoder, CPU, torch.float32)
    assert sum(isinstance(module, FoldedAttention) for module in faster.modules()) == 2 * config.decoder_depth + 1
    with torch.inference_mode():
        expected, found = (decoder.decode_tokens(features, points) for decoder in (trained.decoder, faster))
        one = torch.zeros(5, 1, dtype=torch.long)
        masks = [decoder.upscale(features, expected, points, one) for decoder in (trained.decoder, faster, faster)]
    for name in ("iou_token", "mask_tokens", "scores", "image_state"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masks[1], masks[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masks[2], masks[1], atol=0, rtol=0)


def test_a_remembered_map_is_that_of_the_very_same_input_and_goes_with_it() -> None:
    convolution = nn.Conv2d(2, 2, 1)
    remembering = CachedConv(convolution)
    x, batch = torch.rand(1, 2, 4, 4), torch.rand(3, 2, 4, 4)
    with torch.inference_mode():
        first = remembering(x)
        assert remembering(x) is first and remembering(x.clone()) is not first
        assert torch.equal(first, convolution(x)) and torch.equal(remembering(batch), convolution(batch))
    assert len(remembering.given) == 1
    del x
    gc.collect()
    assert len(remembering.given) == 0


@pytest.mark.parametrize("shapes", [((5, 3), (5, 40)), ((5, 40), (5, 3)), ((1, 40), (5, 3)), ((5, 3), (1, 40))])
def test_regrouped_attention_is_attention(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    torch.manual_seed(0)
    plain = Attention(16, 2)
    q, k = (torch.randn(*shape, 16) for shape in shapes)
    v = torch.randn(*shapes[1], 16)
    with torch.inference_mode():
        torch.testing.assert_close(FoldedAttention(plain)(q, k, v), plain(q, k, v), atol=1e-6, rtol=1e-5)


def test_lower_precision_differs_by_rounding_only(trained: CompactModel) -> None:
    faster = fused(trained.encoder, CPU, torch.bfloat16)
    for found, expected in zip(maps(faster, torch.bfloat16), maps(trained.encoder), strict=True):
        assert (found.float() - expected).norm() < 0.03 * expected.norm()


def test_what_was_trained_stays_as_it_was(trained: CompactModel) -> None:
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    fused(trained.encoder, CPU, torch.float32)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_nothing_to_gain_is_no_copy(trained: CompactModel) -> None:
    assert fused(trained.hdnet, CPU, torch.float32) is trained.hdnet
    assert fused(None, CPU, torch.float32) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coffee.jpg", "scene_bin.jpg"])
def test_the_bundled_model_draws_the_same_masks_fused_or_not(name: str) -> None:
    """Asked of fast paths: a mean IoU of at least 0.995 with plain float32. This one does not differ at all."""
    fast = UOISSAM.from_pretrained("compact", device="cpu")
    assert fast.networks.saved is not None and fast.networks.precision == torch.float32
    plain = UOISSAM(fast.networks.saved, fast.card, fast.settings)
    photo = read_image(EXAMPLES / name)
    expected, found = plain.predict(photo), fast.predict(photo)
    assert len(found) == len(expected) > 0
    both = zip(found.masks, expected.masks, strict=True)
    assert np.mean([np.count_nonzero(a & b) / np.count_nonzero(a | b) for a, b in both]) > 0.9999
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)

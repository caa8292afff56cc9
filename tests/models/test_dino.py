"""DINOv2: features against transformers, and Meta's file format against an independent forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from random_official_weights import dinov2_shapes, random_tensors
from sam_references import dino_features
from tiny_base import DINOV2, TinyBase, random_photo
from uois_sam.checkpoints.key_mapping.dino import dinov2_for_transformers
from uois_sam.models.dino import DinoEncoder, DinoSize


@pytest.fixture
def encoder(tiny_base: TinyBase) -> DinoEncoder:
    """Tiny, random weights."""
    return tiny_base.load().encoder.dinov2  # type: ignore[attr-defined, no-any-return]


def official_forward(tensors: dict[str, Tensor], pixels: Tensor, heads: int, patch: int) -> Tensor:
    """Meta's architecture on Meta's names, written down anew: (1, tokens, C) after the last norm."""
    width = tensors["cls_token"].shape[-1]
    x = F.conv2d(pixels, tensors["patch_embed.proj.weight"], tensors["patch_embed.proj.bias"], stride=patch)
    grid, x = x.shape[-2:], x.flatten(2).transpose(1, 2)
    table = tensors["pos_embed"][:, 1:]
    side = round(table.shape[1] ** 0.5)
    table = F.interpolate(table.unflatten(1, (side, side)).permute(0, 3, 1, 2), grid, mode="bicubic")
    x = torch.cat([tensors["cls_token"] + tensors["pos_embed"][:, :1], x + table.flatten(2).transpose(1, 2)], dim=1)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (width,), tensors[f"{name}.weight"], tensors[f"{name}.bias"], eps=1e-6)

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    for index in range(sum(name.endswith("ls1.gamma") for name in tensors)):
        block = f"blocks.{index}"
        qkv = linear(f"{block}.attn.qkv", norm(f"{block}.norm1", x))
        q, k, v = qkv.unflatten(-1, (3, heads, width // heads)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * (width // heads) ** -0.5).softmax(-1)
        attended = (weights @ v).transpose(1, 2).flatten(2)
        x = x + tensors[f"{block}.ls1.gamma"] * linear(f"{block}.attn.proj", attended)
        hidden = F.gelu(linear(f"{block}.mlp.fc1", norm(f"{block}.norm2", x)))
        x = x + tensors[f"{block}.ls2.gamma"] * linear(f"{block}.mlp.fc2", hidden)
    return norm("norm", x)


@torch.inference_mode()
def test_features_from_metas_file_are_those_of_metas_architecture(tiny_base: TinyBase, encoder: DinoEncoder) -> None:
    image = random_photo()
    tokens = official_forward(
        torch.load(tiny_base.dinov2, weights_only=True), encoder.prepare(image), DINOV2.heads, DINOV2.patch
    )
    expected = tokens[:, 1:].transpose(1, 2).unflatten(2, (24, 32))
    assert expected.std() > 0.1
    assert (encoder(image) - expected).abs().max() <= 1e-4


def test_features_are_those_of_transformers(tiny_base: TinyBase) -> None:
    found, expected = dino_features(tiny_base.load().encoder.dinov2, random_photo(480, 640))  # type: ignore[attr-defined]
    assert found.shape == (1, DINOV2.width, 24, 32)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() <= 1e-4


def test_every_tensor_of_metas_file_is_used() -> None:
    tensors = random_tensors(dinov2_shapes(DINOV2), seed=0)
    wanted = DINOV2.build().state_dict()
    converted = dinov2_for_transformers(tensors, wanted)
    assert {name: value.shape for name, value in converted.items()} == {n: v.shape for n, v in wanted.items()}
    assert sum(value.numel() for value in converted.values()) == sum(value.numel() for value in tensors.values())


def test_vit_small_has_the_official_sizes() -> None:
    """Its parameters make the 88 283 115 bytes of dinov2_vits14_pretrain.pth, but for the file's own names."""
    shapes = dinov2_shapes(DinoSize())
    assert shapes["pos_embed"] == (1, 37 * 37 + 1, 384)
    assert 0 < 88_283_115 - 4 * sum(int(np.prod(shape)) for shape in shapes.values()) < 100_000
    wanted = DinoSize().build().state_dict()
    meta = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    assert {n: v.shape for n, v in dinov2_for_transformers(meta, wanted).items()} == {
        n: v.shape for n, v in wanted.items()
    }


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (20, 30)], ids=str)
def test_pixels_are_those_of_a_pillow_resize_to_within_a_level(encoder: DinoEncoder, size: tuple[int, int]) -> None:
    image = random_photo(*size)
    picture = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((448, 336), Image.Resampling.BILINEAR)
    levels = encoder.prepare(image) * encoder.std + encoder.mean
    difference = (levels[0].permute(1, 2, 0) - torch.from_numpy(np.asarray(picture, np.float32))).abs()
    assert difference.max() <= 1.01
    assert difference.mean() <= 0.05

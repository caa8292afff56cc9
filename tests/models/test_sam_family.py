"""SAM's successors at tiny sizes with random weights: our encoders and decoders against transformers' models."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from family_references import our_outputs, pixels_of, their_outputs
from sam_references import errors
from tiny_base import random_photo
from tiny_family import FAMILIES, points_for
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.geometry import Frame
from uois_sam.models.unloaded import randomise, unloaded

TOLERANCE = 1e-4

names = pytest.mark.parametrize("name", FAMILIES)


def networks_of(name: str) -> Any:
    """With random weights, the same for one name in every test."""
    networks = FAMILIES[name].sam.build()
    randomise(networks, seed=3)
    return networks.eval().requires_grad_(False)


@names
def test_outputs_are_those_of_transformers(name: str) -> None:
    size, networks = FAMILIES[name].sam, networks_of(name)
    encoder, decoder = size.assemble(networks)
    pixels = pixels_of(encoder, random_photo())
    points = points_for(pixels.shape[-1])
    ours, theirs = our_outputs(encoder, decoder, pixels, points), their_outputs(size, networks, pixels, points)
    assert theirs["masks"].shape == (5, 4, *theirs["masks"].shape[2:])
    assert theirs.keys() >= {"embedding", "IoU token", "mask tokens", "masks", "scores"}
    for quantity, error in errors(ours, theirs).items():
        assert error["reference_rms"] > 0.02, quantity
        assert error["largest_difference"] <= TOLERANCE, quantity


@names
def test_four_masks_differ_and_choosing_before_upscaling_gives_the_same(name: str) -> None:
    encoder, decoder = FAMILIES[name].sam.assemble(networks_of(name))
    features, frame = encoder(random_photo())
    points = points_for(frame.size_hw[0])
    predictions = decoder.decode_tokens(features, points)
    every = decoder.upscale(features, predictions, points, torch.arange(4).expand(len(points), 4))
    assert all((every[:, a] - every[:, b]).abs().max() > 1e-3 for a in range(4) for b in range(a))
    chosen = torch.tensor([[2], [0], [3], [1], [2]])
    found = decoder.upscale(features, predictions, points, chosen)
    assert torch.allclose(found, every.gather(1, chosen[..., None, None].expand(-1, -1, *every.shape[-2:])), atol=1e-5)
    none = decoder.decode_tokens(features, points[:0])
    assert decoder.upscale(features, none, points[:0], chosen[:0]).shape == (0, 1, *every.shape[-2:])


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "sam-hq-tiny"])
def test_the_photo_is_stretched_and_scores_are_shares(name: str) -> None:
    encoder, decoder = FAMILIES[name].sam.assemble(networks_of(name))
    features, frame = encoder(random_photo(40, 80))
    side = encoder.side  # type: ignore[attr-defined]
    assert frame == Frame.stretched((side, side))
    scores = decoder.decode_tokens(features, points_for(side)).scores
    assert ((scores > 0) & (scores < 1)).all()


@names
def test_lower_precision_gives_nearly_the_same(name: str) -> None:
    encoder, decoder = FAMILIES[name].sam.assemble(networks_of(name))
    points = points_for(encoder.side)  # type: ignore[attr-defined]
    photo = random_photo()
    exact = decoder.decode_tokens(encoder(photo)[0], points)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        features, _ = encoder(photo)
        found = decoder.decode_tokens(features, points)
        masks = decoder.upscale(features, found, points, torch.zeros(len(points), 1, dtype=torch.long))
    assert features.grid.dtype == masks.dtype == found.scores.dtype == torch.float32
    assert (found.scores - exact.scores).abs().max() < 0.1
    assert not torch.equal(found.scores, exact.scores)


@names
def test_networks_come_without_weights_until_loaded(name: str) -> None:
    assert all(parameter.is_meta for parameter in FAMILIES[name].sam.build().parameters())
    assert not any(buffer.is_meta for buffer in networks_of(name).buffers())


def test_a_torchvision_for_another_torch_is_told_in_one_line_and_other_failures_are_not_hidden() -> None:
    """Such as PyPI's, made for CUDA, beside torch's processor build: transformers cannot be imported then."""
    with (
        pytest.raises(UOISError, match="made for torch .*, found another .operator torchvision::nms does not") as told,
        unloaded("SAM 2.1"),
    ):
        raise RuntimeError("operator torchvision::nms does not exist")
    assert "\n" not in str(told.value) and str(told.value).startswith("SAM 2.1 needs transformers")
    with pytest.raises(UOISError, match="found another .operator torchvision::nms"), unloaded("SAM 2.1"):
        raise ModuleNotFoundError("Could not import") from RuntimeError("operator torchvision::nms does not exist")
    with pytest.raises(MissingExtraError, match="SAM 2.1 needs the package 'transformers'"), unloaded("SAM 2.1"):
        raise ImportError("no such name")
    with pytest.raises(RuntimeError, match="out of memory"), unloaded("SAM 2.1"):
        raise RuntimeError("out of memory")

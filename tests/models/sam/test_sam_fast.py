"""SAM's fast forward passes against transformers' own, and what they must not do."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tiny_base import SAM, TinyBase, random_photo
from uois_sam.benchmark.peers import build_transformers_sam
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.models.sam.attention import RelativePositions, attend_at_once, attend_by_rows, attend_folded
from uois_sam.models.sam.image_encoder import Windows
from uois_sam.models.sam.modules import SamImageEncoder, SamPointDecoder, SamSize
from uois_sam.models.unloaded import randomise
from uois_sam.runtime import device as runtime_device
from uois_sam.runtime.device import current_precision, inference_precision

CPU = torch.device("cpu")
DECODER = {"token_width": 16, "decoder_mlp": 32, "decoder_heads": 2, "iou_hidden": 24}
SIZES = {
    "padded windows": SamSize(32, 3, 2, (1,), 64, window=3, **DECODER),
    "windows that fit": SamSize(32, 3, 2, (1,), 64, window=2, **DECODER),
    "three heads, padding wider than a window's content": SamSize(36, 2, 3, (0,), 80, window=4, **DECODER),
    "one window around everything": SamSize(32, 2, 4, (0,), 48, window=5, **DECODER),
    "whole image in every layer": SamSize(32, 2, 2, (0, 1), 208, window=3, **DECODER),
    "windows in every layer": SamSize(32, 2, 2, (), 64, window=3, **DECODER),
}


@pytest.fixture(params=[True, False], ids=["in blocks", "at once"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as on a processor, and as on a GPU (there being none)."""
    monkeypatch.setattr(runtime_device, "in_small_blocks", lambda device: request.param)


def networks(size: SamSize, seed: int = 0) -> tuple[SamImageEncoder, SamPointDecoder, Any]:
    """Ours and transformers' model around the same random weights."""
    parts = size.build()
    randomise(parts, seed)
    for name, parameter in parts.named_parameters():
        if "rel_pos" in name:
            parameter.data.mul_(8)  # so that positions matter
    reference = build_transformers_sam(size, parts.state_dict())
    decoder = SamPointDecoder(parts["prompt_encoder"], parts["mask_decoder"])
    return SamImageEncoder(parts["vision_encoder"], size.image_side), decoder, reference


def pixels(size: SamSize, seed: int = 0) -> Tensor:
    return torch.randn(1, 3, size.image_side, size.image_side, generator=torch.Generator().manual_seed(seed))


def points(count: int, size: SamSize = SAM) -> Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(1)) * size.image_side


# --- attention


@pytest.mark.parametrize("side", [3, 5, 12])
@pytest.mark.parametrize("attend", [attend_folded, attend_by_rows, attend_at_once])
def test_every_way_to_attend_is_the_formula(attend: Any, side: int) -> None:
    """softmax(q k / sqrt(D) + bias) v, with the bias looked up number by number."""
    generator = torch.Generator().manual_seed(side)
    q, k, v = torch.randn(3, 2, side * side, 6, generator=generator).unbind(0)
    down, across = torch.randn(2, 2 * side - 1, 6, generator=generator).unbind(0)
    bias = torch.empty(2, side * side, side * side)
    for a in range(side * side):
        for b in range(side * side):
            rows, columns = a // side - b // side, a % side - b % side
            bias[:, a, b] = q[:, a] @ (down[rows + side - 1] + across[columns + side - 1])
    expected = (q @ k.transpose(1, 2) / 6**0.5 + bias).softmax(-1) @ v
    found = attend(q, k, v, RelativePositions.of(down, across))
    assert torch.allclose(found, expected, atol=1e-5)


def test_windows_hold_every_token_once_and_padding_where_the_grid_ends() -> None:
    windows = Windows.of(4, 3, CPU)
    assert windows.members.tolist()[1] == [3, 16, 16, 7, 16, 16, 11, 16, 16]
    assert windows.members.flatten()[windows.places].tolist() == list(range(16))
    assert int((windows.members == 16).sum()) == 36 - 16


# --- encoder


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_embeddings_are_those_of_transformers(size: SamSize) -> None:
    encoder, _, reference = networks(size)
    with inference_precision(CPU, torch.float32):
        found, expected = encoder.embed(pixels(size)), reference.vision_encoder(pixels(size))[0]
    assert found.dtype == torch.float32
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 5e-5


@pytest.mark.usefixtures("_both_ways")
def test_bfloat16_is_no_further_from_float32_than_autocast_is() -> None:
    size = SIZES["padded windows"]
    encoder, _, reference = networks(size)
    with inference_precision(CPU, torch.float32):
        exact = reference.vision_encoder(pixels(size))[0]
    with inference_precision(CPU, torch.bfloat16):
        found, theirs = encoder.embed(pixels(size)), reference.vision_encoder(pixels(size))[0]
    assert found.dtype == torch.float32
    assert 0 < (found - exact).square().mean() < 1.2 * (theirs - exact).square().mean()


# --- decoder


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("count", [1, 2, 5])
def test_masks_and_scores_are_those_of_transformers(count: int) -> None:
    _, decoder, reference = networks(SAM)
    features = MaskFeatures(torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(2)))
    with inference_precision(CPU, torch.float32):
        predictions = decoder.decode_tokens(features, points(count))
        masks = decoder.upscale(features, predictions, points(count), torch.tensor([[1, 2, 3]]).expand(count, 3))
        theirs = reference(
            image_embeddings=features.grid, input_points=points(count)[None, :, None], multimask_output=True
        )
    assert theirs.pred_masks.std() > 0.05
    assert (masks - theirs.pred_masks[0]).abs().max() < 1e-5
    assert (predictions.scores[:, 1:] - theirs.iou_scores[0]).abs().max() < 1e-5


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_prompts_do_not_know_of_each_other(precision: torch.dtype) -> None:
    _, decoder, _ = networks(SAM)
    features, five = MaskFeatures(torch.randn(1, 16, 4, 4)), points(5)
    with inference_precision(CPU, precision):
        together = decoder.decode_tokens(features, five)
        alone = [decoder.decode_tokens(features, five[i : i + 1]) for i in range(5)]
    tolerance = 1e-5 if precision == torch.float32 else 0.05
    for name in ("iou_token", "mask_tokens", "scores", "image_state"):
        joined = torch.cat([getattr(one, name) for one in alone])
        assert torch.allclose(getattr(together, name).float(), joined.float(), atol=tolerance)


def test_no_prompts_give_no_predictions() -> None:
    _, decoder, _ = networks(SAM)
    features = MaskFeatures(torch.randn(1, 16, 4, 4))
    predictions = decoder.decode_tokens(features, points(0))
    assert predictions.scores.shape == (0, 4)
    assert predictions.image_state.shape == (0, 16, 4, 4)
    chosen = torch.zeros(0, 2, dtype=torch.long)
    assert decoder.upscale(features, predictions, points(0), chosen).shape == (0, 2, 16, 16)


def test_the_embedding_is_not_written_to() -> None:
    _, decoder, _ = networks(SAM)
    features = MaskFeatures(torch.randn(1, 16, 4, 4))
    before = features.grid.clone()
    first, second = (decoder.decode_tokens(features, points(1)) for _ in range(2))
    assert torch.equal(features.grid, before)
    assert torch.equal(first.image_state, second.image_state)


# --- the whole, in bfloat16


@pytest.fixture(scope="module")
def fitted() -> tuple[SamImageEncoder, SamPointDecoder, Tensor, Tensor]:
    """A tiny SAM that has learnt the halves of one photo by heart: masks with margins, as trained ones have.

    Random weights make noise around zero, where any rounding turns cells.

    Returns:
        Encoder, decoder, the photo's pixels, and points.
    """
    encoder, decoder, reference = networks(SAM)
    decoder.prompt_encoder.shared_embedding.positional_embedding.data.mul_(0.3)  # few points have to do
    inputs, where = pixels(SAM), points(24)
    half = where[:, 0] // 32
    truth = (half[:, None] == torch.arange(16) // 8).float()[:, None, None].expand(-1, 3, 16, -1)
    with torch.no_grad():
        embedding = reference.vision_encoder(inputs)[0]
    optimiser = torch.optim.Adam(reference.mask_decoder.parameters(), lr=1e-2)
    for _ in range(80):
        out = reference(image_embeddings=embedding, input_points=where[None, :, None], multimask_output=True)
        loss = F.binary_cross_entropy_with_logits(out.pred_masks[0], truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    decoder.mask_decoder.load_state_dict(reference.mask_decoder.state_dict())
    return encoder, decoder, inputs, where


@pytest.mark.usefixtures("_both_ways")
def test_masks_in_bfloat16_are_those_of_float32(
    fitted: tuple[SamImageEncoder, SamPointDecoder, Tensor, Tensor],
) -> None:
    encoder, decoder, inputs, where = fitted
    masks = {}
    for precision in (torch.float32, torch.bfloat16):
        with inference_precision(CPU, precision):
            features = MaskFeatures(encoder.embed(inputs))
            predictions = decoder.decode_tokens(features, where)
            three = torch.arange(1, 4).expand(len(where), 3)
            masks[precision] = decoder.upscale(features, predictions, where, three) > 0
    exact, found = masks[torch.float32], masks[torch.bfloat16]
    assert 0.3 < exact.float().mean() < 0.7  # about half
    iou = (exact & found).flatten(2).sum(2) / (exact | found).flatten(2).sum(2)
    assert iou.mean() >= 0.995


# --- state


def test_photos_of_other_sizes_in_between_change_nothing(tiny_base: TinyBase) -> None:
    base = tiny_base.load("bfloat16")
    with base.computing():
        fresh = [base.encoder(random_photo(*size)).mask_features.grid for size in ((50, 70), (90, 40), (50, 70))]
    assert torch.equal(fresh[0], fresh[2])
    assert not torch.equal(fresh[0], fresh[1])


def test_preparing_leaves_the_identity_of_the_weights(tiny_base: TinyBase) -> None:
    base = tiny_base.load("bfloat16")
    before = tiny_base.load().sha256
    with base.computing():
        base.decoder.decode_tokens(base.encoder(random_photo()).mask_features, points(3))
    assert base.sha256 == before


def test_weights_that_change_are_prepared_anew() -> None:
    encoder, _, _ = networks(SAM)
    other, _, _ = networks(SAM, seed=7)
    first, wanted = encoder.embed(pixels(SAM)), other.embed(pixels(SAM))
    encoder.vision_encoder.load_state_dict(other.vision_encoder.state_dict())
    assert not torch.equal(first, wanted)
    assert torch.equal(encoder.embed(pixels(SAM)), wanted)


def test_precisions_take_turns() -> None:
    encoder, _, _ = networks(SAM)
    found = []
    for precision in (torch.float32, torch.bfloat16, torch.float32):
        with inference_precision(CPU, precision):
            assert current_precision(CPU) == precision
            found.append(encoder.embed(pixels(SAM)))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])


def test_what_comes_out_needs_no_gradients() -> None:
    encoder, decoder, _ = networks(SAM)
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    features = MaskFeatures(encoder.embed(pixels(SAM)))
    predictions = decoder.decode_tokens(features, points(2))
    masks = decoder.upscale(features, predictions, points(2), torch.zeros(2, 1, dtype=torch.long))
    assert not any(tensor.requires_grad for tensor in (features.grid, predictions.scores, masks))


def test_copies_and_pickles_carry_no_prepared_weights() -> None:
    encoder, _, _ = networks(SAM)
    expected, size = encoder.embed(pixels(SAM)), len(pickle.dumps(encoder.vision_encoder))
    assert len(pickle.dumps(encoder)) < 1.2 * size
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(twin.embed(pixels(SAM)), expected)
        twin.vision_encoder.get_parameter("pos_embed").data.zero_()
        assert torch.equal(encoder.embed(pixels(SAM)), expected)

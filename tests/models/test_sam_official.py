"""Meta's own SAM modules (package segment-anything) against ours, on the same file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch

from random_official_weights import sam_shapes
from tiny_base import SAM, TinyBase, random_photo
from uois_sam.bases import BASES
from uois_sam.geometry import Frame
from uois_sam.models.layouts import sam_for_transformers
from uois_sam.models.sam import SamSize, build_sam

pytestmark = pytest.mark.slow
POINTS = torch.tensor([[3.0, 4.0], [20.5, 30.0], [63.0, 0.0], [31.5, 31.5]])


@pytest.fixture
def official() -> Iterator[ModuleType]:
    """``segment_anything.modeling``, without the package's own start, which imports torchvision for other parts."""
    spec = importlib.util.find_spec("segment_anything")
    assert spec is not None and spec.submodule_search_locations is not None, "pip install 'uois-sam[parity]'"
    package = ModuleType("segment_anything")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["segment_anything"] = package
    yield importlib.import_module("segment_anything.modeling")
    for name in [name for name in sys.modules if name.split(".")[0] == "segment_anything"]:
        del sys.modules[name]


def build_official(modeling: Any, size: SamSize) -> Any:
    """Meta's model at any size, as its ``build_sam`` puts it together."""
    grid = size.image_side // size.patch
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            depth=size.layers, embed_dim=size.width, img_size=size.image_side, mlp_ratio=4, num_heads=size.heads,
            norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6), patch_size=size.patch, qkv_bias=True,
            use_rel_pos=True, global_attn_indexes=size.global_layers, window_size=size.window,
            out_chans=size.token_width,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=size.token_width, image_embedding_size=(grid, grid),
            input_image_size=(size.image_side, size.image_side), mask_in_chans=16,
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=3, transformer_dim=size.token_width, iou_head_depth=3,
            iou_head_hidden_dim=size.iou_hidden,
            transformer=modeling.TwoWayTransformer(
                depth=2, embedding_dim=size.token_width, mlp_dim=size.decoder_mlp, num_heads=size.decoder_heads
            ),
        ),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("name", ["sam-vit-b", "sam-vit-l", "sam-vit-h"])
def test_our_random_files_have_the_names_and_shapes_of_the_official_ones(official: ModuleType, name: str) -> None:
    size = BASES[name].sam
    with torch.device("meta"):
        expected = {key: tuple(value.shape) for key, value in build_official(official, size).state_dict().items()}
    assert sam_shapes(size) == expected
    wanted = {key: tuple(value.shape) for key, value in build_sam(size).state_dict().items()}
    meta = {key: torch.empty(shape, device="meta") for key, shape in expected.items()}
    assert {key: tuple(value.shape) for key, value in sam_for_transformers(meta).items()} == wanted


@pytest.mark.parametrize("name", ["sam-vit-b", "sam-vit-l", "sam-vit-h"])
def test_listed_parameter_counts_are_true(name: str) -> None:
    from random_official_weights import dinov2_shapes

    spec = BASES[name]
    shapes = [*sam_shapes(spec.sam).values(), *dinov2_shapes(spec.dinov2).values()]
    millions = sum(torch.Size(shape).numel() for shape in shapes) / 1e6
    assert abs(millions - spec.millions) < 1


@torch.inference_mode()
def test_a_file_loads_into_both_and_gives_the_same_masks_and_scores(official: ModuleType, tiny_base: TinyBase) -> None:
    theirs = build_official(official, SAM)
    theirs.load_state_dict(torch.load(tiny_base.sam, weights_only=True))
    ours, image = tiny_base.load(), random_photo()
    frame = Frame.padded((50, 70), SAM.image_side)
    resized = torch.round(ours.encoder.sam.prepare(image, frame) * theirs.pixel_std + theirs.pixel_mean)  # type: ignore[attr-defined]
    pixels = theirs.preprocess(resized[..., : frame.content_hw[0], : frame.content_hw[1]])
    assert torch.allclose(pixels, ours.encoder.sam.prepare(image, frame), atol=1e-5)  # type: ignore[attr-defined]
    embedding = theirs.image_encoder(pixels)
    features = ours.encoder(image).mask_features
    assert (features.grid - embedding).abs().max() <= 1e-4
    sparse, dense = theirs.prompt_encoder((POINTS[:, None], torch.ones(len(POINTS), 1)), None, None)
    masks, scores = theirs.mask_decoder.predict_masks(embedding, theirs.prompt_encoder.get_dense_pe(), sparse, dense)
    predictions = ours.decoder.decode_tokens(features, POINTS)
    found = ours.decoder.upscale(features, predictions, POINTS, torch.arange(4).expand(len(POINTS), 4))
    assert masks.abs().mean() > 0.05
    assert (found - masks).abs().max() <= 1e-4
    assert (predictions.scores - scores).abs().max() <= 1e-4

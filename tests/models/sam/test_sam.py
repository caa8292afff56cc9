"""SAM: our decode against transformers' model, our pre-processing against Pillow's resize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sam_references import (
    errors,
    meta_pixels,
    our_pixels,
    our_prompted,
    our_sam,
    transformers_prompted,
    transformers_sam,
)
from tiny_base import DINOV2, NAME, SAM, TinyBase, random_photo
from uois_sam.benchmark.peers import build_transformers_sam
from uois_sam.checkpoints.loading import load_base
from uois_sam.geometry import Frame
from uois_sam.models.interfaces import ObjectPrompts
from uois_sam.models.networks import Networks
from uois_sam.models.sam.modules import PIXEL_STD, SamPointDecoder

POINTS = torch.tensor([[3.0, 4.0], [20.5, 30.0], [63.0, 0.0], [-0.5, 45.5], [31.5, 31.5]])
TOLERANCE = 1e-4
PROMPT_KINDS = ("point", "points", "box", "box and points", "mask", "all")


def prompts_of(kind: str) -> ObjectPrompts:
    """Five prompts of a kind."""
    labels = torch.tensor([[1, 1, 0]]).expand(5, -1)
    several = torch.stack([POINTS, POINTS + 2.5, 60 - POINTS], dim=1)
    boxes = torch.cat([POINTS - 4, POINTS + 4], dim=1)
    masks = 8 * torch.randn((5, 16, 16), generator=torch.Generator().manual_seed(1))
    return {
        "point": ObjectPrompts.of_points(POINTS),
        "points": ObjectPrompts(several, labels),
        "box": ObjectPrompts(several[:, :0], labels[:, :0], boxes),
        "box and points": ObjectPrompts(several, labels, boxes),
        "mask": ObjectPrompts(several[:, :1], labels[:, :1], None, masks),
        "all": ObjectPrompts(several, labels, boxes, masks),
    }[kind]


@pytest.fixture
def base(tiny_base: TinyBase) -> Networks:
    """A tiny base with random weights, float32."""
    return tiny_base.load()


@pytest.fixture
def reference(tiny_base: TinyBase) -> Any:
    """transformers' own model with the same weights."""
    return build_transformers_sam(SAM, torch.load(tiny_base.sam, weights_only=True))


def test_masks_and_scores_are_those_of_transformers(base: Networks, reference: Any) -> None:
    ours = our_sam(base, random_photo(), POINTS)
    theirs = transformers_sam(reference, our_pixels(base, random_photo()), POINTS)
    assert theirs["masks"].shape == (5, 4, 16, 16)
    for name, error in errors(ours, theirs).items():
        assert error["reference_rms"] > 0.05, name
        assert error["largest_difference"] <= TOLERANCE, name


@pytest.mark.parametrize("kind", PROMPT_KINDS)
def test_boxes_points_and_masks_as_prompts_are_those_of_transformers(base: Networks, reference: Any, kind: str) -> None:
    prompts = prompts_of(kind)
    ours = our_prompted(base, random_photo(), prompts)
    theirs = transformers_prompted(reference, our_pixels(base, random_photo()), prompts)
    assert theirs["masks"].shape == (5, 4, 16, 16)
    for name, error in errors(ours, theirs).items():
        assert error["reference_rms"] > 0.05, name
        assert error["largest_difference"] <= TOLERANCE, name


def test_what_is_prompted_matters(base: Networks) -> None:
    """No kind of prompt is ignored, and the order of the points of a prompt is none of its meaning."""
    found = {kind: our_prompted(base, random_photo(), prompts_of(kind))["masks"] for kind in PROMPT_KINDS}
    for kind, masks in found.items():
        for other, others in found.items():
            assert kind == other or not torch.allclose(masks, others, atol=1e-3), (kind, other)
    several = prompts_of("points")
    turned = ObjectPrompts(several.points_xy.flip(1), several.labels.flip(1))
    assert torch.allclose(our_prompted(base, random_photo(), turned)["masks"], found["points"], atol=1e-4)


@pytest.mark.parametrize("kind", PROMPT_KINDS)
def test_prompts_do_not_see_each_other(base: Networks, kind: str) -> None:
    prompts = prompts_of(kind)
    together = our_prompted(base, random_photo(), prompts)["masks"]
    alone = torch.cat([our_prompted(base, random_photo(), prompts[row : row + 1])["masks"] for row in range(5)])
    assert torch.allclose(together, alone, atol=1e-5)
    none = our_prompted(base, random_photo(), prompts[:0])
    assert none["masks"].shape == (0, 4, 16, 16)


def test_points_alone_are_prompts_of_one_point(base: Networks) -> None:
    points = our_sam(base, random_photo(), POINTS)
    prompted = our_prompted(base, random_photo(), ObjectPrompts.of_points(POINTS))
    assert torch.equal(points["masks"], prompted["masks"])


def test_prompts_that_say_nothing_or_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="points or boxes"):
        ObjectPrompts(torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.long))
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        ObjectPrompts(POINTS[:2, None], torch.ones(2, 1, dtype=torch.long), torch.zeros(3, 4))


def test_an_anchor_is_the_first_point_or_the_middle_of_the_box() -> None:
    assert torch.equal(prompts_of("points").anchors_xy, POINTS)
    assert torch.equal(prompts_of("box").anchors_xy, POINTS)


def test_choosing_masks_before_upscaling_gives_the_same_masks(base: Networks) -> None:
    features = base.encoder(random_photo()).mask_features
    predictions = base.decoder.decode_tokens(features, POINTS)
    every = base.decoder.upscale(features, predictions, POINTS, torch.arange(4).expand(len(POINTS), 4))
    chosen = torch.tensor([[2], [0], [3], [1], [2]])
    found = base.decoder.upscale(features, predictions, POINTS, chosen)
    assert torch.allclose(found, every.gather(1, chosen[..., None, None].expand(-1, -1, 16, 16)), atol=1e-6)


def test_shapes_are_those_of_the_contract(base: Networks) -> None:
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
        sparse, _, positions = decoder._embed(ObjectPrompts.of_points(POINTS), torch.zeros(1, 16, 4, 4))
    exact, _, exact_positions = decoder._embed(ObjectPrompts.of_points(POINTS), torch.zeros(1, 16, 4, 4))
    assert torch.equal(sparse, exact)
    assert torch.equal(positions, exact_positions)


# --- pre-processing

SIZES = [(480, 640), (640, 480), (1024, 1024), (2000, 1500), (333, 97), (1, 1), (3, 900)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pixels_are_those_of_the_official_resize_to_within_a_level(base: Networks, size: tuple[int, int]) -> None:
    image = random_photo(*size)
    difference = our_pixels(base, image) - meta_pixels(image, SAM.image_side)
    levels = difference.abs() * torch.tensor(PIXEL_STD)[:, None, None]
    assert levels.max() <= 1.01
    assert levels.mean() <= 0.05


# --- networks


def test_networks_come_without_weights_until_loaded() -> None:
    assert all(parameter.is_meta for parameter in SAM.build().parameters())


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
    same, wanted = (our_sam(base, random_photo(), POINTS) for base in (found, expected))
    assert all(torch.equal(same[name], value) for name, value in wanted.items())

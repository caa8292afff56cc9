"""The central economy: choosing one of four masks from its score, before any is upscaled, changes no result.

The naive order makes all four masks of every prompt and chooses afterwards. Both run in double precision, so that no
logit is carried over zero by the rounding of differently batched sums, and "identical" can mean identical.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from predictions import join_predictions
from uois_sam.geometry import map_points, resize_logits
from uois_sam.models.compact.mask_decoder import CompactDecoder
from uois_sam.models.decoding import PROMPT_CHUNK, make_scorer
from uois_sam.models.interfaces import MaskFeatures, PointDecoder
from uois_sam.pipeline import UOISSAM, EncodedImage
from uois_sam.types import Candidates, TokenPredictions

LOOSE = {"prompts": "grid", "grid_side": 12, "max_area_fraction": 0.9, "nms_iou": 0.8, "region_fraction": 0.0}
"""Settings under which a random model still yields a good number of instances."""


@dataclass
class Noting:
    """The decoder, noting for which tokens masks were made."""

    decoder: PointDecoder
    upscaled: list[Tensor] = field(default_factory=list)

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        return self.decoder.decode_tokens(features, points_xy)

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        self.upscaled.append(token_index)
        return self.decoder.upscale(features, predictions, points_xy, token_index)


@pytest.fixture
def scene(tiny_pipeline: UOISSAM) -> Iterator[EncodedImage]:
    """A photo of noise, encoded; the decoder notes what it upscales."""
    parts = tiny_pipeline.networks
    for module in parts.modules():
        module.double()
    assert isinstance(parts.decoder, CompactDecoder)
    parts.decoder.point_look.float()  # features are looked up in single precision
    model = UOISSAM(replace(parts, decoder=Noting(parts.decoder)), tiny_pipeline.card, tiny_pipeline.settings)
    photo = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            yield model.encode_image(photo)
    finally:
        torch.set_default_dtype(usual)


@dataclass(frozen=True)
class Naive:
    """What the naive order finds; order of the lists: the prompts that reach the threshold."""

    prompts: list[int]
    tokens: list[int]
    scores: list[float]
    logits: Tensor
    """(K, h, w)"""


def naive_order(scene: EncodedImage) -> Naive:
    """Upscale all four masks of every prompt, take the argmax of the scores, then drop what misses the threshold."""
    features = scene.features.mask_features
    points = points_in_mask_frame(scene)
    chunks = points.split(PROMPT_CHUNK)
    predictions = join_predictions([scene.networks.decoder.decode_tokens(features, chunk) for chunk in chunks])
    every = torch.arange(4).expand(len(points), -1)
    logits = scene.networks.decoder.upscale(features, predictions, points, every)
    assert scene.networks.hdnet is not None
    scores = scene.networks.hdnet(predictions) if scene.settings.scores == "hdnet" else predictions.scores
    best = scores.argmax(dim=1).tolist()
    kept = [row for row, token in enumerate(best) if scores[row, token] >= scene.settings.score_threshold]
    tokens = [best[row] for row in kept]
    return Naive(kept, tokens, [float(scores[row, best[row]]) for row in kept], logits[kept, tokens])


def points_in_mask_frame(scene: EncodedImage) -> Tensor:
    frame = scene.features.mask_frame
    assert frame.content_hw == frame.size_hw  # compact's frame is stretched: no padding to cut below
    return map_points(scene.prompts.points_xy, tuple(scene.maps.heatmap.shape[-2:]), frame.content_hw)  # type: ignore[arg-type]


def naive_selection(scene: EncodedImage, found: Naive) -> list[int]:
    """Which rows of the candidates survive area filter and suppression, best first."""
    masks = (found.logits > 0).numpy()
    kept: list[int] = []
    for row in sorted(range(len(masks)), key=lambda row: -found.scores[row]):
        fits = 0 < masks[row].mean(dtype=np.float32) <= scene.settings.max_area_fraction
        overlaps = ((masks[row] & masks[k]).sum() / (masks[row] | masks[k]).sum() for k in kept)
        if fits and all(overlap <= scene.settings.nms_iou for overlap in overlaps):
            kept.append(row)
    return kept


def candidates(scene: EncodedImage, points_xy: Tensor) -> Candidates:
    return make_scorer(scene.networks, scene.settings).candidates(scene.features.mask_features, scene.maps, points_xy)


@pytest.mark.parametrize("scores", ["sam", "hdnet"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_choosing_before_upscaling_equals_choosing_afterwards(scene: EncodedImage, scores: str, share: float) -> None:
    """For thresholds that drop none, half, most and all of 144 prompts."""
    scene = scene.with_settings(scores=scores, score_threshold=-float("inf"), **LOOSE)
    assert len(scene.prompts) == 144 > 2 * PROMPT_CHUNK
    # Random networks score above 1, where settings allow no threshold.
    object.__setattr__(scene.settings, "score_threshold", threshold_dropping(naive_order(scene), share))
    expected = naive_order(scene)
    assert len(expected.prompts) == pytest.approx(144 * (1 - share), abs=2)

    found = candidates(scene, points_in_mask_frame(scene))
    assert found.prompt_index.tolist() == expected.prompts
    assert found.token_index.tolist() == expected.tokens
    assert found.scores.tolist() == expected.scores
    if expected.prompts:
        torch.testing.assert_close(found.mask_logits, expected.logits, rtol=0, atol=1e-5)
        assert torch.equal(found.mask_logits > 0, expected.logits > 0)

    rows = naive_selection(scene, expected)
    assert len(rows) >= 2 or share > 0.9
    instances = scene.predict()
    assert len(instances) == len(rows)
    masks = torch.stack([resize(scene, expected.logits[row]) > 0 for row in rows]) if rows else torch.zeros(0, 60, 90)
    assert torch.equal(torch.from_numpy(instances.masks), masks.bool())
    assert instances.scores.tolist() == [min(1.0, max(0.0, expected.scores[row])) for row in rows]
    points = scene.prompts.points_xy[[expected.prompts[row] for row in rows]]
    expected_points = map_points(points, (96, 128), (60, 90))
    torch.testing.assert_close(torch.from_numpy(instances.points), expected_points, rtol=0, atol=1e-3)


def resize(scene: EncodedImage, logits: Tensor) -> Tensor:
    return resize_logits(logits[None], scene.features.mask_frame, scene.image_hw)[0]


def threshold_dropping(found: Naive, share: float) -> float:
    """A score that this share of the prompts stays below; halfway between two scores, or beyond them all."""
    ranked = sorted(found.scores)
    index = round(share * len(ranked))
    if index in (0, len(ranked)):
        return ranked[0] - 1 if index == 0 else ranked[-1] + 1
    return (ranked[index - 1] + ranked[index]) / 2


def test_only_masks_that_reach_the_threshold_are_ever_upscaled(scene: EncodedImage) -> None:
    scene = scene.with_settings(scores="hdnet", score_threshold=-float("inf"), **LOOSE)
    scene = scene.with_settings(score_threshold=threshold_dropping(naive_order(scene), 0.9))
    expected = naive_order(scene)
    decoder = scene.networks.decoder
    assert isinstance(decoder, Noting)
    decoder.upscaled.clear()
    scene.predict()
    assert torch.cat(decoder.upscaled).flatten().tolist() == expected.tokens


def test_in_single_precision_the_logits_agree_to_1e_5(tiny_pipeline: UOISSAM) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    scene = tiny_pipeline.with_settings(score_threshold=-10, **LOOSE).encode_image(photo)
    with torch.inference_mode():
        expected = naive_order(scene)
        found = candidates(scene, points_in_mask_frame(scene))
    assert found.prompt_index.tolist() == expected.prompts == list(range(144))
    assert found.token_index.tolist() == expected.tokens
    torch.testing.assert_close(found.mask_logits, expected.logits, rtol=0, atol=1e-5)


def test_a_prompts_mask_does_not_depend_on_its_chunk(scene: EncodedImage) -> None:
    """Prompts decoded among 144 and among 10 are the same."""
    scene = scene.with_settings(score_threshold=-float("inf"), **LOOSE)
    points = points_in_mask_frame(scene)
    many, few = candidates(scene, points), candidates(scene, points[60:70])
    assert torch.equal(many.token_index[60:70], few.token_index)
    torch.testing.assert_close(many.mask_logits[60:70], few.mask_logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(many.scores[60:70], few.scores, rtol=0, atol=1e-6)


def test_settings_of_one_scene_share_its_encoding(scene: EncodedImage) -> None:
    other = scene.with_settings(scores="sam")
    assert other.features is scene.features
    assert other.settings == replace(scene.settings, scores="sam")

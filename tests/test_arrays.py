"""Every step between the networks gives of NumPy arrays what it gives of tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from uois_sam import arrays
from uois_sam.arrays import to_numpy
from uois_sam.config import InferenceConfig
from uois_sam.geometry import Frame, look_at_part, map_points
from uois_sam.models.clicks import Clicks, Drawn, combine
from uois_sam.models.compact.evidence import measure_masks
from uois_sam.models.decoding import choose_drawn
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.models.postprocess import count_too_large, draw_masks, select
from uois_sam.models.prompts import make_prompts
from uois_sam.types import PromptMaps, TokenPredictions

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15, deadline=None)


def numbers(seed: int) -> Callable[..., np.ndarray[Any, np.dtype[np.float32]]]:
    return lambda *shape: np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def smooth(seed: int, *shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Blobs rather than noise, with margins around zero so that rounding turns no cell."""
    coarse = torch.from_numpy(numbers(seed)(shape[0], 1, 5, 6))
    maps = torch.nn.functional.interpolate(coarse, shape[1:], mode="bicubic")[:, 0].numpy()
    return np.where(np.abs(maps) < 1e-3, 1e-3, 4 * maps).astype(np.float32)


def same(found: Any, expected: Any) -> None:
    """The values of a NumPy result are those of a tensor's, field by field."""
    if is_dataclass(expected):
        for field in fields(expected):
            same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, tuple):
        for mine, other in zip(found, expected, strict=True):
            same(mine, other)
    elif isinstance(expected, torch.Tensor):
        assert isinstance(found, (np.ndarray, np.generic))
        assert found.dtype == to_numpy(expected).dtype
        np.testing.assert_allclose(found, to_numpy(expected), atol=2e-5, rtol=1e-4)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-5)


def both(call: Callable[[Callable[[Any], Any]], Any]) -> None:
    """Call with a maker of arrays and with one of tensors."""
    same(call(lambda x: x), call(torch.from_numpy))


@FEW
@given(SEEDS, st.sampled_from(["mask", "box"]))
def test_selection(seed: int, nms: Any) -> None:
    masks, scores = smooth(seed, 12, 20, 26) > 0, numbers(seed)(12)
    where = smooth(seed + 1, 1, 20, 26)[0] > 0
    config = InferenceConfig(nms=nms, max_area_fraction=0.4)
    both(lambda of: select(of(masks), of(scores), config, where, 0.5))
    both(lambda of: count_too_large(of(masks), of(scores), config, None, 0.5))


@FEW
@given(SEEDS)
def test_choice_votes_and_cleaning(seed: int) -> None:
    logits, scores = smooth(seed, 24, 20, 26).reshape(6, 4, 20, 26), numbers(seed)(6, 4)
    config = InferenceConfig(score_threshold=0.3, vote_iou=0.4, region_fraction=0.1)
    both(lambda of: choose_drawn(of(logits), of(scores), config))


@FEW
@given(SEEDS, st.sampled_from(["heatmap", "grid", "foreground-grid"]))
def test_prompts(seed: int, mode: Any) -> None:
    logits, heat = smooth(seed, 2, 33, 40), smooth(seed + 1, 1, 33, 40)
    where = smooth(seed + 2, 1, 33, 40)[0] > 0
    config = InferenceConfig(prompts=mode, grid_side=7, max_prompts=3)
    both(lambda of: make_prompts(PromptMaps(of(logits), of(heat)), config, where))


@FEW
@given(SEEDS)
def test_evidence(seed: int) -> None:
    draw, logits = numbers(seed), smooth(seed, 20, 20, 28).reshape(5, 4, 20, 28)
    maps, heat = smooth(seed + 1, 2, 80, 112), smooth(seed + 2, 1, 80, 112)
    points = np.abs(draw(5, 2) * 40).clip(0, 79)
    grid, fine, tokens, iou_token, scores = draw(1, 8, 5, 7), draw(1, 6, 20, 28), draw(5, 4, 8), draw(5, 8), draw(5, 4)

    def measured(of: Callable[[Any], Any]) -> Any:
        predictions = TokenPredictions(of(iou_token), of(tokens), of(scores), of(scores))
        features = MaskFeatures(of(grid), (of(fine),))
        return measure_masks(features, PromptMaps(of(maps), of(heat)), predictions, of(logits), of(points))

    both(measured)


@FEW
@given(SEEDS, st.booleans())
def test_clicks(seed: int, boxed: bool) -> None:
    soft = 1 / (1 + np.exp(-smooth(seed, 14, 20, 26)))
    scores, foreground = numbers(seed)(14), 1 / (1 + np.exp(-smooth(seed + 1, 1, 20, 26)[0]))
    on, beside = np.array([[9.5, 8.5], [14.5, 10.5]], np.float32), np.array([[3.5, 15.5]], np.float32)
    box = (4.0, 3.0, 20.0, 16.0) if boxed else None

    def combined(of: Callable[[Any], Any]) -> Any:
        drawn = Drawn(of(soft[:8]), of(scores[:8]), of(soft[8:][None]), of(scores[8:][None]), of(foreground))
        return combine(drawn, Clicks(of(on), of(beside), box))

    both(combined)


@FEW
@given(SEEDS, st.integers(20, 90), st.integers(20, 90))
def test_geometry(seed: int, height: int, width: int) -> None:
    logits, points = smooth(seed, 3, 16, 16), numbers(seed)(4, 2)
    both(lambda of: map_points(of(points), (17, 31), (height, width)))
    both(lambda of: look_at_part(of(logits), (height, width), (3, 5, height - 9, width - 8), (12, 14)))
    for frame in (Frame.stretched((64, 64)), Frame.padded((height, width), 64)):
        masks, boxes = draw_masks(logits, frame, (height, width))
        same((masks, boxes), tuple(map(np.asarray, draw_masks(torch.from_numpy(logits), frame, (height, width)))))


@pytest.mark.parametrize("size", [(4, 7), (5, 5), (3, 2)])
def test_pooling_where_cells_do_not_fit(size: tuple[int, int]) -> None:
    values = numbers(0)(2, 9, 14)
    both(lambda of: arrays.shrunk(of(values), size))
    both(lambda of: arrays.halved(of(values[None])))


def test_arrays_stay_where_they_are() -> None:
    tensor = torch.zeros(2, dtype=torch.float64)
    assert arrays.like(np.ones(2, np.float32), tensor).dtype == torch.float32
    assert arrays.of([1, 2], tensor).dtype == torch.float64
    assert arrays.to_numpy(tensor).tolist() == [0, 0]
    assert arrays.descending(np.array([1.0, 3.0, 3.0, 2.0])).tolist() == [1, 2, 3, 0]

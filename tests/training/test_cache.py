"""Cached features: what they hold, that a killed run goes on where it was, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import TINY
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.models.compact_model import CompactModel
from uois_sam.models.protocols import SceneFeatures
from uois_sam.training import cache
from uois_sam.training.cache import CacheConfig, CachedView, cache_view, fill_cache, read_cache
from uois_sam.training.losses import iou_targets
from uois_sam.training.targets import COMPACT_TARGET, HeatmapTarget, foreground_target, heatmap_target

CONFIG = CacheConfig(views=2, prompts=8, own_peaks=3, shard=5)


@pytest.fixture
def model(tiny_model: CompactModel) -> CompactModel:
    return tiny_model.eval().requires_grad_(False)


@pytest.fixture
def data(rectangles: Path) -> FolderDataset:
    return FolderDataset(rectangles)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fill(model: CompactModel, data: FolderDataset, folder: Path, config: CacheConfig = CONFIG) -> list[int]:
    return list(fill_cache(model, data, config, COMPACT_TARGET, folder))


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_view_of_every_image_is_cached_and_progress_counts_them(
    model: CompactModel, data: FolderDataset, folder: Path
) -> None:
    assert fill(model, data, folder) == [5, 10, 12]
    assert list(shards(folder)) == ["0000000.safetensors", "0000005.safetensors", "0000010.safetensors", "cache.json"]
    views = read_cache(folder)
    assert len(views) == 12
    for view in views:
        assert {name: (tuple(value.shape), value.dtype) for name, value in vars(view).items()} == {
            "prompt_features": ((TINY.fine_width, 24, 32), torch.float16),
            "foreground": ((24, 32), torch.bool),
            "heatmap": ((1, 24, 32), torch.float16),
            "iou_token": ((8, TINY.width), torch.float16),
            "mask_tokens": ((8, 4, TINY.width), torch.float16),
            "scores": ((8, 4), torch.float16),
            "true_iou": ((8, 4), torch.float16),
        }


def test_what_comes_back_is_what_was_computed_in_order(model: CompactModel, data: FolderDataset, folder: Path) -> None:
    fill(model, data, folder)
    for item, view in enumerate(read_cache(folder)):
        computed = cache_view(model, data, CONFIG, COMPACT_TARGET, item)
        for name, value in vars(view).items():
            assert torch.equal(value, getattr(computed, name)), (item, name)


def test_the_first_view_of_an_image_is_the_plain_image(model: CompactModel, data: FolderDataset) -> None:
    labels = data[3].labels.astype(np.int32)
    assert labels.shape == TINY.input_hw
    plain = cache_view(model, data, CONFIG, COMPACT_TARGET, 2 * 3)
    assert np.array_equal(plain.foreground.numpy(), foreground_target(labels, (24, 32)))
    np.testing.assert_allclose(plain.heatmap[0], heatmap_target(labels, COMPACT_TARGET, (24, 32)), atol=1e-3)
    augmented = cache_view(model, data, CONFIG, COMPACT_TARGET, 2 * 3 + 1)
    assert not torch.equal(plain.prompt_features, augmented.prompt_features)


def test_prompts_on_background_have_a_true_iou_of_zero(model: CompactModel, data: FolderDataset) -> None:
    assert not data[0].labels.any()
    empty = cache_view(model, data, CONFIG, COMPACT_TARGET, 0)
    assert not empty.true_iou.any()
    some = cache_view(model, data, replace(CONFIG, own_peaks=0, background_share=0.5), COMPACT_TARGET, 2 * 3)
    assert some.true_iou[:4].any(dim=1).all()
    assert not some.true_iou[4:].any()


def test_true_ious_are_those_of_all_four_masks_of_each_prompt(
    model: CompactModel, data: FolderDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eq. 6 on two points set by hand: on the first rectangle and at a corner without one."""
    labels = data[1].labels
    (y, x), (far_y, far_x) = np.argwhere(labels == 1)[400], np.argwhere(labels == 0)[0]
    points = torch.tensor([[x, y], [far_x, far_y]], dtype=torch.float32)
    monkeypatch.setattr(cache, "_choose_prompts", lambda *_: (points, torch.tensor([1, 0], dtype=torch.int32)))
    view = cache_view(model, data, CONFIG, COMPACT_TARGET, 2)
    features = encode(model, data[1].image)
    predictions = model.decoder.decode_tokens(features.mask_features, points)
    logits = model.decoder.upscale(features.mask_features, predictions, points, torch.arange(4).expand(2, -1))
    truth = torch.nn.functional.avg_pool2d(torch.from_numpy((labels == 1).astype(np.float32))[None], 4)
    expected = iou_targets(logits, torch.cat([truth, torch.zeros_like(truth)]))
    assert expected[0].any()
    torch.testing.assert_close(view.true_iou.float(), expected, rtol=0, atol=2e-3)
    torch.testing.assert_close(view.scores.float(), predictions.scores, rtol=0, atol=2e-3)


def encode(model: CompactModel, image: np.ndarray) -> SceneFeatures:
    return model.encoder.encode_batch(torch.from_numpy(image).permute(2, 0, 1)[None].float())


def test_a_run_killed_after_some_shards_goes_on_to_the_same_bytes(
    model: CompactModel, data: FolderDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(model, data, tmp_path / "whole")
    killed = fill_cache(model, data, CONFIG, COMPACT_TARGET, tmp_path / "killed")
    assert next(killed) == 5
    killed.close()  # type: ignore[attr-defined]
    items: list[int] = []

    def noting(*args: Any) -> CachedView:
        items.append(args[-1])
        return cache_view(*args)

    monkeypatch.setattr(cache, "cache_view", noting)
    assert fill(model, data, tmp_path / "killed") == [5, 10, 12]
    assert items == list(range(5, 12))  # the finished shard is not computed again
    assert shards(tmp_path / "killed") == shards(tmp_path / "whole")


def test_a_run_killed_within_a_shard_leaves_no_part_of_it(
    model: CompactModel, data: FolderDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_at_seven(*args: Any) -> CachedView:
        if args[-1] == 7:
            raise KeyboardInterrupt
        return cache_view(*args)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "cache_view", stop_at_seven)
        with pytest.raises(KeyboardInterrupt):
            fill(model, data, tmp_path / "killed")
    assert list(shards(tmp_path / "killed")) == ["0000000.safetensors", "cache.json"]
    fill(model, data, tmp_path / "killed")
    fill(model, data, tmp_path / "whole")
    assert shards(tmp_path / "killed") == shards(tmp_path / "whole")


def test_a_cache_of_other_weights_data_settings_or_targets_is_refused(
    model: CompactModel, data: FolderDataset, rectangles: Path, folder: Path
) -> None:
    fill(model, data, folder)
    before = shards(folder)
    assert fill(model, data, folder) == [5, 10, 12]  # the same is welcome

    with pytest.raises(UOISError, match="other weights, data or settings"):
        fill(model, data, folder, replace(CONFIG, seed=1))
    with pytest.raises(UOISError, match="other weights"):
        list(fill_cache(model, data, CONFIG, HeatmapTarget(), folder))
    for kind in ("rgb", "label"):
        (rectangles / kind / "5.png").rename(rectangles / kind / "9.png")
    with pytest.raises(UOISError, match="other weights"):
        fill(model, FolderDataset(rectangles), folder)
    for part in (model.encoder, model.decoder, model.hpg):
        parameter = next(part.parameters())
        saved = parameter.clone()
        parameter.data.flatten()[0] += 1e-3
        with pytest.raises(UOISError, match="other weights"):
            fill(model, data, folder)
        parameter.data.copy_(saved)
    assert shards(folder) == before


def test_hdnets_weights_do_not_matter_to_the_cache(model: CompactModel, data: FolderDataset, folder: Path) -> None:
    """It is fitted on the cache, so a second fit may start from another HDNet."""
    fill(model, data, folder)
    next(model.hdnet.parameters()).data += 1
    assert fill(model, data, folder) == [5, 10, 12]

"""Fitting the heads: from cached tokens as without a cache, never worse than before, the best epoch kept."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from uois_sam.datasets.folder import FolderDataset
from uois_sam.models.compact_model import CompactModel
from uois_sam.models.hdnet import HDNet
from uois_sam.models.hpg import HPG
from uois_sam.training import cache
from uois_sam.training.cache import CacheConfig, CachedView, cache_view, fill_cache, read_cache
from uois_sam.training.heads import HeadConfig, fit_hdnet, fit_hpg
from uois_sam.training.losses import hpg_loss
from uois_sam.training.targets import COMPACT_TARGET
from uois_sam.types import TokenPredictions

WIDTH = 6
CONFIG = HeadConfig(epochs=8, hpg_images=3, hdnet_images=3, validation_share=0.25)


def ignore(head: str, epoch: int, train: float, validation: float) -> None:
    """A report that nobody reads."""


def learnable_views(count: int = 16) -> list[CachedView]:
    """Views whose true IoUs follow from the tokens, and whose maps follow from the features."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    views = []
    for _ in range(count):
        iou_token, mask_tokens, features = draw(10, WIDTH), draw(10, 4, WIDTH), draw(4, 6, 8)
        true_iou = (0.5 + 0.2 * iou_token[:, :1] - 0.2 * mask_tokens[..., 0]).clamp(0, 1)
        foreground = features[0] > 0.5
        scores = 0.3 * mask_tokens[..., 1]  # wrong, but so that the tokens tell by how much
        maps = foreground, foreground[None].float()
        views.append(CachedView(features, *maps, iou_token, mask_tokens, scores, true_iou))
    return views


def hdnet() -> HDNet:
    torch.manual_seed(0)
    return HDNet(WIDTH, 8)


def hpg() -> HPG:
    torch.manual_seed(0)
    return HPG(inputs=4, width=4, scales=(1,), frame_hw=(12, 16))


def hdnet_loss(head: HDNet, views: Sequence[CachedView]) -> float:
    """Eq. 7 over all prompts of the views, written anew."""
    with torch.inference_mode():
        errors = [
            head(TokenPredictions(v.iou_token, v.mask_tokens, v.scores, torch.empty(0))) - v.true_iou for v in views
        ]
    return float(torch.cat(errors).square().mean())


# --- cached or not


def test_fitting_from_the_cache_equals_fitting_without_it(
    tiny_model: CompactModel, rectangles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache stores float16 on disk; the same views kept in memory as float32 lead to the same loss and weights."""
    model, data = tiny_model.eval().requires_grad_(False), FolderDataset(rectangles)
    config = CacheConfig(views=2, prompts=8, own_peaks=3, shard=5)
    list(fill_cache(model, data, config, COMPACT_TARGET, tmp_path))
    stored = read_cache(tmp_path)
    monkeypatch.setattr(Tensor, "half", Tensor.float)
    direct = [cache_view(model, data, config, COMPACT_TARGET, item) for item in range(12)]
    assert direct[0].mask_tokens.dtype == torch.float32

    results = []
    for views in (stored, direct):
        head = copy.deepcopy(model.hdnet).requires_grad_(True)
        results.append((fit_hdnet(head, views, CONFIG, ignore), head))
    (from_cache, head), (without, other) = results
    assert from_cache == pytest.approx(without, rel=0.01)
    assert from_cache < hdnet_loss(model.hdnet, direct[-3:])
    for name, value in head.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=0, atol=0.01)


def test_the_loss_of_the_cached_views_is_the_loss_of_the_decoders_tokens(
    tiny_model: CompactModel, rectangles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDNet on a cached view says what it says on the decoder's predictions for the same prompts."""
    model, data = tiny_model.eval().requires_grad_(False), FolderDataset(rectangles)
    points = torch.tensor([[10.0, 20.0], [90.0, 70.0]])
    monkeypatch.setattr(cache, "_choose_prompts", lambda *_: (points, torch.zeros(2, dtype=torch.int32)))
    view = cache_view(model, data, CacheConfig(views=1), COMPACT_TARGET, 2)
    image = torch.from_numpy(data[2].image).permute(2, 0, 1)
    predictions = model.decoder.decode_tokens(model.encoder(image).mask_features, points)
    cached = TokenPredictions(view.iou_token.float(), view.mask_tokens.float(), view.scores.float(), torch.empty(0))
    torch.testing.assert_close(model.hdnet(cached), model.hdnet(predictions), rtol=0, atol=5e-3)


# --- the loop


def test_fitting_learns_what_can_be_learned() -> None:
    views = learnable_views()
    head, fresh = hdnet(), hdnet()
    config = replace(CONFIG, epochs=60, rate=1e-2, decay_every=30)
    assert fit_hdnet(head, views, config, ignore) < 0.3 * hdnet_loss(fresh, views[-4:])
    maps = hpg()
    assert fit_hpg(maps, views, config, ignore) < 0.5 * maps_loss(hpg(), views[-4:])


def maps_loss(head: HPG, views: Sequence[CachedView]) -> float:
    """Eq. 4 of the views."""
    with torch.inference_mode():
        logits, heatmap = head.eval()(torch.stack([view.prompt_features for view in views]))
        foreground, target = (
            torch.stack([getattr(view, name) for view in views]) for name in ("foreground", "heatmap")
        )
        return float(hpg_loss(logits, heatmap, foreground, target))


def test_a_fit_that_only_gets_worse_gives_back_the_head_as_it_was() -> None:
    """Training views teach the opposite of what the validation views (the last four) ask for."""
    views = learnable_views()
    good = hdnet()
    fit_hdnet(good, views, replace(CONFIG, epochs=40, rate=1e-2), ignore)
    opposite = [replace(view, true_iou=-3 * view.true_iou) for view in views[:-4]]
    before = copy.deepcopy(good.state_dict())
    kept = fit_hdnet(good, opposite + views[-4:], CONFIG, ignore)
    assert kept == pytest.approx(hdnet_loss(good, views[-4:]), rel=1e-5)
    for name, value in good.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_fit_that_diverges_gives_back_the_head_as_it_was() -> None:
    head = hdnet()
    before = copy.deepcopy(head.state_dict())
    broken = [replace(view, true_iou=view.true_iou * float("nan")) for view in learnable_views()[:-4]]
    fit_hdnet(head, broken + learnable_views()[-4:], CONFIG, ignore)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


@pytest.mark.parametrize("kind", ["hdnet", "hpg"])
def test_the_epoch_with_the_lowest_validation_loss_is_kept(kind: str) -> None:
    views = learnable_views()
    reported: list[tuple[str, int, float]] = []

    def report(head: str, epoch: int, train: float, validation: float) -> None:
        reported.append((head, epoch, validation))

    config = replace(CONFIG, epochs=12, rate=0.1, decay_every=100)  # high enough to go up and down
    if kind == "hdnet":
        head = hdnet()
        result, again = fit_hdnet(head, views, config, report), hdnet_loss(head, views[-4:])
    else:
        maps = hpg()
        result = fit_hpg(maps, views, replace(config, hpg_images=4), report)
        again = maps_loss(maps, views[-4:])
    assert [(name, epoch) for name, epoch, _ in reported] == [(kind, epoch) for epoch in range(13)]
    losses = [loss for *_, loss in reported]
    assert losses != sorted(losses, reverse=True)
    assert result == min(losses)
    assert again == pytest.approx(result, rel=1e-4)


def test_validation_views_are_the_last_ones_and_are_never_trained_on() -> None:
    views = learnable_views()
    changed = views[:-4] + [replace(view, true_iou=view.true_iou + 0.01) for view in views[-4:]]
    config = replace(CONFIG, epochs=1, rate=1e-2)
    first, second = hdnet(), hdnet()
    fit_hdnet(first, views, config, ignore)
    fit_hdnet(second, changed, config, ignore)
    assert not torch.equal(first.mlp[0].weight, hdnet().mlp[0].weight)  # type: ignore[arg-type]
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_the_same_seed_gives_the_same_head_and_another_order_another() -> None:
    def fitted(seed: int) -> Tensor:
        head = hdnet()
        fit_hdnet(head, learnable_views(), replace(CONFIG, rate=1e-2, seed=seed), ignore)
        return torch.cat([value.flatten() for value in head.state_dict().values()])

    assert torch.equal(fitted(1), fitted(1))
    assert not torch.equal(fitted(1), fitted(2))


def test_the_rate_falls_to_a_tenth_every_ten_epochs_as_in_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.optim.AdamW] = []
    rates: list[float] = []

    class Watched(torch.optim.AdamW):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            made.append(self)

    def report(head: str, epoch: int, train: float, validation: float) -> None:
        rates.append(made[0].param_groups[0]["lr"])

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    fit_hdnet(hdnet(), learnable_views(), HeadConfig(), report)
    assert len(rates) == 31
    assert [rates[epoch] for epoch in (0, 9, 10, 19, 20, 29)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    group = made[0].param_groups[0]
    assert (group["weight_decay"], group["betas"]) == (1e-4, (0.9, 0.999))


def test_afterwards_the_head_is_ready_to_predict() -> None:
    maps = hpg()
    fit_hpg(maps, learnable_views(), replace(CONFIG, epochs=1), ignore)
    assert not maps.training

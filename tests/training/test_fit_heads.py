"""Fitting the heads: as without a cache, never worse than before, the best epoch kept, resumable, paper's schedule."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from row_sources import LiveRows, MemoryRows
from uois_sam.datasets.folder import FolderDataset
from uois_sam.models.compact.evidence import evidence_width
from uois_sam.models.compact.mask_scorer import MaskScorer
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.hdnet import HDNet
from uois_sam.models.hpg import HPG
from uois_sam.models.networks import Networks
from uois_sam.training.feature_cache import features
from uois_sam.training.feature_cache.features import FeatureConfig, view_rows
from uois_sam.training.feature_cache.rows import EvidenceRows, MapRows, TokenRows
from uois_sam.training.feature_cache.shards import CacheRequest, fill_cache, open_cache
from uois_sam.training.fit_heads import as_predictions, fit_evidence, fit_hdnet, fit_hpg, map_targets
from uois_sam.training.fit_loop import FitConfig, FitContext
from uois_sam.training.learning_curves import Epoch
from uois_sam.training.losses import hpg_loss
from uois_sam.training.targets import COMPACT_TARGET, HeatmapTarget

WIDTH = 6
CONFIG = FitConfig(epochs=8, hpg_images=3, hdnet_images=3, hpg_at_once=4)
TARGET = HeatmapTarget(sigma_px=2)
HELD_OUT = 4


@pytest.fixture
def place(processes: Any) -> FitContext:
    """Reports go nowhere, nothing is kept."""
    return FitContext(processes, lambda epoch: None)


def token_rows(count: int = 16) -> TokenRows:
    """Views whose true IoUs follow from the tokens."""
    generator = torch.Generator().manual_seed(0)
    iou_token, mask_tokens = (
        torch.randn(shape, generator=generator) for shape in ((count, 10, WIDTH), (count, 10, 4, WIDTH))
    )
    true_iou = (0.5 + 0.2 * iou_token[..., :1] - 0.2 * mask_tokens[..., 0]).clamp(0, 1)
    scores = 0.3 * mask_tokens[..., 1]  # wrong, but so that the tokens tell by how much
    return TokenRows(iou_token, mask_tokens, scores, true_iou)


def map_rows(count: int = 16) -> MapRows:
    """Views whose objects, one or two squares, can be read off the features."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(count, 12, 16, dtype=torch.int16)
    for view in range(count):
        for number in range(1, 2 + view % 2):
            x, y = torch.randint(0, 8, (2,), generator=generator).tolist()
            labels[view, y : y + 4, x : x + 4] = number
    noise = torch.randn(count, 3, 12, 16, generator=generator)
    return MapRows(torch.cat([(labels > 0)[:, None].float(), noise], dim=1).half(), labels)


def hdnet() -> HDNet:
    torch.manual_seed(0)
    return HDNet(WIDTH, 8)


def hpg() -> HPG:
    torch.manual_seed(0)
    return HPG(inputs=4, width=4, scales=(1,), frame_hw=(12, 16))


def hdnet_loss(head: HDNet, rows: TokenRows) -> float:
    """Eq. 7 over all prompts of the views, written anew."""
    with torch.inference_mode():
        return float((head(as_predictions(rows)) - rows.true_iou.flatten(0, 1)).square().mean())


def maps_loss(head: HPG, rows: MapRows) -> float:
    """Eq. 4 of the views."""
    with torch.inference_mode():
        logits, heatmap = head.eval()(rows.prompt_features.float())
        return float(hpg_loss(logits, heatmap, *vars(map_targets(rows.labels, TARGET, (12, 16))).values()))


def fit_tokens(head: HDNet, rows: TokenRows, config: FitConfig, place: FitContext) -> float:
    return fit_hdnet(head, MemoryRows(rows), HELD_OUT, config, place)


def fit_maps(head: HPG, rows: MapRows, config: FitConfig, place: FitContext) -> float:
    return fit_hpg(head, MemoryRows(rows), HELD_OUT, TARGET, config, place)


def weights(head: nn.Module) -> Tensor:
    return torch.cat([value.float().flatten() for value in head.state_dict().values()])


LAST = slice(-HELD_OUT, None)


# --- cached or not


def test_fitting_from_the_cache_equals_fitting_without_it(
    model: CompactModel, base: Networks, data: FolderDataset, tmp_path: Path, processes: Any, place: FitContext
) -> None:
    """The cache stores float16 on disk; the frozen networks run anew in every epoch, in float32, lead to the same."""
    request = CacheRequest(base, data, "0", FeatureConfig(views=2, prompts=8), shard=5)
    state = open_cache(request, tmp_path)
    list(fill_cache(request, state, processes))
    live, results = LiveRows(base, data, request.config, "tokens", 5), []
    for source in (state.tokens(), live):
        head = copy.deepcopy(model.hdnet).requires_grad_(True)
        results.append((fit_hdnet(head, source, 4, CONFIG, place), weights(head)))
    assert live.views_run > 12 * CONFIG.epochs
    assert results[0][0] == pytest.approx(results[1][0], rel=0.01)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=0.01)
    assert not torch.equal(results[0][1], weights(model.hdnet))
    results = []
    for maps in (state.maps(), LiveRows(base, data, request.config, "maps", 5)):
        generator = copy.deepcopy(model.hpg).requires_grad_(True)
        results.append((fit_hpg(generator, maps, 4, COMPACT_TARGET, CONFIG, place), weights(generator)))
    assert results[0][0] == pytest.approx(results[1][0], rel=0.01)


def test_the_loss_of_the_cached_views_is_the_loss_of_the_decoders_tokens(
    model: CompactModel, base: Networks, data: FolderDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDNet on a cached view says what it says on the decoder's predictions for the same prompts."""
    points = torch.tensor([[10.0, 20.0], [90.0, 70.0]])
    given = features._Prompts(points, torch.zeros(2, dtype=torch.int32), peaks=0)
    monkeypatch.setattr(features, "_choose_prompts", lambda *_: given)
    rows = view_rows(base, None, data, FeatureConfig(), 2).tokens
    image = torch.from_numpy(data[2].image).permute(2, 0, 1)
    predictions = model.decoder.decode_tokens(model.encoder(image).mask_features, points)
    torch.testing.assert_close(model.hdnet(as_predictions(rows)), model.hdnet(predictions), rtol=0, atol=5e-3)


# --- the loop


def test_fitting_learns_what_can_be_learned(place: FitContext) -> None:
    config = replace(CONFIG, epochs=60, rate=1e-2, decay_every=30)
    tokens, maps = token_rows(), map_rows()
    assert fit_tokens(hdnet(), tokens, config, place) < 0.3 * hdnet_loss(hdnet(), tokens.take(LAST))
    assert fit_maps(hpg(), maps, config, place) < 0.5 * maps_loss(hpg(), maps.take(LAST))


def test_a_fit_that_only_gets_worse_gives_back_the_head_as_it_was(place: FitContext) -> None:
    """Training views teach the opposite of what the validation views (the last four) ask for."""
    rows, good = token_rows(), hdnet()
    fit_tokens(good, rows, replace(CONFIG, epochs=40, rate=1e-2), place)
    before = weights(good)
    opposite = replace(rows, true_iou=torch.cat([-3 * rows.true_iou[:-HELD_OUT], rows.true_iou[-HELD_OUT:]]))
    kept = fit_tokens(good, opposite, CONFIG, place)
    assert kept == pytest.approx(hdnet_loss(good, rows.take(LAST)), rel=1e-5)
    assert torch.equal(weights(good), before)


def test_a_fit_that_diverges_gives_back_the_head_as_it_was(place: FitContext) -> None:
    head, rows = hdnet(), token_rows()
    before = weights(head)
    rows.true_iou[:-HELD_OUT] = float("nan")
    fit_tokens(head, rows, CONFIG, place)
    assert torch.equal(weights(head), before)


@pytest.mark.parametrize("kind", ["hdnet", "hpg"])
def test_the_epoch_with_the_lowest_validation_loss_is_kept(kind: str, processes: Any) -> None:
    reported: list[Epoch] = []
    place = FitContext(processes, reported.append)
    config = replace(CONFIG, epochs=12, rate=0.1, decay_every=100)  # high enough to go up and down
    if kind == "hdnet":
        head, tokens = hdnet(), token_rows()
        result, again = fit_tokens(head, tokens, config, place), hdnet_loss(head, tokens.take(LAST))
    else:
        maps, rows = hpg(), map_rows()
        result, again = fit_maps(maps, rows, config, place), maps_loss(maps, rows.take(LAST))
    assert [(epoch.head, epoch.number) for epoch in reported] == [(kind, number) for number in range(13)]
    losses = [epoch.validation for epoch in reported]
    assert losses != sorted(losses, reverse=True)
    assert result == min(losses)
    assert again == pytest.approx(result, rel=1e-4)


def test_validation_views_are_the_last_ones_and_are_never_trained_on(place: FitContext) -> None:
    rows = token_rows()
    changed = replace(rows, true_iou=rows.true_iou + torch.arange(16)[:, None, None].ge(12) * 0.01)
    config = replace(CONFIG, epochs=1, rate=1e-2)
    first, second = hdnet(), hdnet()
    fit_tokens(first, rows, config, place)
    fit_tokens(second, changed, config, place)
    assert not torch.equal(weights(first), weights(hdnet()))
    assert torch.equal(weights(first), weights(second))


def test_the_same_seed_gives_the_same_head_and_another_order_another(place: FitContext) -> None:
    def fitted(seed: int) -> Tensor:
        head = hdnet()
        fit_tokens(head, token_rows(), replace(CONFIG, rate=1e-2, seed=seed), place)
        return weights(head)

    assert torch.equal(fitted(1), fitted(1))
    assert not torch.equal(fitted(1), fitted(2))


def test_a_step_in_parts_is_the_same_step(place: FitContext) -> None:
    """Without batch norm nothing depends on how many views go through together: gradients add up."""

    class Plain(HPG):
        def __init__(self) -> None:
            super().__init__(inputs=4, width=4, scales=(), frame_hw=(12, 16))

    balanced = map_rows(8).take(torch.tensor([0, 2, 4, 6, 0, 2, 4, 6]))  # Eq. 3 weighs the classes of a part
    balanced.labels[:] = balanced.labels[:1]
    heads = []
    for at_once in (4, 1):
        torch.manual_seed(0)
        heads.append(Plain())
        fit_maps(heads[-1], balanced, replace(CONFIG, hpg_images=4, hpg_at_once=at_once, epochs=3), place)
    torch.testing.assert_close(weights(heads[0]), weights(heads[1]), rtol=1e-4, atol=1e-6)


def test_the_rate_falls_to_a_tenth_every_ten_epochs_as_in_the_paper(
    processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[torch.optim.AdamW] = []
    reported: list[Epoch] = []

    class Watched(torch.optim.AdamW):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    fit_tokens(hdnet(), token_rows(), FitConfig(), FitContext(processes, reported.append))
    assert len(reported) == 31
    rates = [epoch.rate for epoch in reported]
    assert [rates[n] for n in (1, 10, 11, 20, 21, 30)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    group = made[0].param_groups[0]
    assert (group["weight_decay"], group["betas"]) == (1e-4, (0.9, 0.999))
    assert group["lr"] == pytest.approx(1e-6)
    assert (FitConfig().hpg_images, FitConfig().hdnet_images, FeatureConfig().prompts) == (32, 30, 30)


@pytest.mark.parametrize(("prompted", "told"), [(False, True), (True, False)])
def test_a_mask_scorer_that_nothing_can_be_learned_from_is_told(
    place: FitContext, caplog: pytest.LogCaptureFixture, prompted: bool, told: bool
) -> None:
    scorer = MaskScorer(WIDTH, 8)
    shape = (16, 3, 4, evidence_width(WIDTH))
    rows = EvidenceRows(torch.rand(shape).half(), torch.rand(shape[:3]).half(), torch.full(shape[:2], prompted))
    before = weights(scorer)
    with caplog.at_level(logging.WARNING):
        fit_evidence(scorer, MemoryRows(rows), HELD_OUT, CONFIG, place)
    assert ("finds nothing in the held-out images" in caplog.text) is told
    assert torch.equal(weights(scorer), before) is told


def test_afterwards_the_head_is_ready_to_predict(place: FitContext) -> None:
    maps = hpg()
    fit_maps(maps, map_rows(), replace(CONFIG, epochs=1), place)
    assert not maps.training


# --- resuming


def fit_with_stops(folder: Path, processes: Any, stops: list[int], **changes: Any) -> tuple[Tensor, list[Epoch]]:
    """Fit HPG, raising after each of the given epochs and starting anew; weights and what the last run reported."""
    folder.mkdir(exist_ok=True)
    epochs: list[Epoch] = []
    head = hpg()
    for stop in [*stops, None]:
        epochs.clear()

        def report(epoch: Epoch, stop: int | None = stop) -> None:
            epochs.append(epoch)
            if epoch.number == stop:
                raise KeyboardInterrupt

        head = hpg()
        place = FitContext(processes, report, folder, **{"origin": "a", **changes})
        try:
            fit_maps(head, map_rows(), CONFIG, place)
        except KeyboardInterrupt:
            continue
    return weights(head), epochs


def test_a_fit_that_was_stopped_ends_with_the_same_weights_and_the_whole_curve(tmp_path: Path, processes: Any) -> None:
    whole, curve = fit_with_stops(tmp_path / "a", processes, [])
    halves, resumed = fit_with_stops(tmp_path / "b", processes, [2, 6])
    assert torch.equal(whole, halves)
    assert [(e.number, e.validation) for e in resumed] == [(e.number, e.validation) for e in curve]


def test_a_finished_fit_is_not_done_again(
    tmp_path: Path, processes: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = fit_with_stops(tmp_path, processes, [])
    monkeypatch.setattr("uois_sam.training.fit_loop.batches", None)
    again = fit_with_stops(tmp_path, processes, [])
    assert torch.equal(first[0], again[0])
    assert not caplog.records


def test_a_checkpoint_of_other_features_is_not_used(
    tmp_path: Path, processes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fit_with_stops(tmp_path, processes, [])
    with caplog.at_level(logging.INFO):
        _, epochs = fit_with_stops(tmp_path, processes, [], origin="b")
    assert caplog.messages == ["hpg: fitted with other settings or on other features before, starts anew"]
    assert len(epochs) == CONFIG.epochs + 1


def test_targets_follow_from_cached_labels_whatever_they_are() -> None:
    """A ring's centroid lies in its hole: the paper's target has its peak there, the interior variant on the ring."""
    labels = torch.zeros(1, 12, 16, dtype=torch.int16)
    labels[0, 2:11, 2:11] = 1
    labels[0, 4:9, 4:9] = 0
    outside = map_targets(labels, HeatmapTarget(sigma_px=1), (12, 16))
    interior = map_targets(labels, HeatmapTarget(sigma_px=1, interior=True), (12, 16))
    assert torch.equal(outside.foreground, labels > 0)
    assert outside.counted.all()
    peak, moved = (divmod(int(targets.heatmap.argmax()), 16) for targets in (outside, interior))
    assert peak == (6, 6)
    assert labels[0, peak[0], peak[1]] == 0
    assert labels[0, moved[0], moved[1]] == 1
    coarse = map_targets(labels, HeatmapTarget(), (6, 8))
    assert [tuple(value.shape) for value in vars(coarse).values()] == [(1, 6, 8), (1, 1, 6, 8), (1, 6, 8)]


def test_what_is_ignored_teaches_hpg_nothing(place: FitContext) -> None:
    """Two fits that differ only in the features and labels below an ignored half end with the same losses."""
    losses = []
    for change in (0.0, 1.0):
        rows = map_rows()
        rows.labels[:, :, 8:] = -1
        targets = map_targets(rows.labels, TARGET, (12, 16))
        assert torch.equal(targets.counted, torch.arange(16).expand(16, 12, 16) < 8)
        assert not targets.foreground[..., 8:].any()
        logits, heatmap = torch.zeros(16, 2, 12, 16), torch.zeros(16, 1, 12, 16)
        logits[:, 1, :, 8:] = heatmap[..., 8:] = change
        losses.append(hpg_loss(logits, heatmap, targets.foreground, targets.heatmap, targets.counted))
    assert losses[0] == losses[1] > 0
    rows.labels[:] = -1
    fit_maps(hpg(), rows, replace(CONFIG, epochs=1), place)  # nothing to learn from is no error

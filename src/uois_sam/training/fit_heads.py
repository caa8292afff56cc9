"""Fits of HPG, HDNet and the mask scorer on cached features (Sec. IV-A): the loss and the rows of each."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from uois_sam.models.compact.mask_scorer import MaskScorer
from uois_sam.models.hdnet import HDNet
from uois_sam.models.hpg import HPG
from uois_sam.training.feature_cache.rows import EvidenceRows, MapRows, Rows, RowSource, TokenRows
from uois_sam.training.fit_loop import FitConfig, FitContext, FitLoop
from uois_sam.training.losses import hpg_loss, score_loss
from uois_sam.training.targets import HeatmapTarget, foreground_target, heatmap_target
from uois_sam.types import TokenPredictions

logger = logging.getLogger(__name__)


def fit_hpg(
    head: HPG, rows: RowSource[MapRows], validation: int, target: HeatmapTarget, config: FitConfig, place: FitContext
) -> float:
    """Fit in place, starting from the head's weights; returns the validation loss (Eq. 4) of the kept epoch.

    Args:
        head: the prompt generator's head.
        rows: cached features and labels.
        validation: number of rows, the last ones, that are held out to choose the epoch.
        target: shape of the heatmap's Gaussians (Eq. 1).
        config: the schedule.
        place: processes, checkpoint folder and receiver of progress.
    """

    def loss(module: nn.Module, batch: MapRows) -> Tensor:
        logits, heatmap = module(batch.prompt_features.float())
        targets = map_targets(batch.labels, target, (logits.shape[-2], logits.shape[-1])).to(logits.device)
        return hpg_loss(logits, heatmap, targets.foreground, targets.heatmap, targets.counted)

    fit = FitLoop("hpg", config.hpg_images, config.hpg_at_once, validation, config, place, {"target": asdict(target)})
    return fit.run(head, rows, loss)


def fit_hdnet(head: HDNet, rows: RowSource[TokenRows], validation: int, config: FitConfig, place: FitContext) -> float:
    """Fit in place, starting from the head's weights; returns the validation loss (Eq. 7) of the kept epoch.

    Arguments as for :func:`fit_hpg`.
    """

    def loss(module: nn.Module, batch: TokenRows) -> Tensor:
        return score_loss(module(as_predictions(batch)), batch.true_iou.flatten(0, 1).float())

    return FitLoop("hdnet", config.hdnet_images, config.hdnet_images, validation, config, place, {}).run(
        head, rows, loss
    )


def fit_evidence(
    head: MaskScorer, rows: RowSource[EvidenceRows], validation: int, config: FitConfig, place: FitContext
) -> float:
    """Fit in place, starting from the head's weights; returns the validation loss (Eq. 7) of the kept epoch.

    Arguments as for :func:`fit_hpg`. If the network prompts nothing in the held-out views, nothing can be chosen: the
    head stays as it was, and a warning says so.
    """

    def loss(module: nn.Module, batch: EvidenceRows) -> Tensor:
        if not batch.counted.any():
            return module(batch.evidence[:1].float()).sum() * 0
        return score_loss(module(batch.evidence[batch.counted].float()), batch.true_iou[batch.counted].float())

    fit = FitLoop("evidence", config.hdnet_images, config.hdnet_images, validation, config, place, {})
    found = fit.run(head, rows, loss)
    if found == 0 and place.processes.is_main_process:  # of scores, which are never exact, none was counted
        logger.warning(
            "the network finds nothing in the held-out images: its mask scorer stays as it was; train longer"
        )
    return found


@dataclass(frozen=True)
class MapTargets(Rows):
    """Targets of HPG's maps, on the grid of the maps."""

    foreground: Tensor
    """(B, h, w) bool."""
    heatmap: Tensor
    """(B, 1, h, w) float32."""
    counted: Tensor
    """(B, h, w) bool: False for cells of which at least half is ignored."""


def map_targets(labels: Tensor, target: HeatmapTarget, grid_hw: tuple[int, int]) -> MapTargets:
    """Targets on the head's grid from (B, H, W) int16 labels (``MapRows.labels``)."""
    views = [view.numpy().astype(np.int32) for view in labels.cpu()]
    return MapTargets(
        foreground=torch.stack([torch.from_numpy(foreground_target(view, grid_hw)) for view in views]),
        heatmap=torch.stack([torch.from_numpy(heatmap_target(view, target, grid_hw)) for view in views])[:, None],
        counted=torch.stack([torch.from_numpy(~foreground_target(-view, grid_hw)) for view in views]),
    )


def as_predictions(rows: TokenRows) -> TokenPredictions:
    """Tokens of all prompts of all views, in the form in which the decoder returns them."""
    return TokenPredictions(
        iou_token=rows.iou_token.flatten(0, 1).float(),
        mask_tokens=rows.mask_tokens.flatten(0, 1).float(),
        scores=rows.scores.flatten(0, 1).float(),
        image_state=torch.empty(0),  # HDNet reads tokens only
    )

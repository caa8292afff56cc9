"""Fit HPG and HDNet on cached features (Sec. IV-A): AdamW, stepped rate, the epoch with the lowest validation loss."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uois_sam.models.hdnet import HDNet
from uois_sam.models.hpg import HPG
from uois_sam.training.cache import CachedView
from uois_sam.training.losses import hpg_loss, score_loss
from uois_sam.types import TokenPredictions

Report = Callable[[str, int, float, float], None]
"""Called with the head's name, the epoch, and its training and validation loss."""


@dataclass(frozen=True)
class HeadConfig:
    """The paper's schedule (Sec. IV-A)."""

    epochs: int = 30
    hpg_images: int = 32
    """Views a step for HPG."""
    hdnet_images: int = 30
    """Views a step for HDNet."""
    rate: float = 1e-3
    decay: float = 0.1
    decay_every: int = 10
    """Epochs after which the rate is multiplied by ``decay``."""
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    validation_share: float = 0.05
    """Share of the views, from the end, that only choose the epoch."""
    seed: int = 0


def fit_hpg(head: HPG, views: Sequence[CachedView], config: HeadConfig, report: Report) -> float:
    """Fit in place from the head's present weights; returns the validation loss (Eq. 4) of the kept epoch."""

    def loss(batch: Sequence[CachedView]) -> Tensor:
        logits, heatmap = head(torch.stack([view.prompt_features for view in batch]).float())
        foreground = torch.stack([view.foreground for view in batch])
        return hpg_loss(logits, heatmap, foreground, torch.stack([view.heatmap for view in batch]).float())

    return _fit("hpg", head, loss, views, config, config.hpg_images, report)


def fit_hdnet(head: HDNet, views: Sequence[CachedView], config: HeadConfig, report: Report) -> float:
    """Fit in place from the head's present weights; returns the validation loss (Eq. 7) of the kept epoch."""

    def loss(batch: Sequence[CachedView]) -> Tensor:
        predictions = TokenPredictions(
            iou_token=torch.cat([view.iou_token for view in batch]).float(),
            mask_tokens=torch.cat([view.mask_tokens for view in batch]).float(),
            scores=torch.cat([view.scores for view in batch]).float(),
            image_state=torch.empty(0),  # HDNet reads tokens only
        )
        return score_loss(head(predictions), torch.cat([view.true_iou for view in batch]).float())

    return _fit("hdnet", head, loss, views, config, config.hdnet_images, report)


def _fit(
    name: str,
    head: nn.Module,
    loss: Callable[[Sequence[CachedView]], Tensor],
    views: Sequence[CachedView],
    config: HeadConfig,
    images: int,
    report: Report,
) -> float:
    """The loop both heads share. Epoch 0 is the head as given, so a fit never ends up worse than it began."""
    held_out = max(1, round(config.validation_share * len(views)))
    train, validation = views[:-held_out], views[-held_out:]
    optimiser = torch.optim.AdamW(head.parameters(), config.rate, config.betas, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, config.decay_every, config.decay)
    generator = torch.Generator().manual_seed(config.seed)
    best, kept = _mean_loss(head, loss, validation, images), copy.deepcopy(head.state_dict())
    report(name, 0, float("nan"), best)
    for epoch in range(1, config.epochs + 1):
        head.train()
        order = torch.randperm(len(train), generator=generator).tolist()
        total = 0.0
        for start in range(0, len(order), images):
            batch = [train[k] for k in order[start : start + images]]
            value = loss(batch)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            total += float(value.detach()) * len(batch)
        schedule.step()
        validated = _mean_loss(head, loss, validation, images)
        report(name, epoch, total / max(1, len(train)), validated)
        if validated < best:
            best, kept = validated, copy.deepcopy(head.state_dict())
    head.load_state_dict(kept)
    head.eval()
    return best


@torch.no_grad()
def _mean_loss(
    head: nn.Module, loss: Callable[[Sequence[CachedView]], Tensor], views: Sequence[CachedView], images: int
) -> float:
    head.eval()
    batches = [views[start : start + images] for start in range(0, len(views), images)]
    return sum(float(loss(batch)) * len(batch) for batch in batches) / len(views)

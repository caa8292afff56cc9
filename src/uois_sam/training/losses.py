"""Losses: the paper's (Eq. 2, 3, 4, 6, 7) and SAM's mask losses for the compact decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.config import LAMBDA_FOREGROUND, LAMBDA_HEATMAP

FOCAL_WEIGHT = 5.0
"""SAM's 20 with the factor 0.25 that its focal loss has for objects."""


def heatmap_loss(predicted: Tensor, target: Tensor, peak_weight: float = 0.0, counted: Tensor | None = None) -> Tensor:
    """Heatmap loss (Eq. 2): mean squared error over all pixels.

    Args:
        predicted: (B, 1, h, w) float32.
        target: (B, 1, h, w) float32 in [0, 1].
        peak_weight: weight of a pixel of height t is 1 + peak_weight * t; 0 for the paper's loss.
        counted: (B, h, w) bool, False for ignored pixels; None to count all.
    """
    errors = (1 + peak_weight * target) * (predicted - target) ** 2
    return errors.mean() if counted is None else (errors[:, 0] * counted).sum() / counted.sum().clamp(min=1)


def foreground_loss(logits: Tensor, target: Tensor, counted: Tensor | None = None) -> Tensor:
    """Foreground loss (Eq. 3): cross-entropy, weighted by the inverse pixel count of each label, weights summing to 1.

    Args:
        logits: (B, 2, h, w) float32.
        target: (B, h, w) bool.
        counted: (B, h, w) bool, False for ignored pixels; None to count all.
    """
    entropy = F.cross_entropy(logits, target.long(), reduction="none")
    labelled = [target == value if counted is None else counted & (target == value) for value in (False, True)]
    means = [entropy[pixels].mean() for pixels in labelled if pixels.any()]
    return torch.stack(means).mean() if means else 0 * logits.sum()


def hpg_loss(
    logits: Tensor, heatmap: Tensor, foreground: Tensor, target: Tensor, counted: Tensor | None = None
) -> Tensor:
    """Loss of the prompt generator (Eq. 4): 0.1 L_fg + 1 L_h; arguments as for the two losses."""
    wrong = foreground_loss(logits, foreground, counted)
    return LAMBDA_FOREGROUND * wrong + LAMBDA_HEATMAP * heatmap_loss(heatmap, target, counted=counted)


def iou_targets(logits: Tensor, truth: Tensor) -> Tensor:
    """Score targets (Eq. 6): IoU of each predicted mask with the true one.

    Args:
        logits: (M, 4, h, w) mask logits.
        truth: (M, h, w) float32, share of each cell that the object under the prompt covers; all 0 for prompts on
            background, which gives the target 0.

    Returns:
        (M, 4) float32.
    """
    predicted, true = logits > 0, (truth >= 0.5)[:, None]
    intersection = (predicted & true).sum(dim=(2, 3)).float()
    union = (predicted | true).sum(dim=(2, 3)).float()
    return intersection / union.clamp(min=1)


def score_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Score loss (Eq. 7): mean squared error of the scores (the paper prints S^ where S^' is meant)."""
    return F.mse_loss(scores, targets)


def mask_losses(logits: Tensor, truth: Tensor) -> Tensor:
    """Focal loss (times 5) plus dice loss of every mask, for soft targets.

    The target is the covered share of each cell, so that an edge may lie inside a cell. The focal term is generalised
    to such targets: |t - p|^2 times the cross-entropy.

    Args:
        logits: (M, T, h, w).
        truth: (M, h, w) float32 in [0, 1].

    Returns:
        (M, T) float32.
    """
    target = truth[:, None].expand_as(logits)
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focal = ((target - probability) ** 2 * entropy).mean(dim=(2, 3))
    overlap = (probability * target).sum(dim=(2, 3))
    dice = 1 - (2 * overlap + 1) / ((probability**2).sum(dim=(2, 3)) + (target**2).sum(dim=(2, 3)) + 1)
    return FOCAL_WEIGHT * focal + dice


def hierarchical_mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mask loss by SAM's rule: the single-mask token always learns, of the three multimask tokens only the best one.

    Args:
        logits: (M, 4, h, w).
        truth: (M, h, w) float32 in [0, 1].
    """
    if logits.shape[0] == 0:
        return logits.sum()
    losses = mask_losses(logits, truth)
    return (losses[:, 0] + losses[:, 1:].min(dim=1).values).mean()

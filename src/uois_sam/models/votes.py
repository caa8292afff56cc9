"""A vote on outlines: a mask becomes the mean of all that were drawn of the same thing. Goes beyond the paper.

Several prompts on one object, and the four masks of each, draw it again and again; suppression keeps one of them and
throws the others away. Where they agree nothing changes, but along the edge, where each errs in its own way, their mean
errs less. It costs no further look at the photo.
"""

from __future__ import annotations

import torch
from torch import Tensor

from uois_sam.models.arithmetic import full_precision


def vote(logits: Tensor, chosen: Tensor, iou: float) -> Tensor:
    """The chosen masks, each averaged with all masks that overlap it well.

    Args:
        logits: (N, h, w) float32 logits of all masks that were drawn; above 0 is inside.
        chosen: (K,) int64, which of them are wanted.
        iou: least IoU with a chosen mask that gives a mask a vote on it, in (0, 1]; a mask votes on itself.

    Returns:
        (K, h, w) float32 in -1..1, the mean of 2 p - 1 over the voters with p their probabilities; above 0 is inside.
    """
    with full_precision(logits.device):  # lower precision would round counts of cells
        inside = (logits > 0).flatten(1).float()
        areas = inside.sum(dim=1)
        shared = inside[chosen] @ inside.T
        overlap = shared / (areas[chosen, None] + areas[None] - shared).clamp(min=1)
        votes = (overlap >= iou).float()
        votes[torch.arange(len(chosen), device=chosen.device), chosen] = 1.0  # an empty mask overlaps not even itself
        voters = votes.any(dim=0)
        margins = 2 * logits[voters].float().sigmoid().flatten(1) - 1
        mean = votes[:, voters] @ margins / votes.sum(dim=1, keepdim=True)
    return mean.view(len(chosen), *logits.shape[1:])

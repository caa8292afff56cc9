"""From scored masks to instances: best of four, score threshold, area filter, non-maximum suppression (Sec. IV-A)."""

from __future__ import annotations

import torch
from torch import Tensor

from uois_sam.config import NmsMode


def choose_best(scores: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Keep each prompt's best of four masks if its score reaches the threshold.

    Needs scores only, so it runs before any mask is upscaled; the result is the same as choosing afterwards.

    Args:
        scores: (M, 4) float32.
        threshold: lowest score to keep (0.48 in the paper).

    Returns:
        prompt_index (K,), token_index (K,), scores (K,), in the order of the prompts.
    """
    best, token = scores.max(dim=1)
    prompt = torch.nonzero(best >= threshold)[:, 0]
    return prompt, token[prompt], best[prompt]


def suppress(masks: Tensor, scores: Tensor, iou: float, mode: NmsMode) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        masks: (K, h, w) bool, any common grid.
        scores: (K,) float32.
        iou: a mask that overlaps a better kept one by more than this is dropped.
        mode: overlap of the masks themselves, or of their bounding boxes.

    Returns:
        (J,) int64 indices of the kept masks, best first.
    """
    order = scores.argsort(descending=True, stable=True)
    too_close = ((mask_iou(masks) if mode == "mask" else box_iou(masks)) > iou).cpu()
    dropped = torch.zeros(len(masks), dtype=torch.bool)
    kept: list[int] = []
    for index in order.tolist():
        if not dropped[index]:
            kept.append(index)
            dropped |= too_close[index]
    return torch.tensor(kept, dtype=torch.long, device=masks.device)


def mask_iou(masks: Tensor) -> Tensor:
    """(K, K) float32 intersection over union of (K, h, w) bool masks; 0 between empty ones."""
    flat = masks.flatten(1).float()
    with torch.autocast(masks.device.type, enabled=False):  # counts of pixels, which bfloat16 would round
        intersection = flat @ flat.T
    areas = flat.sum(dim=1)
    return intersection / (areas[:, None] + areas[None] - intersection).clamp(min=1)


def box_iou(masks: Tensor) -> Tensor:
    """(K, K) float32 intersection over union of the masks' bounding boxes."""
    boxes = mask_boxes(masks)
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    intersection = (high - low).clamp(min=0).prod(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return intersection / (areas[:, None] + areas[None] - intersection).clamp(min=1)


def mask_boxes(masks: Tensor) -> Tensor:
    """(K, 4) float32 xyxy of (K, h, w) bool masks, the last row and column + 1 as upper ends; zeros when empty."""
    columns, rows = masks.any(dim=1), masks.any(dim=2)
    boxes = torch.zeros(len(masks), 4, device=masks.device)
    for axis, hits in ((0, columns), (1, rows)):
        length = hits.shape[1]
        first = hits.int().argmax(dim=1)
        last = length - hits.flip(1).int().argmax(dim=1)
        present = hits.any(dim=1)
        boxes[:, axis] = torch.where(present, first, 0)
        boxes[:, axis + 2] = torch.where(present, last, 0)
    return boxes

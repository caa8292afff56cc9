"""From scored masks to instances: best of four, score threshold, area filter, non-maximum suppression (Sec. IV-A)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
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


def clean_regions(mask_logits: Tensor, fraction: float) -> Tensor:
    """Remove small islands and holes by turning the sign of their logits.

    Args:
        mask_logits: (K, h, w) float32; above 0 is inside.
        fraction: regions (8-connected) and enclosed holes (4-connected) below this share of the mask's largest region
            are turned.

    Returns:
        (K, h, w) float32 logits, a copy unless ``fraction`` is 0.
    """
    if fraction <= 0 or len(mask_logits) == 0:
        return mask_logits
    inside = (mask_logits > 0).cpu().numpy()
    turned = np.stack([_small_regions(mask, fraction) for mask in inside])
    return torch.where(torch.from_numpy(turned).to(mask_logits.device), -mask_logits, mask_logits)


def _small_regions(mask: npt.NDArray[np.bool_], fraction: float) -> npt.NDArray[np.bool_]:
    """(h, w) bool: cells of a mask's small islands and small holes."""
    import cv2  # here, because it adds to the command's start

    _, islands, sizes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = sizes[:, cv2.CC_STAT_AREA]
    limit = fraction * areas[1:].max(initial=0)
    small = areas < limit
    small[0] = False
    kept = mask & ~small[islands]
    _, holes, sizes, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    enclosed = sizes[:, cv2.CC_STAT_AREA] < limit
    border = np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    enclosed[border] = False
    enclosed[0] = False
    return np.asarray(mask != (kept | enclosed[holes]))


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

"""From scored masks to instances: best of four, score threshold, area filter, non-maximum suppression (Sec. IV-A)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from uois_sam.config import InferenceConfig, NmsMode
from uois_sam.geometry import Enlarger, Frame
from uois_sam.runtime.device import full_precision
from uois_sam.types import BoolArray, Candidates, FloatArray


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
    masks = mask_logits > 0
    turned = np.zeros(masks.shape, dtype=np.bool_)
    for inside, flips, box in zip(masks.cpu().numpy(), turned, mask_boxes(masks).int().tolist(), strict=True):
        around = _with_margin(box)  # regions and holes lie in there; the rest is outside
        flips[around] = _small_regions(inside[around], fraction)
    return torch.where(torch.from_numpy(turned).to(mask_logits.device), -mask_logits, mask_logits)


def _with_margin(box_xyxy: list[int]) -> tuple[slice, slice]:
    """Rows and columns of a box and one cell more on every side where there is one."""
    left, top, right, bottom = box_xyxy
    return slice(max(0, top - 1), bottom + 1), slice(max(0, left - 1), right + 1)


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


def select(
    masks: Tensor, scores: Tensor, settings: InferenceConfig, where: Tensor | None = None, least_inside: float = 0.0
) -> Tensor:
    """Choose among candidates by area, place and non-maximum suppression, on the decoder's own mask grid.

    Args:
        masks: (K, h, w) bool, over the image without padding.
        scores: (K,) float32.
        settings: largest share of the image a mask may cover, overlap measure and threshold.
        where: (h, w) bool, where objects may stand; None for everywhere.
        least_inside: share of a mask that has to lie there.

    Returns:
        (J,) int64 indices of the kept masks, best first.
    """
    shares = masks.flatten(1).float().mean(dim=1)
    fits = (shares > 0) & (shares <= settings.max_area_fraction) & _stand_in(masks, where, least_inside)
    return _suppressed(masks, scores, torch.nonzero(fits)[:, 0], settings)


def chosen_of(candidates: Candidates, index: Tensor) -> Candidates:
    """The candidates in ``index``, (J,) int64, in that order."""
    return Candidates(
        candidates.mask_logits[index],
        candidates.scores[index],
        candidates.prompt_index[index],
        candidates.token_index[index],
    )


def count_too_large(
    masks: Tensor, scores: Tensor, settings: InferenceConfig, where: Tensor | None = None, least_inside: float = 0.0
) -> int:
    """Number of masks that nothing but the area limit keeps out of what :func:`select` chooses; arguments likewise."""
    shares = masks.flatten(1).float().mean(dim=1)
    large = shares > settings.max_area_fraction
    if not large.any():
        return 0
    fits = (shares > 0) & _stand_in(masks, where, least_inside)
    return int(large[_suppressed(masks, scores, torch.nonzero(fits)[:, 0], settings)].sum())


def _suppressed(masks: Tensor, scores: Tensor, index: Tensor, settings: InferenceConfig) -> Tensor:
    return index[suppress(masks[index], scores[index], settings.nms_iou, settings.nms)]


def _stand_in(masks: Tensor, where: Tensor | None, least_inside: float) -> Tensor:
    """(K,) bool: masks with at least a share of their cells in (h, w) ``where``."""
    if where is None:
        return torch.ones(len(masks), dtype=torch.bool, device=masks.device)
    areas = masks.flatten(1).sum(dim=1)
    return (masks & where).flatten(1).sum(dim=1) >= least_inside * areas


def draw_masks(mask_logits: Tensor, frame: Frame, image_hw: tuple[int, int]) -> tuple[BoolArray, FloatArray]:
    """Bring masks to the photo's pixels: each only where it is, which takes a fifth of the time of whole frames.

    Args:
        mask_logits: (K, h, w) float32 on a grid that covers the frame; above 0 is inside.
        frame: how the photo lies in the frame.
        image_hw: size of the photo.

    Returns:
        (K, H, W) bool masks, as ``geometry.resize_logits(...) > 0`` up to rounding, and (K, 4) float32 xyxy boxes.
    """
    masks = np.zeros((len(mask_logits), *image_hw), dtype=np.bool_)
    boxes = np.zeros((len(mask_logits), 4), dtype=np.float32)
    grid_hw = (mask_logits.shape[1], mask_logits.shape[2])
    with full_precision(mask_logits.device):
        enlarger = Enlarger.of(grid_hw, frame, image_hw, mask_logits.device)
        for row, box in enumerate(mask_boxes(mask_logits > 0).int().tolist()):
            part, (top, left) = enlarger.enlarge(mask_logits[row], box)
            inside = (part > 0).cpu()
            masks[row, top : top + inside.shape[0], left : left + inside.shape[1]] = inside
            if inside.any():
                boxes[row] = mask_boxes(inside[None])[0].numpy() + (left, top, left, top)
    return masks, boxes


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
    return box_overlap(boxes, boxes)


def box_overlap(first: Tensor, second: Tensor) -> Tensor:
    """(A, B) float32 intersection over union of (A, 4) and (B, 4) xyxy boxes; 0 between empty ones."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None] - shared).clamp(min=1e-6)


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


def vote(logits: Tensor, chosen: Tensor, iou: float) -> Tensor:
    """Average each chosen mask with all masks that overlap it well.

    Args:
        logits: (N, h, w) float32 logits of all masks that were drawn; above 0 is inside.
        chosen: (K,) int64 indices of the masks to refine.
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

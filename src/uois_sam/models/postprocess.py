"""From scored masks to instances: best of four, score threshold, area filter, non-maximum suppression (Sec. IV-A)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uois_sam.arrays import (
    Array,
    arange,
    as_float,
    as_index,
    best_of_rows,
    descending,
    exactly,
    in_rows,
    indices,
    is_numpy,
    like,
    namespace,
    sigmoid,
    to_numpy,
)  # fmt: skip
from uois_sam.config import InferenceConfig, NmsMode
from uois_sam.geometry import Enlarger, Frame, mask_bounds, mask_regions
from uois_sam.types import BoolArray, Candidates, FloatArray


def choose_best(scores: Array, threshold: float) -> tuple[Array, Array, Array]:
    """Keep each prompt's best of four masks if its score reaches the threshold.

    Needs scores only, so it runs before any mask is upscaled; the result is the same as choosing afterwards.

    Args:
        scores: (M, 4) float32.
        threshold: lowest score to keep (0.48 in the paper).

    Returns:
        prompt_index (K,), token_index (K,), scores (K,), in the order of the prompts.
    """
    best, token = best_of_rows(scores)
    prompt = indices(best >= threshold)
    return prompt, token[prompt], best[prompt]


def clean_regions(mask_logits: Array, fraction: float) -> Array:
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
    boxes = as_index(mask_boxes(masks)).tolist()
    for inside, flips, box in zip(to_numpy(masks), turned, boxes, strict=True):
        around = _with_margin(box)  # regions and holes lie in there; the rest is outside
        flips[around] = small_regions(inside[around], fraction)
    return namespace(mask_logits).where(like(turned, mask_logits), -mask_logits, mask_logits)


def _with_margin(box_xyxy: list[int]) -> tuple[slice, slice]:
    """Rows and columns of a box and one cell more on every side where there is one."""
    left, top, right, bottom = box_xyxy
    return slice(max(0, top - 1), bottom + 1), slice(max(0, left - 1), right + 1)


def small_regions(mask: npt.NDArray[np.bool_], fraction: float) -> npt.NDArray[np.bool_]:
    """(h, w) bool: cells of a mask's small islands and small holes; arguments as for :func:`clean_regions`."""
    import cv2  # here, because it adds to the command's start

    pixels = np.ascontiguousarray(mask, np.bool_).view(np.uint8)
    outlines, nesting = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    holes = 0 if nesting is None else np.count_nonzero(nesting[0, :, 3] >= 0)  # 4-connected; islands are 8-connected
    if len(outlines) <= 1:  # most masks: outlines are found in a tenth of the time that regions take
        return np.zeros(mask.shape, dtype=np.bool_)
    limit, kept = fraction * np.count_nonzero(mask), mask
    if len(outlines) - holes > 1:
        regions, areas = mask_regions(mask, 8)
        limit = fraction * areas[1:].max()
        small = areas < limit
        small[0] = False
        kept = mask & ~small[regions] if small.any() else mask
    if holes:
        regions, areas = mask_regions(~kept, 4)
        enclosed = areas < limit
        enclosed[np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])] = False
        enclosed[0] = False
        kept = kept | enclosed[regions] if enclosed.any() else kept
    return np.asarray(mask != kept)


def select(
    masks: Array, scores: Array, settings: InferenceConfig, where: BoolArray | None = None, least_inside: float = 0.0
) -> Array:
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
    shares = as_float(in_rows(masks)).mean(1)
    fits = (shares > 0) & (shares <= settings.max_area_fraction) & _stand_in(masks, where, least_inside)
    return _suppressed(masks, scores, indices(fits), settings)


def chosen_of(candidates: Candidates, index: Array) -> Candidates:
    """The candidates in ``index``, (J,) int64, in that order."""
    return Candidates(
        candidates.mask_logits[index],
        candidates.scores[index],
        candidates.prompt_index[index],
        candidates.token_index[index],
    )


def count_too_large(
    masks: Array, scores: Array, settings: InferenceConfig, where: BoolArray | None = None, least_inside: float = 0.0
) -> int:
    """Number of masks that nothing but the area limit keeps out of what :func:`select` chooses; arguments likewise."""
    shares = as_float(in_rows(masks)).mean(1)
    large = shares > settings.max_area_fraction
    if not large.any():
        return 0
    fits = (shares > 0) & _stand_in(masks, where, least_inside)
    return int(large[_suppressed(masks, scores, indices(fits), settings)].sum())


def _suppressed(masks: Array, scores: Array, index: Array, settings: InferenceConfig) -> Array:
    return index[suppress(masks[index], scores[index], settings.nms_iou, settings.nms)]


def _stand_in(masks: Array, where: BoolArray | None, least_inside: float) -> Array:
    """(K,) bool: masks with at least a share of their cells in (h, w) ``where``."""
    if where is None:
        return like(np.ones(len(masks), dtype=np.bool_), masks)
    areas = in_rows(masks).sum(1)
    return in_rows(masks & like(where, masks)).sum(1) >= least_inside * as_float(areas)


def draw_masks(mask_logits: Array, frame: Frame, image_hw: tuple[int, int]) -> tuple[BoolArray, FloatArray]:
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
    with exactly(mask_logits):
        enlarger = Enlarger.of(grid_hw, frame, image_hw, None if is_numpy(mask_logits) else mask_logits.device)
        for row, box in enumerate(as_index(mask_boxes(mask_logits > 0)).tolist()):
            part, (top, left) = enlarger.enlarge(mask_logits[row], box)
            inside = to_numpy(part > 0)
            masks[row, top : top + inside.shape[0], left : left + inside.shape[1]] = inside
            within = mask_bounds(inside)
            if within[2]:
                boxes[row] = np.add(within, (left, top, left, top))
    return masks, boxes


def suppress(masks: Array, scores: Array, iou: float, mode: NmsMode) -> Array:
    """Greedy non-maximum suppression.

    Args:
        masks: (K, h, w) bool, any common grid.
        scores: (K,) float32.
        iou: a mask that overlaps a better kept one by more than this is dropped.
        mode: overlap of the masks themselves, or of their bounding boxes.

    Returns:
        (J,) int64 indices of the kept masks, best first.
    """
    too_close = to_numpy((mask_iou(masks) if mode == "mask" else box_iou(masks)) > iou)
    dropped = np.zeros(len(masks), dtype=np.bool_)
    kept: list[int] = []
    for index in descending(scores).tolist():
        if not dropped[index]:
            kept.append(index)
            dropped |= too_close[index]
    return like(np.array(kept, dtype=np.int64), masks)


def mask_iou(masks: Array) -> Array:
    """(K, K) float32 intersection over union of (K, h, w) bool masks; 0 between empty ones."""
    flat = as_float(in_rows(masks))
    with exactly(masks):  # counts of pixels, which bfloat16 would round
        intersection = flat @ flat.T
    areas = flat.sum(1)
    return intersection / (areas[:, None] + areas[None] - intersection).clip(1)


def box_iou(masks: Array) -> Array:
    """(K, K) float32 intersection over union of the masks' bounding boxes."""
    boxes = mask_boxes(masks)
    return box_overlap(boxes, boxes)


def box_overlap(first: Array, second: Array) -> Array:
    """(A, B) float32 intersection over union of (A, 4) and (B, 4) xyxy boxes; 0 between empty ones."""
    xp = namespace(first)
    low = xp.maximum(first[:, None, :2], second[None, :, :2])
    high = xp.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None] - shared).clip(1e-6)


def mask_boxes(masks: Array) -> Array:
    """(K, 4) float32 xyxy of (K, h, w) bool masks, the last row and column + 1 as upper ends; zeros when empty."""
    xp = namespace(masks)
    lows, highs = [], []
    for axis in (1, 2):
        hits = masks.any(axis)
        present, held = hits.any(1), as_index(hits)
        lows.append(xp.where(present, held.argmax(1), 0))
        highs.append(xp.where(present, held.shape[1] - xp.flip(held, (1,)).argmax(1), 0))
    return as_float(xp.stack([*lows, *highs], 1))


def vote(logits: Array, chosen: Array, iou: float) -> Array:
    """Average each chosen mask with all masks that overlap it well.

    Args:
        logits: (N, h, w) float32 logits of all masks that were drawn; above 0 is inside.
        chosen: (K,) int64 indices of the masks to refine.
        iou: least IoU with a chosen mask that gives a mask a vote on it, in (0, 1]; a mask votes on itself.

    Returns:
        (K, h, w) float32 in -1..1, the mean of 2 p - 1 over the voters with p their probabilities; above 0 is inside.
    """
    with exactly(logits):  # lower precision would round counts of cells
        inside = as_float(in_rows(logits > 0))
        areas = inside.sum(1)
        shared = inside[chosen] @ inside.T
        overlap = shared / (areas[chosen, None] + areas[None] - shared).clip(1)
        votes = as_float(overlap >= iou)
        votes[arange(len(chosen), chosen), chosen] = 1.0  # an empty mask overlaps not even itself
        voters = votes.any(0)
        margins = sigmoid(as_float(in_rows(logits)[voters]))
        margins *= 2  # in place, as there may be a hundred masks
        margins -= 1
        mean = votes[:, voters] @ margins / votes.sum(1)[:, None]
    return mean.reshape(len(chosen), *logits.shape[1:])

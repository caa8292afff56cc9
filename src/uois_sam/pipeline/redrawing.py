"""Objects that were found, with masks by a foundation model (:mod:`uois_sam.models.redrawing`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from uois_sam.errors import count
from uois_sam.geometry import map_points, onto_grid
from uois_sam.instances import Instances
from uois_sam.models.interfaces import CELLS, ObjectPrompts
from uois_sam.models.postprocess import clean_regions, draw_masks
from uois_sam.models.redrawing import KnownObjects, keep_apart, prompts_for, redraw
from uois_sam.pipeline.view import View
from uois_sam.request import LEAST_INSIDE
from uois_sam.types import BoolArray, FloatArray


def redraw_found(photo: View, found: Instances) -> tuple[Instances, tuple[str, ...]]:
    """Return objects with masks by the foundation model where one of these agrees with their own, and notes.

    Of objects that come out alike only the better one stays. Scores, points and the order are as they were.

    Args:
        photo: the view of a photo that they were found in.
        found: masks of the view's size, best first.
    """
    if photo.networks.redrawer is None or len(found) == 0:
        return found, ()
    masks, boxes, kept, unlike, beyond = _drawn(photo, found)
    name, notes = photo.networks.redrawer.name, []
    if unlike:
        notes.append(
            f"masks: {unlike} of {count(len(found), 'object')} as first found, where no mask of {name} agrees by "
            f"{photo.in_effect.mask_agreement:.0%}; lower --mask-agreement (mask_agreement)"
        )
    if beyond:
        notes.append(
            f"masks: {beyond} of {count(len(found), 'object')} as first found, where the mask of {name} is smaller or "
            "larger than is allowed, or outside of the region"
        )
    if len(kept) < len(found):
        alike = count(len(found) - len(kept), "object")
        notes.append(
            f"masks: {alike} left out that {name} draws like better ones; raise --mask-agreement (mask_agreement)"
        )
    return replace(found, masks=masks, boxes=boxes)[kept.numpy()], tuple(notes)


def redraw_targets(photo: View, found: Instances) -> Instances:
    """Return objects that a user pointed at likewise: one for one, nothing is left out."""
    there = np.flatnonzero(found.masks.any(axis=(1, 2)))
    if photo.networks.redrawer is None or len(there) == 0:
        return found
    masks, boxes = found.masks.copy(), found.boxes.copy()
    masks[there], boxes[there], *_ = _drawn(photo, found[there])
    return replace(found, masks=masks, boxes=boxes)


def ask(photo: View, found: Instances) -> tuple[tuple[ObjectPrompts, ...], KnownObjects]:
    """Prompts for objects in every form, and what is known of them, for :func:`uois_sam.models.redrawing.redraw`."""
    redrawer = photo.networks.redrawer
    assert redrawer is not None
    features, frame = photo.redrawing_features
    grid_hw = CELLS * features.grid.shape[-2], CELLS * features.grid.shape[-1]

    def to_frame(points_xy: Tensor) -> Tensor:
        return map_points(points_xy.to(redrawer.device), photo.image_hw, frame.content_hw)

    def over_grid(values: Tensor) -> Tensor:
        return onto_grid(values[None].float().to(redrawer.device), frame, grid_hw)[0]

    shares = torch.stack([over_grid(torch.from_numpy(mask)) for mask in found.masks])
    foreground = None if photo.networks.hpg is None else over_grid(photo.maps.foreground)
    known = KnownObjects(shares, over_grid(torch.ones(photo.image_hw)) > 0, foreground)
    own_masks = shares if photo.settings.mask_prompts else None
    return prompts_for(found.masks, found.points, to_frame, own_masks), known


def _drawn(photo: View, found: Instances) -> tuple[BoolArray, FloatArray, Tensor, int, int]:
    """Masks and boxes of all objects, which of them stay apart, and how many keep their own mask: where no other agrees
    with it, and where one that agrees is beyond a limit."""
    redrawer, settings = photo.networks.redrawer, photo.in_effect
    assert redrawer is not None
    features, frame = photo.redrawing_features
    prompts, known = ask(photo, found)
    redrawn = redraw(redrawer, features, prompts, known)
    logits = _cleaned(redrawn.mask_logits, known.masks, settings.region_fraction)
    masks, boxes = draw_masks(logits, frame, photo.image_hw)
    agrees = (redrawn.agreement >= settings.mask_agreement).cpu().numpy()
    taken = agrees & _within_limits(photo, masks)
    masks[~taken], boxes[~taken] = found.masks[~taken], found.boxes[~taken]
    on_grid = torch.where(torch.from_numpy(taken).to(logits.device)[:, None, None], logits > 0, known.masks)
    kept = keep_apart(on_grid, known.masks, settings.nms_iou).cpu()
    return masks, boxes, kept, int(np.count_nonzero(~agrees)), int(np.count_nonzero(agrees & ~taken))


def _cleaned(logits: Tensor, own: Tensor, fraction: float) -> Tensor:
    """Remove small islands and fill small holes, except those that the objects' own masks have as well."""
    cleaned = clean_regions(logits, fraction)
    spared = ((cleaned > 0) != (logits > 0)) & ((cleaned > 0) != own)
    return torch.where(spared, logits, cleaned)


def _within_limits(photo: View, masks: BoolArray) -> BoolArray:
    """(N,) bool: masks of a size and in a place that the settings allow."""
    settings = photo.in_effect
    areas = np.count_nonzero(masks, axis=(1, 2))
    fits = (areas >= max(1, settings.min_area_px)) & (areas <= settings.max_area_fraction * masks[0].size)
    if photo.inside is not None:
        fits &= np.count_nonzero(masks & photo.inside, axis=(1, 2)) >= LEAST_INSIDE * areas
    return np.asarray(fits)

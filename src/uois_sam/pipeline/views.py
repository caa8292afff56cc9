"""Find objects in a photo: as a whole, in the part that holds them all, or in tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from uois_sam.arrays import like, of, to_numpy
from uois_sam.depth import Box
from uois_sam.errors import count
from uois_sam.instances import Instances
from uois_sam.models.tiles import choose_count, frame_around, in_one, lay_tiles, merge, pieces_of
from uois_sam.models.zoom import Crop, in_photo
from uois_sam.pipeline.losses import Losses
from uois_sam.pipeline.view import View
from uois_sam.request import LEAST_INSIDE

MOST_AUTOMATIC = 4
"""Tiles along each side that "auto" takes at most: sixteen times the time of the photo."""


@dataclass(frozen=True)
class Found:
    """Instances in a photo, and what was left out."""

    instances: Instances
    losses: Losses
    notes: tuple[str, ...] = ()


def find_in_views(photo: View) -> Instances:
    """Find what a photo's request asks for, which points at nothing."""
    found = _closer(photo) or _as_a_whole(photo)
    if photo.request.tiles is not None:
        found = _redrawn(photo, _tiled(photo, found))
    notes = [*found.losses.notes(photo.in_effect), *found.notes, *_depth_notes(photo)]
    instances, most = found.instances, photo.request.max_objects
    if most is not None and len(instances) > most:
        beyond = count(len(instances) - most, "object")
        notes.append(f"too many: {beyond} beyond the best {most} left out; raise --max-objects (max_objects)")
        instances = instances[:most]
    if photo.inside is not None and len(instances) == 0:
        pixels = count(int(np.count_nonzero(photo.inside)), "pixel")
        notes.append(
            f"nothing in the region: no mask has half of itself in the {pixels} to look at; "
            "widen --region (region) or narrow --exclude (exclude)"
        )
    return replace(instances, notes=tuple(notes)) if notes else instances


def _depth_notes(photo: View) -> tuple[str, ...]:
    """What there is to say of the depth as a whole."""
    if photo.depth is None:
        if isinstance(photo.request.workspace, Box):
            return ("workspace not used: it is in metres, and the photo has no depth; give --depth (depth)",)
        return ()
    if photo.depth.doubt:
        return (f"depth not used: {photo.depth.doubt}",)
    return () if photo.scene is None else photo.scene.notes


def _as_a_whole(photo: View) -> Found:
    found = Found(*photo.select_counting(photo.candidates(photo.points_in_mask_frame)))
    return found if photo.request.tiles is not None else _redrawn(photo, found)


def _redrawn(photo: View, found: Found) -> Found:
    """Masks by a foundation model, where the networks have one."""
    if photo.networks.redrawer is None:
        return found
    from uois_sam.pipeline.redrawing import redraw_found  # in torch

    instances, notes = redraw_found(photo, found.instances)
    return replace(found, instances=instances, notes=(*found.notes, *notes))


def _closer(photo: View) -> Found | None:
    """The part of the photo that holds all objects; None where there is none."""
    if photo.zoomed is None:
        return None
    crop, part = photo.zoomed
    found = _as_a_whole(part)
    beyond = _count_beyond(photo, crop)
    share = crop.height * crop.width / (photo.image_hw[0] * photo.image_hw[1])
    said = (
        f"closer look: {count(beyond, 'object')} left out outside the {share:.0%} of the photo looked at; "
        "--zoom off (zoom=False) looks at all of it"
    )
    instances = in_photo(found.instances, crop, photo.image)
    losses = replace(found.losses, unasked=photo.unasked)
    return Found(instances, losses, (*((said,) if beyond else ()), *found.notes))


def _count_beyond(photo: View, crop: Crop) -> int:
    """Number of objects that the photo as a whole has outside a part of it."""
    outside = np.ones(photo.image_hw, dtype=np.bool_)
    crop.cut(outside)[:] = False
    points = photo.points_in_mask_frame
    height, width = photo.features.mask_frame.content_hw
    unit = to_numpy((points + 0.5) / of([width, height], points))
    rows = (unit[:, 1] * photo.image_hw[0]).astype(int).clip(0, photo.image_hw[0] - 1)
    columns = (unit[:, 0] * photo.image_hw[1]).astype(int).clip(0, photo.image_hw[1] - 1)
    lost = like(np.flatnonzero(outside[rows, columns]), points)
    if len(lost) == 0:
        return 0
    candidates = photo.candidates(points[lost])
    moved = replace(candidates, prompt_index=lost[candidates.prompt_index])
    masks = photo.select_counting(moved, edges=False)[0].masks
    beyond = np.count_nonzero(masks & outside, axis=(1, 2)) >= LEAST_INSIDE * np.count_nonzero(masks, axis=(1, 2))
    return int(np.count_nonzero(beyond))


def _tiled(photo: View, whole: Found) -> Found:
    """Look at tiles as well; the result so far where none are needed."""
    area = Crop(0, 0, *photo.image_hw) if photo.inside is None else frame_around(photo.inside)
    asked = photo.request.tiles
    if isinstance(asked, int):
        return _in_tiles(photo, whole, area, asked, "as asked") if asked > 1 else whole
    losses = whole.losses
    least, most = choose_count(whole.instances, losses.peaks, losses.prompts, area, MOST_AUTOMATIC)
    found = whole
    for number in range(least, most + 1):
        if number > 1:
            found = _in_tiles(photo, whole, area, number, "as prompts were used up or objects are tiny")
        if not found.losses.peaks:
            break
    return found


def _in_tiles(photo: View, whole: Found, area: Crop, number: int, why: str) -> Found:
    """The photo as a whole and number x number tiles of a part of it, merged."""
    tiles = lay_tiles(area, number)
    pieces = pieces_of(whole.instances, Crop(0, 0, *photo.image_hw), photo.image_hw, -1)
    losses = replace(whole.losses, peaks=0, prompts=0)  # what is larger than a tile comes from the whole
    for view, tile in enumerate(tiles):
        if photo.inside is not None and not tile.cut(photo.inside).any():
            continue
        part = photo.cut(tile)
        instances, lost = part.select_counting(part.candidates(part.points_in_mask_frame))
        pieces += pieces_of(instances, tile, photo.image_hw, view)
        losses += replace(lost, large=0, unasked=0)
    found = in_one(merge(pieces, tiles, photo.in_effect.nms_iou), photo.image, photo.model)
    sizes = f"{number}x{number} of {tiles[0].width}x{tiles[0].height} pixels"
    numbers = f"{count(len(whole.instances), 'object')} in the photo as a whole, {len(found)} with tiles"
    return Found(found, losses, (f"tiles: {sizes}, {why}: {numbers}",))

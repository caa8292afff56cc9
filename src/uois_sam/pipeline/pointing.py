"""Objects that a user points at: one mask each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from uois_sam.arrays import (
    Array,
    arange,
    as_float,
    as_index,
    merged,
    namespace,
    of,
    padded,
    shrunk,
    sigmoid,
)  # fmt: skip
from uois_sam.errors import ImageError, count
from uois_sam.geometry import cut_padding, look_at_part
from uois_sam.instances import Instances
from uois_sam.models.clicks import Clicks, Drawn, clean, combine, lattice
from uois_sam.models.decoding import make_scorer, make_token_scorer
from uois_sam.models.postprocess import mask_boxes
from uois_sam.models.zoom import Crop, crop_around, in_photo
from uois_sam.pipeline.view import View
from uois_sam.request import Target
from uois_sam.types import Candidates


def predict_targets(photo: View) -> Instances:
    """Return one mask for each target of a photo's request, in order.

    Raises:
        ImageError: a click or a box lies outside the photo.
    """
    targets = photo.request.targets or ()
    check_inside(targets, photo.image_hw)
    points = np.array([_point_of(target) for target in targets], dtype=np.float32).reshape(-1, 2)
    in_frame = photo.to_mask_frame(points, photo.image_hw)
    with photo.networks.computing():
        simple = [row for row, target in enumerate(targets) if target.is_one_click]
        scorer = make_token_scorer(photo.networks, photo.settings)
        single = scorer.one_each(photo.features.mask_features, in_frame[simple])
        clicked = photo.draw(single, arange(len(simple), in_frame), in_frame[simple])
        if len(simple) == len(targets):
            return replace(clicked, notes=notes_on(targets, clicked))
        others = [_answer(photo, target) for target in targets if not target.is_one_click]
    rows = [*simple, *(row for row, target in enumerate(targets) if not target.is_one_click)]
    found = replace(_joined([clicked, *others])[np.argsort(rows)], points=points)
    return replace(found, notes=notes_on(targets, found))


def notes_on(targets: tuple[Target, ...], found: Instances) -> tuple[str, ...]:
    """What is to be said of the masks of targets, one for one."""
    empty = np.flatnonzero(~found.masks.any(axis=(1, 2)))
    said = f"nothing there: {len(empty)} of {count(len(targets), 'object')} pointed at with an empty mask, "
    return (
        *taken_as_pixels(targets, (found.masks.shape[1], found.masks.shape[2])),
        *([f"{said}first number {empty[0] + 1}"] if len(empty) else []),
    )


def taken_as_pixels(targets: tuple[Target, ...], image_hw: tuple[int, int]) -> tuple[str, ...]:
    """A note where all coordinates are from 0 to 1, so that they may be meant as shares."""
    numbers = [value for target in targets for x, y, _ in target.clicks for value in (x, y)]
    numbers += [value for target in targets for value in target.box or ()]
    if not numbers or min(image_hw) <= 2 or not all(0 <= value <= 1 for value in numbers):
        return ()
    return (
        "clicks in the first pixel: all numbers of points and boxes are from 0 to 1, and were taken as pixels; "
        f"multiply shares by {image_hw[1]} and {image_hw[0]}",
    )


def check_inside(targets: tuple[Target, ...], image_hw: tuple[int, int]) -> None:
    """Raise ImageError for clicks and boxes outside the photo."""
    height, width = image_hw
    for target in targets:
        if not all(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5 for x, y, _ in target.clicks):
            found = [[x, y] for x, y, _ in target.clicks]
            raise ImageError(f"points: expected x, y inside a photo {width} wide and {height} high, found {found}")
        if target.box is not None:
            left, top, right, bottom = target.box
            if left < -0.5 or top < -0.5 or right > width or bottom > height:
                found_box = ",".join(f"{value:g}" for value in target.box)
                raise ImageError(
                    f"boxes: expected a box inside a photo {width} wide and {height} high, found {found_box}"
                )


def _point_of(target: Target) -> tuple[float, float]:
    """The first click on the object; of a box without one the middle."""
    on = [(x, y) for x, y, label in target.clicks if label]
    if on:
        return on[0]
    assert target.box is not None
    left, top, right, bottom = target.box
    return (left + right - 1) / 2, (top + bottom - 1) / 2


@dataclass(frozen=True)
class _Look:
    """All masks of some points in a view of the photo, on the view's grid without padding."""

    view: View
    crop: Crop
    """The view's part of the photo."""
    logits: Array
    """(M, 4, h, w)."""
    scores: Array
    """(M, 4)."""

    @classmethod
    def at(cls, view: View, crop: Crop, points: list[tuple[float, float]]) -> _Look:
        """Look for what is under points of the photo."""
        networks = view.networks
        maps = None if networks.hpg is None else view.maps
        moved = np.array(points, dtype=np.float32) - np.array([crop.left, crop.top], dtype=np.float32)
        in_frame = view.to_mask_frame(moved, view.image_hw)
        logits, scores = make_scorer(networks, view.settings).every(view.features.mask_features, maps, in_frame)
        cut = cut_padding(merged(logits), view.features.mask_frame)
        return cls(view, crop, cut.reshape(*scores.shape, *cut.shape[1:]), scores)

    @property
    def grid_hw(self) -> tuple[int, int]:
        return self.logits.shape[2], self.logits.shape[3]

    def logits_on(self, other: _Look) -> Array:
        """The masks on the grid of another look, at a part of what this one sees."""
        if other is self:
            return self.logits
        part = (other.crop.top, other.crop.left, other.crop.height, other.crop.width)
        looked = look_at_part(merged(self.logits), (self.crop.height, self.crop.width), part, other.grid_hw)
        return looked.reshape(*self.scores.shape, *looked.shape[1:])

    def foreground(self) -> Array | None:
        if self.view.networks.hpg is None:
            return None
        return shrunk(as_float(self.view.maps.foreground[None]), self.grid_hw)[0]

    def cells(self, points: list[tuple[float, float]]) -> Array:
        """(M, 2) xy of points of the photo in cells, whose centres are at i + 0.5."""
        given = of(points, self.logits).reshape(-1, 2)
        return (given + 0.5 - of([self.crop.left, self.crop.top], given)) * of(self._scale, given)

    def cells_of_box(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """xyxy of a box, upper ends exclusive."""
        (x, y), (left, top) = self._scale, (self.crop.left, self.crop.top)
        return (box[0] - left) * x, (box[1] - top) * y, (box[2] - left) * x, (box[3] - top) * y

    @property
    def _scale(self) -> tuple[float, float]:
        """Cells a pixel along x and y."""
        return self.grid_hw[1] / self.crop.width, self.grid_hw[0] / self.crop.height

    def draw(self, photo: View, mask: Array, score: float) -> Instances:
        """The instance of a mask on this grid, in the photo."""
        frame = self.view.features.mask_frame
        full_hw = (round(self.grid_hw[axis] * frame.size_hw[axis] / frame.content_hw[axis]) for axis in (0, 1))
        rows, columns = (full - cells for full, cells in zip(full_hw, self.grid_hw, strict=True))
        first = arange(1, mask)
        candidates = Candidates(padded(mask, columns, rows, -0.5)[None], of([score], mask), first, first)
        return in_photo(self.view.draw(candidates, first, of([[0, 0]], mask)), self.crop, photo.image)


def _answer(photo: View, target: Target) -> Instances:
    """The one instance of several clicks, a box, or both: of the photo, and of a closer look at its surroundings."""
    on = [(x, y) for x, y, label in target.clicks if label]
    beside = [(x, y) for x, y, label in target.clicks if not label]
    inner = [] if target.box is None else [(x - 0.5, y - 0.5) for x, y in lattice(target.box)]
    points, within = [*on, *inner, *beside], len(on) + len(inner)
    looks = [_Look.at(photo, Crop(0, 0, *photo.image_hw), points)]
    if photo.settings.zoom:
        box = target.box or _extent(looks[0], _combined(looks, target, on, beside, within)[0], on)
        crop = crop_around(box, photo.image_hw)
        looks += [] if crop is None else [_Look.at(photo.cut(crop), crop, points)]
    return looks[-1].draw(photo, *_combined(looks, target, on, beside, within))


def _combined(
    looks: list[_Look],
    target: Target,
    on: list[tuple[float, float]],
    beside: list[tuple[float, float]],
    within: int,
) -> tuple[Array, float]:
    """One mask of the masks of all looks on the grid of the last one, and its score; the first ``within`` points are
    on the object or in its box."""
    last = looks[-1]
    xp, masks = namespace(last.logits), [sigmoid(look.logits_on(last)) for look in looks]
    drawn = Drawn(
        masks=xp.concatenate([merged(each[:within]) for each in masks]),
        scores=xp.concatenate([look.scores[:within].reshape(-1) for look in looks]),
        others=xp.concatenate([each[within:] for each in masks], 1),
        other_scores=xp.concatenate([look.scores[within:] for look in looks], 1),
        foreground=last.foreground(),
    )
    box = None if target.box is None else last.cells_of_box(target.box)
    mask, score = combine(drawn, Clicks(last.cells(on), last.cells(beside), box))
    return clean(mask, last.view.settings.region_fraction), score


def _extent(look: _Look, mask: Array, on: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    """xyxy in the photo of a mask on the grid of a look at all of it, and of the clicks on the object."""
    height, width = look.grid_hw
    held = mask[None] > 0
    for x, y in as_index(look.cells(on)).tolist():
        held[0, min(max(0, y), height - 1), min(max(0, x), width - 1)] = True
    left, top, right, bottom = mask_boxes(held)[0].tolist()
    across, down = look.crop.width / width, look.crop.height / height
    return left * across, top * down, right * across, bottom * down


def _joined(parts: list[Instances]) -> Instances:
    names = ("masks", "scores", "boxes", "points")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **joined)

"""Objects that a user points at: one mask each."""

from __future__ import annotations

import torch
from torch import Tensor

from uois_sam.errors import ImageError
from uois_sam.instances import Instances
from uois_sam.models.clicks import Clicks, clean, combine, lattice
from uois_sam.models.decoding import TokenScorer, make_token_scorer
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
    points = torch.tensor([_point_of(target) for target in targets], dtype=torch.float32).reshape(-1, 2)
    in_frame = photo.to_mask_frame(points, photo.image_hw)
    with photo.networks.computing():
        scorer = make_token_scorer(photo.networks, photo.settings)
        simple = [row for row, target in enumerate(targets) if target.is_one_click]
        single = scorer.one_each(photo.features.mask_features, in_frame[simple])
        if len(simple) == len(targets):
            return photo.draw(single, torch.arange(len(targets)), in_frame)
        answers = {row: (single.mask_logits[i], float(single.scores[i])) for i, row in enumerate(simple)}
        for row, target in enumerate(targets):
            if row not in answers:
                answers[row] = _answer(photo, scorer, target)
    masks = torch.stack([answers[row][0] for row in range(len(targets))])
    scores = torch.tensor([answers[row][1] for row in range(len(targets))], dtype=torch.float32)
    order = torch.arange(len(targets))
    return photo.draw(Candidates(masks, scores, order, torch.zeros_like(order)), order, in_frame)


def check_inside(targets: tuple[Target, ...], image_hw: tuple[int, int]) -> None:
    """Raise ImageError for clicks and boxes outside the photo."""
    height, width = image_hw
    for target in targets:
        if not all(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5 for x, y, _ in target.clicks):
            found = [[x, y] for x, y, _ in target.clicks]
            raise ImageError(f"points: expected x, y inside a photo {width} wide and {height} high, got {found}")
        if target.box is not None:
            left, top, right, bottom = target.box
            if left < -0.5 or top < -0.5 or right > width or bottom > height:
                found_box = ",".join(f"{value:g}" for value in target.box)
                raise ImageError(
                    f"boxes: expected a box inside a photo {width} wide and {height} high, got {found_box}"
                )


def _point_of(target: Target) -> tuple[float, float]:
    """The first click on the object; of a box without one the middle."""
    on = [(x, y) for x, y, label in target.clicks if label]
    if on:
        return on[0]
    assert target.box is not None
    left, top, right, bottom = target.box
    return (left + right - 1) / 2, (top + bottom - 1) / 2


def _answer(photo: View, scorer: TokenScorer, target: Target) -> tuple[Tensor, float]:
    """The mask of several clicks, a box, or both, on the mask grid, and its score."""
    on = [(x, y) for x, y, label in target.clicks if label]
    beside = [(x, y) for x, y, label in target.clicks if not label]
    inner = [] if target.box is None else [(x - 0.5, y - 0.5) for x, y in lattice(target.box)]
    points = photo.to_mask_frame(torch.tensor([*on, *inner, *beside]), photo.image_hw)
    logits, scores = scorer.every(photo.features.mask_features, points)
    cells = _Cells(photo, (logits.shape[2], logits.shape[3]))
    first = len(on) + len(inner)
    clicks = Clicks(cells.of(on), cells.of(beside), None if target.box is None else cells.of_box(target.box))
    mask, score = combine(
        logits[:first].flatten(0, 1), scores[:first].flatten(), logits[first:], scores[first:], clicks
    )
    return clean(mask, photo.settings.region_fraction), score


class _Cells:
    """From pixels of the photo to cells of the mask grid, whose centres are at i + 0.5."""

    def __init__(self, photo: View, grid_hw: tuple[int, int]) -> None:
        frame, image_hw = photo.features.mask_frame, photo.image_hw
        self.scale = [frame.content_hw[axis] / frame.size_hw[axis] * grid_hw[axis] / image_hw[axis] for axis in (1, 0)]
        self.device = photo.features.mask_features.grid.device

    def of(self, points: list[tuple[float, float]]) -> Tensor:
        """(M, 2) xy of points, pixel centres at integers."""
        given = torch.tensor(points, dtype=torch.float32, device=self.device).reshape(-1, 2)
        return (given + 0.5) * given.new_tensor(self.scale)

    def of_box(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """xyxy of a box, upper ends exclusive."""
        left, top, right, bottom = box
        x, y = self.scale
        return left * x, top * y, right * x, bottom * y

"""A double of SAM that draws true parts, objects and groups, and scores them as wrongly as SAM does.

SAM answers a prompt with masks of several levels (a whole, a part, a part of that) and scores each by how well it is
drawn, not by whether it is an object. The double does so for a photo whose hierarchy is known; which level to take is
then a question with a right answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.geometry import Frame, onto_grid
from uois_sam.models.interfaces import CELLS, MaskFeatures, ObjectPrompts
from uois_sam.models.redrawing import Redrawer
from uois_sam.types import BoolArray, TokenPredictions

SIDE = 1024
"""Of the frame, as SAM's; masks have a quarter of it."""
WAVER = 1.2
"""Deviation of a drawn outline from the true one, in cells of the mask grid."""
MISSED = 0.15
"""Share of prompts among whose masks the object as a whole is not."""
SCORE, SPREAD = 0.9, 0.05
"""Mean and deviation of the double's own scores, whatever the level."""
TOUCHING_PX = 7
"""Objects that come as near as this are a group."""


@dataclass(frozen=True)
class Hierarchy:
    """What a photo shows, on three levels."""

    objects: npt.NDArray[np.int64]
    """(H, W): 0 background, every other value an object."""
    parts: npt.NDArray[np.int64]
    """(H, W): every value a part; those of different objects differ."""

    def object_at(self, x: int, y: int) -> BoolArray:
        """The object under a pixel."""
        return self.objects == self.objects[y, x]

    def part_at(self, x: int, y: int) -> BoolArray:
        """The part of it under a pixel."""
        return self.object_at(x, y) & (self.parts == self.parts[y, x])

    def group_at(self, x: int, y: int) -> BoolArray:
        """The object under a pixel, and those that touch it."""
        own = self.object_at(x, y)
        near = cv2.dilate(own.astype(np.uint8), np.ones((TOUCHING_PX, TOUCHING_PX), np.uint8)) > 0
        return np.isin(self.objects, [label for label in np.unique(self.objects[near]) if label]) | own


@dataclass(frozen=True)
class HierarchyDouble:
    """The image encoder and the decoder of one photo."""

    hierarchy: Hierarchy
    seed: int = 0

    def as_redrawer(self) -> Redrawer:
        """The double in the place of a foundation model."""
        return Redrawer("double", self.encode, self, torch.device("cpu"))

    def encode(self, image: Tensor) -> tuple[MaskFeatures, Frame]:
        """(3, H, W) uint8, the photo whose hierarchy it knows, to features that say nothing."""
        assert tuple(image.shape[1:]) == self.hierarchy.objects.shape
        return MaskFeatures(torch.zeros(1, 1, SIDE // 16, SIDE // 16)), self.frame

    @cached_property
    def frame(self) -> Frame:
        """As SAM's."""
        height, width = self.hierarchy.objects.shape
        return Frame.padded((height, width), SIDE)

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        """See ``interfaces.PointDecoder``."""
        return self.decode_prompts(features, ObjectPrompts.of_points(points_xy))

    def decode_prompts(self, features: MaskFeatures, prompts: ObjectPrompts) -> TokenPredictions:
        """Draw all masks; they travel as ``image_state``."""
        drawn, scores = [], []
        for row in range(len(prompts)):
            one = prompts[row : row + 1]
            draw = np.random.default_rng([self.seed, *(np.abs(one.anchors_xy[0].numpy()) * 8).astype(int).tolist()])
            grid_hw = CELLS * features.grid.shape[-2], CELLS * features.grid.shape[-1]
            masks = [self._drawn(mask, grid_hw, draw) for mask in self._levels(one, draw)]
            drawn.append(torch.stack(masks))
            scores.append(torch.from_numpy(draw.normal(SCORE, SPREAD, MASKS_PER_PROMPT)).float())
        count = len(prompts)
        return TokenPredictions(
            torch.zeros(count, 1), torch.zeros(count, MASKS_PER_PROMPT, 1), torch.stack(scores), torch.stack(drawn)
        )

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        """See ``interfaces.PointDecoder``."""
        state = predictions.image_state
        return state.gather(1, token_index[..., None, None].expand(-1, -1, *state.shape[2:]))

    def _levels(self, prompt: ObjectPrompts, draw: np.random.Generator) -> list[BoolArray]:
        """Four masks of the photo: one of any level, then one of each; the box's favourite twice where there is one."""
        pixels = [self._pixel(point) for point in prompt.points_xy[0]] or [self._pixel(prompt.anchors_xy[0])]
        x, y = pixels[0]
        if self.hierarchy.objects[y, x] == 0:
            return self._surfaces(x, y)
        part = np.logical_or.reduce([self.hierarchy.part_at(*pixel) for pixel in pixels])
        levels = [part, self.hierarchy.object_at(x, y), self.hierarchy.group_at(x, y)]
        if draw.random() < MISSED:
            levels[1] = levels[2 * int(draw.integers(2))]
        first = int(draw.integers(3))
        if prompt.boxes_xyxy is not None:
            first = int(np.argmax([self._box_fit(level, prompt.boxes_xyxy[0]) for level in levels]))
        return [levels[first], *(levels[index] for index in draw.permutation(3))]

    def _surfaces(self, x: int, y: int) -> list[BoolArray]:
        """Background under a point: pieces of it, and all."""
        rows, columns = np.indices(self.hierarchy.objects.shape)
        near = np.hypot(rows - y, columns - x)
        free = self.hierarchy.objects == 0
        return [free & (near < radius) for radius in (30, 60, 120, 10_000)]

    def _pixel(self, point_xy: Tensor) -> tuple[int, int]:
        height, width = self.hierarchy.objects.shape
        x, y = (float(value) + 0.5 for value in point_xy)
        column, row = int(x * width / self.frame.content_hw[1]), int(y * height / self.frame.content_hw[0])
        return min(max(column, 0), width - 1), min(max(row, 0), height - 1)

    def _box_fit(self, mask: BoolArray, box_xyxy: Tensor) -> float:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        low, high = self._pixel(box_xyxy[:2]), self._pixel(box_xyxy[2:])
        ends = np.array([columns[0], rows[0], columns[-1], rows[-1]])
        given = np.array([*low, *high])
        shared = np.clip(np.minimum(ends[2:], given[2:]) - np.maximum(ends[:2], given[:2]), 0, None).prod()
        return float(shared / max(1, (ends[2:] - ends[:2]).prod() + (given[2:] - given[:2]).prod() - shared))

    def _drawn(self, mask: BoolArray, grid_hw: tuple[int, int], draw: np.random.Generator) -> Tensor:
        """Logits of a mask with a wavering outline: the distance from it, in cells."""
        share = onto_grid(torch.from_numpy(mask)[None].float(), self.frame, grid_hw)[0].numpy()
        inside = (share > 0.5).astype(np.uint8)
        outwards = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3) - cv2.distanceTransform(inside, cv2.DIST_L2, 3)
        coarse = draw.normal(0, WAVER, (grid_hw[0] // 8, grid_hw[1] // 8)).astype(np.float32)
        wavering = cv2.resize(coarse, grid_hw[::-1], interpolation=cv2.INTER_CUBIC)
        return torch.from_numpy(2 * (wavering - outwards)).float()

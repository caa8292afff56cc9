"""A request: what to find in a photo, read from words and applied to a photo of some size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any, Literal

import numpy as np

from uois_sam.config import InferenceConfig
from uois_sam.depth.workspace import Box
from uois_sam.errors import ImageError, UOISError
from uois_sam.io.regions import Region
from uois_sam.request.targets import Target, read_targets
from uois_sam.request.words import READERS, WORDS, Tiles
from uois_sam.types import BoolArray
from uois_sam.validation import nearest

LEAST_INSIDE = 0.5
"""Share of a mask that has to lie inside the region, outside what is excluded, for its object to stand there."""


@dataclass(frozen=True)
class Request:
    """What to find in a photo. Whatever is left out (None) is as the model's own settings have it.

    A request belongs to a photo, or to a camera; the settings of a model are its
    :class:`~uois_sam.config.InferenceConfig`, which a request overrules.
    """

    min_score: float | None = None
    """Score that a mask needs (``score_threshold`` among the settings)."""
    min_foreground: float | None = None
    """Foreground probability that a prompt needs (``foreground_threshold``)."""
    max_prompts: int | None = None
    """Prompts of a photo, the strongest first (``max_prompts``); with tiles, of each tile."""
    max_objects: int | None = None
    """Best objects to keep of a photo."""
    min_area: float | int | None = None
    """Smallest mask: an int for pixels, a float for a share of the photo."""
    max_area: float | int | None = None
    """Largest mask, likewise."""
    region: Region | None = None
    """Where to look; an object stands in it when at least half of its mask does."""
    exclude: tuple[Region, ...] = ()
    """Where not to look: the robot, the gripper, a reflection."""
    workspace: Box | Literal["auto", "off"] | None = None
    """Where objects of interest stand, for photos with depth: on the support that is found ("auto", as None), in a box
    in metres, or anywhere ("off")."""
    targets: tuple[Target, ...] | None = None
    """Objects that are pointed at, one mask for each in this order; None to find all."""
    tiles: Tiles | None = None
    """Look at this many overlapping tiles along each side of the photo as well; "auto" decides by the photo."""

    def changed(self, what: Mapping[str, Any]) -> Request:
        """This request with some words replaced, each as users give it; None takes a word back.

        Args:
            what: words of :data:`WORDS`: those of this class, with ``region`` and ``exclude`` as
                :meth:`~uois_sam.io.regions.Region.of` takes them, areas also as ``"2%"``; ``points``, (M, 2) xy, each
                of them an object, or a list with the clicks of each object; ``labels`` in the same arrangement, 1 on
                the object and 0 beside it (with flat ``points``, all are clicks of one object); ``boxes``, (M, 4),
                None for an object without; with points, the i-th box is that of the i-th object.

        Raises:
            UOISError: no such word; a value of another kind or out of bounds; words that exclude each other.
        """
        if not what:
            return self
        if unknown := sorted(set(what) - set(WORDS)):
            hint = nearest(unknown[0], WORDS)
            raise UOISError(f"unknown word {unknown[0]!r}{hint}; the words are: {', '.join(WORDS)}")
        changes = {name: READERS[name](value, name) for name, value in what.items() if name in READERS}
        if {"points", "labels", "boxes"} & set(what):
            changes["targets"] = read_targets(what.get("points"), what.get("labels"), what.get("boxes"))
        changed = replace(self, **changes)
        changed._check()
        return changed

    def _check(self) -> None:
        low, high = self.min_area, self.max_area
        if low is not None and high is not None and type(low) is type(high) and low > high:
            raise UOISError(f"min_area: expected at most max_area, found {low:g} above {high:g}")
        others = [name for name in READERS if getattr(self, name) not in (None, ())]
        if self.targets is not None and others:
            raise UOISError(
                "points and boxes give one mask each, of which nothing is left out: "
                f"expected no {' and no '.join(others)} beside them"
            )

    def settings(self, settings: InferenceConfig, image_hw: tuple[int, int], share: float = 1.0) -> InferenceConfig:
        """The settings that this request makes of a model's own.

        Args:
            settings: the model's.
            image_hw: size of the photo.
            share: of the photo's area in the part that is looked at: areas in a request are of the photo, those in the
                settings of the part.

        Raises:
            ImageError: the smallest area is above the largest.
        """
        pixels = image_hw[0] * image_hw[1]
        changes: dict[str, Any] = {
            "score_threshold": self.min_score,
            "foreground_threshold": self.min_foreground,
            "max_prompts": self.max_prompts,
        }
        if self.min_area is not None:
            low = self.min_area if isinstance(self.min_area, int) else math.ceil(self.min_area * pixels)
            changes["min_area_px"] = low
        if self.max_area is not None:
            high = self.max_area / pixels if isinstance(self.max_area, int) else self.max_area
            changes["max_area_fraction"] = min(1.0, high / share)
            if self.min_area is not None and low > high * pixels + 0.5:
                raise ImageError(
                    f"min_area: expected at most max_area, {high * pixels:.0f} pixels of this photo, found {low}"
                )
        changes = {name: value for name, value in changes.items() if value is not None}
        return replace(settings, **changes) if changes else settings

    def inside(self, image_hw: tuple[int, int]) -> BoolArray | None:
        """(H, W) bool: where to look; None for everywhere.

        Raises:
            ImageError: a region does not fit the photo, or what is excluded leaves nothing.
        """
        if self.region is None and not self.exclude:
            return None
        inside = np.ones(image_hw, np.bool_) if self.region is None else self.region.pixels(image_hw, "region").copy()
        for each in self.exclude:
            inside &= ~each.pixels(image_hw, "exclude")
        if not inside.any():
            raise ImageError("exclude: expected some of the photo (or region) to be left, found all of it excluded")
        return inside

    def to_json(self) -> dict[str, Any]:
        """The words that were given, as plain data for records."""
        said: dict[str, Any] = {name: getattr(self, name) for name in READERS if getattr(self, name) is not None}
        if self.region is not None:
            said["region"] = self.region.said
        if isinstance(self.workspace, Box):
            said["workspace"] = list(astuple(self.workspace))
        said["exclude"] = [each.said for each in self.exclude]
        if self.targets is not None:
            said["points"] = [[list(click) for click in target.clicks] for target in self.targets]
            said["boxes"] = [None if target.box is None else list(target.box) for target in self.targets]
        return {name: value for name, value in said.items() if value != []}

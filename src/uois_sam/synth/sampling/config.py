"""Settings of the variation from scene to scene, and switches that turn each kind of it off.

Everything is drawn from the scene's own random generator. ``docs/how-to/make-scenes.md`` shows the
distributions; an ablation changes one field and keeps the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from uois_sam.errors import DatasetError

PLACES = {"table": 0.46, "floor": 0.12, "bin": 0.2, "tray": 0.06, "shelf": 0.06, "drawer": 0.05, "seat": 0.05}
"""Places of objects and their relative weights."""
ARRANGEMENTS = {"scattered": 0.3, "touching": 0.16, "piled": 0.24, "stacked": 0.12, "rows": 0.1, "nested": 0.08}
"""Arrangements of objects and their relative weights."""
SPLITS = ("train", "val", "all")


@dataclass(frozen=True)
class Variety:
    """Variation from scene to scene."""

    split: Literal["train", "val", "all"] = "train"
    """Split of the shape families, texture kinds and light rigs: train and val share none but the plain
    one-colour finish, so that val scenes are unseen by construction; all takes both."""
    families: tuple[str, ...] = ()
    """Only these shape families; empty: all of the split."""
    places: tuple[str, ...] = tuple(PLACES)
    """Places where objects may lie."""
    arrangements: tuple[str, ...] = tuple(ARRANGEMENTS)
    """Arrangements of objects."""
    most_objects: int = 25
    """Object counts are uniform from 1 to this."""
    empty_share: float = 0.04
    """Share of scenes without any object."""
    twins_share: float = 0.06
    """Share of scenes in which all objects are copies of one."""
    framing: tuple[float, float] = (0.5, 1.3)
    """The camera's distance is uniform between these, in units of the distance at which the spot where objects may lie
    just fits the picture's width (and at least 0.4, at most 1.5 m)."""
    camouflage_share: float = 0.08
    """Share of scenes whose objects (about half of them) take the colour of what they stand on."""
    prints: bool = True
    """Printed labels and pictures on objects and surroundings; off: one-colour finishes instead."""
    patterns: bool = True
    """Wood, fabric, stone, stripes and the like; off: one-colour finishes instead."""
    wear: bool = True
    """Scratches, stains and dust on surfaces."""
    clear: bool = True
    """Glass and clear plastic; off: the same objects are opaque."""
    cloths: bool = True
    """Patterned mats and cloths under the objects: no objects themselves."""
    distractors: bool = True
    """Surroundings that are no objects: furniture, legs, walls with posters, cables, robot arms and grippers."""
    surroundings: float = 0.5
    """Share of scenes with a room behind the support, where things of the objects' own kinds stand that are not to be
    found; the camera stands farther off and sees it. Needs ``distractors``."""
    lights: bool = True
    """Light rigs from hard to soft, dim, coloured; off: one soft ceiling light."""
    optics: bool = True
    """Exposure, white balance, defocus, motion blur and vignetting; off: a perfect camera."""
    noise: bool = True
    """Sensor noise, sharpening and JPEG traces in the picture; off: none."""

    def __post_init__(self) -> None:
        _known("split", (self.split,), SPLITS)
        _known("places", self.places, tuple(PLACES))
        _known("arrangements", self.arrangements, tuple(ARRANGEMENTS))
        if not self.places or not self.arrangements:
            raise DatasetError("variety: expected at least one place and one arrangement, got none")
        if self.most_objects < 0:
            raise DatasetError(f"variety: expected most_objects of 0 or more, got {self.most_objects}")
        if not 0 < self.framing[0] <= self.framing[1]:
            raise DatasetError(f"variety: expected framing above 0 and ascending, got {self.framing}")
        for field in fields(self):
            value = getattr(self, field.name)
            if (field.name.endswith("_share") or field.name == "surroundings") and not 0 <= value <= 1:
                raise DatasetError(f"variety: expected {field.name} between 0 and 1, got {value}")


def _known(name: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    unknown = [value for value in given if value not in known]
    if unknown:
        raise DatasetError(f"variety: unknown {name} {', '.join(map(repr, unknown))}; expected of {', '.join(known)}")


DEFAULT = Variety()

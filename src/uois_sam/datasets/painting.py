"""Label maps painted from one mask an object, with a count of what does not show in them."""

from __future__ import annotations

import numpy as np

from uois_sam.errors import DatasetError
from uois_sam.types import BoolArray, LabelMap

MOST_OBJECTS = 65535
COVERED = "objects wholly covered by others, so without a label"
EMPTY = "objects without a visible pixel, so without a label"
IGNORED = "crowds and objects left out of training and scoring"
DROPPED = "polygons of fewer than three points left out"


class Painter:
    """Paints masks one over the other: where they overlap, the later one wins.

    Args:
        image_hw: rows and columns of the image.
    """

    def __init__(self, image_hw: tuple[int, int]) -> None:
        self.labels: LabelMap = np.zeros(image_hw, np.uint16)
        self._ignore = np.zeros(image_hw, np.bool_)
        self._painted: list[int] = []
        self._notes: dict[str, int] = {}

    def paint(self, mask: BoolArray, label: int) -> bool:
        """Give the mask's pixels a label; returns whether it has any."""
        if not mask.any():
            self.count(EMPTY)
            return False
        if label > MOST_OBJECTS:
            raise DatasetError(f"expected at most {MOST_OBJECTS} objects in an image, found more")
        self.labels[mask] = label
        self._painted.append(label)
        return True

    def ignore(self, mask: BoolArray) -> None:
        """Leave the mask's pixels out of training and scoring."""
        self._ignore |= mask
        self.count(IGNORED)

    def count(self, what: str, number: int = 1) -> None:
        """Note that something was left out so many times."""
        if number:
            self._notes[what] = self._notes.get(what, 0) + number

    @property
    def ignored(self) -> BoolArray | None:
        """(H, W) bool; None where nothing is ignored."""
        return self._ignore if self._ignore.any() else None

    def visible(self) -> set[int]:
        """Labels that show."""
        return set(np.unique(self.labels).tolist())

    def notes(self) -> dict[str, int]:
        """What does not show, and how many times."""
        covered = len(self._painted) - len(self.visible() & set(self._painted))
        return {**self._notes, **({COVERED: covered} if covered else {})}

"""Label maps painted from one mask per object, with counts of what is hidden in them."""

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
    """Painter of masks: where they overlap, the later one wins.

    Args:
        image_hw: rows and columns of the image.
    """

    def __init__(self, image_hw: tuple[int, int]) -> None:
        self.labels: LabelMap = np.zeros(image_hw, np.uint16)
        self._ignore = np.zeros(image_hw, np.bool_)
        self._painted: list[int] = []
        self._notes: dict[str, int] = {}

    def paint(self, mask: BoolArray, label: int) -> bool:
        """Label the mask's pixels; return whether it has any."""
        if not mask.any():
            self.count(EMPTY)
            return False
        if label > MOST_OBJECTS:
            raise DatasetError(f"expected at most {MOST_OBJECTS} objects in an image, found more")
        self.labels[mask] = label
        self._painted.append(label)
        return True

    def ignore(self, mask: BoolArray) -> None:
        """Exclude the mask's pixels from training and scoring."""
        self._ignore |= mask
        self.count(IGNORED)

    def count(self, what: str, number: int = 1) -> None:
        """Count something that was left out."""
        if number:
            self._notes[what] = self._notes.get(what, 0) + number

    @property
    def ignored(self) -> BoolArray | None:
        """Ignored pixels: (H, W) bool; None if there are none."""
        return self._ignore if self._ignore.any() else None

    def visible(self) -> set[int]:
        """Visible labels."""
        return set(np.unique(self.labels).tolist())

    def notes(self) -> dict[str, int]:
        """Counts of what is not visible."""
        covered = len(self._painted) - len(self.visible() & set(self._painted))
        return {**self._notes, **({COVERED: covered} if covered else {})}

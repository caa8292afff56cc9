"""One object through a video, as the tracker remembers it."""

from __future__ import annotations

import numpy as np

from uois_sam.instances import Instances
from uois_sam.tracking.camera import Shift
from uois_sam.tracking.votes import Votes
from uois_sam.types import BoolArray, FloatArray

NEW_LOOK = 0.1
"""Weight of the latest look in an object's."""
NEW_SCORE = 0.3
"""Weight of the latest score in an object's standing; half of it for a frame in which it was not found."""
MISSED = 3
"""Frames in a row that count so, at most: an object may be covered for long."""
MOSTLY = 0.8
"""Share of its whole outline that an object has to show for that to be taken as it is."""
PATIENCE = 12
"""Frames after which a smaller outline is the whole one."""


class Track:
    """State of one object; changed by each frame."""

    def __init__(self, found: Instances, index: int, small: BoolArray, look: FloatArray | None) -> None:
        self.id = 0
        """From 1; 0 until the object was found often enough."""
        self.hits = 0
        """Frames in a row in which it was found."""
        self.lost = 0
        """Frames since it was found last."""
        self.look = look
        """(C,) float32 of unit length; None where looks are not taken."""
        self.still = self.shown = False
        """Whether it lies still; whether it was reported when it was found last."""
        self.votes = Votes.of(found.masks[index], found.boxes[index])
        self.whole = small
        """(h, w) bool, thinned: the outline when most of it was in sight."""
        self.small = self.whole
        """(h, w) bool, thinned: the outline when last seen."""
        self.centre = _centre(found.boxes[index])
        """(2,) xy of the box when last seen."""
        self.standing = float(found.scores[index])
        """Mean over frames, the latest first, of score times agreement with what was expected; less for frames in
        which it was not found. What is an object is found again where it was; what flickers is not."""
        self.point: FloatArray = found.points[index]
        """(2,) xy of its prompt when last seen."""
        self._hidden = 0
        self._remember(found, index)

    def see(
        self, found: Instances, index: int, small: BoolArray, look: FloatArray | None, vote: float, agreement: float
    ) -> None:
        """Take in where the object is in this frame.

        Args:
            found: instances of the frame.
            index: which of them it is.
            small: (h, w) bool, its mask, thinned.
            look: (C,) its embedding.
            vote: weight of the mask in the outline; 1 for an object that moves.
            agreement: overlap with the object where it was expected, in [0, 1].
        """
        mask, box = found.masks[index], found.boxes[index]
        after = self.votes.after(mask, box, vote) if vote < 1 else None
        self.still = vote < 1
        self.votes = Votes.of(mask, box) if after is None else after
        self.small = small
        agreed = 1.0 if self.lost else agreement  # what was hidden may come out in part, or elsewhere
        self.standing += NEW_SCORE * (float(found.scores[index]) * agreed - self.standing)
        self.centre = _centre(box)
        shows = np.count_nonzero(small) >= MOSTLY * np.count_nonzero(self.whole)
        self._hidden = 0 if shows else self._hidden + 1
        if shows or self._hidden > PATIENCE:
            self.whole, self._hidden = self.small, 0
            self.look = _blended(self.look, look)
        self._remember(found, index)

    def miss(self) -> None:
        """Take in that the object was not found in this frame."""
        self.lost += 1
        self.hits = 0
        if self.lost <= MISSED:
            self.standing *= 1 - NEW_SCORE / 2

    def move(self, shift: Shift, step: int, image_hw: tuple[int, int]) -> None:
        """Move along with the picture, when the camera moves.

        Args:
            shift: of the picture.
            step: pixels to a cell of thinned masks.
            image_hw: size of the photo.
        """
        alone = self.whole is not self.small
        self.small = shift.mask(self.small, step)
        self.whole = shift.mask(self.whole, step) if alone else self.small
        self.votes = self.votes.moved(shift, image_hw)
        self.centre = shift.points(self.centre[None])[0].astype(np.float32)
        self.point = shift.points(self.point[None])[0].astype(np.float32)

    def scale(self, zoom_xy: tuple[float, float], grid_hw: tuple[int, int], image_hw: tuple[int, int]) -> None:
        """Go over to pixels of another size, of the same view.

        Args:
            zoom_xy: how many of the new pixels are one of the old, across and down.
            grid_hw: size of thinned masks from here on.
            image_hw: size of the photo from here on.
        """
        alone = self.whole is not self.small
        self.small = _on_grid(self.small, grid_hw)
        self.whole = _on_grid(self.whole, grid_hw) if alone else self.small
        zoom = np.array(zoom_xy)
        # Pixels are counted by their middles, so that corners of the image do not stay where they are.
        self.votes = self.votes.moved(Shift(np.diag(zoom), (zoom - 1) / 2), image_hw)
        self.centre = (self.centre * zoom).astype(np.float32)
        self.point = ((self.point + 0.5) * zoom - 0.5).astype(np.float32)

    def voted(self) -> Votes | None:
        """The outline to show in place of this frame's mask; None for an object that moves."""
        return self.votes if self.still and self.votes.inside.any() else None

    def _remember(self, found: Instances, index: int) -> None:
        self.hits, self.lost = self.hits + 1, 0
        self.score = float(found.scores[index])
        self.point = found.points[index]


def _on_grid(small: BoolArray, grid_hw: tuple[int, int]) -> BoolArray:
    import cv2  # here, because it adds to the command's start

    found = cv2.resize(small.view(np.uint8), grid_hw[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(found).astype(np.bool_)


def _centre(box: FloatArray) -> FloatArray:
    return np.asarray((box[:2] + box[2:]) / 2, dtype=np.float32)


def _blended(before: FloatArray | None, now: FloatArray | None) -> FloatArray | None:
    if before is None or now is None:
        return now if before is None else before
    mixed = (1 - NEW_LOOK) * before + NEW_LOOK * now
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-6), dtype=np.float32)

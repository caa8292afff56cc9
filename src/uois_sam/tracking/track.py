"""One object through a video, as the tracker remembers it."""

from __future__ import annotations

import numpy as np

from uois_sam.instances import Instances
from uois_sam.tracking.matching import thinned
from uois_sam.tracking.votes import Votes
from uois_sam.types import FloatArray

NEW_LOOK = 0.1
"""Weight of the latest look in an object's."""
MOSTLY = 0.8
"""Share of its whole outline that an object has to show for that to be taken as it is."""
PATIENCE = 12
"""Frames after which a smaller outline is the whole one."""


class Track:
    """State of one object; changed by each frame."""

    def __init__(self, found: Instances, index: int, look: FloatArray | None) -> None:
        self.id = 0
        """From 1; 0 until the object was found often enough."""
        self.hits = 0
        """Frames in a row in which it was found."""
        self.lost = 0
        """Frames since it was found last."""
        self.look = look
        """(C,) float32 of unit length; None where looks are not taken."""
        self.still = False
        self.votes = Votes.of(found.masks[index], found.boxes[index])
        self.whole = thinned(found.masks[index : index + 1])[0]
        """(h, w) bool, thinned: the outline when most of it was in sight."""
        self.small = self.whole
        """(h, w) bool, thinned: the outline when last seen."""
        self.centre = _centre(found.boxes[index])
        """(2,) xy of the box when last seen."""
        self.whole_centre = self.centre
        self._hidden = 0
        self._remember(found, index)

    def see(self, found: Instances, index: int, look: FloatArray | None, vote: float) -> None:
        """Take in where the object is in this frame.

        Args:
            found: instances of the frame.
            index: which of them it is.
            look: (C,) its embedding.
            vote: weight of the mask in the outline; 1 for an object that moves.
        """
        mask, box = found.masks[index], found.boxes[index]
        after = self.votes.after(mask, box, vote) if vote < 1 else None
        self.still = vote < 1
        self.votes = Votes.of(mask, box) if after is None else after
        self.small = thinned(mask[None])[0]
        self.centre = _centre(box)
        shows = np.count_nonzero(self.small) >= MOSTLY * np.count_nonzero(self.whole)
        self._hidden = 0 if shows else self._hidden + 1
        if shows or self._hidden > PATIENCE:
            self.whole, self.whole_centre, self._hidden = self.small, self.centre, 0
            self.look = _blended(self.look, look)
        self._remember(found, index)

    def miss(self) -> None:
        """Take in that the object was not found in this frame."""
        self.lost += 1
        self.hits = 0

    def voted(self) -> Votes | None:
        """The outline to show in place of this frame's mask; None for an object that moves."""
        return self.votes if self.still and self.votes.inside.any() else None

    def _remember(self, found: Instances, index: int) -> None:
        self.hits, self.lost = self.hits + 1, 0
        self.score = float(found.scores[index])
        self.box, self.point = found.boxes[index], found.points[index]


def _centre(box: FloatArray) -> FloatArray:
    return np.asarray((box[:2] + box[2:]) / 2, dtype=np.float32)


def _blended(before: FloatArray | None, now: FloatArray | None) -> FloatArray | None:
    if before is None or now is None:
        return now if before is None else before
    mixed = (1 - NEW_LOOK) * before + NEW_LOOK * now
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-6), dtype=np.float32)

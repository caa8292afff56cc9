"""Objects that move by hand: instances of one frame after another, and looks to go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uois_sam.instances import Instances

IMAGE_HW = (96, 128)


def instances(
    boxes: Sequence[tuple[int, int, int, int]],
    scores: Sequence[float] | None = None,
    image_hw: tuple[int, int] = IMAGE_HW,
) -> Instances:
    """Rectangles, xyxy in pixels, upper ends excluded."""
    masks = np.zeros((len(boxes), *image_hw), dtype=np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    corners = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    given = np.linspace(0.9, 0.8, len(boxes)) if scores is None else scores
    return Instances(masks, np.asarray(given, dtype=np.float32), corners, (corners[:, :2] + corners[:, 2:]) / 2)


@dataclass(frozen=True)
class Looks:
    """A frame whose objects have given embeddings, in the order of the instances."""

    rows: npt.NDArray[np.float32]

    def embeddings(self, masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        assert len(masks) == len(self.rows)
        return self.rows


def looks(*kinds: int) -> Looks:
    """Objects of different kinds are at right angles."""
    return Looks(np.eye(8, dtype=np.float32)[list(kinds)].reshape(-1, 8))


def square(x: int, y: int, side: int = 16) -> tuple[int, int, int, int]:
    return x, y, x + side, y + side

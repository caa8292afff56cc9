"""The result a user holds: the objects found in one photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from uois_sam.types import BoolArray, FloatArray, ImageArray, LabelMap

if TYPE_CHECKING:
    import matplotlib.axes


@dataclass(frozen=True)
class Instances:
    """The objects found in one photo. Frame: image; unit: pixels of the photo as given.

    Best score first; where points were given by the caller, one for each point in the order given.

    Masks may overlap; :meth:`label_map` resolves that by letting the better score win.
    """

    masks: BoolArray
    """(N, H, W) bool, the visible part of each object."""
    scores: FloatArray
    """(N,) float32 in [0, 1]: the predicted IoU of each mask, clamped for display."""
    boxes: FloatArray
    """(N, 4) float32 xyxy: first column, first row, last column + 1, last row + 1 of each mask."""
    points: FloatArray
    """(N, 2) float32 xy: the point prompt each mask was decoded from."""
    model: str = ""
    """Name and version of the model that made them, e.g. ``"compact-1"``."""
    image: ImageArray | None = None
    """(H, W, 3) uint8 RGB, the photo they were found in (for :meth:`plot`); None when not kept."""

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the photo in pixels."""
        return int(self.masks.shape[1]), int(self.masks.shape[2])

    def label_map(self) -> LabelMap:
        """(H, W) uint16: 0 is background, i + 1 is instance i. Painted in ascending score: the better one wins."""
        labels = np.zeros(self.image_hw, dtype=np.uint16)
        for index in range(len(self) - 1, -1, -1):
            labels[self.masks[index]] = index + 1
        return labels

    def to_coco(self, image_id: int = 0, category_id: int = 1) -> list[dict[str, Any]]:
        """COCO result dictionaries: compressed RLE ``segmentation``, XYWH ``bbox``, ``score``, ``area``, ``point``."""
        from uois_sam.io.masks import instances_to_coco

        return instances_to_coco(self, image_id=image_id, category_id=category_id)

    def plot(self, image: ImageArray | None = None, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw the outlined instances over the photo into Matplotlib axes and return those (extra ``plot``).

        Args:
            image: (H, W, 3) uint8 RGB; the photo that was segmented when left out.
            ax: axes to draw into; new ones when left out.
        """
        from uois_sam.io.overlay import plot_instances

        return plot_instances(self, image=image, ax=ax)

"""The result a user holds: the objects found in one photo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from uois_sam.errors import ImageError, MissingExtraError
from uois_sam.io.masks import encode_mask
from uois_sam.types import BoolArray, FloatArray, ImageArray, LabelMap

if TYPE_CHECKING:
    import matplotlib.axes


@dataclass(frozen=True)
class Instances:
    """Objects found in one photo. Frame: image; unit: pixels of the photo as given.

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

    def subset(self, index: BoolArray | npt.NDArray[np.integer]) -> Instances:
        """Return some of the instances: a bool mask, or indices in the order wanted."""
        kept = {name: getattr(self, name)[index] for name in ("masks", "scores", "boxes", "points")}
        return replace(self, **kept)

    def label_map(self) -> LabelMap:
        """(H, W) uint16: 0 is background, i + 1 is instance i. Painted in ascending score: the better one wins."""
        labels = np.zeros(self.image_hw, dtype=np.uint16)
        for index in range(len(self) - 1, -1, -1):
            labels[self.masks[index]] = index + 1
        return labels

    def to_coco(self, image_id: int = 0, category_id: int = 1) -> list[dict[str, Any]]:
        """Return one COCO result dictionary per instance, in order; every value survives ``json.dumps``.

        Keys: ``image_id``, ``category_id``, ``segmentation`` (compressed RLE: ``size`` is [height, width], ``counts`` a
        string), ``bbox`` ([x, y, width, height] in pixels), ``score``, ``area`` (pixels of the mask) and, beyond COCO,
        ``point`` ([x, y], the point prompt).

        Args:
            image_id: written into every dictionary.
            category_id: written into every dictionary; objects have no classes, so one number serves all.
        """
        return [
            {
                "image_id": image_id,
                "category_id": category_id,
                "segmentation": encode_mask(self.masks[index]),
                "bbox": _xywh(self.boxes[index].tolist()),
                "score": float(self.scores[index]),
                "area": int(np.count_nonzero(self.masks[index])),
                "point": self.points[index].tolist(),
            }
            for index in range(len(self))
        ]

    def overlay(
        self, image: ImageArray | None = None, *, show_points: bool = True, show_scores: bool = False
    ) -> ImageArray:
        """Draw the instances over the photo, each tinted and outlined in its own colour, as :meth:`label_map` has them.

        Args:
            image: (H, W, 3) uint8 RGB; the photo that was segmented when left out.
            show_points: mark the point prompts.
            show_scores: write the score beside each point.

        Returns:
            (H, W, 3) uint8 RGB, a new array.

        Raises:
            ImageError: if there is no photo, or its size is not that of the masks.
        """
        from uois_sam.io.overlay import overlay

        points = self.points if show_points or show_scores else None
        return overlay(self._photo(image), self.label_map(), points, self.scores if show_scores else None)

    def plot(self, image: ImageArray | None = None, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw the overlay into Matplotlib axes, with the points as markers, and return the axes (extra ``plot``).

        Args:
            image: (H, W, 3) uint8 RGB; the photo that was segmented when left out.
            ax: axes to draw into; new ones when left out.

        Raises:
            ImageError: if there is no photo, or its size is not that of the masks.
            MissingExtraError: if Matplotlib is not installed.
        """
        from uois_sam.io.overlay import colours

        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise MissingExtraError("plot", "plot", "matplotlib") from error
        picture = self.overlay(image, show_points=False)
        if ax is None:
            ax = plt.subplots(layout="constrained")[1]
        ax.imshow(picture)
        x, y = self.points.T
        ax.scatter(x, y, s=14, c=colours(len(self)) / 255, edgecolors="white", linewidths=0.8)
        ax.set_axis_off()
        return ax

    def _photo(self, image: ImageArray | None) -> ImageArray:
        photo = self.image if image is None else image
        if photo is None:
            raise ImageError("expected the photo as `image`, found none (these instances do not keep theirs)")
        return photo


def _xywh(box_xyxy: list[float]) -> list[float]:
    left, top, right, bottom = box_xyxy
    return [left, top, right - left, bottom - top]

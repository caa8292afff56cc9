"""One photo with its objects, as the writers of all formats take it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from uois_sam.geometry import mask_bounds
from uois_sam.io.encoding import encode_png
from uois_sam.io.masks import encode_mask
from uois_sam.types import BoolArray, Camera, FloatArray, ImageArray, LabelMap

OBJECT = "object"
"""The one category of objects whose classes nobody knows."""
Shapes = Literal["mask", "polygon"]
"""How masks are written where a format has both: exactly, or as outlines that can be edited, within a pixel."""
TOLERANCE_PX = 0.75
"""Largest distance between an edited outline and the mask it was traced from."""


@dataclass(frozen=True)
class LabelledPhoto:
    """What is known of one photo. Frame: image; unit: pixels of the upright photo. Objects are in order, best first."""

    file_name: str
    """Relative path of the photo with "/" and suffix, such as ``bench/0001.jpg``."""
    masks: BoolArray
    """(N, H, W) bool; they may overlap."""
    scores: FloatArray | None = None
    """(N,) float32 in [0, 1]; None where the objects are labels and not results."""
    categories: tuple[str, ...] = ()
    """Of each object; empty where all are :data:`OBJECT`."""
    ignore: BoolArray | None = None
    """(H, W) bool: pixels of which nothing is known."""
    segmap: LabelMap | None = None
    """(H, W) uint16: object i is i + 1; None to paint the masks, the first one on top."""
    image: ImageArray | None = None
    """(H, W, 3) uint8 RGB."""
    content: bytes | None = None
    """Of the photo's file, for formats that keep photos beside labels; None to make a PNG of ``image``."""
    depth_m: FloatArray | None = None
    """(H, W) float32: depth along the optical axis in metres, 0 where unknown."""
    camera: Camera | None = None
    """Intrinsics, for formats that need them."""
    seconds: float | None = None
    """Time that finding the objects took."""
    name: str = ""
    """Unique name of its files, without suffix; empty for ``file_name`` without its own."""

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the photo."""
        return int(self.masks.shape[1]), int(self.masks.shape[2])

    @property
    def stem(self) -> str:
        """Unique name of its files, without suffix."""
        return self.name or str(PurePosixPath(self.file_name).with_suffix(""))

    def category(self, index: int) -> str:
        """Category of an object."""
        return self.categories[index] if self.categories else OBJECT

    def shown(self) -> list[int]:
        """Indices of the objects whose masks are not empty: formats leave out the others, and count them."""
        return [index for index, (left, _, right, _) in enumerate(self.boxes) if right > left]

    @cached_property
    def boxes(self) -> tuple[tuple[int, int, int, int], ...]:
        """First column, first row, last column + 1, last row + 1 of each mask; zeros of an empty one."""
        return tuple(mask_bounds(mask) for mask in self.masks)

    @cached_property
    def label_map(self) -> LabelMap:
        """(H, W) uint16: 0 is background, i + 1 is object i."""
        if self.segmap is not None:
            return self.segmap
        labels = np.zeros(self.image_hw, np.uint16)
        for index in range(len(self) - 1, -1, -1):
            labels[self.masks[index]] = index + 1
        return labels

    @cached_property
    def encoded(self) -> tuple[dict[str, object], ...]:
        """Compressed RLE of each mask, as COCO's ``segmentation``."""
        return tuple(encode_mask(mask) for mask in self.masks)

    def photo_file(self) -> tuple[str, bytes] | None:
        """File name and content of the photo for a folder beside the labels; None where it is not known."""
        if self.content is not None:
            return f"{self.stem}{PurePosixPath(self.file_name).suffix}", self.content
        return None if self.image is None else (f"{self.stem}.png", encode_png(self.image))

"""A part of a photo that is looked at by itself."""

from __future__ import annotations

from dataclasses import dataclass

from uois_sam.depth import DepthScene
from uois_sam.models.zoom import Crop
from uois_sam.types import BoolArray


@dataclass(frozen=True)
class Part:
    """What a part of a photo has to know of the whole."""

    photo_hw: tuple[int, int]
    inside: BoolArray | None
    """(H, W) bool of the part: where to look; None for everywhere."""
    crop: Crop
    """Where it lies in the photo."""
    scene: DepthScene | None
    """What depth says of the photo."""

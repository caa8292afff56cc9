"""Masks as COCO run-length encodings."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from uois_sam.types import BoolArray


def encode_mask(mask: BoolArray) -> dict[str, Any]:
    """Encode one (H, W) bool mask as compressed RLE: ``{"size": [H, W], "counts": str}``."""
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def decode_mask(segmentation: dict[str, Any]) -> BoolArray:
    """Decode a compressed RLE, as :func:`encode_mask` makes it, to an (H, W) bool mask."""
    return np.asarray(coco_mask.decode(segmentation), dtype=np.bool_)

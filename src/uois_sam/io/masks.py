"""Instances as COCO results: run-length encoded masks in plain, JSON-ready dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from uois_sam.instances import Instances
from uois_sam.types import BoolArray


def instances_to_coco(instances: Instances, image_id: int = 0, category_id: int = 1) -> list[dict[str, Any]]:
    """One COCO result dictionary per instance, in the order of the instances; every value survives ``json.dumps``.

    Keys: ``image_id``, ``category_id``, ``segmentation`` (compressed RLE: ``size`` is [height, width], ``counts`` a
    string), ``bbox`` ([x, y, width, height] in pixels), ``score``, ``area`` (pixels of the mask) and, beyond COCO,
    ``point`` ([x, y], the point prompt).

    Args:
        instances: N instances.
        image_id: written into every dictionary.
        category_id: written into every dictionary; the objects have no classes, so one number serves all.
    """
    return [
        {
            "image_id": image_id,
            "category_id": category_id,
            "segmentation": encode_mask(instances.masks[index]),
            "bbox": _xywh(instances.boxes[index].tolist()),
            "score": float(instances.scores[index]),
            "area": int(np.count_nonzero(instances.masks[index])),
            "point": instances.points[index].tolist(),
        }
        for index in range(len(instances))
    ]


def encode_mask(mask: BoolArray) -> dict[str, Any]:
    """Compressed RLE of one (H, W) bool mask: ``{"size": [H, W], "counts": str}``."""
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def decode_mask(segmentation: dict[str, Any]) -> BoolArray:
    """(H, W) bool mask of a compressed RLE, as :func:`encode_mask` makes it."""
    return np.asarray(coco_mask.decode(segmentation), dtype=np.bool_)


def _xywh(box_xyxy: list[float]) -> list[float]:
    left, top, right, bottom = box_xyxy
    return [left, top, right - left, bottom - top]

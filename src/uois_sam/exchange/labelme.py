"""LabelMe: a JSON file beside each photo, to correct by hand."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from uois_sam.exchange.format import EMPTY, EncodedPhoto, Format
from uois_sam.exchange.photo import TOLERANCE_PX, LabelledPhoto
from uois_sam.io.encoding import encode_png
from uois_sam.io.outlines import edge_polygons, has_holes
from uois_sam.types import BoolArray

IGNORE_LABEL = "__ignore__"
"""LabelMe's own word for pixels of which nothing is known."""
_VERSION = "5.5.0"
"""Of the first LabelMe with masks and the fields written here; later ones read it as well."""


class LabelmeFormat(Format):
    """``NAME.json`` beside a copy of the photo, for LabelMe 5.2 and newer (masks) or any (polygons).

    A mask is exact; a polygon within a pixel, one shape per connected piece, those of one object with one ``group_id``.
    An object with holes stays a mask among polygons. Each shape also has its ``score``.
    """

    name = "labelme"
    needs_photo = True

    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """The photo, and its JSON file."""
        file = photo.photo_file()
        content = labelme_record(photo, self.options.shapes == "polygon", file and file[0])
        files = {f"{photo.stem}.json": (json.dumps(content, indent=1) + "\n").encode()}
        if file is not None:
            files = {file[0]: file[1], **files}
        return EncodedPhoto(photo.file_name, photo.stem, files, notes=Counter({EMPTY: len(photo) - len(photo.shown())}))


def labelme_record(photo: LabelledPhoto, polygons: bool = False, photo_name: str | None = None) -> dict[str, Any]:
    """Content of a LabelMe file.

    Args:
        photo: photo with its objects.
        polygons: outlines in place of masks, for objects without holes.
        photo_name: of the photo's file beside it; that of ``photo`` if left out.
    """
    height, width = photo.image_hw
    shapes = [shape for index in photo.shown() for shape in _shapes(photo, index, polygons)]
    if photo.ignore is not None and photo.ignore.any():
        shapes.append(_mask_shape(photo.ignore, IGNORE_LABEL))
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": PurePosixPath(photo_name or photo.file_name).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _shapes(photo: LabelledPhoto, index: int, polygons: bool) -> list[dict[str, Any]]:
    mask, label = photo.masks[index], photo.category(index)
    score = {} if photo.scores is None else {"score": float(photo.scores[index])}
    if not polygons or has_holes(mask):
        return [{**_mask_shape(mask, label), **score}]
    rings = edge_polygons(mask, TOLERANCE_PX)
    group = index + 1 if len(rings) > 1 else None
    return [{**_shape(label, ring.tolist(), "polygon", group), **score} for ring in rings]


def _mask_shape(mask: BoolArray, label: str) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left, bottom, right = (int(value) for value in (rows[0], columns[0], rows[-1], columns[-1]))
    pixels = encode_png(mask[top : bottom + 1, left : right + 1].astype(np.uint8) * np.uint8(255))
    shape = _shape(label, [[left, top], [right, bottom]], "mask", None)
    return {**shape, "mask": base64.b64encode(pixels).decode("ascii")}


def _shape(label: str, points: list[list[float]], kind: str, group: int | None) -> dict[str, Any]:
    return {
        "label": label, "points": points, "group_id": group, "description": "", "shape_type": kind, "flags": {},
        "mask": None,
    }  # fmt: skip

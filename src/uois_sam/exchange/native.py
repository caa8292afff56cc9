"""Results that ``uois-sam segment`` has written, read again: ``NAME.json`` with its label map."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from uois_sam.errors import OutputError
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.io.json_files import read_json
from uois_sam.io.masks import MaskError, decode_mask
from uois_sam.types import LabelMap
from uois_sam.validation import validated

_WHAT = "a record that uois-sam segment has written"


def read_record(path: Path, segmap: LabelMap | None = None) -> LabelledPhoto:
    """Read the record of one photo.

    Args:
        path: ``NAME.json``.
        segmap: the label map beside it; painted from the masks if left out.

    Raises:
        OutputError: if the file is unreadable or has another form.
    """
    record: dict[str, Any] = read_json(path, dict, what=_WHAT, error=OutputError)
    lacking = [key for key in ("image", "height", "width", "instances") if key not in record]
    if lacking:
        raise OutputError(f"{path}: expected {_WHAT}, found no {lacking[0]}")
    name = validated(record["image"], str, f"{path}: image", OutputError)
    image_hw = validated([record["height"], record["width"]], tuple[int, int], f"{path}: height, width", OutputError)
    found = validated(record["instances"], list[dict[str, Any]], f"{path}: instances", OutputError)
    masks = np.zeros((len(found), *image_hw), np.bool_)
    scores = np.zeros(len(found), np.float32)
    for index, each in enumerate(found):
        try:
            masks[index] = decode_mask(each.get("segmentation"), image_hw)
        except MaskError as error:
            raise OutputError(f"{path}: instance {index}: {error}") from error
        scores[index] = validated(each.get("score"), float, f"{path}: instance {index}: score", OutputError)
    if "frame" in record:
        name = str(PurePosixPath(name).with_name(f"{path.stem}.png"))
    return LabelledPhoto(name, masks, scores, segmap=segmap)

"""The instances of ``NAME.json``, as ``uois-sam segment`` writes them, and how they are read again."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from msgspec import Meta

from uois_sam.errors import OutputError
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.io.json_files import read_json
from uois_sam.io.masks import MaskError, decode_mask, encode_mask
from uois_sam.types import LabelMap
from uois_sam.validation import validated

if TYPE_CHECKING:
    from uois_sam.instances import Instances

Side: TypeAlias = Annotated[int, Meta(ge=1)]
_WHAT = "a record that uois-sam segment has written"


def coco_rows(instances: Instances, image_id: int, category_id: int) -> list[dict[str, Any]]:
    """See :meth:`uois_sam.instances.Instances.to_coco`."""
    rows = []
    for mask, score, box, point in zip(
        instances.masks, instances.scores, instances.boxes.tolist(), instances.points.tolist(), strict=True
    ):
        left, top, right, bottom = box
        rows.append(
            {
                "image_id": image_id,
                "category_id": category_id,
                "segmentation": encode_mask(mask),
                "bbox": [left, top, right - left, bottom - top],
                "score": float(score),
                "area": int(np.count_nonzero(mask)),
                "point": point,
            }
        )
    if instances.ids is not None:
        for row, number in zip(rows, instances.ids.tolist(), strict=True):
            row["track_id"] = number
    return rows


def instance_rows(instances: Instances, labels: LabelMap | None = None) -> list[dict[str, Any]]:
    """The list ``instances`` of a record: COCO's keys, and the label map's value, visible area and box."""
    own = zip(instances.boxes.tolist(), instances.visible_areas(labels).tolist(), strict=True)
    return [
        {"label": label, **coco, "visible_area": visible, "box_xyxy": box}
        for label, (coco, (box, visible)) in enumerate(zip(instances.to_coco(), own, strict=True), start=1)
    ]


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
    image_hw = validated([record["height"], record["width"]], tuple[Side, Side], f"{path}: height, width", OutputError)
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

"""From instances to the bytes of an answer."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from starlette.responses import Response

from uois_sam._version import __version__
from uois_sam.exchange.native import instance_rows
from uois_sam.instances import Instances
from uois_sam.io.encoding import encode_png
from uois_sam.pipeline import UOISSAM, EncodedImage
from uois_sam.serve.reading import header_text
from uois_sam.types import BoolArray, FloatArray, LabelMap

NPZ = "application/x-npz"
PNG = "image/png"
NOTES_HEADER = "X-UOIS-Notes"
_FAST = 1
"""zlib's level: label maps shrink a hundredfold at any, and this one takes a third of the time."""


class Form(Protocol):
    """The form of an answer, as :class:`uois_sam.serve.schemas.Output`."""

    masks: Any
    label_map: bool
    answer: Any


@dataclass(frozen=True)
class Result:
    """What was found in a photo."""

    asked: EncodedImage
    """The photo with its request."""
    instances: Instances
    notes: tuple[str, ...]


def encode_answer(model: UOISSAM, result: Result, form: Form, seconds: float) -> Response:
    """The answer in the form that was asked for; notes travel in a header where the body has no place for them."""
    if form.answer == "json":
        return json_response(_record(model, result, form, seconds))
    headers = {NOTES_HEADER: header_text(result.notes)}
    if form.answer == "label_map":
        return Response(encode_png(result.instances.label_map(), _FAST), headers=headers, media_type=PNG)
    return Response(_npz(result.instances), headers=headers, media_type=NPZ)


def json_response(content: Mapping[str, Any]) -> Response:
    """JSON without spaces; NaN, which it does not have, would be an error here."""
    return Response(json.dumps(content, allow_nan=False, separators=(",", ":")), media_type="application/json")


def _record(model: UOISSAM, result: Result, form: Form, seconds: float) -> dict[str, Any]:
    found = result.instances
    labels = found.label_map()
    height, width = found.image_hw
    record: dict[str, Any] = {
        "height": height,
        "width": width,
        "model": model.name,
        "weights_sha256": model.card.weights_sha256,
        "version": __version__,
        "selection": asdict(result.asked.settings),
        "request": result.asked.request.to_json(),
        "notes": list(result.notes),
        "instances": _instances(found, labels, form.masks),
        "seconds": round(seconds, 4),
    }
    if form.label_map:
        record["label_map"] = base64_png(labels)
    return record


def _instances(found: Instances, labels: LabelMap, masks: str) -> list[dict[str, Any]]:
    rows = instance_rows(found, labels)
    for row, mask, box in zip(rows, found.masks, found.boxes, strict=True):
        del row["image_id"], row["category_id"]
        if masks != "rle":
            del row["segmentation"]
        if masks == "png":
            row["mask_png"] = mask_png(mask, box)
    return rows


def mask_png(mask: BoolArray, box: FloatArray) -> str:
    """Base64 of the PNG of an (H, W) mask inside its box, 0 or 255."""
    left, top, right, bottom = (int(value) for value in box)
    cut = mask[top : max(bottom, top + 1), left : max(right, left + 1)]
    return base64_png(cut.astype(np.uint8) * np.uint8(255))


def base64_png(pixels: Any) -> str:
    """Base64 of a PNG."""
    return base64.b64encode(encode_png(pixels, _FAST)).decode("ascii")


def _npz(found: Instances) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        masks=found.masks,
        scores=found.scores,
        boxes=found.boxes,
        points=found.points,
        label_map=found.label_map(),
    )
    return buffer.getvalue()

"""CVAT's serverless form (Nuclio): ``handler: uois_sam.cvat.nuclio:handler`` of a function of type interactor."""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import Any

from uois_sam.cvat.prompts import predict_prompts
from uois_sam.cvat.sdk import load_model
from uois_sam.errors import UOISError


def init_context(context: Any) -> None:
    """Load the model that UOIS_SAM_MODEL names, or the bundled one."""
    context.user_data.model = load_model(os.environ.get("UOIS_SAM_MODEL", "compact"), "auto")


def handler(context: Any, event: Any) -> Any:
    """Answer one request: image (base64), pos_points, neg_points, obj_bbox in; mask (rows of 0 and 1) out."""
    try:
        status, body = 200, _answer(context.user_data.model, event.body)
    except (UOISError, KeyError, TypeError, ValueError) as error:
        said = f"expected the field {error}, found none" if isinstance(error, KeyError) else str(error)
        status, body = 400, {"error": said}
    return context.Response(body=json.dumps(body), headers={}, content_type="application/json", status_code=status)


def _answer(model: Any, body: Any) -> dict[str, Any]:
    if isinstance(body, bytes | str):
        body = json.loads(body)
    if not isinstance(body, dict):
        raise UOISError(f"expected a JSON object, found {type(body).__name__}")
    try:
        content = base64.b64decode(body["image"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise UOISError(f"image: expected base64 ({error})") from error
    box = [number for corner in body.get("obj_bbox") or [] for number in corner]
    if len(box) not in (0, 4):
        raise UOISError("obj_bbox: expected two corners, found another")
    photo = model.encode_image(content)
    mask, score = predict_prompts(photo, body.get("pos_points") or [], body.get("neg_points") or [], box or None)
    return {"mask": mask.astype(int).tolist(), "score": score}

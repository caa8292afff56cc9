"""Routes that other programs ask: osam's ``/api/generate``, and those of X-AnyLabeling's remote server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from uois_sam.instances import Instances
from uois_sam.io.outlines import edge_polygons
from uois_sam.io.shapes import mask_polygons
from uois_sam.serve.answers import json_response, mask_png
from uois_sam.serve.openapi import ANY_JSON, described
from uois_sam.serve.problems import NotHereError, RequestError
from uois_sam.serve.reading import in_own_words, read_body
from uois_sam.serve.schemas import MOST_TARGETS, Body
from uois_sam.serve.service import Service
from uois_sam.types import BoolArray

LABEL = "object"
PROMPTED_LABEL = "AUTOLABEL_OBJECT"
"""X-AnyLabeling asks its user for the label of shapes of this one."""
BOX_CORNERS = (2, 3)
"""osam's labels of a box's first and last corner."""


class OsamPrompt(BaseModel):
    """Clicks (label 1 on the object, 0 beside it) and boxes (labels 2 and 3, one after the other)."""

    model_config = ConfigDict(extra="ignore")
    points: list[list[float]] | None = Field(None, max_length=MOST_TARGETS)
    point_labels: list[Literal[-1, 0, 1, 2, 3]] | None = Field(None, max_length=MOST_TARGETS)
    texts: list[str] | None = None


class OsamRequest(Body):
    """As osam's ``GenerateRequest``."""

    model_config = ConfigDict(extra="forbid", strict=False)
    model: str
    image: str = Field(description="base64")
    prompt: OsamPrompt | None = Field(None, description="left out, all objects are found")
    image_embedding: None = None
    annotations: None = None


class AnyLabelingRequest(Body):
    """As X-AnyLabeling's ``PredictRequest``."""

    model: str
    image: str = Field(description="base64 or a data: URI")
    params: dict[str, Any] = Field(default_factory=dict)


def osam_routes(service: Service) -> APIRouter:
    """Route of osam's server."""
    router = APIRouter(tags=["other programs"])

    @router.post("/api/generate", **described(OsamRequest, None, ANY_JSON))
    async def generate(request: Request) -> Response:
        """As osam's server: the object of a prompt, or all objects without one."""
        body, content = await read_body(request, OsamRequest)
        check_model(service, body.model)
        asked = in_own_words(osam_words(body.prompt))

        def job() -> Response:
            found = service.segment(content, asked).instances
            return json_response({"model": body.model, "image_embedding": None, "annotations": osam_annotations(found)})

        return await service.run(job)

    return router


def anylabeling_routes(service: Service) -> APIRouter:
    """Routes of X-AnyLabeling's server, beside ``/health``."""
    router = APIRouter(prefix="/v1", tags=["other programs"])

    @router.get("/models", responses=described(None, None)["responses"])
    async def models() -> dict[str, Any]:
        """As X-AnyLabeling's server: the model, and the controls to show for it."""
        name = service.model.name
        one = {"display_name": f"uois-sam {name}", "batch_processing_mode": "default", "widgets": _widgets(service)}
        return {"success": True, "data": {name: one}}

    @router.post("/predict", **described(AnyLabelingRequest, None, ANY_JSON))
    async def predict(request: Request) -> Response:
        """As X-AnyLabeling's server: polygons of all objects, or of those that marks point at."""
        body, content = await read_body(request, AnyLabelingRequest)
        check_model(service, body.model)
        words, ignored = anylabeling_words(body.params)
        asked, epsilon = in_own_words(words), _number(body.params, "epsilon_factor", 0.001)
        label = PROMPTED_LABEL if body.params.get("marks") else LABEL

        def job() -> Response:
            result = service.segment(content, asked)
            shapes = polygon_shapes(result.instances, label, epsilon)
            description = "; ".join([*result.notes, *ignored])
            data = {"shapes": shapes, "description": description, "replace": not body.params.get("marks")}
            return json_response({"success": True, "data": data})

        return await service.run(job)

    return router


def check_model(service: Service, name: str) -> None:
    """Raise NotHereError for another model than the one that is served."""
    if name.removesuffix(":latest") not in (service.model.name, "uois-sam"):
        raise NotHereError(f"model: expected {service.model.name!r} (or 'uois-sam'), found {name[:60]!a}")


def _widgets(service: Service) -> list[dict[str, Any]]:
    """Controls of X-AnyLabeling, by its own names."""
    buttons = ("run", "add_point", "remove_point", "add_rect", "clear", "finish_object")
    return [
        *({"name": f"button_{name}", "value": None} for name in buttons),
        {"name": "edit_conf", "value": service.model.settings.score_threshold},
        {"name": "mask_fineness_slider", "value": None},
        {"name": "toggle_preserve_existing_annotations", "value": False},
    ]


def osam_words(prompt: OsamPrompt | None) -> dict[str, Any]:
    """Words of a request for one object, or none.

    Raises:
        RequestError: texts, points of other than two numbers, or points that do not match their labels.
    """
    if prompt is not None and prompt.texts is not None and prompt.points is None:
        raise RequestError("prompt: expected points, found texts, which this model does not read")
    if prompt is None or prompt.points is None:
        return {}
    labels = prompt.point_labels
    if labels is None or len(labels) != len(prompt.points):
        raise RequestError("prompt: expected as many point_labels as points")
    if any(len(point) != 2 for point in prompt.points):
        raise RequestError("prompt: expected points as x and y, found one of other than two numbers")
    pairs = [(point, label) for point, label in zip(prompt.points, labels, strict=True) if label != -1]
    clicks = [(point, label) for point, label in pairs if label not in BOX_CORNERS]
    corners = [(point, label) for point, label in pairs if label in BOX_CORNERS]
    if [label for _, label in corners] not in ([], list(BOX_CORNERS)):
        raise RequestError("prompt: expected one box, label 2 and then 3, or none")
    return _one_object(clicks, [number for point, _ in corners for number in point] or None)


def anylabeling_words(params: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Words of a request, and what is said about parameters that have none.

    A client that was given no confidence sends 0: then the model's own holds.

    Raises:
        RequestError: a text prompt, or marks of another form.
    """
    if params.get("text_prompt"):
        raise RequestError("params: expected no text_prompt, which this model does not read")
    known = {"conf_threshold", "epsilon_factor", "marks", "text_prompt", "current_task"}
    known |= {name for name in ("iou_threshold", "reset_tracker") if not params.get(name)}  # sent with every photo
    ignored = [f"parameter {name[:40]!a} ignored" for name in sorted(set(params) - known)]
    marks = params.get("marks") or []
    if not marks:
        score = _number(params, "conf_threshold", 0)
        return ({"min_score": score} if 0 < score <= 1 else {}), ignored
    clicks, boxes = [], []
    for mark in marks if isinstance(marks, list) else [None]:
        mark = mark if isinstance(mark, dict) else {}
        kind, data = mark.get("type"), mark.get("data")
        size = {"point": 2, "rectangle": 4}.get(str(kind))
        if not isinstance(data, list) or len(data) != size or not all(isinstance(x, int | float) for x in data):
            raise RequestError("params: expected marks as points of 2 or rectangles of 4 numbers, found another")
        if size == 2:
            clicks.append((data, 1 if mark.get("label", 1) else 0))
        else:
            boxes.append(data)
    if len(boxes) > 1:
        if clicks:
            raise RequestError("params: expected several rectangles without points, or one with, found both")
        return {"boxes": [_ordered(box) for box in boxes]}, ignored
    return _one_object(clicks, boxes[0] if boxes else None), ignored


def _one_object(clicks: Sequence[tuple[list[float], int]], box: list[float] | None) -> dict[str, Any]:
    words: dict[str, Any] = {"boxes": [_ordered(box)]} if box else {}
    if clicks:
        words |= {"points": [[point for point, _ in clicks]], "labels": [[label for _, label in clicks]]}
    return words


def _ordered(box: list[float]) -> list[float]:
    """A box whose corners may have come in any order."""
    left, right = sorted(box[0::2])
    top, bottom = sorted(box[1::2])
    return [left, top, right, bottom]


def _number(params: dict[str, Any], name: str, usual: float) -> float:
    value = params.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestError(f"params: expected {name} from 0 to 1, found {str(value)[:40]!a}")
    return float(value)


def osam_annotations(found: Instances) -> list[dict[str, Any]]:
    """Objects as osam has them: an inclusive box, and the mask inside it."""
    rows = []
    for one in found:
        left, top, right, bottom = (int(value) for value in one.box)
        if right <= left:
            continue
        box = {"ymin": top, "xmin": left, "ymax": bottom - 1, "xmax": right - 1}
        rows.append({"bounding_box": box, "text": None, "score": one.score, "mask": mask_png(one.mask, one.box)})
    return rows


def polygon_shapes(found: Instances, label: str, epsilon: float) -> list[dict[str, Any]]:
    """Objects as X-AnyLabeling has them: outlines along the edges of the pixels, as its canvas shows them.

    The pieces of an object share a ``group_id``; holes are joined to the outline by bridges, and outlines are closed by
    their first corner.

    Args:
        found: the objects.
        label: of all of them.
        epsilon: share of an outline's length by which it may be simplified; X-AnyLabeling's own models have it so.
    """
    shapes = []
    for one in found:
        rings = edge_polygons(one.mask, epsilon * _perimeter(one.mask) if epsilon else 0.0)
        group = one.label if len(rings) > 1 else None
        for corners in (ring.tolist() for ring in rings):
            shapes.append(_shape(label, [*corners, corners[0]], one.score, group))
    return shapes


def _perimeter(mask: BoolArray) -> float:
    """Length of the longest outline of a mask."""
    return max((float(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1).sum()) for ring in mask_polygons(mask)),
               default=0.0)  # fmt: skip


def _shape(label: str, points: list[list[float]], score: float, group: int | None) -> dict[str, Any]:
    return {
        "label": label, "shape_type": "polygon", "points": points, "score": score, "group_id": group,
        "description": None, "attributes": {}, "difficult": False, "direction": 0, "flags": None, "kie_linking": [],
    }  # fmt: skip

"""Label Studio's ML backend: ``/setup``, ``/predict`` and, with the server's other routes, ``/health``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from uois_sam.exchange.label_studio import Controls, regions_of
from uois_sam.io.files import read_bounded, real_path
from uois_sam.serve.answers import Result, json_response
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.openapi import ANY_JSON, described
from uois_sam.serve.problems import NotHereError, RequestError
from uois_sam.serve.reading import decode_base64, in_own_words, read_body, read_limited
from uois_sam.serve.service import Service

MOST_TASKS = 64
"""Label Studio sends one task for a click and small batches for predictions."""
_LONGEST_INTERFACE = 100_000
_UPLOADED, _LOCAL = "/data/upload/", "/data/local-files/"
SMART = ("keypointlabels", "rectanglelabels")
"""Types of regions that a click or a drag of an annotator makes."""


class LabelStudioTask(BaseModel):
    """A task; of its data the entry that the interface shows as an image is read."""

    model_config = ConfigDict(extra="ignore")
    id: int | None = None
    data: dict[str, Any] = Field(description="with the address of the photo: data:, /data/upload/, /data/local-files/")


class LabelStudioContext(BaseModel):
    """What an annotator has drawn."""

    model_config = ConfigDict(extra="ignore")
    result: list[dict[str, Any]] | None = Field(None, max_length=1000)


class LabelStudioParams(BaseModel):
    """Parameters of a request."""

    model_config = ConfigDict(extra="ignore")
    context: LabelStudioContext | None = Field(None, description="of an annotator who points at an object")


class LabelStudioPredict(BaseModel):
    """As Label Studio sends it."""

    model_config = ConfigDict(extra="ignore")
    tasks: list[LabelStudioTask] = Field(min_length=1, max_length=MOST_TASKS)
    label_config: str = Field(max_length=_LONGEST_INTERFACE, description="the labelling interface, XML")
    params: LabelStudioParams | None = None


class LabelStudioSetup(BaseModel):
    """As Label Studio sends it when the backend is added to a project."""

    model_config = ConfigDict(extra="ignore")
    schema_: str | None = Field(None, alias="schema", max_length=_LONGEST_INTERFACE)


@dataclass(frozen=True)
class Interface:
    """What of a labelling interface matters here."""

    controls: Controls
    labels: tuple[str, ...]
    """Of the brush or the polygon."""
    field: str
    """Entry of a task's data with the photo's address."""


def label_studio_routes(service: Service) -> APIRouter:
    """Routes of an ML backend."""
    router = APIRouter(tags=["other programs"])

    @router.post("/setup", **described(LabelStudioSetup, None, ANY_JSON))
    async def setup(request: Request) -> Response:
        """As an ML backend: checks the labelling interface, and says the model."""
        body, _ = await read_body(request, LabelStudioSetup)
        if body.schema_:
            read_interface(body.schema_)
        return json_response({"model_version": service.model.name})

    @router.post("/predict", **described(LabelStudioPredict, None, ANY_JSON))
    async def predict(request: Request) -> Response:
        """As an ML backend: all objects of each task's photo, or the one under an annotator's clicks."""
        body, _ = await read_body(request, LabelStudioPredict)
        interface = read_interface(body.label_config)
        context = body.params.context if body.params else None
        marks = (context.result if context else None) or []
        rows = []
        for task in body.tasks:
            address = task.data.get(interface.field)

            def job(address: Any = address) -> dict[str, Any]:
                photo = read_limited(read_address(address, service.config), service.config)
                words, label = words_of(marks, photo.pixels.shape[:2]) if marks else ({}, None)
                found = service.segment(photo, in_own_words(words))
                return prediction(found, service.model.name, interface, label)

            rows.append(await service.run(job))
        return json_response({"results": rows, "model_version": service.model.name})

    return router


def read_interface(text: str) -> Interface:
    """Read a labelling interface.

    Raises:
        RequestError: no XML, or without an image and BrushLabels or PolygonLabels for it.
    """
    if "<!" in text.replace("<!--", ""):
        raise RequestError("label_config: expected plain XML, found declarations")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise RequestError(f"label_config: expected XML, found another text ({error})") from error
    images = {each.get("name"): each.get("value", "") for each in root.iter("Image")}
    names: dict[str, str | None] = {}
    labels: list[str] = []
    shown = None
    for kind in ("BrushLabels", "PolygonLabels"):
        control = next((each for each in root.iter(kind) if each.get("toName") in images), None)
        names[kind] = None if control is None else control.get("name")
        if control is not None and names[kind]:
            shown = shown or control.get("toName")
            labels = labels or [str(each.get("value")) for each in control.iter("Label") if each.get("value")]
    if shown is None or not labels:
        raise RequestError("label_config: expected an Image with BrushLabels or PolygonLabels and a Label, found none")
    controls = Controls(names["BrushLabels"], None if names["BrushLabels"] else names["PolygonLabels"], shown)
    return Interface(controls, tuple(labels), images[shown].lstrip("$"))


def read_address(address: Any, config: ServerConfig) -> bytes:
    """The file of a photo: of a data: URI, or below the folder that the server was started with.

    Raises:
        RequestError: another address; nothing is fetched from elsewhere.
        NotHereError: no such file below the folder.
    """
    if not isinstance(address, str):
        raise RequestError(f"tasks: expected the address of a photo, found {type(address).__name__}")
    if address.startswith("data:"):
        return decode_base64(address, "tasks")
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise RequestError(f"tasks: expected the address of a photo, found {address[:60]!a}") from error
    if parts.path.startswith(_LOCAL):
        name = parse_qs(parts.query).get("d", [""])[0]
    elif _UPLOADED in parts.path:
        name = "upload/" + unquote(parts.path.partition(_UPLOADED)[2])
    else:
        raise RequestError(
            f"tasks: expected a photo as data:, {_LOCAL}?d=... or {_UPLOADED}..., found {address[:60]!a}; nothing is "
            "fetched from elsewhere"
        )
    if config.photos is None:
        raise RequestError(
            "tasks: expected a server that may read files of Label Studio: start it with --photos FOLDER"
        )
    root = real_path(config.photos)
    try:
        path = real_path(root / name.lstrip("/"))
        if root not in path.parents:
            raise NotHereError("tasks: expected a photo below the server's --photos, found another place")
        return read_bounded(path, config.body_bytes)
    except (OSError, ValueError) as error:
        raise NotHereError(
            f"tasks: expected a photo below the server's --photos, found none at {name[:80]!a}"
        ) from error


def words_of(marks: Sequence[dict[str, Any]], image_hw: tuple[int, int]) -> tuple[dict[str, Any], str | None]:
    """Words of a request for the object that an annotator points at, and its label.

    Args:
        marks: regions, in percent of the upright photo's sides.
        image_hw: height and width of that photo.

    Raises:
        RequestError: marks of another form.
    """
    height, width = image_hw
    points: list[list[float]] = []
    labels: list[int] = []
    boxes: list[list[float]] = []
    label = None
    for mark in marks:
        kind, value = mark.get("type"), mark.get("value")
        if kind not in SMART or not isinstance(value, dict):
            continue  # what the annotator has drawn before
        x, y, w, h = (_number(value, name) for name in ("x", "y", "width", "height"))
        x, y = x * width / 100, y * height / 100
        named = value.get(kind)
        label = str(named[0]) if isinstance(named, list) and named else label
        if kind == "keypointlabels":
            points.append([x - 0.5, y - 0.5])  # shares count from the photo's border, pixels from their middles
            labels.append(int(mark.get("is_positive", 1) not in (0, False)))
        else:
            boxes.append([x, y, min(x + w * width / 100, width), min(y + h * height / 100, height)])
    if not points and not boxes:
        raise RequestError("params: expected clicks or boxes (keypointlabels, rectanglelabels) in context, found none")
    if len(boxes) > 1 and points:
        raise RequestError("params: expected one box beside clicks, found several")
    words: dict[str, Any] = {"boxes": boxes} if boxes else {}
    return words | ({"points": [points], "labels": [labels]} if points else {}), label


def _number(value: dict[str, Any], name: str) -> float:
    found = value.get(name, 0)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 100:
        raise RequestError(f"params: expected {name} from 0 to 100 percent, found {str(found)[:40]!a}")
    return float(found)


def prediction(result: Result, model: str, interface: Interface, label: str | None) -> dict[str, Any]:
    """One prediction as Label Studio stores it; without a label of the interface, its first is given."""
    name = label if label in interface.labels else interface.labels[0]
    found = result.instances
    regions = [region for one in found for region in _regions(one, name, interface)]
    score = float(found.scores.mean()) if len(found) else 0.0
    return {"model_version": model, "score": score, "result": regions}


def _regions(one: Any, label: str, interface: Interface) -> Sequence[dict[str, Any]]:
    return regions_of(one.mask, label, f"{one.label}", one.score, interface.controls) if one.mask.any() else ()

"""The server's OpenAPI document: bodies are read by hand, so they are described by hand, from the same classes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from uois_sam._version import __version__
from uois_sam.serve.problems import STATUSES
from uois_sam.serve.reading import FORM, IMAGE, JSON
from uois_sam.serve.schemas import Encode, Error, Masks, Prompt, Segment

ANY_JSON = {JSON: {"schema": {"type": "object"}}}
"""Answers in the form of another program."""
REF = "#/components/schemas/{model}"
DESCRIPTION = """A mask for every object in a photo. Send a photo to `POST /v1/segment`:

    curl -F image=@photo.jpg -F min_score=0.5 http://127.0.0.1:8000/v1/segment

Errors are `{"error": "..."}`: 429 when the queue is full, 503 after the deadline.
"""
EXAMPLES: dict[type[BaseModel], dict[str, Any]] = {
    Segment: {
        "all objects": {"image": "/9j/4AAQSkZJRgABAQ..."},
        "better ones, on the table": {"image": "/9j/4AAQ...", "min_score": 0.6, "region": [0.1, 0.3, 0.9, 1]},
        "under two clicks": {"image": "/9j/4AAQ...", "points": [[260, 150], [80, 90]]},
    },
    Encode: {"a photo": {"image": "/9j/4AAQSkZJRgABAQ..."}},
    Prompt: {
        "one object by two clicks": {"id": "...", "points": [[[260, 150], [300, 180]]], "labels": [[1, 0]]},
        "one object in a box": {"id": "...", "boxes": [[200, 100, 340, 220]]},
        "all with a lower score": {"id": "...", "min_score": 0.3},
    },
    Masks: {"two masks": {"segmentations": [{"size": [2, 2], "counts": "04"}, {"size": [2, 2], "counts": "13"}]}},
}


def described(
    body: type[BaseModel] | None, answer: type[BaseModel] | None, others: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Keyword arguments of a route: what it takes and answers.

    Args:
        body: of the request; None for none.
        answer: its JSON; None for none.
        others: other media types of the answer.
    """
    errors: dict[int | str, dict[str, Any]] = {status: {"model": Error, "description": "Error"} for status in STATUSES}
    content = dict(others or {})
    if answer is not None:
        content[JSON] = {"schema": {"$ref": REF.format(model=answer.__name__)}}
    ok: dict[str, Any] = {"description": "Found", "content": content}
    return {
        "responses": {**errors, 200: ok},
        "openapi_extra": {} if body is None else {"requestBody": _request_body(body)},
        **({} if body is None else {"response_model": None}),
    }


def _request_body(body: type[BaseModel]) -> dict[str, Any]:
    reference = {"$ref": REF.format(model=body.__name__)}
    examples = {name: {"value": value} for name, value in EXAMPLES.get(body, {}).items()}
    content: dict[str, Any] = {JSON: {"schema": reference, **({"examples": examples} if examples else {})}}
    if IMAGE in body.model_fields:
        content[FORM] = {"schema": {"$ref": REF.format(model=f"{body.__name__}Form")}}
    return {"required": True, "content": content}


def document(app: FastAPI, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    """The document, with the schemas that routes refer to."""
    made = get_openapi(title="uois-sam", version=__version__, description=DESCRIPTION, routes=app.routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for model in models:
        schema = model.model_json_schema(ref_template=REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
        if IMAGE in schema["properties"]:
            schemas[f"{model.__name__}Form"] = _as_form(schema)
    return made


def _as_form(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a form: the photo as a file."""
    image = {"type": "string", "format": "binary", "description": "the photo's file"}
    return {**schema, "title": f"{schema['title']}Form", "properties": {**schema["properties"], IMAGE: image}}

"""osam's and X-AnyLabeling's clients get what they expect; everything fits the server's own OpenAPI document."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import jsonschema
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from live_server import Live, live, photo, tiny_model
from uois_sam import UOISSAM

IMAGE = base64.b64encode(photo()).decode()
OSAM = {
    "type": "object",
    "required": ["model", "annotations"],
    "properties": {
        "model": {"type": "string"},
        "image_embedding": {"type": "null"},
        "annotations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["bounding_box", "score", "mask"],
                "additionalProperties": False,
                "properties": {
                    "bounding_box": {
                        "type": "object",
                        "required": ["xmin", "ymin", "xmax", "ymax"],
                        "additionalProperties": {"type": "integer"},
                    },
                    "text": {"type": ["string", "null"]},
                    "score": {"type": "number"},
                    "mask": {"type": "string", "contentEncoding": "base64"},
                },
            },
        },
    },
}
"""As osam 0.3's pydantic classes serialize themselves."""
ANYLABELING = {
    "type": "object",
    "required": ["success", "data"],
    "properties": {
        "success": {"const": True},
        "data": {
            "type": "object",
            "required": ["shapes", "description"],
            "properties": {
                "description": {"type": "string"},
                "replace": {"type": "boolean"},
                "shapes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["label", "shape_type", "points", "score", "group_id"],
                        "properties": {
                            "shape_type": {"enum": ["polygon"]},
                            "points": {
                                "type": "array",
                                "minItems": 4,
                                "items": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                            },
                            "group_id": {"type": ["integer", "null"]},
                        },
                    },
                },
            },
        },
    },
}
"""As X-AnyLabeling's remote_server.py reads it."""


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


@pytest.fixture(scope="module")
def server(model: UOISSAM) -> Iterator[Live]:
    with live(model, megapixels=1) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def osam(client: httpx.Client, prompt: dict[str, Any] | None, **changes: Any) -> httpx.Response:
    body = {"model": "tiny", "image": IMAGE, **({} if prompt is None else {"prompt": prompt}), **changes}
    return client.post("/api/generate", json=body)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (None, {}),
        ({"points": [[10, 12]], "point_labels": [1], "iou_threshold": 0.5}, {"points": [[10, 12]]}),
        (
            {"points": [[10, 12], [50, 40]], "point_labels": [1, 0]},
            {"points": [[[10, 12], [50, 40]]], "labels": [[1, 0]]},
        ),
        ({"points": [[4, 4], [40, 30]], "point_labels": [2, 3]}, {"boxes": [[4, 4, 40, 30]]}),
    ],
)
def test_osam(client: httpx.Client, model: UOISSAM, prompt: dict[str, Any] | None, words: dict[str, Any]) -> None:
    answer = osam(client, prompt).json()
    jsonschema.validate(answer, OSAM)
    expected = model.predict(photo(), **words)
    assert len(answer["annotations"]) == len(expected) > 0
    for row, one in zip(answer["annotations"], expected, strict=True):
        box = row["bounding_box"]
        whole = np.zeros(one.mask.shape, bool)
        inside = np.array(Image.open(io.BytesIO(base64.b64decode(row["mask"])))) > 0
        whole[box["ymin"] : box["ymax"] + 1, box["xmin"] : box["xmax"] + 1] = inside
        assert np.array_equal(whole, one.mask)


@pytest.mark.parametrize(
    ("prompt", "changes", "status", "said"),
    [
        (None, {"model": "sam2:large"}, 404, "expected 'tiny'"),
        ({"texts": ["cup"]}, {}, 400, "found texts"),
        ({"points": [[1, 1]], "point_labels": []}, {}, 400, "as many point_labels as points"),
        ({"points": [[1, 1]], "point_labels": [2]}, {}, 400, "one box"),
        ({"points": [[1], [9]], "point_labels": [2, 3]}, {}, 400, "points as x and y"),
        ({"points": [[1, 2, 3], [4, 5, 6]], "point_labels": [2, 3]}, {}, 400, "points as x and y"),
        ({"points": [[1, 1]], "point_labels": [7]}, {}, 400, "prompt: expected"),
        (None, {"seed": 1}, 400, "unknown field 'seed'"),
    ],
)
def test_osam_refuses(client: httpx.Client, prompt: Any, changes: dict[str, Any], status: int, said: str) -> None:
    answer = osam(client, prompt, **changes)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text


def anylabeling(client: httpx.Client, params: dict[str, Any]) -> httpx.Response:
    usual = {"conf_threshold": 0.0, "iou_threshold": 0.0, "epsilon_factor": 0.0}
    body = {"model": "tiny", "image": f"data:image/png;base64,{IMAGE}", "params": usual | params}
    return client.post("/v1/predict", json=body)


@pytest.mark.parametrize(
    ("params", "words", "label"),
    [
        ({}, {}, "object"),
        ({"conf_threshold": 0.4}, {"min_score": 0.4}, "object"),
        (
            {"marks": [{"type": "point", "data": [20, 20]}, {"type": "rectangle", "data": [4, 4, 40, 30]}]},
            {"points": [[[20, 20]]], "labels": [[1]], "boxes": [[4, 4, 40, 30]]},
            "AUTOLABEL_OBJECT",
        ),
        (
            {"marks": [{"type": "rectangle", "data": [40, 30, 4, 4], "label": 1}]},
            {"boxes": [[4, 4, 40, 30]]},
            "AUTOLABEL_OBJECT",
        ),
    ],
)
def test_anylabeling(
    client: httpx.Client, model: UOISSAM, params: dict[str, Any], words: dict[str, Any], label: str
) -> None:
    answer = anylabeling(client, params).json()
    jsonschema.validate(answer, ANYLABELING)
    shapes = answer["data"]["shapes"]
    assert {shape["label"] for shape in shapes} == {label}
    assert all(shape["points"][0] == shape["points"][-1] for shape in shapes)
    drawn = np.zeros((48, 64), np.uint8)
    for shape in shapes:
        cv2.fillPoly(drawn, [np.array(shape["points"], np.int32)], 1)
    masks = model.predict(photo(), **words).masks
    assert np.count_nonzero(masks.any(axis=0) & (drawn == 0)) < 30  # but for pieces below three corners


def test_anylabeling_lists_its_model_and_says_what_it_ignores(client: httpx.Client) -> None:
    listed = client.get("/v1/models").json()["data"]["tiny"]
    assert listed["batch_processing_mode"] == "default" and {"name": "button_run", "value": None} in listed["widgets"]
    assert (
        "parameter 'reset_tracker' ignored"
        in anylabeling(client, {"reset_tracker": True}).json()["data"]["description"]
    )
    assert anylabeling(client, {"text_prompt": "cup"}).status_code == 400
    assert anylabeling(client, {"marks": [{"type": "star"}]}).status_code == 400
    assert anylabeling(client, {"marks": 3}).status_code == 400
    for boxes in ([[True, 1, 30, 30]], 257 * [[1, 1, 30, 30]]):
        answer = anylabeling(client, {"marks": [{"type": "rectangle", "data": box} for box in boxes]})
        assert answer.status_code == 400 and answer.json()["error"].startswith("boxes: expected"), answer.text
    answer = anylabeling(client, {"marks": 1025 * [{"type": "point", "data": [9, 9]}]})
    assert answer.status_code == 413 and "at most 1024 clicks on all objects together, found 1025" in answer.text


def test_the_document_has_every_route_and_its_examples_are_accepted(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    paths = {"/v1/segment", "/v1/encode", "/v1/prompt", "/v1/label_map", "/api/generate", "/v1/models", "/v1/predict",
             "/predict", "/setup", "/health", "/metrics"}  # fmt: skip
    assert set(document["paths"]) == paths
    key = client.post("/v1/encode", json={"image": IMAGE}).json()["id"]
    small = base64.b64encode(photo(300, 400)).decode()
    for path in ("/v1/segment", "/v1/encode", "/v1/label_map"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            body = example["value"] | ({"image": small} if "image" in example["value"] else {})
            assert client.post(path, json=body).status_code == 200, body
    body = document["paths"]["/v1/prompt"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in body.values():
        assert set(client.post("/v1/prompt", json=example["value"] | {"id": key}).json()) & {"instances", "error"}


@pytest.mark.slow
def test_random_requests_are_answered_as_the_document_says(server: Live) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=3, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(base_url=server.url, checks=checks)

        ask()
    assert asked > 15

"""osam's and X-AnyLabeling's clients get what they expect; everything fits the server's own OpenAPI document."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from uois_sam.datasets import open_dataset
from uois_sam.instances import Instances
from uois_sam.io.masks import decode_segmentation
from uois_sam.serve.compat import polygon_shapes

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
    drawn = [decode_segmentation([np.ravel(shape["points"]).tolist()], (48, 64)).mask for shape in shapes]
    masks = model.predict(photo(), **words).masks
    assert np.array_equal(np.any(drawn, axis=0), masks.any(axis=0))


@pytest.mark.parametrize("seed", range(8))
def test_anylabeling_polygons_come_back_from_its_files_as_they_were(seed: int, tmp_path: Path) -> None:
    """Holes, single pixels, pieces that touch at a corner, and the frame's border: IoU 1, again and again."""
    rng = np.random.default_rng(seed)
    Image.new("RGB", (17, 13)).save(tmp_path / "a.png")
    mask = np.kron(rng.random((5, 6)) < 0.5, np.ones((3, 3)))[:13, :17].astype(bool) ^ (rng.random((13, 17)) < 0.1)
    masks, whole = mask[None], mask.copy()
    for _ in range(2):
        found = Instances(masks=masks, scores=np.ones(1, np.float32), boxes=np.zeros((1, 4), np.float32),
                          points=np.zeros((1, 2), np.float32), model="m")  # fmt: skip
        shapes = polygon_shapes(found, "object", 0.0)
        content = {"shapes": shapes, "imagePath": "a.png", "imageData": None, "imageHeight": 13, "imageWidth": 17}
        (tmp_path / "a.json").write_text(json.dumps(content))
        masks = (open_dataset("labelme", tmp_path)[0].labels > 0)[None]
        assert np.array_equal(masks[0], whole)


def test_anylabeling_simplifies_by_a_share_of_the_outline() -> None:
    rows, columns = np.ogrid[:60, :80]
    mask = (rows - 30) ** 2 + (columns - 40) ** 2 < 25**2
    found = Instances(masks=mask[None], scores=np.ones(1, np.float32), boxes=np.zeros((1, 4), np.float32),
                      points=np.zeros((1, 2), np.float32), model="m")  # fmt: skip
    exact, coarse = (polygon_shapes(found, "object", epsilon)[0]["points"] for epsilon in (0.0, 0.01))
    assert len(coarse) < len(exact) / 2
    back = decode_segmentation([np.ravel(coarse).tolist()], (60, 80)).mask
    assert (back & mask).sum() / (back | mask).sum() > 0.94


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

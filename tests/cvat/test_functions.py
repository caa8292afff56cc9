"""CVAT's functions against the SDK's own types and checks, and the serverless handler as Nuclio calls it."""

from __future__ import annotations

import base64
import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from bags import photo_pixels
from live_server import tiny_model
from uois_sam import UOISSAM
from uois_sam.cvat import nuclio
from uois_sam.cvat.detection import Detection
from uois_sam.cvat.interaction import Interaction
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.io.encoding import encode_png

PIXELS = photo_pixels()
PHOTO = Image.fromarray(PIXELS)


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


@pytest.fixture(scope="module")
def sdk() -> Any:
    pytest.importorskip("cvat_sdk", reason="cvat-sdk needs Python 3.11")
    import cvat_sdk.auto_annotation.driver

    return cvat_sdk.auto_annotation


def in_sdk(sdk: Any, shapes: list[Any], poly: bool) -> list[Any]:
    """What the SDK makes of a function's shapes for a task with the label; it checks every one of them."""
    label = SimpleNamespace(id=77, name="object", attributes=[], sublabels=[], type="polygon" if poly else "mask")
    mapper = sdk.driver._AnnotationMapper(
        logging.getLogger(),
        Detection(tiny_model()).spec.labels,
        [label],
        allow_unmatched_labels=False,
        conv_mask_to_poly=poly,
    )
    tags, checked = mapper.validate_and_remap(shapes, 5)
    assert not tags
    return list(checked)


def context(sdk: Any, **fields: Any) -> Any:
    return sdk.driver._DetectionFunctionContextImpl(frame_name="a.jpg", **fields)


def test_masks_are_those_of_the_model(sdk: Any, model: UOISSAM) -> None:
    from cvat_sdk.masks import decode_mask

    expected = model.predict(PIXELS)
    shapes = in_sdk(sdk, Detection(model).detect(context(sdk), PHOTO), False)
    assert len(shapes) == len(expected) > 1
    for shape, mask, score in zip(shapes, expected.masks, expected.scores, strict=True):
        assert (shape.type.value, shape.label_id, shape.frame) == ("mask", 77, 5)
        assert np.array_equal(decode_mask(shape.points, image_width=64, image_height=48), mask)
        assert shape.score == pytest.approx(float(score))


def test_the_confidence_of_the_task_holds(sdk: Any, model: UOISSAM) -> None:
    scores = model.predict(PIXELS, min_score=0.0).scores
    limit = float(np.sort(scores)[len(scores) // 2])
    shapes = Detection(model).detect(context(sdk, conf_threshold=limit), PHOTO)
    assert 0 < len(shapes) <= int((scores >= limit).sum())
    assert all(shape.score >= limit - 1e-6 for shape in shapes)


def test_polygons_where_the_task_wants_them(sdk: Any, model: UOISSAM) -> None:
    expected = model.predict(PIXELS)
    shapes = in_sdk(sdk, Detection(model).detect(context(sdk, conv_mask_to_poly=True), PHOTO), True)
    assert {shape.type.value for shape in shapes} == {"polygon"}
    drawn = coco_mask.merge(coco_mask.frPyObjects([shape.points for shape in shapes], 48, 64))
    assert np.count_nonzero(coco_mask.decode(drawn).astype(bool) ^ expected.masks.any(axis=0)) < 0.1 * 48 * 64


def test_interaction(sdk: Any, model: UOISSAM) -> None:
    from cvat_sdk.masks import decode_mask

    function = Interaction(model)
    assert (function.spec.min_pos_points, function.spec.min_neg_points, function.spec.min_bounding_boxes) == (1, 0, 0)
    encoded = function.preprocess_image(None, PHOTO)
    prompts = SimpleNamespace(pos_points=[(20.5, 20.75)], neg_points=[(64, 48)], bounding_box=((4, 4), (40, 64)))
    (shape,) = function.detect(None, encoded, prompts)
    assert isinstance(shape, sdk.InteractionResultShape) and shape.type == "mask"
    words: dict[str, Any] = {"points": [[[20, 20.25], [63, 47]]], "labels": [[1, 0]], "boxes": [[4, 4, 40, 48]]}
    expected = model.predict(PIXELS, **words)
    assert np.array_equal(decode_mask(shape.points, image_width=64, image_height=48), expected.masks[0])
    assert shape.attributes[0].spec_id == sdk.InteractionResultAttributes.CONFIDENCE
    assert float(shape.attributes[0].value) == pytest.approx(float(expected.scores[0]), abs=1e-4)
    with pytest.raises(UOISError, match="a point on the object or a box, found neither"):
        function.detect(None, encoded, SimpleNamespace(pos_points=[], neg_points=[(1, 1)], bounding_box=None))


def test_without_the_sdk_the_extra_is_named(model: UOISSAM, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cvat_sdk", "cvat_sdk.auto_annotation"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"\[cvat\]"):
        Detection(model)


def called(model: UOISSAM, body: Any) -> tuple[int, Any]:
    """What Nuclio gets from the handler."""
    made = SimpleNamespace(user_data=SimpleNamespace(model=model), Response=SimpleNamespace)
    response = nuclio.handler(made, SimpleNamespace(body=body))
    assert response.content_type == "application/json"
    return response.status_code, json.loads(response.body)


IMAGE = base64.b64encode(encode_png(PIXELS)).decode()


@pytest.mark.parametrize("as_text", [False, True])
def test_the_serverless_handler(model: UOISSAM, as_text: bool) -> None:
    body: Any = {"image": IMAGE, "pos_points": [[20.5, 20.5]], "neg_points": [[50.5, 40.5]], "obj_bbox": None}
    status, answer = called(model, json.dumps(body) if as_text else body)
    expected = model.predict(PIXELS, points=[[[20, 20], [50, 40]]], labels=[[1, 0]])
    assert status == 200 and np.array_equal(np.array(answer["mask"], bool), expected.masks[0])
    boxed = called(model, {"image": IMAGE, "pos_points": [], "neg_points": [], "obj_bbox": [[4, 4], [40, 30]]})[1]
    assert np.array_equal(np.array(boxed["mask"], bool), model.predict(PIXELS, boxes=[[4, 4, 40, 30]]).masks[0])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "expected the field 'image', found none"),
        ([], "expected a JSON object, found list"),
        ("{", "Expecting property name"),
        ({"image": "???"}, "image: expected base64"),
        ({"image": IMAGE}, "found neither"),
        ({"image": "AAAA", "pos_points": [[1, 1]]}, "expected a photo"),
        ({"image": IMAGE, "pos_points": [[1, 1]], "obj_bbox": [[1, 2]]}, "obj_bbox: expected two corners"),
        ({"image": IMAGE, "pos_points": [1]}, ""),
    ],
)
def test_bad_requests_to_the_handler(model: UOISSAM, body: Any, said: str) -> None:
    status, answer = called(model, body)
    assert status == 400 and said in answer["error"]


def test_the_handler_loads_the_model_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr(nuclio, "load_model", lambda model, device: loaded.append(model))
    monkeypatch.setenv("UOIS_SAM_MODEL", "/models/mine")
    nuclio.init_context(SimpleNamespace(user_data=SimpleNamespace()))
    assert loaded == ["/models/mine"]

"""Label Studio's ML backend over HTTP: predictions that it can show, clicks, and files of one folder only."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from live_server import live, photo, tiny_model
from uois_sam import UOISSAM
from uois_sam.errors import UOISError
from uois_sam.exchange.label_studio import brush_rle
from uois_sam.io.images import read_image
from uois_sam.serve.config import ServerConfig

BRUSH = """<View><Image name="img" value="$picture"/>
  <!-- the labels -->
  <BrushLabels name="tag" toName="img"><Label value="Thing"/><Label value="Cup"/></BrushLabels>
  <KeyPointLabels name="point" toName="img" smart="true"><Label value="Cup"/></KeyPointLabels></View>"""
POLYGON = """<View><Image name="img" value="$picture"/>
  <PolygonLabels name="outline" toName="img"><Label value="Thing"/></PolygonLabels></View>"""
URI = "data:image/png;base64," + base64.b64encode(photo()).decode()


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media") / "root"
    (root / "upload" / "1").mkdir(parents=True)
    for name in ("a b.png", "upload/1/c.png", "../outside.png"):
        (root / name).write_bytes(photo())
    (root / "link.png").symlink_to(root.parent / "outside.png")
    return root


@pytest.fixture(scope="module")
def client(model: UOISSAM, root: Path) -> Iterator[httpx.Client]:
    with live(model, photos=str(root)) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


def predict(client: httpx.Client, picture: Any = URI, config: str = BRUSH, **params: Any) -> httpx.Response:
    """As Label Studio 1.x sends it."""
    body = {
        "tasks": [{"id": 1, "data": {"picture": picture}, "meta": {}, "is_labeled": False}],
        "model_version": "x", "project": "1.1700000000", "label_config": config,
        "params": {"login": None, "password": None, **params},
    }  # fmt: skip
    return client.post("/predict", json=body)


def test_brush_strokes_of_all_objects(client: httpx.Client, model: UOISSAM) -> None:
    answer = predict(client).json()
    expected = model.predict(photo())
    (row,) = answer["results"]
    assert (row["model_version"], answer["model_version"]) == ("tiny", "tiny")
    assert row["score"] == pytest.approx(float(expected.scores.mean()))
    assert len(row["result"]) == len(expected) > 0
    for region, mask in zip(row["result"], expected.masks, strict=True):
        assert (region["from_name"], region["to_name"], region["type"]) == ("tag", "img", "brushlabels")
        assert (region["original_width"], region["original_height"]) == (64, 48)
        assert region["value"] == {"format": "rle", "rle": brush_rle(mask), "brushlabels": ["Thing"]}


def test_polygons_where_the_interface_has_them(client: httpx.Client, model: UOISSAM) -> None:
    (row,) = predict(client, config=POLYGON).json()["results"]
    assert {(each["from_name"], each["type"]) for each in row["result"]} == {("outline", "polygonlabels")}
    drawn = [(np.array(each["value"]["points"]) * [0.64, 0.48]).ravel().tolist() for each in row["result"]]
    union = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(drawn, 48, 64))).astype(bool)
    assert np.count_nonzero(union ^ model.predict(photo()).masks.any(axis=0)) < 0.1 * 48 * 64


def test_the_sdk_of_label_studio_finds_predictions_valid(client: httpx.Client, model: UOISSAM) -> None:
    """Its package asks for opencv-python, which must not stand beside the headless one: in a folder of its own,

    pip install --no-deps --target DIR label-studio-sdk==2.0.13 lxml xmljson jsf rstr ujson ijson Faker smart_open \\
        nltk appdirs requests-mock wrapt
    PYTHONPATH=DIR python -m pytest tests/serve/test_label_studio.py -k sdk
    """
    interfaces = pytest.importorskip("label_studio_sdk.label_interface")
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    (outlines,) = predict(client, config=POLYGON).json()["results"]
    (strokes,) = predict(client).json()["results"]
    interface = interfaces.LabelInterface(BRUSH)
    for region, mask in zip(strokes["result"], model.predict(photo()).masks, strict=True):
        drawn = brush.decode_rle(region["value"]["rle"]).reshape(48, 64, 4)
        assert np.array_equal(drawn[:, :, 3] > 0, mask)
        # Its check takes runs for pairs of value and count: it refuses what its own converter writes.
        theirs = brush.encode_rle(np.repeat(mask.ravel().astype(np.uint8) * 255, 4))
        assert not interface.validate_region({**region, "value": {**region["value"], "rle": theirs}})
        region["value"]["rle"] = [255, 1]
    for config, row in ((POLYGON, outlines), (BRUSH, strokes)):
        interface = interfaces.LabelInterface(config)
        assert row["result"]
        assert interface.validate_prediction(row, return_errors=True) == []
        wrong = {**row, "result": [{**row["result"][0], "to_name": "another"}]}
        assert interface.validate_prediction(wrong, return_errors=True)  # it does look


def test_clicks_and_boxes_of_an_annotator(client: httpx.Client, model: UOISSAM) -> None:
    size = {"original_width": 64, "original_height": 48}
    on = {"type": "keypointlabels", "value": {"x": 25, "y": 50, "width": 1, "keypointlabels": ["Cup"]}, **size}
    beside = {"type": "keypointlabels", "is_positive": 0, "value": {"x": 100, "y": 100}, **size}
    drawn = {"type": "brushlabels", "value": {"rle": [0]}, **size}
    (row,) = predict(client, context={"result": [drawn, on, beside]}).json()["results"]
    (region,) = row["result"]
    words: dict[str, Any] = {"points": [[[15.5, 23.5], [63.5, 47.5]]], "labels": [[1, 0]]}  # by middles of pixels
    assert region["value"]["rle"] == brush_rle(model.predict(photo(), **words).masks[0])
    assert region["value"]["brushlabels"] == ["Cup"]
    box = {"type": "rectanglelabels", "value": {"x": 12.5, "y": 25, "width": 50, "height": 50}, **size}
    (row,) = predict(client, context={"result": [box]}).json()["results"]
    assert row["result"][0]["value"]["rle"] == brush_rle(model.predict(photo(), boxes=[[8, 12, 40, 36]]).masks[0])
    assert row["result"][0]["value"]["brushlabels"] == ["Thing"]


def test_clicks_are_of_the_upright_photo(client: httpx.Client, model: UOISSAM) -> None:
    """A phone's file lies on its side and says so (EXIF); the annotator sees it as the browser turns it."""
    pixels, turned, file = read_image(photo()), Image.Exif(), io.BytesIO()
    turned[0x0112] = 6
    Image.fromarray(pixels).save(file, "PNG", exif=turned)
    address = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    on = {"type": "keypointlabels", "value": {"x": 25, "y": 75, "width": 1, "keypointlabels": ["Cup"]}}
    (row,) = predict(client, address, context={"result": [on]}).json()["results"]
    (region,) = row["result"]
    assert (region["original_width"], region["original_height"]) == (48, 64)
    found = model.predict(np.ascontiguousarray(np.rot90(pixels, -1)), points=[[11.5, 47.5]])
    assert region["value"]["rle"] == brush_rle(found.masks[0])


@pytest.mark.parametrize("address", ["/data/local-files/?d=a%20b.png", "/data/upload/1/c.png",
                                     "http://labels.example/data/upload/1/c.png"])  # fmt: skip
def test_files_below_the_folder(client: httpx.Client, address: str) -> None:
    assert predict(client, address).json()["results"] == predict(client).json()["results"]


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/data/local-files/?d=../outside.png", 404, "found another place"),
        ("/data/local-files/?d=link.png", 404, "found another place"),
        ("http://[/data/upload/1/c.png", 400, "expected the address of a photo"),
        ("/data/local-files/?d=/etc/passwd", 404, "found none"),
        ("/data/upload/../../outside.png", 404, "found another place"),
        ("/data/upload/%2e%2e/%2e%2e/outside.png", 404, "found another place"),
        ("/data/local-files/?d=upload", 404, "found none"),
        ("/data/local-files/?d=a%00b", 404, "found none"),
        ("/data/local-files/", 404, "found another place"),
        ("https://example.org/photo.jpg", 400, "nothing is fetched from elsewhere"),
        ("file:///etc/passwd", 400, "nothing is fetched from elsewhere"),
        ("s3://bucket/photo.jpg", 400, "nothing is fetched from elsewhere"),
        (7, 400, "expected the address of a photo, found int"),
        (None, 400, "found NoneType"),
        ("data:image/png;base64,AAAA", 400, "expected a photo"),
    ],
)
def test_other_addresses(client: httpx.Client, address: Any, status: int, said: str) -> None:
    answer = predict(client, address)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "expected XML"),
        ("<View>", "expected XML"),
        ("<View><Image name='a' value='$b'/></View>", "with BrushLabels or PolygonLabels"),
        ('<View><Image name="a" value="$b"/><BrushLabels name="c" toName="a"/></View>', "and a Label"),
        ('<!DOCTYPE x [<!ENTITY y "z">]><View/>', "found declarations"),
    ],
)
def test_interfaces_that_do_not_fit(client: httpx.Client, config: str, said: str) -> None:
    assert said in predict(client, config=config).json()["error"]
    if config:
        assert client.post("/setup", json={"schema": config}).status_code == 400


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ([{"type": "brushlabels", "value": {}}], "expected clicks or boxes"),
        ([{"type": "keypointlabels", "value": {"x": 101, "y": 5}}], "x from 0 to 100 percent"),
        ([{"type": "keypointlabels", "value": {"x": "1", "y": 5}}], "x from 0 to 100 percent"),
        ([{"type": "keypointlabels", "value": {"x": 1, "y": 5}}]
         + 2 * [{"type": "rectanglelabels", "value": {"x": 1, "y": 5, "width": 9, "height": 9}}], "found several"),
        (257 * [{"type": "rectanglelabels", "value": {"x": 1, "y": 5, "width": 9, "height": 9}}], "boxes: expected"),
        ("x", "params"),
    ],
)  # fmt: skip
def test_marks_that_do_not_fit(client: httpx.Client, marks: Any, said: str) -> None:
    answer = predict(client, context={"result": marks})
    assert answer.status_code == 400 and said in answer.json()["error"]


def test_setup_and_health(client: httpx.Client) -> None:
    asked = {"project": "1.1", "schema": BRUSH, "hostname": "http://labels.example", "access_token": "x"}
    assert client.post("/setup", json=asked).json() == {"model_version": "tiny"}
    assert client.get("/health").status_code == 200


def test_without_a_folder_no_file_is_read_and_the_token_may_come_as_a_password(model: UOISSAM) -> None:
    with live(model, token="a" * 20) as running:
        with httpx.Client(base_url=running.url, auth=("user", "a" * 20)) as client:
            assert "start it with --photos" in predict(client, "/data/upload/1/c.png").json()["error"]
            assert predict(client).status_code == 200
        for header in ({}, {"Authorization": "Basic ???"}, {"Authorization": "Basic dXNlcjphYQ=="}):
            assert httpx.post(f"{running.url}/setup", json={}, headers=header).status_code == 401
    with pytest.raises(UOISError, match="--photos: expected a folder, found /nowhere"):
        ServerConfig(photos="/nowhere")

"""What the server answers is what the model finds, in every form; bad input is told in one line."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from live_server import LOOSE, Live, live, photo, tiny_model, with_encoder
from tiny_base import NAME, TinyBase
from uois_sam import UOISSAM, Instances
from uois_sam.io.masks import decode_mask, encode_mask
from uois_sam.serve.reading import header_text


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


@pytest.fixture(scope="module")
def server(model: UOISSAM) -> Iterator[Live]:
    with live(model, body_mib=0.5, megapixels=1) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def base64_photo() -> str:
    return base64.b64encode(photo()).decode()


def send(
    client: httpx.Client, path: str = "/v1/segment", content: bytes | None = None, **fields: Any
) -> httpx.Response:
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return client.post(path, files={"image": ("a.png", photo() if content is None else content)}, data=given)


def masks_of(answer: dict[str, Any]) -> np.ndarray:
    masks = [decode_mask(row["segmentation"]) for row in answer["instances"]]
    assert masks  # an empty answer would compare equal to another empty one
    return np.stack(masks)


def assert_is(answer: dict[str, Any], expected: Instances) -> None:
    assert np.array_equal(masks_of(answer), expected.masks)
    assert [row["score"] for row in answer["instances"]] == expected.scores.tolist()
    assert [row["box_xyxy"] for row in answer["instances"]] == expected.boxes.tolist()
    assert [row["label"] for row in answer["instances"]] == list(range(1, len(expected) + 1))
    assert [row["visible_area"] for row in answer["instances"]] == expected.visible_areas().tolist()


def test_an_answer_is_what_the_model_finds(client: httpx.Client, model: UOISSAM) -> None:
    expected = model.predict(photo())
    assert len(expected) > 2
    answer = send(client, label_map=True).json()
    assert_is(answer, expected)
    assert (answer["model"], answer["height"], answer["width"]) == ("tiny", 48, 64)
    label_map = np.array(Image.open(io.BytesIO(base64.b64decode(answer["label_map"]))))
    assert np.array_equal(label_map, expected.label_map())


def test_json_and_a_data_uri_are_as_good_as_a_form(client: httpx.Client, model: UOISSAM) -> None:
    for image in (base64_photo(), f"data:image/png;base64,{base64_photo()}"):
        answer = client.post("/v1/segment", json={"image": image, "max_objects": 2}).json()
        assert_is(answer, model.predict(photo(), max_objects=2))
        assert answer["request"] == {"max_objects": 2}


def test_masks_come_as_pngs_of_their_boxes(client: httpx.Client, model: UOISSAM) -> None:
    for row, one in zip(send(client, masks="png").json()["instances"], model.predict(photo()), strict=True):
        assert "segmentation" not in row
        left, top, right, bottom = (int(value) for value in one.box)
        cut = np.array(Image.open(io.BytesIO(base64.b64decode(row["mask_png"]))))
        assert np.array_equal(cut > 0, one.mask[top:bottom, left:right])


def test_the_label_map_and_arrays_come_alone(client: httpx.Client, model: UOISSAM) -> None:
    expected = model.predict(photo())
    answer = send(client, answer="label_map")
    assert answer.headers["content-type"] == "image/png"
    assert json.loads(answer.headers["x-uois-notes"]) == list(expected.notes)
    assert np.array_equal(np.array(Image.open(io.BytesIO(answer.content))), expected.label_map())
    arrays = np.load(io.BytesIO(send(client, answer="npz").content), allow_pickle=False)
    assert np.array_equal(arrays["masks"], expected.masks) and np.array_equal(arrays["scores"], expected.scores)


def test_notes_that_a_header_does_not_hold_are_counted() -> None:
    assert json.loads(header_text(("a", "ä"))) == ["a", "ä"]
    many = tuple(f"{number}: {300 * 'ä'}" for number in range(9))
    text = header_text(many)
    assert text.isascii() and len(text) <= 4000
    assert json.loads(text) == [*many[:2], "7 notes more"]
    assert json.loads(header_text((5000 * "a",))) == ["1 note more"]


def test_masks_of_a_few_bytes_stand_for_no_more_pixels_than_an_answer_has(client: httpx.Client) -> None:
    """Each by itself and all together: they are in memory at the same time."""
    most = encode_mask(np.zeros((1 << 12, 1 << 12), np.bool_)) | {"size": [1 << 16, 1 << 15]}
    body: dict[str, Any] = {"image": base64.b64encode(photo()).decode()}
    for words in ({"exclude": [most, [0, 0, 4, 4], most]}, {"region": most, "exclude": most}):
        answer = client.post("/v1/segment", json=body | words)
        assert answer.status_code == 413, answer.text
        assert f"masks of the photo's size, found {2**32} pixels in all" in answer.json()["error"]


@pytest.mark.parametrize(
    "words",
    [
        {"min_score": 0.4},
        {"region": [0, 0, 62, 48]},
        {"region": [[0, 0], [1, 0], [1, 1], [0, 0.9]], "min_area": 2},
        {"exclude": [[0, 0, 20, 20], [40, 0, 64, 48]]},
        {"points": [[10, 12], [50, 40]]},
        {"points": [[[10, 12], [50, 40]]], "labels": [[1, 0]]},
        {"boxes": [[4, 4, 40, 30]]},
    ],
)
def test_words_mean_what_they_mean_in_python(client: httpx.Client, model: UOISSAM, words: dict[str, Any]) -> None:
    key = send(client, "/v1/encode").json()["id"]
    assert_is(client.post("/v1/prompt", json={"id": key, **words}).json(), model.predict(photo(), **words))


def test_settings_and_masks_as_regions(client: httpx.Client, model: UOISSAM) -> None:
    mask = np.zeros((48, 64), bool)
    mask[:, 20:50] = True
    answer = send(client, region=encode_mask(mask), prompts="grid", zoom=False).json()
    assert_is(answer, model.predict(photo(), region=mask))
    assert answer["selection"]["grid_side"] == LOOSE["grid_side"]


def test_how_far_drawn_masks_may_be_from_the_models_own(tiny_base: TinyBase) -> None:
    drawing = UOISSAM.from_pretrained("compact", masks=NAME, sam=tiny_base.sam, device="cpu")
    buffer = io.BytesIO()
    with Image.open(Path(__file__).parents[2] / "examples" / "coffee.jpg") as picture:
        picture.resize((240, 160)).save(buffer, "PNG")
    with live(drawing) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        for agreement, own in ((0.0, False), (1.0, True)):
            answer = send(client, content=buffer.getvalue(), mask_agreement=agreement).json()
            assert_is(answer, drawing.with_settings(mask_agreement=agreement).predict(buffer.getvalue()))
            assert any("agrees by" in note for note in answer["notes"]) == own


def test_masks_are_painted_as_the_model_paints_them(client: httpx.Client, model: UOISSAM) -> None:
    found = send(client).json()["instances"]
    answer = client.post("/v1/label_map", json={"segmentations": [row["segmentation"] for row in found]})
    expected = model.predict(photo()).label_map()
    assert np.array_equal(np.array(Image.open(io.BytesIO(answer.content))), expected)


def test_notes_on_the_photo_are_passed_on(client: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(4800, dtype=np.uint8).reshape(48, 100)).save(buffer, "PNG")
    assert any("grey" in note for note in send(client, content=buffer.getvalue()).json()["notes"])


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of a few bytes with a size in its header."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in (header, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"min_scor": 1}, 400, "unknown field 'min_scor'; did you mean min_score"),
        ({"min_score": "high"}, 400, "min_score: expected a valid number, found 'high'"),
        ({"min_score": True}, 400, "min_score: expected"),
        ({"region": "/etc/passwd"}, 400, "region: expected a box"),
        ({"region": "~/mask.png"}, 400, "region: expected a box"),
        ({"region": {"size": [48, 64], "counts": "zzz"}}, 400, "expected"),
        ({"region": [0, 0, 900, 900]}, 400, "region: expected it inside a photo 64 wide and 48 high"),
        ({"points": [[900, 3]]}, 400, "points: expected x, y inside a photo 64 wide"),
        ({"points": [[1, 1]], "max_objects": 1}, 400, "expected no max_objects"),
        ({"boxes": [[9, 9, 3, 3]]}, 400, "boxes: expected x0 < x1"),
        ({"points": {"a": 1}}, 400, "points: expected"),
        ({"scores": "best"}, 400, "scores: expected 'sam', 'hdnet' or 'evidence', found 'best'"),
        ({"scores": "evidence"}, 400, "evidence"),
        ({"mask_agreement": 0.3}, 400, "mask_agreement: expected a server started with --masks"),
        ({"content": b""}, 400, "found an empty file"),
        ({"content": b"GIF89a but no more"}, 400, "expected"),
        ({"content": photo()[:800]}, 400, "expected a whole photo, found a damaged one"),
        ({"content": png_that_says(9_000, 9_000)}, 413, "at most 1 megapixels, found 9000x9000"),
        ({"content": png_that_says(30_000, 30_000)}, 413, "at most 1 megapixels, found far more"),
        ({"content": bytes(700_000)}, 413, "expected a body of at most 0.5 MiB"),
    ],
)
def test_bad_input_is_one_line(client: httpx.Client, fields: dict[str, Any], status: int, said: str) -> None:
    answer = send(client, **fields)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"{", "application/json", 400, "body: expected JSON"),
        (b"[1]", "application/json", 400, "body: expected a JSON object, found list"),
        (b"{}", "application/json", 400, "expected the field image, found none"),
        (b"[" * 100_000, "application/json", 400, "body: expected JSON"),
        (b'{"image": "%%%"}', "application/json", 400, "image: expected base64 or a data: URI"),
        (b'{"image": "file:///etc/passwd"}', "application/json", 400, "image: expected base64 or a data: URI"),
        (b'{"image": "http://127.0.0.1/a.jpg"}', "application/json", 400, "image: expected base64 or a data: URI"),
        (b"hello", "text/plain", 415, "expected application/json or multipart/form-data, found 'text/plain'"),
        (b"hello", "multipart/form-data", 400, "body: expected a form"),
        (b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nhalf',
         "multipart/form-data; boundary=x", 400, "expected"),
    ],
)  # fmt: skip
def test_bodies_of_other_kinds(client: httpx.Client, content: bytes, kind: str, status: int, said: str) -> None:
    answer = client.post("/v1/segment", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]


def test_a_body_without_a_length_is_cut_off(client: httpx.Client) -> None:
    answer = client.post("/v1/encode", content=(bytes(100_000) for _ in range(9)), headers={"Content-Type": "x/y"})
    assert answer.status_code in (413, 415)
    answer = client.post(
        "/v1/encode", content=(b" " * 100_000 for _ in range(9)), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_more_masks_than_memory_are_refused(model: UOISSAM) -> None:
    with live(model, megapixels=3) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        buffer = io.BytesIO()
        Image.new("L", (1500, 1500)).save(buffer, "PNG")
        answer = send(client, content=buffer.getvalue(), max_prompts=1000)
        assert answer.status_code == 413 and "at most 954 masks" in answer.json()["error"]


def test_half_an_upload_harms_nobody(server: Live, client: httpx.Client) -> None:
    head = (
        b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b'{"image": "')
    assert client.get("/health").json()["status"] == "ok"
    assert send(client).status_code == 200


def test_unknown_ids_and_paths(client: httpx.Client) -> None:
    answer = client.post("/v1/prompt", json={"id": "guess", "points": [[1, 1]]})
    assert (answer.status_code, "encode again" in answer.json()["error"]) == (404, True)
    assert client.get("/nothing").json() == {"error": "Not Found"}
    assert client.get("/v1/segment").status_code == 405
    assert client.get("/page/../routes.py").status_code == 404
    assert client.get("/page/%2e%2e/routes.py").status_code == 404


def test_an_error_inside_tells_the_client_nothing(model: UOISSAM, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise ValueError("/secret/path")

    with live(with_encoder(model, fail)) as running, httpx.Client(base_url=running.url) as client:
        answer = send(client)
        assert answer.status_code == 500 and "secret" not in answer.text
        assert client.get("/health").status_code == 200
    assert "/secret/path" in caplog.text


def test_metrics_count(client: httpx.Client) -> None:
    send(client)
    text = client.get("/metrics").text
    assert 'uois_requests_total{route="/v1/segment",status="200"}' in text
    assert "uois_objects_total" in text
    assert "uois_model_photos 0.0" in text

"""Every encoding by hand, whatever library holds the bytes; wrong sizes and unknown encodings are refused."""

from __future__ import annotations

import array
import io
import struct
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bags import packed, photo_pixels, raw
from uois_sam.errors import ImageError
from uois_sam.io.encoding import encode_png
from uois_sam.ros.images import ENCODINGS, array_of, photo_of

RGB = photo_pixels()
ALPHA = np.dstack([RGB, np.full(RGB.shape[:2], 9, np.uint8)])


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "sent", "photo"),
    [
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[:, :, ::-1], RGB),
        ("8UC3", RGB[:, :, ::-1], RGB),
        ("rgba8", ALPHA, RGB),
        ("bgra8", ALPHA[:, :, [2, 1, 0, 3]], RGB),
        ("mono8", RGB[:, :, 0], np.dstack([RGB[:, :, 0]] * 3)),
        ("8UC1", RGB[:, :, 0], np.dstack([RGB[:, :, 0]] * 3)),
        ("mono16", RGB[:, :, 0].astype("<u2") * 257, np.dstack([RGB[:, :, 0]] * 3)),
        ("mono16", (RGB[:, :, 0].astype(">u2") * 257).astype(">u2"), np.dstack([RGB[:, :, 0]] * 3)),
        ("rgb16", RGB.astype("<u2") * 257, RGB),
    ],
)
def test_photos(encoding: str, sent: Any, photo: Any, pad: int) -> None:
    message = raw(sent, encoding, pad)
    if sent.dtype.itemsize == 2 and sent.max() < 65_000:
        sent[0, 0] = 65_535
        photo = photo.copy()
        photo[0, 0] = 255
        message = raw(sent, encoding, pad)
    assert np.array_equal(photo_of(message).pixels, photo)
    assert np.array_equal(array_of(message), sent)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize(("bits", "factor"), [(8, 1), (16, 257)])
def test_a_mosaic_of_one_colour_becomes_that_colour(pattern: str, bits: int, factor: int) -> None:
    colour = {"r": 250, "g": 100, "b": 30}
    values = np.array([colour[letter] for letter in pattern]).reshape(2, 2)
    mosaic = (np.tile(values, (8, 10)) * factor).astype(f"<u{bits // 8}")
    if bits == 16:
        mosaic[0, 0] = 65_535  # so that all 16 bits are used
    photo = photo_of(raw(mosaic, f"bayer_{pattern}{bits}"))
    assert np.all(photo.pixels[4:-4, 4:-4] == [250, 100, 30])
    assert "mosaic" in photo.notes[0]


def test_yuv_is_read() -> None:
    y, u, v = 120, 90, 200
    grey = raw(np.tile(np.array([[[u, y], [v, y]]], np.uint8), (4, 3, 1)), "yuv422")
    other = raw(np.tile(np.array([[[y, u], [y, v]]], np.uint8), (4, 3, 1)), "yuv422_yuy2")
    assert np.array_equal(photo_of(grey).pixels, photo_of(other).pixels)
    red, _, blue = photo_of(grey).pixels[0, 0].astype(int)
    assert red > 200 > 100 > blue


def test_depth_is_kept_as_values_and_doubted_as_a_photo() -> None:
    depth = np.linspace(300, 5000, 48 * 64).reshape(48, 64)
    millimetres, metres = depth.astype("<u2"), (depth / 1000).astype("<f4")
    metres[0, 0] = np.nan
    assert array_of(raw(millimetres, "16UC1")).dtype == np.uint16
    assert np.array_equal(array_of(raw(metres, "32FC1")), metres, equal_nan=True)
    swapped = raw(metres.astype(">f4"), "32FC1")
    assert swapped.is_bigendian and np.array_equal(array_of(swapped), metres, equal_nan=True)
    for message in (raw(millimetres, "16UC1"), raw(metres, "32FC1")):
        photo = photo_of(message)
        assert photo.pixels.shape == (48, 64, 3) and "depth is no photo" in photo.notes[0]
    with pytest.raises(ImageError, match="finite values in 32FC1"):
        photo_of(raw(np.full((2, 2), np.nan, "<f4"), "32FC1"))


def test_compressed_photos_and_depth() -> None:
    assert np.array_equal(photo_of(packed(encode_png(RGB), "rgb8; png compressed bgr8")).pixels, RGB)
    buffer = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), [200, 100, 50], np.uint8)).save(buffer, "JPEG", quality=95)
    assert np.abs(array_of(packed(buffer.getvalue())).astype(int) - [200, 100, 50]).max() < 4

    depth = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    png = cv2.imencode(".png", depth)[1].tobytes()
    said = packed(struct.pack("<iff", 0, 0, 0) + png, "16UC1; compressedDepth png")
    assert np.array_equal(array_of(said), depth)
    inverse = packed(struct.pack("<iff", 0, 1000.0, -1.0) + png, "32FC1; compressedDepth png")
    found = array_of(inverse)
    assert np.isnan(found[0, 0]) and found[0, 1] == 500
    assert "depth is no photo" in photo_of(said).notes[0]


def png_start(width: int, height: int) -> bytes:
    """As a picture of this size begins: a few bytes of zeros, packed, may be all of it."""
    return encode_png(RGB)[:16] + struct.pack(">II", width, height) + b"\x10\x00\x00\x00\x00"


@pytest.mark.parametrize("hold", [bytes, lambda data: array.array("B", data), list, memoryview, np.asarray])
def test_data_of_any_library(hold: Any) -> None:
    message = raw(RGB, pad=3)
    message.data = hold(message.data.tobytes()) if hold is not np.asarray else message.data
    assert np.array_equal(photo_of(message).pixels, RGB)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (raw(RGB, "rgb9"), r"encoding: expected one of mono8, .*, found 'rgb9'"),
        (raw(RGB, ""), r"encoding: expected one of"),
        (raw(RGB, step=191), r"step: expected at least 192 bytes for 64 pixels of rgb8, found 191"),
        (raw(RGB, data=np.zeros(48 * 192 - 1, np.uint8)), r"data: expected 9216 bytes \(height 48 x step 192\), found"),
        (raw(RGB, data=np.zeros(48 * 192 + 1, np.uint8)), r"data: expected 9216 bytes"),
        (raw(RGB, data=b""), r"found 0"),
        (raw(RGB, height=0), r"at least 1x1 pixel, found 64x0"),
        (raw(RGB, height=2**31, width=2**31), r"expected at most \d+ pixels"),
        (raw(RGB[:, :63, :2], "yuv422"), r"even width"),
        (raw(RGB[:1, :, 0], "bayer_rggb8"), r"at least 2x2"),
        (packed(b""), r"empty file"),
        (packed(encode_png(RGB)[:200]), r"damaged"),
        (packed(b"\x00" * 11, "16UC1; compressedDepth png"), r"16-bit PNG after 12 bytes"),
        (packed(b"\x00" * 12 + encode_png(RGB), "16UC1; compressedDepth png"), r"16-bit PNG"),
        (
            packed(b"\x00" * 12 + png_start(60_000, 3_000), "16UC1; compressedDepth png"),
            r"178000000 pixels, found 60000x3",
        ),
        (packed(b"\x00" * 12 + png_start(0, 7), "16UC1; compressedDepth png"), r"at least 1x1 pixel, found 0x7"),
    ],
)
def test_bad_messages_are_refused_in_one_line(message: Any, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        photo_of(message)


@given(
    encoding=st.sampled_from(sorted(ENCODINGS)),
    height=st.integers(0, 5), width=st.integers(0, 5), step=st.integers(0, 50), size=st.integers(0, 250),
    big=st.booleans(),
)  # fmt: skip
def test_any_fields_give_a_photo_or_an_image_error(**fields: Any) -> None:
    size, big = fields.pop("size"), fields.pop("big")
    data = bytes(range(size))
    message = SimpleNamespace(**fields, is_bigendian=big, data=data)
    try:
        photo = photo_of(message)
    except ImageError:
        return
    assert photo.pixels.shape == (fields["height"], fields["width"], 3) and photo.pixels.dtype == np.uint8
    assert size == fields["height"] * fields["step"]

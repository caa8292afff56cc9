"""The transparent colour of PNGs of every depth, shown on white as an alpha channel is."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from uois_sam.io.images import read_photo

GREY, COLOUR = 0, 2


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(values: np.ndarray, bits: int, key: tuple[int, ...]) -> bytes:
    """One row of (W,) grey or (W, 3) colours, of which one is transparent."""
    kind = GREY if values.ndim == 1 else COLOUR
    header = struct.pack(">IIBBBBB", len(values), 1, bits, kind, 0, 0, 0)
    text = "".join(f"{value:0{bits}b}" for value in values.ravel())
    text += "0" * (-len(text) % 8)
    row = bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8))
    parts = chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey(bits: int) -> None:
    full = (1 << bits) - 1
    values = np.array([0, full // 3, 2 * full // 3, full])
    key = int(values[1])
    photo = read_photo(png(values, bits, (key,)))
    shown = np.where(values == key, 255, values * 255 // full)
    assert np.array_equal(photo.pixels, np.repeat(shown[None, :, None], 3, axis=2))
    assert "(transparency shown on white)" in photo.notes[0]


@pytest.mark.parametrize("bits", [8, 16])
def test_colours(bits: int) -> None:
    step = ((1 << bits) - 1) // 255
    values = np.array([[250, 9, 9], [80, 81, 82], [0, 0, 0]]) * step
    values[2] = values[1] + 1  # of 16 bits, the upper 8 are alike
    photo = read_photo(png(values, bits, tuple(int(value) for value in values[1])))
    assert photo.pixels[0].tolist() == [[250, 9, 9], [255, 255, 255], (values[2] // step).tolist()]
    assert photo.notes[0].startswith(f"converted from {bits}-bit colour (transparency shown on white) to 8-bit RGB")


def test_few_bits_in_files_of_16() -> None:
    values = np.array([0, 1000, 2000, 4095])
    grey = read_photo(png(values, 16, (1000,)))
    assert grey.pixels[0, :, 0].tolist() == [0, 255, 125, 255]
    assert "(transparency shown on white) to 8-bit RGB, its values up to 4095 taken as 12-bit" in grey.notes[0]
    colours = np.stack([values, values, values[::-1]], axis=1)
    photo = read_photo(png(colours, 16, tuple(int(value) for value in colours[1])))
    assert photo.pixels[0].tolist() == [[0, 0, 255], [255, 255, 255], [125, 125, 62], [255, 255, 0]]


def test_a_colour_that_no_pixel_has_changes_nothing() -> None:
    values = np.array([0, 20000, 65535])
    photo = read_photo(png(values, 16, (20001,)))
    assert photo.pixels[0, :, 0].tolist() == [0, 78, 255]
    assert photo.notes[0] == "converted from 16-bit grey to 8-bit RGB"


def test_one_that_cannot_be_told_any_more_is_named() -> None:
    content = png(np.array([[60000, 9, 9], [20000, 20001, 20002]]), 16, (20000, 20001, 20002))
    with Image.open(io.BytesIO(content)) as image:  # there is no file to read again
        photo = read_photo(image)
    assert "its transparent colour (20000, 20001, 20002) left out" in photo.notes[0]


def test_the_picture_of_the_caller_stays_as_it_is() -> None:
    with Image.open(io.BytesIO(png(np.array([0, 5, 10, 15]), 4, (5,)))) as image:
        assert read_photo(image).pixels[0, :, 0].tolist() == [0, 255, 170, 255]
        assert image.info["transparency"] == 5

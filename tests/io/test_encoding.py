"""Encoded pictures and label maps, decoded again."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from uois_sam.io.encoding import encode_coloured, encode_jpeg, encode_png


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def test_labels_in_colour_are_indices_up_to_255_objects() -> None:
    labels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    colours = np.stack([np.arange(1, 256)] * 3, axis=1).astype(np.uint8)
    with Image.open(io.BytesIO(encode_coloured(labels, colours))) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), labels)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB"))[..., 0], labels)
    more = np.array([[0, 300]], dtype=np.uint16)
    with Image.open(io.BytesIO(encode_coloured(more, np.full((300, 3), 7, np.uint8)))) as picture:
        assert np.asarray(picture).tolist() == [[[0, 0, 0], [7, 7, 7]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_maps_survive_png(dtype: type[np.integer]) -> None:
    labels = np.arange(12, dtype=dtype).reshape(3, 4) * np.iinfo(dtype).max // 11
    assert np.array_equal(decoded(encode_png(labels)), labels)
    assert np.array_equal(decoded(encode_png(labels, compress_level=1)), labels)


def test_pictures_survive_png_as_rgb() -> None:
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(decoded(encode_png(picture)), picture)


def test_jpeg_keeps_the_order_of_channels_and_full_colour_if_asked() -> None:
    picture = np.zeros((16, 16, 3), dtype=np.uint8)
    picture[:, ::2] = (250, 10, 20)
    full, halved = (decoded(encode_jpeg(picture, 95, mode)).astype(int) for mode in ("4:4:4", "4:2:0"))
    assert np.abs(full - picture).max() < 12
    assert np.abs(halved - picture).max() > 60


def test_too_wide_a_picture_is_shrunk_into_a_jpeg() -> None:
    assert decoded(encode_jpeg(np.zeros((4, 66_000, 3), dtype=np.uint8), 50)).shape[1] == 65_500

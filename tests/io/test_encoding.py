"""Encoded pictures and label maps, decoded again."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from uois_sam.io.encoding import encode_jpeg, encode_png


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


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

"""Pictures and label maps to the bytes of PNG and JPEG files."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam.types import ImageArray

JPEG_SIDE_PX = 65_500
"""Longest side that the JPEG format holds."""


def encode_png(pixels: npt.NDArray[Any], compress_level: int = -1) -> bytes:
    """Encode a picture or a label map without loss.

    Args:
        pixels: (H, W, 3) uint8 RGB, or (H, W) uint8 or uint16.
        compress_level: 0 (fast) to 9 (small); -1: zlib's default.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=compress_level)
    return buffer.getvalue()


def encode_coloured(labels: npt.NDArray[Any], colours: npt.NDArray[np.uint8]) -> bytes:
    """Encode an (H, W) label map as a PNG to look at: label i in ``colours[i - 1]``, 0 in black.

    Its pixels are indices into a palette, the labels themselves, up to 255 objects; with more it is RGB.

    Args:
        labels: (H, W) integers from 0 to N.
        colours: (N, 3) uint8 RGB.
    """
    table = np.concatenate([np.zeros((1, 3), dtype=np.uint8), colours])
    if len(colours) > 255:
        return encode_png(table[labels])
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(table.tobytes(), "RGB")
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def encode_jpeg(picture: ImageArray, quality: int, subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0") -> bytes:
    """Encode an (H, W, 3) uint8 RGB picture; one with a side beyond ``JPEG_SIDE_PX`` is shrunk to fit.

    Args:
        picture: what to encode.
        quality: 1 to 95.
        subsampling: resolution of colour; 4:4:4 keeps all of it.
    """
    shown = Image.fromarray(picture)
    shown.thumbnail((JPEG_SIDE_PX, JPEG_SIDE_PX))
    buffer = io.BytesIO()
    shown.save(buffer, format="JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()

"""``sensor_msgs/Image`` and ``CompressedImage`` to arrays and photos, whichever library made the message."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from uois_sam.errors import ImageError
from uois_sam.io.formats import MAX_PIXELS
from uois_sam.io.images import PhotoPixels, read_photo
from uois_sam.io.photo_content import stretched
from uois_sam.types import ImageArray


class RawImage(Protocol):
    """Fields of ``sensor_msgs/Image`` that are read; ``data`` is a NumPy array, bytes, ``array.array`` or a list."""

    height: int
    width: int
    encoding: str
    is_bigendian: Any
    step: int
    data: Any


class PackedImage(Protocol):
    """Fields of ``sensor_msgs/CompressedImage`` that are read."""

    format: str
    data: Any


@dataclass(frozen=True)
class Encoding:
    """How the bytes of an image are to be read."""

    dtype: str
    channels: int
    order: Literal["rgb", "bgr", "grey", "values", "bayer", "uyvy", "yuyv"]
    pattern: str = ""
    """Colours of the upper left 2x2 pixels of a mosaic."""


COLOURS: tuple[Literal["rgb", "bgr"], ...] = ("rgb", "bgr")


def _encodings() -> dict[str, Encoding]:
    known = {
        "mono8": Encoding("u1", 1, "grey"), "8UC1": Encoding("u1", 1, "grey"), "mono16": Encoding("u2", 1, "grey"),
        "16UC1": Encoding("u2", 1, "values"), "32FC1": Encoding("f4", 1, "values"), "8UC3": Encoding("u1", 3, "bgr"),
        "yuv422": Encoding("u1", 2, "uyvy"), "uyvy": Encoding("u1", 2, "uyvy"),
        "yuv422_yuy2": Encoding("u1", 2, "yuyv"), "yuyv": Encoding("u1", 2, "yuyv"),
    }  # fmt: skip
    for bits in (8, 16):
        for order in COLOURS:
            known[f"{order}{bits}"] = Encoding(f"u{bits // 8}", 3, order)
            known[f"{order}a{bits}"] = Encoding(f"u{bits // 8}", 4, order)
        for pattern in ("rggb", "bggr", "gbrg", "grbg"):
            known[f"bayer_{pattern}{bits}"] = Encoding(f"u{bits // 8}", 1, "bayer", pattern.upper())
    return known


ENCODINGS = _encodings()
"""Encodings that are read, by the names of ``sensor_msgs/image_encodings.h``."""
_PACKED_DEPTH = "compressedDepth"
_DEPTH_HEADER = struct.Struct("<iff")
"""Before the PNG of ``compressed_depth_image_transport``: format, and the two numbers of its quantization."""
_PNG_START = re.compile(rb"\x89PNG\r\n\x1a\n....IHDR(.{8})", re.DOTALL)
"""Up to its width and height."""


def is_packed(message: RawImage | PackedImage) -> bool:
    """Whether a message is a ``CompressedImage``."""
    return not hasattr(message, "encoding")


def array_of(message: RawImage | PackedImage) -> npt.NDArray[Any]:
    """Read the values of an image as they were sent.

    Args:
        message: an image; compressed ones of depth, too.

    Returns:
        (H, W) or (H, W, C) uint8, uint16 or float32 in this machine's byte order, channels as sent (``bgr8`` stays
        BGR); JPEG and PNG come as (H, W, 3) RGB.

    Raises:
        ImageError: an unknown encoding, or data of another size than height, width and step say.
    """
    if is_packed(message):
        return _unpacked(message)  # type: ignore[arg-type]
    return _rows(message, encoding_of(message))  # type: ignore[arg-type]


def photo_of(message: RawImage | PackedImage) -> PhotoPixels:
    """Read an image as a photo.

    Mosaics (``bayer_*``) are turned to colour, values of 16 bits scaled as those of files, transparency is left out.

    Returns:
        (H, W, 3) uint8 RGB, and notes on what was converted or guessed.

    Raises:
        ImageError: as :func:`array_of`; an image of 0 pixels or too many.
    """
    if is_packed(message):
        if _PACKED_DEPTH not in message.format:  # type: ignore[union-attr]
            return read_photo(_bytes_of(message.data).tobytes())
        return _from_values(_unpacked(message), message.format)  # type: ignore[arg-type, union-attr]
    encoding = encoding_of(message)  # type: ignore[arg-type]
    values = _rows(message, encoding)  # type: ignore[arg-type]
    name = message.encoding  # type: ignore[union-attr]
    if encoding.order == "values":
        return _from_values(values, name)
    notes = ["8UC3 taken as BGR"] if name == "8UC3" else []
    if encoding.channels == 4:
        notes.append(f"the fourth channel of {name} is left out")
    values, said = _in_colour(values, encoding)
    notes += [said] if said else []
    if values.dtype == np.uint16:
        values, bits = stretched(values)
        notes.append(f"converted from {name} to 8-bit RGB{bits}")
    return PhotoPixels(np.ascontiguousarray(values), tuple(notes))


def encoding_of(message: RawImage) -> Encoding:
    """How to read an image.

    Raises:
        ImageError: an encoding that is not known.
    """
    found = ENCODINGS.get(message.encoding)
    if found is None:
        raise ImageError(f"encoding: expected one of {', '.join(ENCODINGS)}, found {str(message.encoding)[:40]!a}")
    return found


def _rows(message: RawImage, encoding: Encoding) -> npt.NDArray[Any]:
    dtype = np.dtype(encoding.dtype).newbyteorder(">" if message.is_bigendian else "<")
    height, width, step = int(message.height), int(message.width), int(message.step)
    _check_size(width, height)
    row = width * encoding.channels * dtype.itemsize
    if step < row:
        raise ImageError(f"step: expected at least {row} bytes for {width} pixels of {message.encoding}, found {step}")
    data = _bytes_of(message.data)
    if data.size != height * step:
        raise ImageError(f"data: expected {height * step} bytes (height {height} x step {step}), found {data.size}")
    rows = np.ascontiguousarray(data.reshape(height, step)[:, :row]).view(dtype).astype(encoding.dtype, copy=False)
    return rows if encoding.channels == 1 else rows.reshape(height, width, encoding.channels)


def _check_size(width: int, height: int) -> None:
    if height * width == 0:
        raise ImageError(f"expected an image of at least 1x1 pixel, found {width}x{height}")
    if height * width > MAX_PIXELS:
        raise ImageError(f"expected at most {MAX_PIXELS} pixels, found {width}x{height}")


def _bytes_of(data: Any) -> npt.NDArray[np.uint8]:
    return np.asarray(data, np.uint8) if isinstance(data, list | np.ndarray) else np.frombuffer(data, np.uint8)


def _in_colour(values: npt.NDArray[Any], encoding: Encoding) -> tuple[npt.NDArray[Any], str]:
    """(H, W, 3) RGB of the same depth, and what was done."""
    import cv2

    if encoding.order == "bayer":
        if min(values.shape) < 2:
            raise ImageError(f"expected a mosaic of at least 2x2 pixels, found {values.shape[1]}x{values.shape[0]}")
        code = getattr(cv2, f"COLOR_Bayer{encoding.pattern}2RGB")
        return cv2.cvtColor(values, code), f"mosaic of {encoding.pattern} turned to colour"
    if encoding.order in ("uyvy", "yuyv"):
        if values.shape[1] % 2:
            raise ImageError(f"expected an even width for 4:2:2, found {values.shape[1]}")
        code = cv2.COLOR_YUV2RGB_UYVY if encoding.order == "uyvy" else cv2.COLOR_YUV2RGB_YUY2
        return cv2.cvtColor(values, code), ""
    if encoding.order == "grey":
        return np.repeat(values[:, :, None], 3, axis=2), ""
    return (values[:, :, :3] if encoding.order == "rgb" else values[:, :, 2::-1]), ""


def _from_values(values: npt.NDArray[Any], name: str) -> PhotoPixels:
    """A picture of measurements, for cameras that send them (thermal, infrared); of depth it is no photo."""
    doubt = f"{name} shown as grey: depth is no photo"
    if values.dtype == np.uint16:
        grey, bits = stretched(values)
        return PhotoPixels(_repeated(grey), (f"{doubt}{bits}",))
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(f"expected finite values in {name}, found none")
    low, high = float(values[finite].min()), float(values[finite].max())
    shown = np.where(finite, (values - low) * (255 / max(high - low, 1e-12)), 0)
    return PhotoPixels(_repeated(shown.round().astype(np.uint8)), (f"{doubt}, {low:g} to {high:g} as 0 to 255",))


def _repeated(grey: npt.NDArray[np.uint8]) -> ImageArray:
    return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))


def _unpacked(message: PackedImage) -> npt.NDArray[Any]:
    content = _bytes_of(message.data).tobytes()
    if _PACKED_DEPTH not in message.format:
        return read_photo(content).pixels
    import cv2

    head = _DEPTH_HEADER.size
    png, depth = content[head:], None
    if (start := _PNG_START.match(png)) is not None:
        _check_size(*struct.unpack(">II", start[1]))  # before a pixel is decoded
        depth = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.ndim != 2 or depth.dtype != np.uint16:
        raise ImageError(f"data: expected a 16-bit PNG after {head} bytes ({message.format[:40]!a}), found another")
    if not message.format.startswith("32FC1"):
        return np.asarray(depth, np.uint16)
    _, scale, offset = _DEPTH_HEADER.unpack(content[:head])
    with np.errstate(divide="ignore"):
        return np.where(depth > 0, scale / (depth.astype(np.float32) - offset), np.nan).astype(np.float32)

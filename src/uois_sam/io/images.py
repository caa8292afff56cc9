"""The only reader of photos: whatever comes in, (H, W, 3) uint8 RGB comes out or an ImageError is raised."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from uois_sam.errors import ImageError
from uois_sam.io.files import read_bounded
from uois_sam.io.formats import LARGEST_FILE, MAX_PIXELS, check_file, is_deep, open_picture
from uois_sam.io.photo_content import doubts, stretched
from uois_sam.io.transparency import scale_key, with_key
from uois_sam.io.urls import data_of_url, is_data_url, refuse_remote
from uois_sam.types import ImageArray

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | io.BytesIO | Image.Image | npt.NDArray[np.uint8]"
"""What :func:`read_image` takes."""

_ORIENTATION = 0x0112
_PHOTOMETRIC = 0x0106
_MODES = {
    "RGB": None,
    "RGBX": None,
    "1": "1-bit black and white",
    "L": "8-bit grey",
    "I": "16-bit grey",
    "I;16": "16-bit grey",
    "I;16L": "16-bit grey",
    "I;16B": "16-bit grey",
    "I;16N": "16-bit grey",
    "P": "palette colours",
    "CMYK": "CMYK",
    "YCbCr": "YCbCr",
    "LA": "8-bit grey with transparency",
    "PA": "palette colours with transparency",
    "RGBA": "RGBA",
}
"""Pillow modes that are read, and what to say about the conversion."""
_DEEP_MODES = {"RGB": "16-bit colour", "RGBA": "16-bit colour with transparency"}
"""Those in which Pillow gives 16 bits a channel as 8, and what to say then."""

_logger = logging.getLogger("uois_sam")


@dataclass(frozen=True)
class PhotoPixels:
    """A photo as it was read."""

    pixels: ImageArray
    """(H, W, 3) uint8 RGB, contiguous."""
    notes: tuple[str, ...] = ()
    """What was converted, guessed or left out, and what makes it doubtful that this is a photo."""


def read_image(source: ImageSource) -> ImageArray:
    """Read one photo.

    Files and Pillow images are turned upright (EXIF) and converted to 8-bit RGB: grey is repeated; 16-bit values are
    scaled from the smallest of 8, 10, 12, 14 and 16 bits that holds them; transparency is composited on white, but for
    a channel that is the same everywhere and says nothing; and of an animation the first frame is taken. What was
    done is logged for every photo (logger ``uois_sam``, level INFO; warnings where the content is doubtful).

    Args:
        source: path, ``data:`` URL, content of a file (bytes or ``BytesIO``), Pillow image, or (H, W, 3) uint8 RGB
            array (returned unchanged when contiguous; never taken for BGR).

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        ImageError: missing, a folder, empty, not an image, damaged, too large, or an unsupported shape or dtype.
    """
    photo = read_photo(source)
    for note in photo.notes:
        _logger.info("%s: %s", _name(source), note)
    return photo.pixels


def read_photo(source: ImageSource) -> PhotoPixels:
    """Read one photo as :func:`read_image` does, with the notes on it in place of log lines.

    Raises:
        ImageError: as there.
    """
    if isinstance(source, np.ndarray):
        return PhotoPixels(_check_array(source))
    if isinstance(source, Image.Image):
        with _decoding("image"):
            return _converted(source, "image")
    if isinstance(source, (bytes, bytearray, memoryview, io.BytesIO)):
        content = source.getvalue() if isinstance(source, io.BytesIO) else bytes(source)
        return _read_content(content, "image")
    if not isinstance(source, (str, os.PathLike)):
        found = type(source).__name__
        raise ImageError(f"expected a path, bytes, a PIL image or a (H, W, 3) uint8 array, found {found}")
    name = os.fspath(source)
    if is_data_url(name):
        return _read_content(data_of_url(name), "image")
    refuse_remote(name)
    check_file(Path(source), "photo")
    try:
        content = read_bounded(source, LARGEST_FILE)
    except OSError as error:
        raise ImageError(f"{name}: expected a photo, found: {error.strerror or error}") from error
    return _read_content(content, name)


def _name(source: ImageSource) -> str:
    named = isinstance(source, (str, os.PathLike)) and not is_data_url(os.fspath(source))
    return os.fspath(source) if named else "image"  # type: ignore[arg-type]


def _check_array(array: npt.NDArray[np.uint8]) -> ImageArray:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        found = f"{array.shape} {array.dtype}{_hint(array)}"
        raise ImageError(f"expected an image of shape (H, W, 3) and dtype uint8, found {found}")
    if array.size == 0:
        raise ImageError(f"expected an image of at least 1x1 pixel, found shape {array.shape}")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise ImageError(f"expected at most {MAX_PIXELS} pixels, found {array.shape[1]}x{array.shape[0]}")
    return np.ascontiguousarray(array)


def _hint(array: npt.NDArray[Any]) -> str:
    """How to turn an array of another type or shape into a photo."""
    if array.size == 0 or not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        return ""
    low, high = float(array.min()), float(array.max())
    if array.ndim == 3 and array.shape[0] == 3 != array.shape[2]:
        return ": channels come first, (image.transpose(1, 2, 0)) puts them last"
    if array.ndim == 4 and array.shape[0] == 1:
        return ": a batch of one, image[0] is the photo"
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
        return ": grey, np.dstack([image] * 3) repeats it"
    if array.ndim == 3 and array.shape[2] == 4:
        return ": with transparency, image[..., :3] leaves it out"
    if np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1:
        return " in 0..1: (image * 255).round().astype(np.uint8) is the photo"
    return f" in {low:g}..{high:g}" if np.isfinite([low, high]).all() else " with values that are not finite"


@contextmanager
def _decoding(name: str, content: bytes = b"") -> Iterator[None]:
    """Turn whatever the decoders raise into an ImageError of one line that names the photo."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is the limit here
            yield
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: expected at most {MAX_PIXELS} pixels, found more") from error
    except UnidentifiedImageError as error:
        tiff = content.startswith((b"II*\0", b"MM\0*"))
        found = "a TIFF that is damaged, or of floats or other pixels" if tiff else "another kind of file"
        raise ImageError(f"{name}: expected a photo (JPEG, PNG, TIFF, ...), found {found}") from error
    except Exception as error:  # on damaged files Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        reason = " ".join(str(error).split())
        raise ImageError(f"{name}: expected a whole photo, found a damaged one ({reason})") from error


def _read_content(content: bytes, name: str) -> PhotoPixels:
    if not content:
        raise ImageError(f"{name}: expected a photo, found an empty file")
    try:
        return _decoded(content, name)
    except ImageError:
        if not content.startswith(b"\xff\xd8"):
            raise
        pixels = _without_end_marker(content, name)
        if pixels is None:
            raise
        return pixels


def _decoded(content: bytes, name: str) -> PhotoPixels:
    with _decoding(name, content), open_picture(content) as image:
        return _converted(image, name, content)


def _without_end_marker(content: bytes, name: str) -> PhotoPixels | None:
    """A JPEG whose pixels are all there though its end marker is not; None where pixels are missing.

    The decoder fills what is missing from whatever bits come next: if other bits after the end give other pixels, some
    are missing.
    """
    other = np.random.default_rng(0).integers(0, 255, 4096, np.uint8).tobytes()
    try:
        ended, filled = (_decoded(content + tail + b"\xff\xd9", name) for tail in (b"", other))
    except ImageError:
        return None
    if not np.array_equal(ended.pixels, filled.pixels):
        return None
    return PhotoPixels(ended.pixels, (*ended.notes, "the JPEG's end marker is missing; its pixels are all there"))


def _converted(image: Image.Image, name: str, content: bytes | None = None) -> PhotoPixels:
    width, height = image.size
    if width * height == 0:
        raise ImageError(f"{name}: expected an image of at least 1x1 pixel, found {width}x{height}")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: expected at most {MAX_PIXELS} pixels, found {width}x{height}")
    if image.mode not in _MODES:
        raise ImageError(f"{name}: expected 8-bit colour, 8-bit or 16-bit grey, found Pillow mode {image.mode!r}")
    notes = []
    # n_frames would walk through all pages of a TIFF; a camera's MPO is one photo and its preview.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append("several frames; only the first is used")
    conversion, bits = _MODES[image.mode], ""
    raw = str(getattr(image, "tile", ""))  # gone once it is decoded
    deep = image.mode in _DEEP_MODES and is_deep(image)
    turned = deep and image.getexif().get(_ORIENTATION, 1) != 1
    white_is_zero = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0
    image = ImageOps.exif_transpose(image)  # a copy: the caller's stays as it is
    scale_key(image, raw)
    if image.mode.startswith("I"):
        values = _in_16_bits(np.asarray(image), name)
        grey, bits = stretched(values)
        if white_is_zero:  # Pillow turns such pictures round where they have 8 bits, and not where they have 16
            grey = np.uint8(255) - grey
        pixels, said = _colour(with_key(Image.fromarray(grey), values, image.info.get("transparency")))
    else:
        if deep:
            conversion = _DEEP_MODES[image.mode]
            image, bits = _deep_colour(image, None if turned else content)
        pixels, said = _colour(image)
    if conversion or said:
        notes.insert(0, f"converted from {conversion or '8-bit colour'}{said} to 8-bit RGB{bits}")
    return PhotoPixels(pixels, (*notes, *doubts(pixels)))


def _colour(image: Image.Image) -> tuple[ImageArray, str]:
    """Pixels of a picture of 8 bits a channel, and what was done about transparency."""
    said = ""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        low, high = image.getchannel("A").getextrema()
        if low == high != 255:  # some cameras and tools leave the channel at 0
            said = f" (transparency of {low} everywhere left out)"
        else:
            said = " (transparency shown on white)" if low != 255 else ""
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"), dtype=np.uint8), said


def _deep_colour(image: Image.Image, content: bytes | None) -> tuple[Image.Image, str]:
    """A picture of 16 bits a channel, of which Pillow has dropped the lower 8: where it has 14 bits at most or a
    transparent colour, it is read again.

    Returns the picture, 8 bits a channel, and what its values were taken for.
    """
    import cv2

    key = image.info.pop("transparency", None)
    highest = int(np.asarray(image)[:, :, :3].max())
    if highest >= 64 and key is None:
        return image, ""
    deep: Any = None
    if content is not None:
        deep = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16 or deep.ndim != 3 or deep.shape[1::-1] != image.size:
        lost = "" if key is None else f", its transparent colour {key} left out"
        few = f", its values reach {256 * highest + 255} at most: stretch them" if highest < 64 else ""
        return image, lost + few
    values = np.ascontiguousarray(deep[:, :, 2::-1])
    if highest >= 64:
        return with_key(image, values, key), ""
    colours, bits = stretched(values)
    read = with_key(Image.fromarray(colours), values, key)
    if image.mode == "RGBA":
        read.putalpha(image.getchannel("A"))
    return read, bits


def _in_16_bits(grey: npt.NDArray[np.integer[Any]], name: str) -> npt.NDArray[np.uint16]:
    lowest, highest = int(grey.min()), int(grey.max())
    if lowest < 0 or highest > 65535:
        raise ImageError(f"{name}: expected grey values within 0..65535, found {lowest}..{highest}")
    return grey.astype(np.uint16)

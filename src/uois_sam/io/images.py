"""The only reader of photos and videos: whatever comes in, (H, W, 3) uint8 RGB comes out or an ImageError is raised."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from uois_sam.errors import ImageError
from uois_sam.types import ImageArray

if TYPE_CHECKING:
    import cv2

ImageSource: TypeAlias = "str | os.PathLike[str] | Image.Image | npt.NDArray[np.uint8]"
"""What :func:`read_image` takes."""

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Lower-case file suffixes taken for photos when a folder is searched."""
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
"""Lower-case file suffixes taken for videos."""
MAX_PIXELS = 178_000_000
"""Larger photos are refused before they are decoded (a decompression bomb); just below Pillow's own hard limit."""

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
    "LA": "8-bit grey with transparency (shown on white)",
    "PA": "palette colours with transparency (shown on white)",
    "RGBA": "RGBA (transparency shown on white)",
}
"""Pillow modes that are read, and what to say about the conversion."""

_logger = logging.getLogger("uois_sam")
_reported: set[str] = set()


def read_image(source: ImageSource) -> ImageArray:
    """Read one photo.

    Files and Pillow images are turned upright (EXIF) and converted to 8-bit RGB: grey is repeated, 16-bit grey is
    scaled from its full range (value / 257), transparency is composited on white, and of an animation the first frame
    is taken. Every kind of conversion is logged once per process (logger ``uois_sam``, level INFO).

    Args:
        source: path, Pillow image, or (H, W, 3) uint8 RGB array (returned as it is when contiguous; never taken for
            BGR).

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        ImageError: missing, a folder, empty, not an image, damaged, too large, or an unsupported shape or dtype.
    """
    if isinstance(source, np.ndarray):
        return _check_array(source)
    if isinstance(source, Image.Image):
        with _decoding("image"):
            return _to_rgb(source, "image")
    if not isinstance(source, (str, os.PathLike)):
        found = type(source).__name__
        raise ImageError(f"expected a path, a PIL image or a (H, W, 3) uint8 array, found {found}")
    _check_file(Path(source), "photo")
    with _decoding(os.fspath(source)), Image.open(source) as image:
        return _to_rgb(image, os.fspath(source))


def read_video(path: str | os.PathLike[str]) -> Iterator[tuple[int, ImageArray]]:
    """Read a video frame by frame, one frame in memory at a time.

    Yields:
        The frame's index, from 0, and its (H, W, 3) uint8 RGB picture.

    Raises:
        ImageError: at the first step: missing, not a video, or without a single readable frame.
    """
    import cv2

    with _opened_video(path) as capture:
        index = 0
        while True:
            found, frame = capture.read()
            if not found:
                break
            yield index, np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            index += 1
    if index == 0:
        raise ImageError(f"{os.fspath(path)}: expected a video, found no readable frame")


def frame_count(path: str | os.PathLike[str]) -> int | None:
    """How many frames a video says it has (an estimate, for progress bars); None when it does not say.

    Raises:
        ImageError: missing or not a video.
    """
    import cv2

    with _opened_video(path) as capture:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return count if count > 0 else None


def _check_array(array: npt.NDArray[np.uint8]) -> ImageArray:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise ImageError(f"expected an image of shape (H, W, 3) and dtype uint8, found {array.shape} {array.dtype}")
    if array.size == 0:
        raise ImageError(f"expected an image of at least 1x1 pixel, found shape {array.shape}")
    return np.ascontiguousarray(array)


def _check_file(path: Path, kind: str) -> None:
    """Name the usual mistakes before a decoder words them obscurely."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ImageError(f"{path}: expected a {kind}, found: {error.strerror}") from error
    if path.is_dir():
        raise ImageError(f"{path}: expected a {kind}, found a folder")
    if size == 0:
        raise ImageError(f"{path}: expected a {kind}, found an empty file")


@contextmanager
def _decoding(name: str) -> Iterator[None]:
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
        raise ImageError(f"{name}: expected a photo (JPEG, PNG, TIFF, ...), found another kind of file") from error
    except Exception as error:  # on damaged files Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        reason = " ".join(str(error).split())
        raise ImageError(f"{name}: expected a whole photo, found a damaged one ({reason})") from error


def _to_rgb(image: Image.Image, name: str) -> ImageArray:
    width, height = image.size
    if width * height == 0:
        raise ImageError(f"{name}: expected an image of at least 1x1 pixel, found {width}x{height}")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: expected at most {MAX_PIXELS} pixels, found {width}x{height}")
    if image.mode not in _MODES:
        raise ImageError(f"{name}: expected 8-bit colour, 8-bit or 16-bit grey, found Pillow mode {image.mode!r}")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a camera's MPO is one photo and its preview
        _report(name, f"{frames} frames; only the first is used", kind="frames")
    conversion = _MODES[image.mode]
    if conversion is not None:
        _report(name, f"converted from {conversion} to 8-bit RGB", kind=conversion)

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        grey = _scale_16_bit(np.asarray(image), name)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _scale_16_bit(grey: npt.NDArray[np.integer], name: str) -> npt.NDArray[np.uint8]:
    """(H, W) integers in 0..65535 to uint8, so that 65535 becomes 255 and 257 k becomes k."""
    lowest, highest = int(grey.min()), int(grey.max())
    if lowest < 0 or highest > 65535:
        raise ImageError(f"{name}: expected grey values within 0..65535, found {lowest}..{highest}")
    return ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _report(name: str, message: str, kind: str) -> None:
    if kind not in _reported:
        _reported.add(kind)
        _logger.info("%s: %s (said once)", name, message)


@contextmanager
def _opened_video(path: str | os.PathLike[str]) -> Iterator[cv2.VideoCapture]:
    import cv2

    _check_file(Path(path), "video")
    capture = cv2.VideoCapture(os.fspath(path))
    try:
        if not capture.isOpened():
            raise ImageError(f"{os.fspath(path)}: expected a video, found a file that cannot be decoded as one")
        yield capture
    finally:
        capture.release()

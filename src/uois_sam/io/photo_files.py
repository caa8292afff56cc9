"""Files of photos that other programs show as they are read here, so that a copy of one may go into a data set."""

from __future__ import annotations

from PIL import Image

from uois_sam.io.formats import is_deep, open_picture

_PLAIN = {"JPEG": ("RGB", "L"), "PNG": ("RGB", "L"), "BMP": ("RGB", "L"), "WEBP": ("RGB",)}
"""Formats that every labelling tool reads, and Pillow's modes in which they need no conversion."""
_ORIENTATION = 0x0112


def is_plain(content: bytes) -> bool:
    """Whether a photo's file has 8 bits a channel, no transparency, no rotation by EXIF, and one frame."""
    try:
        with open_picture(content) as image:
            return _is_plain(image)
    except Exception:  # whatever a decoder raises: the reader of photos tells what is wrong
        return False


def _is_plain(image: Image.Image) -> bool:
    whole = not getattr(image, "is_animated", False) and not image.has_transparency_data
    upright = image.getexif().get(_ORIENTATION, 1) == 1
    return image.mode in _PLAIN.get(str(image.format), ()) and not is_deep(image) and whole and upright

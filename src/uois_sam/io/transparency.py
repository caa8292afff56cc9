"""The one value or colour that a PNG calls transparent (tRNS), where Pillow changes the depth of the picture.

It is in the depth of the file. Pillow compares it with pixels of 8 bits, which is right for files of 8 bits and of 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

_STEPS = {"L;2": 85, "L;4": 17}
"""Raw modes of Pillow's decoder to what it multiplies values by."""
_KEY = "transparency"


def scale_key(image: Image.Image, raw: str) -> None:
    """Give the transparent value of a grey picture of few bits the scale of its pixels, in place.

    Args:
        image: a picture, decoded.
        raw: its tiles in words, from before it was decoded.
    """
    step = next((step for mode, step in _STEPS.items() if f"'{mode}'" in raw), None)
    key = image.info.get(_KEY)
    if step is not None and isinstance(key, int):
        image.info[_KEY] = key % (255 // step + 1) * step


def with_key(image: Image.Image, values: npt.NDArray[np.integer[Any]], key: object) -> Image.Image:
    """A picture of 8 bits a channel that is transparent where its values are the key's.

    Args:
        image: mode L or RGB, without transparency.
        values: (H, W) or (H, W, 3), the same pixels in the depth of the file.
        key: an integer, or three; None for a picture without transparency.

    Returns:
        The same picture, or one with an alpha channel.
    """
    if not isinstance(key, int | tuple):
        return image
    same = values == np.array(key)
    inside = same if same.ndim == 2 else same.all(axis=2)
    keyed = image.copy()
    keyed.putalpha(Image.fromarray(np.where(inside, 0, 255).astype(np.uint8)))
    return keyed

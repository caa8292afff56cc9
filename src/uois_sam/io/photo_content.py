"""Signs that a picture is no ordinary photo: fewer bits than its file has, masks, label maps, mosaics of a sensor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uois_sam.errors import count
from uois_sam.types import ImageArray

DEPTHS = (8, 10, 12, 14, 16)
"""Bits of a sensor whose values may come in 16-bit files."""
MOST_LABELS = 24
"""Grey pictures of so few values are taken for masks or label maps."""
_ENOUGH_PIXELS = 4096
_MOSAIC = 1.2
"""Neighbours of a sensor's mosaic differ by so much more than pixels two apart, which have the same filter."""


def stretched(values: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.uint8], str]:
    """Scale 16-bit values to 8 bits from the smallest usual depth that holds them.

    Args:
        values: uint16 of any shape.

    Returns:
        uint8 of that shape, and the guess in words; empty for the full range, where 65535 becomes 255 and 257 k
        becomes k.
    """
    highest = int(values.max(initial=0))
    bits = next(depth for depth in DEPTHS if highest < 1 << depth)
    if bits == 16 or highest == 0:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8), ""
    full = (1 << bits) - 1
    scaled = ((values.astype(np.uint32) * 255 + full // 2) // full).astype(np.uint8)
    return scaled, f", its values up to {highest} taken as {bits}-bit (if it is a depth map, it is no photo)"


def doubts(pixels: ImageArray) -> list[str]:
    """What makes it doubtful that these (H, W, 3) uint8 RGB pixels are a photo."""
    grey = pixels[:, :, 0]
    if grey.size < _ENOUGH_PIXELS or not (
        np.array_equal(grey, pixels[:, :, 1]) and np.array_equal(grey, pixels[:, :, 2])
    ):
        return []
    values = np.flatnonzero(np.bincount(grey.ravel(), minlength=256))
    if len(values) == 1:
        return [f"one value, {values[0]}, everywhere: is it a photo?"]
    if len(values) == 2:
        return [f"two values only, {values[0]} and {values[1]}: is it a mask?"]
    if len(values) <= MOST_LABELS:
        return [f"{count(len(values), 'value')} only: is it a label map?"]
    if is_mosaic(grey):
        return ["every other pixel is alike: is it the mosaic of a colour sensor (Bayer)? Convert it to colour first"]
    return []


def is_mosaic(grey: npt.NDArray[np.uint8]) -> bool:
    """Whether pixels two apart are more alike than neighbours, along rows and along columns: (H, W) uint8."""
    part = grey[: min(len(grey), 1024), : min(grey.shape[1], 1024)].astype(np.float32)
    if min(part.shape) < 16:
        return False
    ratios = []
    for axis in (0, 1):
        near, far = np.abs(np.diff(part, axis=axis)).mean(), np.abs(_apart(part, axis)).mean()
        ratios.append(float(near) / max(float(far), 1e-3))
    return min(ratios) > _MOSAIC


def _apart(part: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """Differences of pixels two apart."""
    return part[2:] - part[:-2] if axis == 0 else part[:, 2:] - part[:, :-2]

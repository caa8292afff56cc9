"""Environment light as equirectangular pictures: rooms, open skies, or a user's own HDR panoramas."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from uois_sam.errors import DatasetError
from uois_sam.synth.assets.user_files import read_usable

FloatImage = npt.NDArray[np.float32]
SKY_HW = (64, 128)
SkyPainter = Callable[[np.random.Generator], FloatImage]
"""Draws (64, 128, 3) float32 linear radiance; the first row is straight up."""


def room(rng: np.random.Generator) -> FloatImage:
    """Dim room tones, a brighter ceiling, windows and lamps."""
    height, width = SKY_HW
    rows = np.linspace(0, 1, height)[:, None, None]
    tone = rng.uniform(0.3, 0.9) * np.exp(rng.normal(0, 0.13, 3)) * (1.2 - rng.uniform(0, 1.0) * rows)
    clutter = gaussian_filter(rng.normal(size=(height, width, 1)), (3, 3, 0), mode="wrap")
    sky = np.broadcast_to(tone, (height, width, 3)) * (1 + 0.8 * clutter / (clutter.std() + 1e-9)).clip(0.2, 3)
    sky = sky.copy()
    for _ in range(int(rng.integers(1, 6))):
        y, x = rng.integers(0, height // 2), rng.integers(0, width)
        h, w = rng.integers(2, 16), rng.integers(2, 24)
        sky[y : y + h, x : x + w] = rng.uniform(2, 14) * np.exp(rng.normal(0, 0.15, 3))
    return sky.astype(np.float32)


def outdoors(rng: np.random.Generator) -> FloatImage:
    """Blue to overcast sky with clouds over a darker ground."""
    height, width = SKY_HW
    up = np.linspace(1, -1, height)[:, None, None]
    zenith = np.array([0.35, 0.55, 1.0]) * (1 - rng.uniform(0, 0.9)) + rng.uniform(0.3, 0.8)
    clouds = gaussian_filter(rng.normal(size=(height, width, 1)), (3, 6, 0), mode="wrap")
    above = zenith * (1.3 - 0.6 * up) + 0.5 * np.clip(clouds / (clouds.std() + 1e-9), 0, 2)
    below = np.array([0.3, 0.27, 0.22]) * rng.uniform(0.5, 1.5)
    return np.where(up > 0, above, below).astype(np.float32) * np.ones((1, width, 1), np.float32)


SKIES: dict[str, SkyPainter] = {"room": room, "outdoors": outdoors}
"""Built-in skies by name."""


def load_skies(folder: Path) -> dict[str, SkyPainter]:
    """Return the HDR pictures (.hdr, .exr) of a folder as skies ``file/<name>``.

    Those that cannot be read are logged and left out; folders in it are not searched.

    Raises:
        DatasetError: if it holds no readable HDR picture.
    """
    found = read_usable(folder, (".hdr", ".exr"), _read)
    if not found:
        raise DatasetError(f"{folder}: expected a folder with .hdr or .exr pictures for --hdris, found none to read")
    return {name: partial(_turned, pixels) for name, pixels in found.items()}


def _turned(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    return np.roll(pixels, int(rng.integers(SKY_HW[1])), axis=1)


def _read(path: Path) -> FloatImage:
    """Read radiance at ``SKY_HW``, scaled to a mean of 0.6 so that exposure settings keep their meaning.

    Mitsuba's reader of EXR files waits forever once Dr.Jit is limited to one thread, as it is in workers: files are
    read before.
    """
    if path.suffix.lower() == ".exr":
        import mitsuba as mi

        try:
            bitmap = mi.Bitmap(str(path)).convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False)
        except RuntimeError as error:
            raise DatasetError(f"{path}: expected an EXR picture, found {error}") from error
        pixels = np.array(bitmap)
    else:
        read = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
        if read is None:
            raise DatasetError(f"{path}: expected a Radiance HDR picture, could not read it")
        pixels = read[..., ::-1]
    small = cv2.resize(pixels.astype(np.float32), SKY_HW[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small * (0.6 / max(float(small.mean()), 1e-6)), dtype=np.float32)

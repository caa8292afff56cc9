"""A picture of objects, for times and trials where no photo is at hand; needs no torch."""

from __future__ import annotations

import cv2
import numpy as np

from uois_sam.types import ImageArray


def drawn_photo(width: int, height: int, seed: int = 0) -> ImageArray:
    """Draw thirty coloured ellipses on a shaded ground, in place of a photo: (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    shade = np.linspace(150, 210, height)[:, None, None] + rng.normal(0, 4, (height, width, 3))
    picture = np.ascontiguousarray(shade.clip(0, 255).astype(np.uint8))
    for _ in range(30):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = tuple(int(size) for size in rng.integers(height // 40 + 1, height // 10 + 2, 2))
        colour = tuple(int(value) for value in rng.integers(20, 255, 3))
        cv2.ellipse(picture, centre, axes, float(rng.integers(180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture

"""Traces of use over any texture: scratches, stains, dust, rubbed edges of the print."""

from __future__ import annotations

import cv2
import numpy as np

from uois_sam.synth.assets.textures.fields import Picture, Rng, clouds, mix, noise, random_colour, shade


def wear_down(pixels: Picture, rng: Rng, amount: float) -> Picture:
    """Add traces of use to a texture.

    Args:
        pixels: (S, S, 3) uint8 sRGB.
        rng: random generator.
        amount: 0 new, 1 worn out.
    """
    size = pixels.shape[0]
    worn = shade(pixels, 1 + 0.12 * amount * clouds(rng, size, size / 4))
    if rng.random() < 0.7:
        worn = _scratch(worn, rng, int(rng.integers(2, 4 + int(30 * amount))))
    if rng.random() < 0.4:
        stain = clouds(rng, size, size / rng.uniform(4, 12)) > rng.uniform(1.4, 2.4) - amount * 0.5
        worn = mix(worn, random_colour(rng), rng.uniform(0.1, 0.5) * stain)
    if rng.random() < 0.5:
        dust = np.clip(noise(rng, size, 0.7) - 1.5 + amount, 0, 1) * rng.uniform(0.2, 0.7)
        worn = mix(worn, (205, 200, 192), dust)
    return worn


def _scratch(pixels: Picture, rng: Rng, count: int) -> Picture:
    size = pixels.shape[0]
    scratched = pixels.copy()
    for _ in range(count):
        start, angle = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
        end = start + rng.uniform(0.03, 0.4) * size * np.array([np.cos(angle), np.sin(angle)])
        tone = 235 if rng.random() < 0.6 else 30
        (x0, y0), (x1, y1) = start.astype(int).tolist(), end.astype(int).tolist()
        cv2.line(scratched, (x0, y0), (x1, y1), (tone, tone, tone), 1, cv2.LINE_AA)
    share = np.full((size, size), rng.uniform(0.15, 0.5), dtype=np.float32)
    return mix(pixels, scratched.astype(np.float32), share)

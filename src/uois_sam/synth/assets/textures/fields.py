"""Tiling noise and everyday colours, of which textures are painted. Pictures are (S, S, 3) uint8 sRGB."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Picture = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Colour = tuple[int, int, int]


def noise(rng: Rng, size: int, scale: float | tuple[float, float]) -> Field:
    """(S, S) float32 tiling noise of unit deviation; ``scale`` is the grain in pixels, or (along v, along u).

    Coarse grain is drawn on a coarse grid and enlarged: a scene paints dozens of textures.
    """
    scales = np.broadcast_to(np.maximum(np.asarray(scale, dtype=float), 0.3), 2)
    sides = np.minimum(size, np.maximum(4, np.ceil(1.5 * size / scales))).astype(int)
    sigma_y, sigma_x = (float(s * n / size) for s, n in zip(scales, sides, strict=True))
    reach_y, reach_x = (max(2, int(np.ceil(3 * s))) for s in (sigma_y, sigma_x))
    grid = rng.standard_normal(tuple(sides), dtype=np.float32)
    padded = np.pad(grid, ((reach_y, reach_y), (reach_x, reach_x)), mode="wrap")
    blurred = cv2.GaussianBlur(padded, (2 * reach_x + 1, 2 * reach_y + 1), sigma_x, sigmaY=sigma_y)
    if tuple(sides) == (size, size):
        field = blurred[reach_y:-reach_y, reach_x:-reach_x]
    else:
        edge_y, edge_x = (round(r * size / n) for r, n in zip((reach_y, reach_x), sides, strict=True))
        large = cv2.resize(blurred, (size + 2 * edge_x, size + 2 * edge_y), interpolation=cv2.INTER_CUBIC)
        field = large[edge_y : edge_y + size, edge_x : edge_x + size]
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), dtype=np.float32)


def clouds(rng: Rng, size: int, coarsest: float) -> Field:
    """(S, S) float32 noise with detail at several scales, unit deviation."""
    total = sum(0.55**octave * noise(rng, size, coarsest / 2.2**octave) for octave in range(4))
    return np.asarray(total / (np.std(total) + 1e-9), dtype=np.float32)


def mix(a: npt.ArrayLike, b: npt.ArrayLike, share: npt.NDArray[np.generic]) -> Picture:
    """Blend two colours or pictures; ``share`` (S, S) is how much of ``b``."""
    share = np.clip(np.asarray(share, dtype=np.float32), 0, 1)[..., None]
    return to_uint8(np.asarray(a, dtype=np.float32) * (1 - share) + np.asarray(b, dtype=np.float32) * share)


def shade(picture: npt.ArrayLike, factor: npt.NDArray[np.generic]) -> Picture:
    """Darken and lighten a colour or picture by an (S, S) factor."""
    return to_uint8(np.asarray(picture, dtype=np.float32) * np.asarray(factor, dtype=np.float32)[..., None])


def to_uint8(values: npt.NDArray[np.generic]) -> Picture:
    """Clip to 0..255 and round."""
    return np.clip(np.rint(np.asarray(values, dtype=np.float32)), 0, 255).astype(np.uint8)


HUES = {0.0: 0.25, 0.06: 0.12, 0.13: 0.16, 0.3: 0.08, 0.4: 0.07, 0.5: 0.06, 0.59: 0.18, 0.78: 0.04, 0.92: 0.04}
"""Hues (0..1) of manufactured things and their relative frequency: red, yellow and blue lead, purple is rare."""


def random_hue(rng: Rng) -> float:
    """A hue in 0..1: mostly those of everyday things, now and then any."""
    if rng.random() < 0.15:
        return float(rng.random())
    shares = np.array(list(HUES.values()))
    return float(rng.choice(list(HUES), p=shares / shares.sum()) + rng.normal(0, 0.025)) % 1


def random_colour(rng: Rng) -> Colour:
    """An everyday colour: strong packaging hues, pastels, greys from near-black to near-white, browns."""
    kind = rng.random()
    if kind < 0.42:
        hue, saturation, value = random_hue(rng), rng.uniform(0.55, 1.0), rng.uniform(0.3, 1.0)
    elif kind < 0.56:
        hue, saturation, value = random_hue(rng), rng.uniform(0.1, 0.5), rng.uniform(0.4, 1.0)
    elif kind < 0.88:
        hue, saturation = rng.random(), rng.uniform(0, 0.1)
        value = rng.choice([0.05, 0.12, 0.25, 0.5, 0.8, 0.92, 0.98]) * rng.uniform(0.85, 1.02)
    else:
        hue, saturation, value = rng.uniform(0.04, 0.13), rng.uniform(0.3, 0.7), rng.uniform(0.25, 0.8)
    return from_hsv(hue, saturation, value)


def from_hsv(hue: float, saturation: float, value: float) -> Colour:
    """Convert hue, saturation and value in 0..1 to 8-bit RGB."""
    red, green, blue = (round(255 * min(c, 1.0)) for c in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue


def vary(colour: Colour, rng: Rng, amount: float) -> Colour:
    """A colour near the given one; ``amount`` is the largest shift in 8-bit steps."""
    red, green, blue = np.clip(np.array(colour) + rng.uniform(-amount, amount, 3), 0, 255).astype(int).tolist()
    return red, green, blue


def contrast(colour: Colour) -> Colour:
    """Near-black on light colours, near-white on dark ones."""
    return (20, 20, 20) if sum(colour) > 380 else (240, 240, 240)

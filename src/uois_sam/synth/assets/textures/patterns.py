"""Repeating patterns: fabrics, floors, prints."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from uois_sam.synth.assets.textures.fields import (
    Colour,
    Picture,
    Rng,
    clouds,
    mix,
    noise,
    random_colour,
    shade,
    to_uint8,
    vary,
)


def stripes(rng: Rng, size: int) -> Picture:
    """Bars of two to four colours, along u or v."""
    colours = np.array([random_colour(rng) for _ in range(rng.integers(2, 5))])
    count = int(rng.integers(2, 24))
    index = (np.arange(size) * count // size) % len(colours)
    bars = np.broadcast_to(colours[index][None], (size, size, 3))
    return to_uint8(bars if rng.random() < 0.5 else bars.transpose(1, 0, 2))


def checker(rng: Rng, size: int) -> Picture:
    """A chessboard (plain or of two woods) or tiles with joints."""
    cells = 2 * int(rng.integers(1, 6))
    phase = np.arange(size) * cells / size
    if rng.random() < 0.5:
        squares = (phase.astype(int)[:, None] + phase.astype(int)[None]) % 2
        grain = 1 + rng.uniform(0, 0.12) * noise(rng, size, (1.5, size / 10))
        return shade(mix(random_colour(rng), random_colour(rng), squares), grain)
    joint = phase % 1 < rng.uniform(0.02, 0.08)
    tone = rng.normal(1, rng.uniform(0, 0.06), (cells, cells))[phase.astype(int)[:, None], phase.astype(int)[None]]
    return shade(mix(random_colour(rng), random_colour(rng), joint[:, None] | joint[None]), tone)


def plaid(rng: Rng, size: int) -> Picture:
    """Crossing bars of a checked cloth."""
    pixels = np.broadcast_to(np.array(random_colour(rng), np.float32), (size, size, 3))
    for _ in range(int(rng.integers(2, 4))):
        phase = (np.arange(size) * int(rng.integers(2, 9)) / size + rng.random()) % 1
        bar = (phase < rng.uniform(0.1, 0.5)) * 0.5
        pixels = mix(pixels, random_colour(rng), 0.9 * (bar[:, None] + bar[None])).astype(np.float32)
    return shade(pixels, 1 + 0.05 * noise(rng, size, 0.7))


def weave(rng: Rng, size: int) -> Picture:
    """Woven cloth: fine threads both ways, with slubs."""
    phase = np.sin(np.arange(size) * 2 * np.pi * int(rng.integers(40, 140)) / size)
    pattern = phase[:, None] * phase[None] * rng.uniform(4, 30)
    slub = noise(rng, size, (0.6, 8)) * rng.uniform(1, 12)
    return to_uint8(np.array(random_colour(rng), np.float32) + (pattern + slub)[..., None])


def knit(rng: Rng, size: int) -> Picture:
    """Knitted wool or terry: slanted stitches in columns."""
    count = int(rng.integers(14, 40))
    u, v = np.meshgrid(np.arange(size) * count / size, np.arange(size) * count / size)
    slant = np.where(u % 1 < 0.5, u % 1, 1 - u % 1)
    return shade(random_colour(rng), 0.8 + 0.25 * np.sin(2 * np.pi * (v + slant)) + 0.06 * noise(rng, size, 1))


def carpet(rng: Rng, size: int) -> Picture:
    """Loop carpet or upholstery: short streaks of several yarns."""
    base = random_colour(rng)
    streak = (rng.uniform(0.6, 1.5), rng.uniform(1.5, 16))
    pixels = np.broadcast_to(np.array(base, np.float32), (size, size, 3))
    for _ in range(int(rng.integers(1, 4))):
        yarn = random_colour(rng) if rng.random() < 0.25 else vary(base, rng, 70)
        pixels = mix(pixels, yarn, noise(rng, size, streak) > rng.uniform(0.3, 1.6)).astype(np.float32)
    factor = 1 + rng.uniform(0.05, 0.2) * noise(rng, size, 0.8) + 0.04 * clouds(rng, size, size / 4)
    dyed = shade(pixels, factor)
    return dyed if rng.random() < 0.5 else np.ascontiguousarray(dyed.transpose(1, 0, 2))


def jute(rng: Rng, size: int) -> Picture:
    """Thick braided fibre, rattan, bamboo mat: rope-like rows."""
    rows = int(rng.integers(10, 30))
    phase = np.arange(size) * rows / size
    bulge = np.abs(np.sin(np.pi * phase))[:, None]
    twist = np.sin(2 * np.pi * (np.arange(size) * rows * rng.uniform(0.5, 2) / size)[None] + 2.5 * phase[:, None])
    warm = rng.random() < 0.6
    base = (176, 142, 98) if warm else random_colour(rng)
    return shade(vary(base, rng, 40), 0.45 + 0.5 * bulge + 0.1 * twist + 0.1 * noise(rng, size, (0.7, 5)))


def rug(rng: Rng, size: int) -> Picture:
    """An ornamental rug: motifs mirrored about both axes inside borders."""
    quarter = Image.new("RGB", (size // 2, size // 2), random_colour(rng))
    draw = ImageDraw.Draw(quarter)
    palette = [random_colour(rng) for _ in range(4)]
    for _ in range(int(rng.integers(8, 24))):
        x, y, r = *rng.uniform(0, size / 2, 2), rng.uniform(0.02, 0.1) * size
        _motif(rng, draw, (x, y), r, palette[rng.integers(4)])
    for border in range(int(rng.integers(1, 4))):
        draw.rectangle([border * 9, border * 9, size, size], outline=palette[border % 4], width=4)
    corner = np.asarray(quarter)
    half = np.concatenate([corner, corner[:, ::-1]], axis=1)
    return shade(np.concatenate([half, half[::-1]], axis=0), 1 + 0.08 * noise(rng, size // 2 * 2, 0.8))


def herringbone(rng: Rng, size: int) -> Picture:
    """Zigzag cloth or floor."""
    count = int(rng.integers(4, 20))
    u = np.arange(size)[None] * count / size
    v = np.arange(size)[:, None] * count * int(rng.integers(1, 4)) / size
    zigzag = (v + np.abs(u % 2 - 1)) % 1 < rng.uniform(0.3, 0.6)
    first = random_colour(rng)
    second = vary(first, rng, 60) if rng.random() < 0.6 else random_colour(rng)
    return shade(mix(first, second, zigzag), 1 + 0.05 * noise(rng, size, 1))


def hexagons(rng: Rng, size: int) -> Picture:
    """Honeycomb tiles with joints."""
    count = 2 * int(rng.integers(2, 6))
    u, v = np.meshgrid(np.arange(size) * count / size, np.arange(size) * count / size)
    distances = []
    for shift in (0.0, 0.5):
        du, dv = np.abs((u + shift) % 1 - 0.5), np.abs((v + shift) % 1 - 0.5)
        distances.append(np.maximum(du, 0.5 * du + 0.86 * dv))
    joint = np.abs(distances[0] - distances[1]) < rng.uniform(0.02, 0.06)
    tone = np.where(distances[0] < distances[1], 1.0, rng.uniform(0.85, 1.0))
    return shade(mix(random_colour(rng), random_colour(rng), joint), tone)


def dots(rng: Rng, size: int) -> Picture:
    """Round spots on a grid, rows offset."""
    count = 2 * int(rng.integers(2, 9))
    v = np.arange(size)[:, None] * count / size
    u = np.arange(size)[None] * count / size + 0.5 * (v.astype(int) % 2)
    return mix(random_colour(rng), random_colour(rng), np.hypot(u % 1 - 0.5, v % 1 - 0.5) < rng.uniform(0.15, 0.42))


def floral(rng: Rng, size: int) -> Picture:
    """Scattered petals and leaves on a plain ground: table cloths, wrapping paper."""
    ground = random_colour(rng)
    canvas = Image.new("RGB", (size, size), ground)
    draw = ImageDraw.Draw(canvas)
    palette = [random_colour(rng) for _ in range(3)]
    for _ in range(int(rng.integers(12, 50))):
        x, y, r = *rng.uniform(0, size, 2), rng.uniform(0.015, 0.07) * size
        colour = palette[rng.integers(3)]
        for shift_x in (-size, 0, size):
            for shift_y in (-size, 0, size):
                if -r * 2 < x + shift_x < size + r * 2 and -r * 2 < y + shift_y < size + r * 2:
                    _flower(draw, (x + shift_x, y + shift_y), r, colour, int(4 + x % 4))
    return np.array(canvas)


def _flower(draw: ImageDraw.ImageDraw, centre: tuple[float, float], r: float, colour: Colour, petals: int) -> None:
    for petal in range(petals):
        angle = 2 * np.pi * petal / petals
        x, y = centre[0] + r * np.cos(angle), centre[1] + r * np.sin(angle)
        draw.ellipse([x - r * 0.6, y - r * 0.6, x + r * 0.6, y + r * 0.6], fill=colour)
    draw.ellipse([centre[0] - r / 2, centre[1] - r / 2, centre[0] + r / 2, centre[1] + r / 2], fill=(230, 200, 60))


def _motif(rng: Rng, draw: ImageDraw.ImageDraw, centre: tuple[float, float], r: float, colour: Colour) -> None:
    x, y = centre
    if rng.random() < 0.5:
        draw.polygon([(x - r, y), (x, y - r), (x + r, y), (x, y + r)], fill=colour)
    else:
        draw.ellipse([x - r, y - r, x + r, y + r], outline=colour, width=max(2, int(r / 3)))

"""Finishes and natural materials: plastic, wood, stone, metal, leather, cardboard, peel."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from uois_sam.synth.assets.textures.fields import (
    Picture,
    Rng,
    clouds,
    from_hsv,
    mix,
    noise,
    random_colour,
    shade,
    to_uint8,
    vary,
)


def plain(rng: Rng, size: int) -> Picture:
    """One colour, faintly uneven."""
    base = np.array(random_colour(rng), dtype=np.float32)
    return to_uint8(base + noise(rng, size, rng.uniform(6, 40))[..., None] * rng.uniform(0, 8))


def gradient(rng: Rng, size: int) -> Picture:
    """Two colours that blend along v: dyed glass, sprayed plastic."""
    ramp = np.linspace(0, 1, size)[:, None] + 0.15 * noise(rng, size, 20)
    return mix(random_colour(rng), random_colour(rng), expit((ramp - rng.uniform(0.2, 0.8)) * rng.uniform(3, 30)))


def speckle(rng: Rng, size: int) -> Picture:
    """Sponge, granulate, sprayed stone: grains at one scale around one or two colours."""
    first = random_colour(rng)
    second = vary(random_colour(rng) if rng.random() < 0.3 else first, rng, 60)
    grain = noise(rng, size, rng.uniform(0.6, 4))
    return mix(first, second, grain > rng.uniform(-0.5, 1.2) if rng.random() < 0.4 else 0.5 + 0.35 * grain)


def marble(rng: Rng, size: int) -> Picture:
    """Veins of a second colour through soft clouds."""
    share = np.abs(np.sin(clouds(rng, size, size / rng.uniform(2, 7)) * rng.uniform(0.8, 3))) ** rng.uniform(0.1, 1)
    return mix(random_colour(rng), random_colour(rng), share)


def wood(rng: Rng, size: int) -> Picture:
    """Boards with grain along u, pores and thin joints."""
    return boards(rng, size, int(rng.integers(1, 7)), 1)


def parquet(rng: Rng, size: int) -> Picture:
    """Short staves in offset rows."""
    return boards(rng, size, int(rng.integers(5, 12)), int(rng.integers(2, 5)))


def boards(rng: Rng, size: int, rows: int, columns: int) -> Picture:
    """Wooden boards: ``rows`` across v, each cut into ``columns`` along u."""
    tone = np.array(from_hsv(rng.uniform(0.04, 0.11), rng.uniform(0.12, 0.65), rng.uniform(0.18, 0.95)), np.float32)
    grain = noise(rng, size, (rng.uniform(0.7, 3), size / 8))
    rings = np.sin(noise(rng, size, (size / 14, size / 2)) * rng.uniform(4, 14))
    factor = 1 + rng.uniform(0.02, 0.1) * grain + rng.uniform(0, 0.08) * rings
    edges = np.linspace(0, size, rows + 1).astype(int)
    for top, bottom in zip(edges[:-1], edges[1:], strict=True):
        offset = int(rng.integers(size))
        cuts = np.linspace(0, size, columns + 1).astype(int)
        for left, right in zip(cuts[:-1], cuts[1:], strict=True):
            across = np.arange(left + offset, right + offset) % size
            factor[top:bottom, across] *= 1 + rng.uniform(0.02, 0.09) * rng.normal()
            if columns > 1:
                factor[top:bottom, across[0]] *= 0.6
        factor[top : top + (1 if rows > 1 else 0)] *= 0.6
    return shade(tone, factor)


def brushed(rng: Rng, size: int) -> Picture:
    """Brushed or rolled metal: fine lines along u on grey, brass or copper."""
    hue, saturation = (rng.uniform(0.05, 0.14), rng.uniform(0.2, 0.5)) if rng.random() < 0.2 else (0.6, 0.04)
    lines = noise(rng, size, (0.6, size / 4)) * rng.uniform(0.01, 0.07)
    return shade(from_hsv(hue, saturation, rng.uniform(0.35, 0.92)), 1 + lines + 0.03 * clouds(rng, size, size / 4))


def hammered(rng: Rng, size: int) -> Picture:
    """Beaten or galvanised metal: angular patches of slightly different grey."""
    patches = np.round(2.5 * noise(rng, size, rng.uniform(5, 14))) / 2.5
    return shade(from_hsv(rng.uniform(0.05, 0.65), rng.uniform(0, 0.15), rng.uniform(0.4, 0.85)), 1 + 0.09 * patches)


def concrete(rng: Rng, size: int) -> Picture:
    """Concrete, plaster, linoleum: clouds, stains and pores on a pale tone."""
    base = from_hsv(rng.uniform(0.05, 0.6), rng.uniform(0, 0.25), rng.uniform(0.25, 0.9))
    factor = 1 + 0.07 * clouds(rng, size, size / 5) + rng.uniform(0.01, 0.06) * noise(rng, size, 0.7)
    return shade(base, factor - 0.35 * (noise(rng, size, 1.2) > 2.9))


def terrazzo(rng: Rng, size: int) -> Picture:
    """Chips of several stones in a light or dark ground."""
    pixels = concrete(rng, size)
    for _ in range(int(rng.integers(2, 5))):
        chips = noise(rng, size, rng.uniform(3, 7)) > rng.uniform(1.3, 2.1)
        pixels[chips] = vary(random_colour(rng), rng, 20)
    return pixels


def leather(rng: Rng, size: int) -> Picture:
    """Grained leather, vinyl or moulded plastic: a net of fine creases."""
    creases = np.abs(noise(rng, size, rng.uniform(2, 5)))
    return shade(random_colour(rng), 1 - 0.25 * np.exp(-creases * 6) + 0.05 * clouds(rng, size, size / 3))


def cork(rng: Rng, size: int) -> Picture:
    """Cork or pressed chipboard: flakes of brown."""
    flakes = np.round(2 * noise(rng, size, rng.uniform(1.5, 5)))
    base = from_hsv(rng.uniform(0.05, 0.1), rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.8))
    return shade(base, 1 + 0.12 * flakes + 0.05 * noise(rng, size, 0.6))


def cardboard(rng: Rng, size: int) -> Picture:
    """Corrugated board: faint flutes, fibres, sometimes a strip of tape and a stamp."""
    base = from_hsv(rng.uniform(0.07, 0.1), rng.uniform(0.3, 0.5), rng.uniform(0.45, 0.8))
    flutes = np.sin(np.arange(size) * 2 * np.pi * rng.integers(30, 70) / size)[None] * rng.uniform(0, 0.03)
    pixels = shade(base, 1 + flutes + 0.03 * noise(rng, size, 0.6) + 0.04 * clouds(rng, size, size / 4))
    if rng.random() < 0.4:
        top, width = int(rng.uniform(0.1, 0.8) * size), int(rng.uniform(0.05, 0.14) * size)
        tape = np.array(from_hsv(0.1, rng.uniform(0.05, 0.5), rng.uniform(0.6, 0.95)), np.float32)
        pixels[top : top + width] = to_uint8(0.55 * tape + 0.45 * pixels[top : top + width])
    if rng.random() < 0.4:
        y, x = (int(v) for v in rng.uniform(0.1, 0.7, 2) * size)
        height, width = int(rng.uniform(0.04, 0.2) * size), int(rng.uniform(0.1, 0.28) * size)
        pixels[y : y + height : 2, x : x + width] = shade(base, np.full((1, 1), 0.35))[0, 0]
    return pixels


def peel(rng: Rng, size: int) -> Picture:
    """Fruit and vegetables: two ripe colours in soft patches, dots, streaks along v."""
    hue = rng.choice([0.0, 0.05, 0.08, 0.13, 0.16, 0.25, 0.3]) + rng.uniform(-0.02, 0.02)
    first = from_hsv(hue, rng.uniform(0.6, 0.95), rng.uniform(0.45, 0.95))
    second = from_hsv(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.4, 0.9), rng.uniform(0.3, 0.9))
    share = expit(2 * clouds(rng, size, size / 3) + rng.uniform(-2, 1) + noise(rng, size, (size / 3, 3)) * 0.4)
    pixels = mix(first, second, share)
    dots = noise(rng, size, 1.2) > rng.uniform(2.2, 3.6)
    return mix(pixels, np.broadcast_to(np.array(vary(second, rng, 70), np.float32), pixels.shape), 0.7 * dots)


def mottled(rng: Rng, size: int) -> Picture:
    """Stones, bread, gourds: warm blotches at two scales."""
    hue = rng.uniform(0.03, 0.2)
    first = from_hsv(hue, rng.uniform(0.15, 0.7), rng.uniform(0.3, 0.9))
    second = from_hsv(hue + rng.uniform(-0.06, 0.06), rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.9))
    pixels = mix(first, second, 0.5 + 0.4 * clouds(rng, size, size / 8))
    return shade(pixels, 1 + 0.08 * noise(rng, size, 1.0))


def perforated(rng: Rng, size: int) -> Picture:
    """A drilled or slotted metal plate, a grille, a cutting mat: dark holes on a grid."""
    count = int(rng.integers(4, 14))
    phase = (np.arange(size) * count / size) % 1 - 0.5
    reach_v, reach_u = rng.uniform(0.08, 0.4), rng.uniform(0.08, 0.4)
    if rng.random() < 0.5:
        holes = np.hypot(phase[:, None], phase[None]) < reach_u
    else:
        holes = (np.abs(phase)[:, None] < reach_v) & (np.abs(phase)[None] < reach_u)
    base = brushed(rng, size) if rng.random() < 0.6 else plain(rng, size)
    return mix(base, np.zeros(3), holes * rng.uniform(0.6, 0.97))

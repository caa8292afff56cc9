"""Fruit and vegetables, stones and other lumps that grew instead of being made."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, displaced, join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import stretches, tube_pieces
from uois_sam.synth.assets.sweeps import loft, sheet, smooth_path, tube


def lump(rng: Rng) -> list[Part]:
    """Potatoes, lemons, stones, balls: a displaced ellipsoid."""
    radii = rng.uniform(0.02, 0.06) * rng.uniform([0.7, 0.7, 0.6], [1.3, 1.0, 1.0])
    amplitude = rng.uniform(0, 0.25) * radii.min()
    mesh = displaced(superquadric(radii, rng.uniform(0.7, 1.1), rng.uniform(0.8, 1.1)), rng, amplitude)
    return [Part(mesh, pick(rng, "skin", "skin", "body", "body", "rubber"))]


def bent(rng: Rng) -> list[Part]:
    """Cucumbers, sausages, handles: a tapered tube along an arc."""
    length, bend = rng.uniform(0.08, 0.22), rng.uniform(0.2, 1.8)
    t = np.linspace(-1, 1, 24)
    path = np.column_stack([np.sin(t * bend / 2), np.cos(t * bend / 2), 0 * t]) * length / bend
    path -= path.mean(axis=0)
    thickness = rng.uniform(0.006, 0.022)
    radii = thickness * (1 - np.abs(t) ** rng.uniform(3, 12) * rng.uniform(0.3, 0.95))
    return [Part(tube(path, radii, 18), pick(rng, "skin", "body", "body", "rubber"), tube_pieces(path, radii, 5))]


def _lobed(rng: Rng, radius: Array, z: Array, lobes: int, depth: Array, twist: float = 0.0) -> Mesh:
    """A body of revolution whose section has lobes; radius, height and lobe depth per station."""
    return loft(_lobed_rings(rng, radius, z, lobes, depth, twist))


def _lobed_rings(rng: Rng, radius: Array, z: Array, lobes: int, depth: Array, twist: float) -> Array:
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    uneven = 1 + 0.05 * np.sin(angle + rng.uniform(0, 6)) + 0.03 * np.sin(2 * angle + rng.uniform(0, 6))
    rings = []
    for k, (r, at, d) in enumerate(zip(radius, z, depth, strict=True)):
        section = r * uneven * (1 - d * (0.5 - 0.5 * np.cos(lobes * angle + twist * k / len(radius))) ** 1.5)
        rings.append(np.column_stack([section * np.cos(angle), section * np.sin(angle), np.full(64, at)]))
    return np.stack(rings)


def _stalk(rng: Rng, base: Array | list[float], length: float, radius: float, thick_end: float = 1.3) -> Mesh:
    lean = rng.normal(0, 0.3, 2)
    points = np.array([[0, 0, 0], [*(lean * 0.3 * length), length * 0.5], [*(lean * length), length]]) + np.asarray(
        base
    )
    return tube(smooth_path(points, 10), np.linspace(radius, radius * thick_end, 10), 10)


def apple(rng: Rng) -> list[Part]:
    """Apples, tomatoes, oranges, onions, pears: round with a dimple, a stalk, sometimes a leaf."""
    r = rng.uniform(0.022, 0.046)
    pear, dimple = (rng.random() < 0.25) * rng.uniform(0.3, 0.55), rng.uniform(0.05, 0.3)
    t = np.linspace(0.02, np.pi - 0.02, 36)
    radius = r * np.sin(t) ** 0.9 * (1 - pear * (1 - np.cos(t)) / 2 * (t > 0))
    z = -r * np.cos(t) * rng.uniform(0.85, 1.05) * (1 + 0.7 * pear)
    z -= dimple * r * np.exp(-(((t - np.pi) / 0.4) ** 2)) * (1 - pear)
    z += 0.4 * dimple * r * np.exp(-((t / 0.35) ** 2))
    lobes = int(rng.integers(4, 7))
    depth = rng.uniform(0, 0.07) * np.ones(36)
    body = _lobed(rng, radius, z, lobes, depth)
    top = [0, 0, z[-1] - 0.002]
    stalk = _stalk(rng, top, rng.uniform(0.008, 0.016), 0.0011)
    parts = [Part(body, "skin"), Part(stalk, "wood", (body.vertices,))]  # a stalk gives way
    if rng.random() < 0.3:
        parts.append(Part(_leaf(rng, r * rng.uniform(0.6, 1.0), top), "skin", (body.vertices,)))
    return parts


def _leaf(rng: Rng, length: float, base: list[float]) -> Mesh:
    s, u = np.linspace(0, 1, 12), np.linspace(-1, 1, 5)
    width = 0.24 * length * np.sin(np.pi * s**0.8) + 0.0004
    grid = np.stack(
        [
            np.outer(width, u),
            np.broadcast_to((s * length)[:, None], (12, 5)),
            0.01 + 0.3 * length * (s - s**2)[:, None] + 0.1 * np.outer(width, u**2) * 3,
        ],
        axis=2,
    )
    return sheet(grid, 0.0006).transformed(turn("z", rng.uniform(0, 360)), base)


def pepper(rng: Rng) -> list[Part]:
    """Bell peppers, chillies, small pumpkins: deep lobes and a thick green stalk."""
    r, h = rng.uniform(0.025, 0.045), rng.uniform(0.05, 0.11)
    pumpkin = rng.random() < 0.3
    lobes = int(rng.integers(8, 13)) if pumpkin else int(rng.integers(3, 5))
    if pumpkin:
        r, h = rng.uniform(0.04, 0.075), rng.uniform(0.045, 0.07)
    t = np.linspace(0, 1, 34)
    taper = 1 if pumpkin else rng.uniform(0.5, 0.9)
    shape = np.sin(np.pi * np.clip(t * 0.98 + 0.01, 0, 1)) ** (0.55 if pumpkin else 0.38)
    radius = r * shape * (taper + (1 - taper) * t)
    dip = 0.16 * h * (np.exp(-(((1 - t) / 0.07) ** 2)) - np.exp(-((t / 0.07) ** 2)))
    z = h * t - dip
    depth = rng.uniform(0.08, 0.2) * (0.6 * np.ones(34) if pumpkin else 0.35 + 0.65 * np.abs(2 * t - 1) ** 1.5)
    body = _lobed(rng, radius, z, lobes, depth, rng.normal(0, 0.5))
    stalk = _stalk(rng, [0, 0, z[-1] - 0.004], rng.uniform(0.018, 0.035), 0.0038, 1.5)
    crown = lathe([(0.011, z[-1] - 0.001), (0.006, z[-1] + 0.003), (0, z[-1] + 0.004)], 12)
    return [Part(body, "skin"), Part(join([stalk, crown]), "skin")]


def banana(rng: Rng) -> list[Part]:
    """One banana, or a hand of two to four: five-sided, bent, with stalk and tip."""
    count = int(rng.choice([1, 1, 2, 3, 4]))
    length, bend, thick = rng.uniform(0.13, 0.2), rng.uniform(0.8, 1.5), rng.uniform(0.014, 0.019)
    meshes: list[Mesh] = []
    ends: list[Mesh] = []
    pieces: list[Array] = []
    for k in range(count):
        t = np.linspace(-1, 1, 32)
        own = bend * rng.uniform(0.93, 1.07)
        path = np.column_stack([np.sin(t * own / 2), 0 * t, -np.cos(t * own / 2)]) * length / own
        path -= path[0]
        radii = thick * np.interp(
            t, [-1, -0.9, -0.72, -0.45, 0, 0.6, 0.86, 0.95, 1], [0.3, 0.32, 0.55, 0.9, 1, 0.95, 0.6, 0.28, 0.2]
        )
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        facet = np.cos(np.pi / 5) / np.cos((angle % (2 * np.pi / 5)) - np.pi / 5)
        section = 0.35 * facet + 0.65
        tangent = np.gradient(path, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        normal = np.cross(tangent, [0, 1, 0])
        rings = path[:, None] + radii[:, None, None] * section[None, :, None] * (
            np.cos(angle)[None, :, None] * normal[:, None]
            + np.sin(angle)[None, :, None] * np.cross(tangent, normal)[:, None]
        )
        spread = turn("zx", (k - (count - 1) / 2) * 7, (k - (count - 1) / 2) * 15)
        rings = rings @ spread.T + [0, 0.009 * (k - (count - 1) / 2), 0]
        meshes.append(loft(rings))
        pieces += stretches(rings, 7)
        ends.append(
            tube(
                rings[-2:].mean(axis=1) + [[0, 0, 0], (rings[-1] - rings[-2]).mean(axis=0) * 0.6],
                [thick * 0.24, thick * 0.17],
                10,
            )
        )
    crown = superquadric((0.012, 0.008 + 0.006 * count, 0.009), 0.8, 0.8, 14, 24).transformed(None, (-0.004, 0, 0))
    parts = [Part(join(meshes), "skin", tuple(pieces)), Part(join([*ends, crown]), "wood", (crown.vertices,))]
    centre = np.concatenate([m.vertices for m in meshes]).mean(axis=0)
    return [part.placed(turn("x", 90), -(turn("x", 90) @ centre)) for part in parts]


def carrot(rng: Rng) -> list[Part]:
    """Carrots, parsnips, radishes, leeks: a tapered root with rings and a tuft."""
    length, r = rng.uniform(0.06, 0.2), rng.uniform(0.011, 0.022)
    t = np.linspace(0, 1, 40)
    radius = r * np.interp(t, [0, 0.04, 0.12, 1], [0.4, 0.85, 1, rng.uniform(0.1, 0.3)]) ** 1.0
    radius *= 1 + 0.015 * rng.normal(size=40)
    path = smooth_path(np.column_stack([t[::13] * length, np.cumsum(rng.normal(0, 0.004, 4)), np.zeros(4)]), 40)
    root = tube(path, radius, 20)
    tuft = []
    for _ in range(int(rng.integers(3, 8))):
        aim = np.array([-1, *rng.normal(0, 0.35, 2)])
        reach = rng.uniform(0.012, 0.05)
        tuft.append(
            tube(
                smooth_path(path[0] + np.array([[0.002, 0, 0], aim * reach * 0.5, aim * reach + [0, 0, 0.004]]), 8),
                np.linspace(0.002, 0.0009, 8),
                8,
            )
        )
    stems = join(tuft)
    return [Part(root, "skin", tube_pieces(path, radius, 8)), Part(stems, "skin", (stems.vertices,))]


def mushroom(rng: Rng) -> list[Part]:
    """Mushrooms, acorns, corks with caps: a dome on a stem."""
    r, h = rng.uniform(0.016, 0.04), rng.uniform(0.02, 0.05)
    stem_r = r * rng.uniform(0.3, 0.5)
    stem = lathe(
        [(0, 0), (stem_r * 1.05, 0), (stem_r * 1.1, h * 0.15), (stem_r * 0.9, h * 0.6), (stem_r, h + 0.002)], 28
    )
    t = np.linspace(0, np.pi / 2, 14)
    tall = r * rng.uniform(0.55, 0.95)
    cap_profile = [(stem_r * 0.9, h), (r * 0.9, h - 0.12 * r), (r * 0.98, h - 0.08 * r)]
    cap = lathe([*cap_profile, *[(r * np.cos(a) + 1e-5, h + tall * np.sin(a)) for a in t[:-1]], (0, h + tall)], 40)
    cap = displaced(cap, rng, 0.03 * r, 1.5)
    return [Part(displaced(stem, rng, 0.02 * r, 2), "skin"), Part(cap, "skin")]

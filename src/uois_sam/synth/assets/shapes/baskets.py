"""Baskets and crates whose walls are full of holes."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, join
from uois_sam.synth.assets.shapes.part import Part, Rng, pick
from uois_sam.synth.assets.shapes.pieces import brick, disc, walls
from uois_sam.synth.assets.solids import cuboid, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import oval, tube


def basket(rng: Rng) -> list[Part]:
    """A basket or crate whose walls are full of holes: moulded plastic or wire."""
    return _wire_basket(rng) if rng.random() < 0.4 else _slotted_basket(rng)


def _slotted_basket(rng: Rng) -> list[Part]:
    x, y, h = rng.uniform([0.1, 0.08, 0.04], [0.22, 0.15, 0.11])
    wall = 0.003
    shell = rounded_box((x, y, 2 * h), 0.012) - rounded_box((x - 2 * wall, y - 2 * wall, 2 * h - 2 * wall), 0.01)
    shell = shell - cuboid((x + 1, y + 1, h + 0.01), (0, 0, (h + 0.01) / 2))
    lip = rounded_box((x + 0.012, y + 0.012, 0.008), 0.003) - rounded_box((x - 2 * wall, y - 2 * wall, 0.05), 0.01)
    rows = int(rng.integers(1, 4))
    gap, slot_h = 0.005, (h - 0.025 - 0.006 * (rows - 1)) / rows
    cuts = []
    for length, across in ((x, True), (y, False)):
        count = max(int((length - 0.03) / rng.uniform(0.012, 0.028)), 1)
        pitch = (length - 0.03) / count
        for row in range(rows):
            z = -h + 0.014 + row * (slot_h + 0.006) + slot_h / 2
            for k in range(count):
                at = (k - (count - 1) / 2) * pitch
                size = (pitch - gap, 1.0, slot_h) if across else (1.0, pitch - gap, slot_h)
                cuts.append(cuboid(size, (at, 0, z) if across else (0, at, z)))
    solid = union([shell, lip]) - union(cuts)
    pieces = [brick((x - 0.01, y - 0.01, wall), (0, 0, wall / 2 - h))]
    pieces += [brick((wall, y, h), (s * (x - wall) / 2, 0, -h / 2)) for s in (-1, 1)]
    pieces += [brick((x, wall, h), (0, s * (y - wall) / 2, -h / 2)) for s in (-1, 1)]
    return [Part(mesh_of(solid), "body", tuple(pieces))]


def _wire_basket(rng: Rng) -> list[Part]:
    r, h = rng.uniform(0.06, 0.12), rng.uniform(0.04, 0.1)
    low, e = r * rng.uniform(0.65, 0.95), rng.uniform(0.4, 1.0)
    squash = rng.uniform(0.65, 1)
    wire = rng.uniform(0.0012, 0.0022)
    around = 20 + 4 * int(rng.integers(0, 4))

    def loop(radius: float, z: float) -> Array:
        return np.column_stack([oval(2 * radius, 2 * radius * squash, e, 4 * around), np.full(4 * around, z)])

    levels = np.linspace(0, 1, int(rng.integers(3, 6)))
    meshes = []
    for t in levels:
        path = loop(low + (r - low) * t, wire + t * h)
        meshes.append(_closed_tube(path, wire * (1.6 if t == 1 else 1)))
    for k in range(around):
        ends = np.array([loop(low + (r - low) * t, wire + t * h)[4 * k] for t in (0, 1)])
        meshes.append(tube(np.linspace(ends[0], ends[1], 3), wire * 0.8, 8))
    for k in range(1, around // 2):
        one, other = loop(low, wire)[4 * k], loop(low, wire)[-4 * k]
        meshes.append(tube(np.linspace(one, other, 3), wire * 0.8, 8))
    outer, inner = np.array([[low, 0], [r, h]]), np.array([[low - 0.003, 0.002], [r - 0.003, h]])
    rings = walls(outer, inner, 16)
    shaped = [_reshape(piece, squash, e) for piece in (*rings, disc(low, 0, 0.003))]
    return [Part(join(meshes), pick(rng, "metal", "metal", "wood", "body"), tuple(shaped))]


def _reshape(points: Array, squash: float, exponent: float) -> Array:
    """Circles to superellipses, as :func:`oval` draws them."""
    radius = np.linalg.norm(points[:, :2], axis=1)
    angle = np.arctan2(points[:, 1], points[:, 0])
    c, s = np.cos(angle), np.sin(angle)
    x = radius * np.sign(c) * np.abs(c) ** exponent
    y = radius * squash * np.sign(s) * np.abs(s) ** exponent
    return np.column_stack([x, y, points[:, 2]])


def _closed_tube(path: Array, radius: float) -> Mesh:
    return tube(np.concatenate([path, path[:2]]), radius, 8)

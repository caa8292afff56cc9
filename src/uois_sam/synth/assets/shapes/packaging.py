"""Packages: cartons, cans, food boxes, pouches, blister packs, squeeze tubes, egg trays."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, box, join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import Pieces, brick, slab, stretches
from uois_sam.synth.assets.sweeps import along_z, between, flat_grid, loft, oval, sheet


def carton(rng: Rng) -> list[Part]:
    """A printed cardboard box, from matchbox to cereal carton."""
    a, b, c = np.sort(rng.uniform([0.012, 0.04, 0.06], [0.09, 0.17, 0.28]))
    order = rng.permutation([a, b, c]) if rng.random() < 0.3 else np.array([b, a, c])
    return [Part(box(order), "carton", (brick(order),))]


def open_carton(rng: Rng) -> list[Part]:
    """A shipping carton or gift box without its top, with four flaps at any angle; things fit inside."""
    x, y, z = rng.uniform([0.09, 0.07, 0.04], [0.24, 0.17, 0.13])
    board = 0.0025
    outside = box((x, y, z))
    skin = Mesh(outside.vertices, np.delete(outside.faces, [8, 9], axis=0), outside.uv)
    hollow = box((x - 2 * board, y - 2 * board, z - 2 * board), atlas=False)
    floor_up = hollow.transformed(translation=(0, 0, board))
    low = floor_up.vertices[:, 2].max() - z / 2  # stretch the inside up to the rim
    lined = Mesh(
        floor_up.vertices - [0, 0, low] * (floor_up.vertices[:, 2:] > 0),
        np.delete(floor_up.faces, [8, 9], axis=0)[:, ::-1],
        floor_up.uv,
    )
    rim = _frame(x, y, board, z / 2)
    pieces = [brick((x, y, board), (0, 0, board / 2 - z / 2))]
    pieces += [brick((board, y, z), (s * (x - board) / 2, 0, 0)) for s in (-1, 1)]
    pieces += [brick((x, board, z), (0, s * (y - board) / 2, 0)) for s in (-1, 1)]
    parts = [Part(skin, "carton", tuple(pieces)), Part(join([lined, rim]), "paper", (pieces[0],))]
    length = min(x, y) * rng.uniform(0.35, 0.5)
    for side in range(4):
        if rng.random() < 0.12:
            continue  # torn off
        outward = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]][side], dtype=float)
        width, reach = (y, x / 2) if side % 2 == 0 else (x, y / 2)
        parts.append(_flap(rng, outward, width * 0.985, reach - board / 2, z / 2, length, board))
    return parts


def _frame(x: float, y: float, board: float, z: float) -> Mesh:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2
    outer, inner = corners * [x, y], corners * [x - 2 * board, y - 2 * board]
    rings = np.stack([np.column_stack([ring, np.full(5, z)]) for ring in (outer, inner)])
    faces = [[k, k + 1, 6 + k] for k in range(4)] + [[k, 6 + k, 5 + k] for k in range(4)]
    u, v = np.meshgrid(np.linspace(0, 1, 5), [0, 0.02])
    return Mesh(rings.reshape(-1, 3), np.array(faces), np.stack([u, v], 2).reshape(-1, 2))


def _flap(rng: Rng, outward: Array, width: float, reach: float, top: float, length: float, board: float) -> Part:
    angle = np.deg2rad(rng.uniform(15, 140))
    along = np.array([-outward[1], outward[0], 0.0])
    direction = np.array([*(np.sin(angle) * outward), np.cos(angle)])
    rotation = np.column_stack([along, np.cross(direction, along), direction])
    size = (width, board, length)
    centre = np.array([*(outward * reach), top]) + direction * length / 2
    return Part(box(size, atlas=False), "paper", (brick(size),)).placed(rotation, centre)


def can(rng: Rng) -> list[Part]:
    """A food or drinks can: label between two rims; drinks cans taper to a smaller lid with a tab."""
    r, h = rng.uniform(0.022, 0.055), rng.uniform(0.04, 0.17)
    drink = rng.random() < 0.35
    rim = 0.003
    if drink:
        r, h = rng.uniform(0.026, 0.035), rng.uniform(0.09, 0.17)
        lid = r * 0.82
        wall = [(r * 0.75, 0.0), (r * 0.88, 0.002), (r, 0.012), (r, h - 0.016), (lid, h - 0.004)]
        top = [(lid, h - 0.004), (lid + 0.0015, h - 0.002), (lid, h), (lid - rim, h - 0.005), (0, h - 0.005)]
        base = lathe([(0, 0.006), (r * 0.6, 0.003), (r * 0.75, 0)])
        tab = superquadric((0.011, 0.007, 0.0008), 0.3, 0.8, 10, 24).transformed(None, (0.004, 0, h - 0.004))
        return [Part(lathe(wall), "label"), Part(join([lathe(top), base, tab]), "metal")]
    bottom = [(0, 0), (r, 0), (r + rim, rim), (r, 2 * rim)]
    top = [(r, h - 2 * rim), (r + rim, h - rim), (r, h), (r - 2 * rim, h - rim), (0, h - rim)]
    wall = [(r, 2 * rim), (r, h - 2 * rim)]
    ends = join([lathe(bottom), lathe(top)])
    return [Part(lathe(wall), "label"), Part(ends, pick(rng, "metal", "metal", "accent"))]


def container(rng: Rng) -> list[Part]:
    """A plastic food box with a lid of another colour."""
    x, y, h = rng.uniform(0.04, 0.1), rng.uniform(0.03, 0.07), rng.uniform(0.03, 0.08)
    corner = rng.uniform(0.15, 0.4)
    rings = along_z(
        [oval(2 * x * s, 2 * y * s, corner, 48) for s in (0.84, 0.87, 0.9, 0.95)], np.array([0, 0.004, 0.012, h])
    )
    lip = superquadric((x, y, 0.005), 0.3, corner).transformed(translation=(0, 0, h))
    ridge = superquadric((x * 0.82, y * 0.78, 0.004), 0.3, corner).transformed(translation=(0, 0, h + 0.003))
    return [Part(loft(rings), pick(rng, "body", "body", "clear")), Part(join([lip, ridge]), "accent")]


def bag(rng: Rng) -> list[Part]:
    """A filled pouch: crisps, sweets, coffee; puffed or flat, creased, with sealed and crimped ends."""
    x, y = rng.uniform(0.08, 0.17), rng.uniform(0.11, 0.24)
    puff = min(x, y) * rng.uniform(0.16, 0.36)
    rows, columns = 49, 33
    grid = flat_grid((x, y), rows, columns)
    u, v = grid[..., 0] / (x / 2), grid[..., 1] / (y / 2)
    seal = rng.uniform(0.06, 0.12)
    filled = np.clip((1 - np.abs(v)) / seal - 1, 0, None) * seal / (1 - seal)
    height = puff * (1 - np.abs(u) ** rng.uniform(1.8, 2.6)) ** 0.8 * np.tanh(filled * rng.uniform(1.4, 2.6))
    crimp = 0.0006 * np.sin(u * x / 2 / 0.0015) * (filled == 0)
    bend = 0.25 * x * rng.normal(0, 0.12) * v**2
    sides = []
    for sign in (1, -1):
        creases = _creases(rng, u, v) * (0.012 + 0.1 * height / puff) * height
        z = sign * (height * rng.uniform(0.85, 1.15) + creases.clip(-height, None) + 0.0003) + crimp + bend
        middle = np.tanh(2 * filled)  # a filled bag is narrower than its seams
        sides.append(np.stack([grid[..., 0] * (1 - 0.13 * middle), grid[..., 1], z], axis=2))
    top, bottom = sides
    blocks = tuple(
        np.concatenate([s[a : b + 1, ::4].reshape(-1, 3) for s in sides])
        for a, b in ((0, 6), (6, 24), (24, 42), (42, 48))
    )
    return [Part(between(top, bottom), "label", blocks)]


def _creases(rng: Rng, u: Array, v: Array) -> Array:
    total = np.zeros_like(u)
    for _ in range(7):
        direction, phase = rng.normal(size=2) * [7, 4], rng.uniform(0, 2 * np.pi)
        wave = np.sin(u * direction[0] + v * direction[1] + 2 * np.sin(2 * u - v + phase) + phase)
        total += 1 - 2 * np.abs(wave) ** 0.6
    return total / 3


def blister(rng: Rng) -> list[Part]:
    """A blister pack: pills under foil, or goods under a clear dome on a printed card."""
    return _pills(rng) if rng.random() < 0.45 else _carded_goods(rng)


def _pills(rng: Rng) -> list[Part]:
    columns, rows = int(rng.integers(2, 4)), int(rng.integers(4, 7))
    pitch = rng.uniform(0.012, 0.017)
    size = (columns * pitch * 1.1, rows * pitch)
    foil = box((*size, 0.0005))
    radii = np.array([0.42, rng.uniform(0.28, 0.42), 0.32]) * pitch
    dome = superquadric(radii, 1, rng.uniform(0.6, 1), 13, 24)
    upper = Mesh(
        dome.vertices * [1, 1, 1] * (dome.vertices[:, 2:] > 0)
        + dome.vertices * (dome.vertices[:, 2:] <= 0) * [1, 1, 0.02],
        dome.faces,
        dome.uv,
    )
    x, y = np.meshgrid(np.arange(columns) - (columns - 1) / 2, np.arange(rows) - (rows - 1) / 2)
    places = np.column_stack([x.ravel() * pitch * 1.1, y.ravel() * pitch])
    kept = places[rng.random(len(places)) < rng.uniform(0.7, 1.2)]
    domes = [upper.transformed(None, (*place, 0.0003)) for place in (kept if len(kept) else places[:1])]
    thick = brick((*size, 0.004), (0, 0, 0.0018))
    return [Part(foil, "metal", (thick,)), Part(join(domes), pick(rng, "body", "clear"), (thick,))]


def _carded_goods(rng: Rng) -> list[Part]:
    x, y = rng.uniform(0.06, 0.12), rng.uniform(0.1, 0.19)
    curl = flat_grid((x, y), 9, 7)
    curl[..., 2] = rng.normal(0, 0.004) * (curl[..., 1] / (y / 2)) ** 2
    wide, tall, deep = x * rng.uniform(0.6, 0.85), y * rng.uniform(0.4, 0.6), rng.uniform(0.012, 0.035)
    at = np.array([0, -y * 0.12, 0.0002])
    steps = np.array([0, 0.02, 0.75, 0.93, 1.0])
    scale = np.array([1.08, 1.0, 0.94, 0.88, 0.78])
    e = rng.uniform(0.15, 0.7)
    dome = loft(along_z([oval(wide * s, tall * s, e, 40) for s in scale], steps * deep)).transformed(None, at)
    goods = superquadric((wide * 0.4, tall * 0.42, deep * 0.42), rng.uniform(0.2, 1), rng.uniform(0.2, 1), 20, 32)
    goods = goods.transformed(None, at + [0, 0, deep * 0.46])
    return [
        Part(sheet(curl, 0.0008), "label", slab(curl, 0.0008, 3, 1)),
        Part(goods, "body"),
        Part(dome, "clear"),
    ]


def squeeze_tube(rng: Rng) -> list[Part]:
    """Toothpaste, cream, glue: round at the cap, flat at the crimped end; lies on its side."""
    r, length = rng.uniform(0.01, 0.025), rng.uniform(0.07, 0.19)
    t = np.linspace(0, 1, 16)
    used = rng.uniform(0.0, 0.35)  # squeezed from the end
    flat = np.clip((t - 0.05) / (0.95 - used), 0, 1) ** rng.uniform(1.0, 1.8)
    width = 2 * r * (1 + 0.5 * flat)
    height = np.maximum(2 * r * (1 - flat), 0.0016)
    sections = [oval(w, h, 1.0, 40) for w, h in zip(width, height, strict=True)]
    rings = along_z(sections, t * length)
    bend = rng.normal(0, 0.1) * length
    rings[..., 1] += bend * t[:, None] ** 2
    shoulder = lathe([(r * 0.4, -0.008), (r * 0.5, -0.006), (r, 0.0)])
    cap_r, cap_h = r * rng.uniform(0.5, 1.0), rng.uniform(0.012, 0.028)
    cap = lathe([(0, -cap_h - 0.004), (cap_r * 0.9, -cap_h - 0.004), (cap_r, -0.004), (0, -0.004)])
    lying = turn("x", 90)
    body = Part(loft(rings), "label", stretches(rings, 5))
    return [part.placed(lying) for part in (body, Part(shoulder, "label"), Part(cap, "accent"))]


def egg_tray(rng: Rng) -> list[Part]:
    """A moulded tray of paper pulp or plastic with a cup for every egg."""
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    pitch, depth = rng.uniform(0.04, 0.05), rng.uniform(0.022, 0.036)
    fine = 10
    grid = flat_grid((columns * pitch, rows * pitch), rows * fine + 1, columns * fine + 1)
    phase = [2 * np.pi * (grid[..., k] / pitch + (columns, rows)[k] / 2) for k in range(2)]
    waves = np.cos(phase[0]) + np.cos(phase[1])
    grid[..., 2] = depth * (0.5 + 0.5 * np.tanh(1.1 * waves / 1.2) / np.tanh(2.2 / 1.2))
    wall = 0.002
    pieces: Pieces = slab(grid, wall, rows * 2, columns * 2)
    return [Part(sheet(grid, wall), pick(rng, "paper", "paper", "body"), pieces)]

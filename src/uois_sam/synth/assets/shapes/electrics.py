"""Things on a cable or in a socket: plugs, bulbs, headphones, keypads and power strips."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, place, turn
from uois_sam.synth.assets.shapes.pieces import brick, stretches, tube_pieces
from uois_sam.synth.assets.solids import cuboid, cylinder, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import arc, loft, oval, smooth_path, tube


def plug(rng: Rng) -> list[Part]:
    """A mains plug, phone charger or adapter: body with pins, sometimes a cable."""
    x, y, z = rng.uniform([0.025, 0.025, 0.02], [0.045, 0.045, 0.06])
    block = rounded_box((x, y, z), min(x, y, z) * rng.uniform(0.08, 0.35))
    if rng.random() < 0.4:
        for k in range(3):
            block = block - rounded_box((x * 1.2, 0.0016, z * 0.4), 0.0004, (x * 0.55, (k - 1) * 0.005, -z * 0.12))
    pins = []
    if rng.random() < 0.5:
        pins = [
            lathe([(0, 0), (0.0024, 0), (0.0024, 0.017), (0.0016, 0.019), (0, 0.019)], 20).transformed(
                None, (0, s * 0.0095, z / 2)
            )
            for s in (-1, 1)
        ]
    else:
        pins = [mesh_of(cuboid((0.0016, 0.0064, 0.017), (s * 0.0063, 0, z / 2 + 0.0085))) for s in (-1, 1)]
        if rng.random() < 0.5:
            pins.append(mesh_of(cylinder(0.0024, 0.02, (0, 0.009, z / 2 + 0.01))))
    rod = np.concatenate([m.vertices for m in pins])
    parts = [
        Part(mesh_of(block), pick(rng, "body", "rubber", "accent"), (brick((x, y, z)),)),
        Part(join(pins), "metal", (rod,)),
    ]
    if rng.random() < 0.55:
        relief = lathe(
            [(0, -z / 2 - 0.018), (0.0032, -z / 2 - 0.018), (0.0055, -z / 2 + 0.001), (0, -z / 2 + 0.001)], 18
        )
        steps = np.cumsum(rng.normal([0, 0, -0.014], [0.008, 0.008, 0.002], (6, 3)), axis=0)
        path = smooth_path(
            np.vstack([[0, 0, -z / 2 - 0.012], [0, 0, -z / 2 - 0.022], [0, 0, -z / 2 - 0.022] + steps]), 30
        )
        parts.append(
            Part(join([relief, tube(path, 0.0024, 10)]), "rubber", (relief.vertices, *tube_pieces(path, 0.0024, 6)))
        )
    return place(parts, turn("y", 90))


def bulb(rng: Rng) -> list[Part]:
    """A light bulb: pear, globe or candle, with a screw cap."""
    r, h = rng.uniform(0.018, 0.045), rng.uniform(1.05, 1.8)
    cap_r = 0.0132 if r > 0.022 else 0.007
    neck = cap_r * rng.uniform(0.95, 1.3)
    t = np.linspace(0, np.pi * 0.82, 18)
    globe = [(r * np.sin(a) + 1e-6, r * h * np.cos(a)) for a in t[::-1]]
    foot = globe[0][1] - r * rng.uniform(0.4, 0.9)
    glass = lathe([(neck, foot), *globe[:-1], (0, globe[-1][1])], 44)
    low = foot - cap_r * 1.9
    screw = [(cap_r * (1.0 if k % 2 else 0.88), float(z)) for k, z in enumerate(np.linspace(low, foot - 0.002, 12))]
    cap = lathe(
        [
            (0, low - 0.005),
            (cap_r * 0.4, low - 0.004),
            (cap_r * 0.55, low - 0.001),
            *screw,
            (cap_r * 0.95, foot + 0.001),
            (neck * 0.9, foot + 0.002),
        ],
        32,
    )
    parts = [Part(glass, pick(rng, "glass", "body", "clear", "ceramic")), Part(cap, "metal")]
    if rng.random() < 0.35:
        sleeve = lathe(
            [(cap_r * 0.98, foot - 0.002), (neck * 1.05, foot), (r * 0.75, foot + r * 0.7), (r * 0.7, foot + r * 0.72)],
            36,
        )
        parts.append(Part(sleeve, "accent"))
    return place(parts, turn("y", 90))


def headphones(rng: Rng) -> list[Part]:
    """Over-ear headphones, lying on their side: band, two cups with cushions."""
    r, gap = rng.uniform(0.07, 0.085), rng.uniform(10, 24)
    cup, deep = rng.uniform(0.027, 0.038), rng.uniform(0.016, 0.024)
    angle = np.deg2rad(np.linspace(-gap, 180 + gap, 44))
    path = np.column_stack([r * np.cos(angle), r * 1.1 * np.sin(angle), 0 * angle])
    width = rng.uniform(0.012, 0.024)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    out = np.cross(tangent, [0, 0, 1])
    section = oval(0.006, width, 0.5, 24)
    band = path[:, None] + section[None, :, :1] * out[:, None] + section[None, :, 1:] * np.array([0, 0, 1])
    shells, cushions = [], []
    pieces: list[Array] = []
    for end, s in ((0, 1), (-1, -1)):
        inwards = turn("y", -90 * s)
        at = path[end] + [-s * deep * 0.1, -cup * 0.5, 0]
        shell = superquadric((cup, cup * 1.15, deep * 0.5), 0.5, 0.95, 18, 36).transformed(
            inwards, at + [s * deep * 0.3, 0, 0]
        )
        cushion = lathe(
            [(cup * 0.5, 0), *arc((cup * 0.72, 0.006), 0.27 * cup, -90, 90, 9).tolist(), (cup * 0.5, 0.012)], 36
        )
        cushions.append(cushion.transformed(inwards, at + [-s * deep * 0.02, 0, 0]))
        shells.append(shell)
        pieces.append(np.concatenate([shell.vertices, cushions[-1].vertices]))
    return [
        Part(loft(band), pick(rng, "body", "accent", "metal"), stretches(band, 4)),
        Part(join(shells), pick(rng, "body", "accent", "metal"), tuple(pieces)),
        Part(join(cushions), pick(rng, "rubber", "fabric"), (pieces[0],)),
    ]


def keypad(rng: Rng) -> list[Part]:
    """A power strip, numeric pad or junction box: a bar with rows of keys or sockets."""
    columns, rows = int(rng.integers(3, 7)), int(rng.integers(1, 6))
    pitch = rng.uniform(0.016, 0.022) if rows > 1 else rng.uniform(0.035, 0.045)
    x, y, z = columns * pitch + 0.01, rows * pitch + 0.01, rng.uniform(0.01, 0.035)
    body = rounded_box((x, y, z), min(z, 0.008) * 0.4)
    keys: list[Mesh] = []
    cuts = []
    for i in range(columns):
        for j in range(rows):
            at = ((i - (columns - 1) / 2) * pitch, (j - (rows - 1) / 2) * pitch)
            if rows > 1:
                keys.append(mesh_of(rounded_box((pitch * 0.82, pitch * 0.82, 0.007), 0.002, (*at, z / 2 + 0.002), 8)))
            else:
                cuts.append(cylinder(pitch * 0.4, 0.02, (*at, z / 2 + 0.002), segments=28))
                keys.append(lathe([(0, 0), (pitch * 0.395, 0)][::-1], 28).transformed(None, (*at, z / 2 - 0.0078)))
    shell = mesh_of(body - union(cuts) if cuts else body)
    whole = brick((x, y, z))
    return [
        Part(shell, pick(rng, "body", "rubber", "accent"), (whole,)),
        Part(join(keys), pick(rng, "accent", "rubber", "body"), (whole,)),
    ]

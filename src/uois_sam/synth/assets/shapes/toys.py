"""Toys: flat blocks and biscuits, bricks with studs, cars, rounded blocks, dice, spinning tops."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, join, lathe, prism, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, place, turn
from uois_sam.synth.assets.shapes.pieces import brick as cornered
from uois_sam.synth.assets.shapes.pieces import stretches
from uois_sam.synth.assets.solids import ball, cuboid, cylinder, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import along_x, loft, oval, tube


def block(rng: Rng) -> list[Part]:
    """A rounded solid block of one material."""
    radii = rng.uniform(0.01, 0.06, 3)
    return [
        Part(
            superquadric(radii, rng.uniform(0.08, 0.3), rng.uniform(0.08, 0.3)),
            pick(rng, "body", "body", "wood", "rubber"),
        )
    ]


def toy(rng: Rng) -> list[Part]:
    """Flat toy blocks and biscuits: an extruded star, flower, polygon or heart-like outline."""
    points = 72
    theta = np.linspace(0, 2 * np.pi, points, endpoint=False)
    lobes, depth = rng.integers(3, 9), rng.uniform(0, 0.45)
    kind = rng.integers(3)
    if kind == 0:  # smooth flower or ellipse
        radius = 1 + depth * np.cos(lobes * theta)
    elif kind == 1:  # regular polygon
        radius = np.cos(np.pi / lobes) / np.cos((theta % (2 * np.pi / lobes)) - np.pi / lobes)
    else:  # star with straight edges
        radius = 1 - depth * np.abs(((theta * lobes / np.pi) % 2) - 1)
    size = rng.uniform(0.015, 0.05)
    outline = size * radius[:, None] * np.column_stack([np.cos(theta), np.sin(theta)]) * [1, rng.uniform(0.6, 1)]
    height = rng.uniform(0.008, 0.035)
    low, high = np.full((points, 1), -height / 2), np.full((points, 1), height / 2)
    wedges = []
    for k in range(6):  # sectors, so that stars are not filled up to their hulls
        chosen = np.arange(12 * k, 12 * k + 13) % points
        rim = np.vstack([outline[chosen], [[0, 0]]])
        wedges.append(np.concatenate([np.column_stack([rim, np.full(len(rim), z)]) for z in (low[0, 0], high[0, 0])]))
    return [Part(prism(outline, height), pick(rng, "body", "wood", "body", "rubber"), tuple(wedges))]


def brick(rng: Rng) -> list[Part]:
    """A toy brick with studs on top and a hollow below; sometimes two clicked together."""
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    pitch = float(rng.choice([0.008, 0.016, 0.016, 0.032]))
    tall = pitch * float(rng.choice([0.4, 1.2, 1.2]))

    def one(columns: int, rows: int) -> Part:
        x, y = columns * pitch, rows * pitch
        shell = rounded_box((x - 0.0002, y - 0.0002, tall), pitch * 0.03, (0, 0, tall / 2), 8) - cuboid(
            (x - 0.3 * pitch, y - 0.3 * pitch, tall), (0, 0, tall / 2 - 0.18 * pitch)
        )
        studs = [
            cylinder(
                pitch * 0.3,
                pitch * 0.24,
                ((i - (columns - 1) / 2) * pitch, (j - (rows - 1) / 2) * pitch, tall + pitch * 0.1),
                segments=24,
            )
            for i in range(columns)
            for j in range(rows)
        ]
        pieces = (
            cornered((x, y, tall), (0, 0, tall / 2)),
            cornered((x - 0.4 * pitch, y - 0.4 * pitch, tall + 0.22 * pitch), (0, 0, tall / 2 + 0.11 * pitch)),
        )
        return Part(mesh_of(union([shell, *studs])), "body", pieces)

    parts = [one(columns, rows)]
    while len(parts) < 3 and rng.random() < 0.4:
        wide = int(rng.integers(1, columns + 1))
        turned = turn("z", 90 * int(rng.integers(2)))
        shift = (rng.integers(columns - wide + 1) - (columns - wide) / 2) * pitch if turned[0, 0] > 0.5 else 0.0
        parts.append(one(wide, rows).placed(turned, (shift, 0, tall * len(parts))))
    return parts


def toy_car(rng: Rng) -> list[Part]:
    """A toy car or van: body, windows, roof on pillars, four wheels, lamps."""
    length = rng.uniform(0.06, 0.17)
    wide, tall = length * rng.uniform(0.36, 0.48), length * rng.uniform(0.16, 0.24)
    wheel = length * rng.uniform(0.075, 0.11)
    floor = wheel * 0.7
    chassis = _chassis(length, wide, tall, floor, slope=rng.uniform(0.6, 1.0))
    van = rng.random() < 0.35
    low, high = floor + tall * 0.92, floor + tall * (1.9 if van else 1.75)
    back, front = rng.uniform(-0.46, -0.3), rng.uniform(0.15, 0.4) if van else rng.uniform(0.05, 0.2)
    rake = 0.03 if van else rng.uniform(0.08, 0.16)
    sill, eaves = (
        np.array(
            [
                [x * length, y * narrow * wide / 2, z]
                for x, y in ((back + inset * 0.6, -1), (front - inset, -1), (front - inset, 1), (back + inset * 0.6, 1))
            ]
        )
        for z, inset, narrow in ((low, 0.0, 0.92), (high, rake, 0.74))
    )
    windows = loft(np.linspace(sill, eaves, 6))
    corners = eaves + [[-0.004, -0.001, 0], [0.002, -0.001, 0], [0.002, 0.001, 0], [-0.004, 0.001, 0]]
    roof = rounded_box((*np.ptp(corners[:, :2], axis=0), 0.004), 0.0018, (corners[:, 0].mean(), 0, high))
    pillars = [
        tube(np.linspace(a - 0.05 * (b - a), b, 3), length * 0.014, 10) for a, b in zip(sill, eaves, strict=True)
    ]
    tyres, rims = _wheels(length, wide, wheel)
    lamp = superquadric((0.003, wide * 0.08, tall * 0.12), 0.6, 0.8, 10, 18)
    lamps = [
        lamp.transformed(None, (e * 0.497 * length, s * wide * 0.32, floor + tall * 0.55))
        for s in (-1, 1)
        for e in (-1, 1)
    ]
    cabin = np.concatenate([sill, eaves])
    body = join([loft(chassis), mesh_of(roof), *pillars])
    return [
        Part(body, pick(rng, "body", "body", "metal"), (*stretches(chassis, 13), cabin)),
        Part(windows, pick(rng, "accent", "clear", "rubber"), (cabin,)),
        Part(join(tyres), "rubber", tuple(m.vertices for m in tyres)),
        Part(join([*rims, *lamps]), pick(rng, "metal", "accent"), (rims[0].vertices,)),
    ]


def _chassis(length: float, wide: float, tall: float, floor: float, slope: float) -> Array:
    """Cross-sections of a car below its windows; the bonnet falls to ``slope`` of the height."""
    t = np.linspace(0, 1, 26)
    ends = np.clip(np.sin(np.pi * np.clip(t, 0.015, 0.985)), 0, 1) ** 0.14
    sections = []
    for at, e in zip(t, ends, strict=True):
        top = tall * np.interp(at, [0, 0.3, 0.7, 1], [0.85, 1, 1, slope])
        ring = oval(wide * e, top * (0.7 + 0.3 * e), 0.35, 36)
        ring[:, 1] += floor + tall / 2 - (tall - top) / 2
        sections.append(ring)
    return along_x(sections, (t - 0.5) * length)


def _wheels(length: float, wide: float, r: float) -> tuple[list[Mesh], list[Mesh]]:
    """Four tyres and their rims, of radius ``r``."""
    side = [(0.6, -0.34), (0.92, -0.36), (1.0, -0.26), (1.0, 0.26), (0.92, 0.36), (0.6, 0.34)]
    tyre = lathe([(x * r, z * r) for x, z in side], 36)
    rim = lathe([(x * r, z * r) for x, z in ((0, -0.26), (0.62, -0.3), (0.62, 0.3), (0, 0.26))], 24)
    places = [(x * length, s * wide * 0.46, r) for x in (-0.31, 0.31) for s in (-1, 1)]
    axle = turn("x", 90)
    return [tyre.transformed(axle, at) for at in places], [rim.transformed(axle, at) for at in places]


def die(rng: Rng) -> list[Part]:
    """A die or lettered cube with dimples."""
    a = rng.uniform(0.012, 0.045)
    cube = rounded_box((a, a, a), a * rng.uniform(0.06, 0.2), segments=16)
    spots = []
    grid = 0.25 * a
    layouts = {
        1: [(0, 0)],
        2: [(-1, -1), (1, 1)],
        3: [(-1, -1), (0, 0), (1, 1)],
        4: [(-1, -1), (1, 1), (-1, 1), (1, -1)],
        5: [(-1, -1), (1, 1), (-1, 1), (1, -1), (0, 0)],
        6: [(-1, -1), (1, 1), (-1, 1), (1, -1), (-1, 0), (1, 0)],
    }
    for (axis, sign), count in zip(((2, 1), (0, 1), (1, 1), (1, -1), (0, -1), (2, -1)), range(1, 7), strict=True):
        for u, v in layouts[count]:
            centre = np.roll([u * grid, v * grid, sign * a * 0.53], axis - 2)
            spots.append(ball(a * 0.1, centre, 16))
    pips = union(spots)
    inlay = pips ^ rounded_box((a * 0.985,) * 3, a * 0.06)
    return [
        Part(mesh_of(cube - pips), pick(rng, "body", "wood", "accent"), (mesh_of(cube).vertices,)),
        Part(mesh_of(inlay), "accent"),
    ]


def turned(rng: Rng) -> list[Part]:
    """Spinning tops, chess pieces, door knobs, candlesticks: turned pieces with beads and coves."""
    count, height = int(rng.integers(4, 8)), rng.uniform(0.035, 0.14)
    r = rng.uniform(0.012, 0.03)
    z = np.sort(np.concatenate([[0.0, 1.0], rng.uniform(0.06, 0.94, count)])) * height
    radius = r * rng.uniform(0.25, 1.0, count + 2)
    radius[0], radius[1] = r, r * rng.uniform(0.8, 1)
    fine = np.linspace(0, height, 60)
    smooth = np.interp(fine, z, radius)
    kernel = np.hanning(9) / np.hanning(9).sum()
    rounded = np.convolve(np.pad(smooth, 4, mode="edge"), kernel, mode="valid")
    head = [(rounded[-1] * np.cos(a), height + rounded[-1] * 0.8 * np.sin(a)) for a in np.linspace(0.2, np.pi / 2, 6)]
    mesh = lathe([(0, 0), *zip(rounded, fine, strict=True), *head[:-1], (0, head[-1][1])], 40)
    cuts = np.linspace(0, len(fine) - 1, 4).astype(int)
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    pieces = []
    for a, b in zip(cuts[:-1], cuts[1:], strict=True):
        rows = [
            np.column_stack([rounded[k] * np.cos(around), rounded[k] * np.sin(around), np.full(16, fine[k])])
            for k in range(a, b + 1, 2)
        ]
        pieces.append(np.concatenate(rows))
    pieces[-1] = np.vstack([pieces[-1], [[0, 0, head[-1][1]]]])
    return place([Part(mesh, pick(rng, "wood", "body", "metal", "ceramic"), tuple(pieces))])

"""Hand tools with handles: hammer, screwdriver, pliers, scissors, wrench, clamp, drill, brush, torch."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, place, turn
from uois_sam.synth.assets.shapes.pieces import brick, stretches, tube_pieces
from uois_sam.synth.assets.solids import cylinder, extruded, hull, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import along_x, along_z, arc, loft, oval, smooth_path, tube

LYING = turn("y", 90)


def stick(rng: Rng) -> list[Part]:
    """Pens, markers, glue sticks, candles: a rod, often with a thicker grip or a cap."""
    length, r = rng.uniform(0.09, 0.24), rng.uniform(0.004, 0.012)
    split = rng.uniform(0.3, 0.7) * length
    grip = r * rng.uniform(1.0, 2.0)
    first = lathe([(0, 0), (r * 0.3, 0), (r * rng.uniform(0.5, 1), r), (r, 2.5 * r), (r, split), (0, split)], 20)
    second = lathe([(0, split), (grip, split), (grip, length * 0.95), (grip * 0.6, length), (0, length)], 20)
    return [Part(m.transformed(LYING), role) for m, role in ((first, "accent"), (second, "body"))]


def tool(rng: Rng) -> list[Part]:
    """Glue guns, scanners, toy guns: a barrel, a handle at an angle, sometimes a foot."""
    length, r = rng.uniform(0.1, 0.2), rng.uniform(0.012, 0.03)
    e = rng.uniform(0.2, 0.9)
    barrel = superquadric((length / 2, r, r * rng.uniform(0.8, 1.4)), e, e)
    nose = lathe([(0, 0), (r * 0.6, 0), (r * 0.5, length * 0.25), (0, length * 0.25)], 24)
    nose = nose.transformed(LYING, (length * 0.45, 0, 0))
    tilt = turn("y", rng.uniform(-25, 25))
    grip_h = rng.uniform(0.07, 0.13)
    grip = superquadric((r * 0.8, r * 0.7, grip_h / 2), 0.4, 0.6).transformed(tilt, (-length * 0.3, 0, -grip_h / 2))
    parts = [Part(barrel, "body"), Part(nose, "accent"), Part(grip, pick(rng, "accent", "rubber", "body"))]
    if rng.random() < 0.5:
        foot = superquadric((r * 1.6, r, r * 0.7), 0.2, 0.3)
        parts.append(
            Part(foot.transformed(None, tilt @ [0, 0, -grip_h / 2] + [-length * 0.3, 0, -grip_h / 2]), "accent")
        )
    return place(parts, turn("x", 90))


def hammer(rng: Rng) -> list[Part]:
    """A claw, bench or soft-faced hammer, lying on its side; the handle runs towards -y."""
    length = rng.uniform(0.2, 0.31)
    t = np.linspace(0, 1, 20)
    swell = rng.uniform(0.0, 0.5)
    wide = np.interp(t, [0, 0.05, 0.3, 0.45, 0.9, 1], [0.018, 0.027, 0.024 + 0.006 * swell, 0.02, 0.016, 0.018])
    sections = [oval(w, w * 0.72, 0.75, 24) for w in wide]
    rings = along_x(sections, t * length) @ turn("z", 90).T - [0, length, 0]
    handle = Part(loft(rings), pick(rng, "wood", "rubber", "accent", "wood"), stretches(rings, 7))
    head_l, r = rng.uniform(0.075, 0.12), rng.uniform(0.012, 0.017)
    face = cylinder(r, head_l * 0.22, (head_l * 0.42, 0, 0), "x")
    neck = cylinder(r * 0.78, head_l * 0.36, (head_l * 0.2, 0, 0), "x")
    eye = rounded_box((r * 2.1, r * 2.2, r * 1.9), r * 0.35)
    kind = int(rng.integers(3))
    if kind == 0:  # claw
        curve = arc((-head_l * 0.1, -head_l * 0.55), head_l * 0.6, 80, 150, 12)
        outer = arc((-head_l * 0.1, -head_l * 0.55), head_l * 0.48, 150, 80, 12)
        claw = extruded(np.concatenate([curve, outer]), r * 1.6)
        slot = hull(
            np.array(
                [
                    [-head_l * 0.25, 0.2, 0.0005],
                    [-head_l * 0.25, -0.2, 0.0005],
                    [-head_l, 0.2, r * 0.5],
                    [-head_l, -0.2, r * 0.5],
                    [-head_l, 0.2, -r * 0.5],
                    [-head_l, -0.2, -r * 0.5],
                ]
            )
        )
        back = claw - slot
    elif kind == 1:  # cross peen
        w = r * 0.85
        back = hull(
            np.array(
                [[-0.004, y, z] for y in (-w, w) for z in (-w, w)]
                + [[-head_l * 0.52, y, z] for y in (-0.0015, 0.0015) for z in (-w, w)]
            )
        )
    else:  # two faces
        back = cylinder(r, head_l * 0.22, (-head_l * 0.42, 0, 0), "x") + cylinder(
            r * 0.78, head_l * 0.36, (-head_l * 0.2, 0, 0), "x"
        )
    steel = mesh_of(union([face, neck, eye, back]))
    low = steel.vertices[:, 0] <= 0.0
    pieces = (brick((head_l * 0.55, 2 * r * 0.9, 2 * r * 0.9), (head_l * 0.255, 0, 0)), steel.vertices[low])
    head = Part(steel, "metal" if kind < 2 else pick(rng, "rubber", "metal", "wood"), pieces)
    return [handle, head.placed(None, (0, 0, 0))]


def screwdriver(rng: Rng) -> list[Part]:
    """A screwdriver, awl or file: fluted grip with a collar, steel shaft with a flat tip."""
    grip_l, shaft_l = rng.uniform(0.06, 0.12), rng.uniform(0.05, 0.16)
    r, shaft = rng.uniform(0.009, 0.017), rng.uniform(0.002, 0.0038)
    z = np.linspace(0, 1, 26)
    radius = r * np.interp(z, [0, 0.04, 0.15, 0.5, 0.72, 0.8, 0.9, 1], [0.55, 0.85, 1, 0.95, 0.8, 0.62, 0.85, 0.7])
    flutes, depth = int(rng.integers(4, 9)), rng.uniform(0.0, 0.1)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    notch = np.clip(np.sin(np.pi * np.clip(z / 0.75, 0, 1)), 0, 1)
    scale = 1 - depth * notch[:, None] * (0.5 + 0.5 * np.cos(flutes * angle))
    rings = np.stack(
        [
            np.column_stack([rr * s * np.cos(angle), rr * s * np.sin(angle), np.full(48, at * grip_l)])
            for rr, s, at in zip(radius, scale, z, strict=True)
        ]
    )
    tip = 0.012
    sections = [oval(2 * shaft, 2 * shaft, 1, 20)] * 2 + [
        oval(2.6 * shaft, 1.0 * shaft, 0.9, 20),
        oval(2.2 * shaft, 0.0009, 0.6, 20),
    ]
    steel = along_z(sections, grip_l + np.array([-0.002, shaft_l - tip, shaft_l - tip * 0.4, shaft_l]))
    parts = [
        Part(loft(rings), pick(rng, "body", "accent", "clear", "rubber"), stretches(rings, 13)),
        Part(loft(steel), "metal", stretches(steel, 2)),
    ]
    if rng.random() < 0.6:
        band = lathe(
            [(r * 0.5, grip_l * 0.74), (r * 0.84, grip_l * 0.75), (r * 0.84, grip_l * 0.84), (r * 0.5, grip_l * 0.85)]
        )
        parts.append(Part(band, "accent", (rings[18:22].reshape(-1, 3),)))
    return place(parts, LYING)


def brush(rng: Rng) -> list[Part]:
    """A paint brush, dish brush or hand brush: handle, ferrule, bristles."""
    return _paint_brush(rng) if rng.random() < 0.55 else _scrubber(rng)


def _paint_brush(rng: Rng) -> list[Part]:
    width, thick = rng.uniform(0.012, 0.065), rng.uniform(0.008, 0.016)
    handle, hair = rng.uniform(0.09, 0.16), rng.uniform(0.03, 0.06)
    t = np.linspace(0, 1, 18)
    wide = np.interp(t, [0, 0.05, 0.35, 0.6, 0.9, 1], [0.009, 0.014, 0.018, 0.012, width * 0.6, width * 0.92])
    deep = np.interp(t, [0, 0.05, 0.5, 0.9, 1], [0.005, 0.009, 0.011, thick * 0.8, thick * 0.85])
    wood = along_x([oval(w, d, 0.8, 28) for w, d in zip(wide, deep, strict=True)], (t - 1) * handle)
    clip = along_x([oval(width, thick, 0.5, 28)] * 2, np.array([-0.004, 0.022]))
    k = np.linspace(0, 1, 8)
    fringe = [
        oval(width * (0.97 + 0.08 * s - 0.12 * s**4), thick * (0.95 + 0.25 * s * (1 - s) - 0.75 * s**3), 0.5, 60)
        for s in k
    ]
    bristles = along_x(fringe, 0.018 + k * hair)
    bristles[2:] += rng.normal(0, 0.0006, bristles[2:].shape) * k[2:, None, None]
    return [
        Part(loft(wood), pick(rng, "wood", "accent", "body"), stretches(wood, 6)),
        Part(loft(clip), "metal"),
        Part(loft(bristles), "fabric"),
    ]


def _scrubber(rng: Rng) -> list[Part]:
    length, wide, back = rng.uniform(0.08, 0.15), rng.uniform(0.035, 0.06), rng.uniform(0.01, 0.02)
    body = superquadric((length / 2, wide / 2, back / 2), 0.5, rng.uniform(0.5, 0.9))
    columns, rows = int(length / 0.0095), int(wide / 0.0095)
    tufts, tall = [], rng.uniform(0.015, 0.03)
    for i in range(columns):
        for j in range(rows):
            at = np.array([(i + 0.5) / columns - 0.5, (j + 0.5) / rows - 0.5]) * [length * 0.9, wide * 0.9]
            if (2 * at[0] / length) ** 2 + (2 * at[1] / wide) ** 2 > 0.8:
                continue
            end = at + rng.normal(0, 0.0015, 2)
            path = np.array([[*at, -back * 0.3], [*((at + end) / 2), -back / 2 - tall / 2], [*end, -back / 2 - tall]])
            tufts.append(tube(path, [0.0022, 0.0028, 0.0036], 8))
    parts = [Part(body, pick(rng, "wood", "body", "accent")), Part(join(tufts), pick(rng, "fabric", "accent"))]
    if rng.random() < 0.6:
        stem = np.array(
            [[length * 0.45, 0, 0], [length * 0.6, 0, 0.006], [length * 0.8, 0, 0.012], [length * 0.5 + 0.13, 0, 0.01]]
        )
        path = smooth_path(stem, 18)
        radii = np.interp(np.linspace(0, 1, 18), [0, 0.3, 0.8, 1], [0.008, 0.007, 0.011, 0.006])
        parts.append(Part(tube(path, radii, 16), parts[0].role, tube_pieces(path, radii, 6)))
    return place(parts, turn("x", 180))


def torch(rng: Rng) -> list[Part]:
    """A flashlight: head with a lens, knurled body, button."""
    length, r = rng.uniform(0.09, 0.2), rng.uniform(0.01, 0.018)
    head = r * rng.uniform(1.15, 1.9)
    k = length * rng.uniform(0.62, 0.75)
    grooves = [(r * (1.03 if n % 2 else 0.97), at) for n, at in enumerate(np.linspace(length * 0.18, k * 0.85, 17))]
    body = lathe(
        [
            (0, 0),
            (r * 0.85, 0),
            (r * 0.95, 0.003),
            (r, length * 0.12),
            *grooves,
            (r, k),
            (head, k + (length - k) * 0.45),
            (head, length),
            (head * 0.88, length),
            (head * 0.8, length - 0.004),
            (0, length - 0.004),
        ]
    )
    lens = lathe([(head * 0.82, length - 0.002), (0, length - 0.001)])
    button = superquadric((0.004, 0.006, 0.009), 0.5, 0.7, 14, 20).transformed(None, (r * 0.95, 0, k * 0.95))
    parts = [
        Part(body, pick(rng, "metal", "accent", "rubber", "body")),
        Part(lens, "clear", (body.vertices,)),
        Part(button, "accent"),
    ]
    return place(parts, LYING)

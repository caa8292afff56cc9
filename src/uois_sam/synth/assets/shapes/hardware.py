"""Machine parts: rings, pipe fittings, gears, bolts, nuts, brackets, turned and milled pieces."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import join, lathe
from uois_sam.synth.assets.shapes.part import Part, Rng, pick
from uois_sam.synth.assets.shapes.pieces import brick, disc, plate, walls
from uois_sam.synth.assets.solids import cuboid, cylinder, extruded, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import along_z, arc, loft


def ring(rng: Rng) -> list[Part]:
    """Tape rolls, washers, bracelets, tyres: a thick ring."""
    outer, height = rng.uniform(0.02, 0.06), rng.uniform(0.004, 0.05)
    inner = outer * rng.uniform(0.45, 0.88)
    pieces = walls(np.array([[outer, 0], [outer, height]]), np.array([[inner, 0], [inner, height]]))
    if rng.random() < 0.35 and outer - inner > 0.008:  # a roll of tape on its core
        core = inner + 0.003
        roll = lathe([(core, 0), (outer, 0), (outer, height), (core, height)], 48)
        sleeve = lathe([(inner, 0), (core, 0), (core, height), (inner, height), (inner, 0)], 48)
        return [Part(roll, pick(rng, "body", "clear", "rubber"), pieces), Part(sleeve, "paper", pieces[:1])]
    round_ = min(outer - inner, height) * rng.uniform(0.03, 0.48)
    corners = [(inner, 0), (outer, 0), (outer, height), (inner, height)]
    profile = []
    for (x, z), start in zip(corners, (180, 270, 0, 90), strict=True):
        sx, sz = (1 if x == inner else -1), (1 if z == 0 else -1)
        profile += arc((x + sx * round_, z + sz * round_), round_, start, start + 90, 7).tolist()
    made = pick(rng, "body", "metal", "rubber", "wood", "accent")
    return [Part(lathe([tuple(p) for p in [*profile, profile[0]]], 48), made, pieces)]


def gear(rng: Rng) -> list[Part]:
    """A toothed wheel with hub, bore, keyway and lightening holes; sometimes two in one."""
    teeth, r, thick = int(rng.integers(10, 34)), rng.uniform(0.015, 0.05), rng.uniform(0.005, 0.018)
    tall = min(2.2 * r / teeth * 2, r * 0.2)
    pitch = 360 / teeth
    flank = []
    for k in range(teeth):
        for share, radius in (
            (0.0, r - tall),
            (0.22, r - tall),
            (0.34, r - 0.35 * tall),
            (0.42, r),
            (0.6, r),
            (0.68, r - 0.35 * tall),
            (0.8, r - tall),
        ):
            angle = np.deg2rad(pitch * (k + share))
            flank.append([radius * np.cos(angle), radius * np.sin(angle)])
    hub, bore = r * rng.uniform(0.3, 0.45), r * rng.uniform(0.12, 0.24)
    boss = thick * rng.uniform(0, 0.9)
    web = r - tall * 1.4
    key = 0.25 * bore
    notch = np.arcsin(key / bore)
    hole = np.vstack(
        [
            arc((0, 0), bore, 90 + np.rad2deg(notch), 450 - np.rad2deg(notch), 24),
            [[key, 1.3 * bore], [-key, 1.3 * bore]],
        ]
    )
    rings, spokes = [np.array(flank), hole[::-1]], int(rng.integers(0, 7))
    if spokes > 2 and web - hub > 0.007:
        middle, radius = (web + hub) / 2, (web - hub) * 0.36
        for a in 2 * np.pi * np.arange(spokes) / spokes:
            rings.append(arc((middle * np.cos(a), middle * np.sin(a)), radius, 360, 15, 20))
    disc_ = mesh_of(extruded(rings, thick))
    collar = [
        (bore * 1.02, -thick / 2 - 0.0003),
        (hub, -thick / 2 - 0.0003),
        (hub, thick / 2 + boss),
        (bore * 1.02, thick / 2 + boss),
    ]
    solid = join([disc_, lathe([*collar, collar[0]], 32)])
    outer = np.array([[r, -thick / 2], [r, thick / 2]])
    inner = np.array([[bore, -thick / 2], [bore, thick / 2]])
    pieces = walls(outer, inner, 10)
    return [Part(solid, pick(rng, "metal", "metal", "body", "accent"), pieces)]


def machined(rng: Rng) -> list[Part]:
    """A milled housing, bearing block or printed jig: a base with bosses, pockets, slots and mirrored holes."""
    x, y, z = rng.uniform([0.04, 0.03, 0.012], [0.14, 0.09, 0.045])
    base = rounded_box((x, y, z), min(x, y, z) * rng.uniform(0.04, 0.3))
    pieces = [brick((x, y, z))]
    solid, cuts = base, []
    side = float(rng.choice([0.0, 0.28]))
    boss_r, boss_h = min(y * 0.42, x * (0.2 if side else 0.35)) * rng.uniform(0.6, 1), z * rng.uniform(0.3, 1.2)
    for s in (-1, 1) if side else (1,):
        at = (s * side * x, 0.0, z / 2 + boss_h / 2 - 0.0005)
        solid = solid + cylinder(boss_r, boss_h, at, segments=40)
        pieces.append(disc(boss_r, z / 2, z / 2 + boss_h) + [at[0], 0, 0])
        if rng.random() < 0.8:
            cuts.append(cylinder(boss_r * rng.uniform(0.4, 0.8), boss_h * 2, (at[0], 0.0, z / 2 + boss_h), segments=32))
    hole = rng.uniform(0.0018, 0.004)
    for sx in (-1, 1):
        for sy in (-1, 1):
            cuts.append(cylinder(hole, 1.0, (sx * (x / 2 - 2.4 * hole), sy * (y / 2 - 2.4 * hole), 0), segments=16))
    if rng.random() < 0.6:
        cuts.append(rounded_box((x * rng.uniform(0.3, 0.7), 2 * y, z * 0.8), z * 0.1, (0, 0, -z / 2)))
    if rng.random() < 0.5:
        for s in (-1, 1):
            cuts.append(rounded_box((x * 0.5, y * 0.12, z), y * 0.05, (0, s * y * 0.38, z * 0.75)))
    if rng.random() < 0.5:
        cuts.append(cylinder(z * rng.uniform(0.15, 0.3), 1.0, (0, 0, 0), "x"))
    if rng.random() < 0.4:
        count = int(rng.integers(3, 8))
        for k in range(count):
            fin = cuboid(
                (x * 0.86 / count * 0.5, y * 2, z * 0.3), ((k - (count - 1) / 2) * x * 0.86 / count, 0, -z * 0.5)
            )
            cuts.append(fin)
    return [Part(mesh_of(solid - union(cuts)), pick(rng, "metal", "body", "body"), tuple(pieces))]


def knob(rng: Rng) -> list[Part]:
    """A dial, star grip or handwheel with lobes around its rim, on a threaded stud."""
    r, h, lobes = rng.uniform(0.015, 0.035), rng.uniform(0.012, 0.03), int(rng.integers(3, 24))
    depth = rng.uniform(0.03, 0.22) if lobes < 10 else 0.04
    theta = np.linspace(0, 2 * np.pi, 144, endpoint=False)
    radius = r * (1 - depth * (0.5 - 0.5 * np.cos(lobes * theta)) ** 0.7)
    outline = radius[:, None] * np.column_stack([np.cos(theta), np.sin(theta)])
    soft = np.array([0, 0.03, 0.09, 0.16])
    scale = 1 - 0.14 * np.array([1, 0.5, 0.14, 0])
    steps = np.concatenate([soft, 1 - soft[::-1]])
    grip = loft(along_z([outline * k for k in (*scale, *scale[::-1])], (steps - 0.5) * h))
    top = cylinder(r * 0.55, 0.004, (0, 0, h / 2), top=r * 0.5)
    stud_l, stud_r = rng.uniform(0.008, 0.035), rng.uniform(0.0025, 0.005)
    stud = lathe(
        [
            (0, -h / 2 - stud_l),
            *[
                (stud_r * (1 if k % 2 else 0.84), float(z))
                for k, z in enumerate(np.linspace(-h / 2 - stud_l, -h / 2, 21))
            ],
        ],
        20,
    )
    return [
        Part(grip, pick(rng, "body", "rubber", "accent"), (plate(outline[::4], -h / 2, h / 2),)),
        Part(mesh_of(top), pick(rng, "accent", "metal")),
        Part(stud, "metal"),
    ]

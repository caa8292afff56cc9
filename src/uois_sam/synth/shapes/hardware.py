"""Machine parts: rings, pipe fittings, gears, bolts, nuts, brackets, turned and milled pieces."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.meshes import Array, join, lathe
from uois_sam.synth.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.shapes.pieces import Pieces, brick, disc, moved, plate, walls
from uois_sam.synth.solids import Solid, cuboid, cylinder, extruded, mesh_of, rounded_box, union
from uois_sam.synth.sweeps import along_z, arc, loft


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


def _socket(radius: float, bore: float, length: float, lip: float) -> tuple[Solid, Pieces]:
    """A pipe end along +z with a thicker collar at its mouth."""
    body = cylinder(radius, length, (0, 0, length / 2))
    if lip > 0:
        body = body + cylinder(radius + lip, length * 0.4, (0, 0, length * 0.8))
    outer = np.array([[radius + lip, length * 0.6], [radius + lip, length]])
    inner = np.array([[bore, length * 0.6], [bore, length]])
    shank = np.array([[radius, 0], [radius, length * 0.6]])
    hollow = np.array([[bore, 0], [bore, length * 0.6]])
    return body, (*walls(outer, inner, 8), *walls(shank, hollow, 8))


def pipe(rng: Rng) -> list[Part]:
    """A straight pipe, elbow, tee or cross, with collars."""
    radius = rng.uniform(0.008, 0.024)
    bore, lip = radius * rng.uniform(0.65, 0.85), radius * float(rng.choice([0.0, 0.18, 0.28]))
    reach = radius * rng.uniform(2.0, 3.2)
    kind = int(rng.integers(4))
    if kind == 0:
        length = rng.uniform(0.05, 0.25)
        solid = cylinder(radius, length) - cylinder(bore, length + 0.01)
        if lip > 0:
            flange = cylinder(radius * 1.7, 0.005, (0, 0, length / 2 - 0.0025))
            holes = [
                cylinder(
                    radius * 0.14, 0.05, (1.37 * radius * np.cos(a), 1.37 * radius * np.sin(a), length / 2), segments=16
                )
                for a in np.arange(6) * np.pi / 3
            ]
            solid = union([solid, flange - cylinder(bore, 1.0) - union(holes)])
        outer, inner = (
            np.array([[radius, -length / 2], [radius, length / 2]]),
            np.array([[bore, -length / 2], [bore, length / 2]]),
        )
        pieces = walls(outer, inner, 10)
        if lip > 0:
            pieces += walls(
                np.array([[radius * 1.7, length / 2 - 0.005], [radius * 1.7, length / 2]]),
                inner[[1, 1]] - [[0, 0.005], [0, 0]],
                8,
            )
        return [Part(mesh_of(solid), pick(rng, "metal", "body", "accent"), pieces)]
    directions = {1: (0, 90), 2: (-90, 0, 90), 3: (-90, 0, 90, 180)}[kind]
    solids: list[Solid] = []
    bores: list[Solid] = []
    all_pieces: list[Array] = []
    for angle in directions:
        end, pieces = _socket(radius, bore, reach, lip)
        solids.append(end.rotate((0.0, float(angle), 0.0)))
        bores.append(cylinder(bore, reach + 0.01, (0, 0, (reach + 0.01) / 2)).rotate((0.0, float(angle), 0.0)))
        all_pieces += moved(pieces, turn("y", angle))
    from uois_sam.synth.solids import library

    ball = library().Manifold.sphere(float(radius), 32)
    hollow = library().Manifold.sphere(float(bore), 32)
    solid = union([*solids, ball]) - union([*bores, hollow])
    return [Part(mesh_of(solid), pick(rng, "metal", "body", "accent"), tuple(all_pieces)).placed(turn("x", 90))]


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


def bolt(rng: Rng) -> list[Part]:
    """A screw or bolt with a visible thread; hexagon, cylinder or mushroom head."""
    r, length = rng.uniform(0.0025, 0.009), rng.uniform(0.02, 0.11)
    head_r, head_h = r * rng.uniform(1.6, 2.0), r * rng.uniform(1.0, 1.5)
    rises = max(int(length * 0.8 / (r * 0.34)), 6)
    plain = length * rng.uniform(0, 0.4)
    z = np.linspace(plain, length - r * 0.3, 2 * rises + 1)
    thread = [(r * (1.0 if k % 2 else 0.82), float(at)) for k, at in enumerate(z)]
    shank = lathe([(0, 0), (r, 0), (r, plain), *thread, (r * 0.7, length), (0, length)], 24)
    kind = int(rng.integers(3))
    if kind == 0:
        head = cylinder(head_r * 1.12, head_h, (0, 0, -head_h / 2), segments=6) ^ cylinder(
            head_r * 1.3, head_h, (0, 0, -head_h / 2), top=head_r * 1.05
        )
    elif kind == 1:
        head = cylinder(head_r, head_h * 1.3, (0, 0, -head_h * 0.65)) - cylinder(
            r * 0.8, head_h, (0, 0, -head_h * 1.3), segments=6
        )
    else:
        dome = cylinder(head_r, head_h * 0.6, (0, 0, -head_h * 0.3), top=head_r * 1.25) + cylinder(
            head_r * 0.6, head_h * 0.35, (0, 0, -head_h * 0.72), top=head_r
        )
        head = (
            dome
            - cuboid((0.3 * r, 10 * r, head_h), (0, 0, -head_h * 1.15))
            - cuboid((10 * r, 0.3 * r, head_h), (0, 0, -head_h * 1.15))
        )
    top = mesh_of(head)
    parts = [Part(top, "metal"), Part(shank, "metal", (disc(r, 0, length, 12),))]
    if rng.random() < 0.3:
        washer = lathe(
            [
                (r * 1.02, 0.0002),
                (head_r * 1.5, 0.0002),
                (head_r * 1.5, 0.0018),
                (r * 1.02, 0.0018),
                (r * 1.02, 0.0002),
            ],
            32,
        )
        parts.append(Part(washer, "metal"))
    return [part.placed(turn("y", 90)) for part in parts]


def nut(rng: Rng) -> list[Part]:
    """A hexagon, square, wing or flange nut, 1 to 5 cm."""
    bore = rng.uniform(0.003, 0.013)
    across, tall = bore * rng.uniform(1.75, 2.1), bore * rng.uniform(1.2, 1.9)
    sides = int(rng.choice([6, 6, 6, 4]))
    block = cylinder(across * 1.1, tall, segments=sides) ^ cylinder(across * 1.45, tall, top=across * 1.02, segments=40)
    block = block ^ cylinder(across * 1.02, tall, top=across * 1.45, segments=40)
    pieces: list[Array] = list(
        walls(np.array([[across, -tall / 2], [across, tall / 2]]), np.array([[bore, -tall / 2], [bore, tall / 2]]), 6)
    )
    kind = int(rng.integers(3))
    if kind == 1:
        block = block + cylinder(across * 1.45, tall * 0.2, (0, 0, -tall * 0.4))
        pieces.append(disc(across * 1.45, -tall / 2, -tall * 0.3))
        pieces = pieces[:-1] + list(
            walls(
                np.array([[across * 1.45, -tall / 2], [across * 1.45, -tall * 0.3]]),
                np.array([[bore, -tall / 2], [bore, -tall * 0.3]]),
                6,
            )
        )
    elif kind == 2:
        for s in (-1, 1):
            wing = rounded_box((across * 1.3, across * 0.3, tall * 1.5), across * 0.14).rotate((0.0, -s * 25.0, 0.0))
            at = (s * across * 1.25, 0.0, tall * 0.55)
            block = block + wing.translate(at)
            pieces.append(mesh_of(wing.translate(at)).vertices)
    grooves = lathe_thread(bore, tall)
    return [Part(mesh_of(block - grooves), pick(rng, "metal", "metal", "metal", "accent"), tuple(pieces))]


def lathe_thread(bore: float, tall: float) -> Solid:
    """What a thread cuts out of a bore: stacked double cones."""
    from uois_sam.synth.solids import revolved

    turns = 5
    z = np.linspace(-tall * 0.55, tall * 0.55, 2 * turns + 1)
    rim = [[bore * (1.0 if k % 2 else 0.88), at] for k, at in enumerate(z)]
    return revolved(np.array([[0, z[0]], *rim, [0, z[-1]]]), 28)


def bracket(rng: Rng) -> list[Part]:
    """An angle bracket, hinge plate or shelf support with screw holes."""
    width, thick = rng.uniform(0.015, 0.05), rng.uniform(0.002, 0.005)
    legs = rng.uniform(0.03, 0.12, 2)
    flat = rounded_box((legs[0], width, thick), thick * 0.3, (legs[0] / 2, 0, thick / 2))
    wall = rounded_box((thick, width, legs[1]), thick * 0.3, (thick / 2, 0, legs[1] / 2))
    solid = flat + wall
    pieces = [
        brick((legs[0], width, thick), (legs[0] / 2, 0, thick / 2)),
        brick((thick, width, legs[1]), (thick / 2, 0, legs[1] / 2)),
    ]
    if rng.random() < 0.5:
        size = legs.min() * rng.uniform(0.4, 0.8)
        rib = extruded(np.array([[0, 0], [size, 0], [0, size]]), thick)
        solid = solid + rib.rotate((90.0, 0.0, 0.0)).translate((thick * 0.6, 0.0, thick * 0.6))
        rib_outline = np.array([[0, -thick / 2, 0], [size, -thick / 2, 0], [0, -thick / 2, size]])
        pieces.append(np.concatenate([rib_outline, rib_outline + [0, thick, 0]]) + [thick * 0.6, 0, thick * 0.6])
    cuts = []
    hole = rng.uniform(0.002, 0.0045)
    for k in range(2):
        for share in (0.4, 0.8) if legs[k] > 0.05 else (0.65,):
            for y in (-0.28, 0.28) if width > 0.03 else (0.0,):
                at = (share * legs[k], y * width, 0.0) if k == 0 else (0.0, y * width, share * legs[k])
                cuts.append(cylinder(hole, 0.05, at, "z" if k == 0 else "x", segments=20))
    return [Part(mesh_of(solid - union(cuts)), pick(rng, "metal", "metal", "body"), tuple(pieces))]


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

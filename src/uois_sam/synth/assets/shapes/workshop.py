"""Tools of several moving or fitted parts: pliers, scissors, spanners, clamps, drills."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, place, turn
from uois_sam.synth.assets.shapes.pieces import brick, plate, stretches, tube_pieces
from uois_sam.synth.assets.solids import cuboid, cylinder, extruded, hull, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import along_x, along_z, arc, loft, oval, rounded_rectangle, smooth_path, tube

LYING = turn("y", 90)


def _lever(side: float, outline: Array) -> Array:
    """An outline as it is, or mirrored and still counter-clockwise."""
    return np.column_stack([side * outline[:, 0], outline[:, 1]])[:: int(side)]


def pliers(rng: Rng) -> list[Part]:
    """Pliers, pincers or cutters, closed or open, with sleeves on the handles."""
    jaw, handle = rng.uniform(0.03, 0.06), rng.uniform(0.09, 0.13)
    thick, wide = rng.uniform(0.007, 0.011), rng.uniform(0.009, 0.014)
    opening = rng.uniform(0, 16)
    slim = rng.uniform(0.15, 0.6)
    outline = np.array([[0.0005, -0.004], [wide, -0.002], [wide * 0.85, jaw * 0.45], [wide * slim, jaw], [0.0005, jaw]])
    steel: list[Part] = []
    sleeves: list[Part] = []
    for side in (1.0, -1.0):
        *metal, sleeve = place(_pliers_half(side, outline, thick, wide, handle), turn("z", -side * opening))
        steel += metal
        sleeves.append(sleeve)
    pin = lathe([(0, -thick * 0.56), (0.005, -thick * 0.56), (0.005, thick * 0.56), (0, thick * 0.56)], 24)
    return [
        Part(join([*(part.mesh for part in steel), pin]), "metal", tuple(p for part in steel for p in part.pieces)),
        Part(
            join([part.mesh for part in sleeves]),
            pick(rng, "rubber", "accent", "accent"),
            tuple(p for part in sleeves for p in part.pieces),
        ),
    ]


def _pliers_half(side: float, outline: Array, thick: float, wide: float, handle: float) -> list[Part]:
    """Jaw, bare arm and sleeve of one lever; ``side`` -1 mirrors it."""
    jaw = _lever(side, outline)
    eye = np.concatenate(
        [np.column_stack([arc((0, 0), wide, 0, 360, 24), np.full(24, z)]) for z in (-0.42 * thick, 0.42 * thick)]
    )
    head = mesh_of(union([extruded(jaw, thick, thick * 0.12), hull(eye)]))
    points = [
        [-0.001, 0.004],
        [-0.75 * wide, -0.012],
        [-1.5 * wide, -0.4 * handle],
        [-1.3 * wide, -0.8 * handle],
        [-wide, -handle],
    ]
    path = smooth_path(np.array([[side * x, y, 0] for x, y in points]), 22)
    radii = np.interp(np.linspace(0, 1, 22), [0, 0.25, 0.32, 0.95, 1], [0.004, 0.0042, 0.0062, 0.0068, 0.004])
    bare, gripped = np.s_[:7], np.s_[6:]
    flats = (plate(jaw, -thick / 2, thick / 2), plate(arc((0, 0), wide, 0, 330, 12), -thick / 2, thick / 2))
    return [
        Part(head, "metal", flats),
        Part(tube(path[bare], radii[bare], 14), "metal", tube_pieces(path[bare], radii[bare], 3)),
        Part(tube(path[gripped], radii[gripped] * 1.05, 14), "rubber", tube_pieces(path[gripped], radii[gripped], 5)),
    ]


def scissors(rng: Rng) -> list[Part]:
    """Scissors, shut or open: two blades that cross at a pin, two finger rings."""
    blade, shank = rng.uniform(0.05, 0.12), rng.uniform(0.03, 0.05)
    wide, thick = rng.uniform(0.011, 0.018), 0.0022
    opening = float(rng.choice([rng.uniform(1, 4), rng.uniform(8, 38)]))
    steel, grips = [], []
    steel_pieces: list[Array] = []
    grip_pieces: list[Array] = []
    for side in (1.0, -1.0):
        rotate = turn("z", -side * opening / 2)
        lift = side * thick * 0.52
        outline = np.array(
            [
                [-wide * 0.35, -shank],
                [wide * 0.2, -shank],
                [wide * 0.55, 0],
                [wide * 0.5, blade * 0.3],
                [0, blade],
                [-wide * 0.3, blade * 0.25],
                [-wide * 0.5, 0],
            ]
        )
        shape = _lever(side, outline)
        steel.append(mesh_of(extruded(shape, thick)).transformed(rotate, (0, 0, lift)))
        steel_pieces.append(plate(shape, -thick / 2, thick / 2) @ rotate.T + [0, 0, lift])
        rx, ry = rng.uniform(0.013, 0.018), rng.uniform(0.017, 0.03)
        bar = rng.uniform(0.0035, 0.005)
        angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
        centre = np.array([-side * (rx + 0.001), -shank - ry * 0.75, 0])
        ring = centre + np.column_stack([rx * np.cos(angle), ry * np.sin(angle), 0 * angle])
        closed = np.concatenate([ring, ring[:2]])
        neck = np.linspace([-side * 0.002, -shank * 0.55, 0], [-side * 0.004, -shank - 0.004, 0], 4)
        grips += [
            tube(closed, bar, 12).transformed(rotate),
            tube(neck, [0.0035, 0.005, 0.0055, 0.005], 12).transformed(rotate),
        ]
        grip_pieces += [p @ rotate.T for p in (*tube_pieces(ring, bar, 4, closed=True), *tube_pieces(neck, 0.005, 3))]
    pin = lathe([(0, -0.0035), (0.004, -0.0035), (0.004, 0.0035), (0, 0.0035)], 20)
    return [
        Part(join([*steel, pin]), "metal", tuple(steel_pieces)),
        Part(join(grips), pick(rng, "accent", "accent", "rubber", "metal"), tuple(grip_pieces)),
    ]


def wrench(rng: Rng) -> list[Part]:
    """An open-end, ring or combination spanner."""
    length, wide = rng.uniform(0.1, 0.24), rng.uniform(0.009, 0.016)
    thick = rng.uniform(0.004, 0.008)
    shank = rounded_box((length * 0.86, wide, thick * 0.75), thick * 0.3)
    if rng.random() < 0.5:
        shank = (
            shank
            - rounded_box((length * 0.5, wide * 0.5, thick), thick * 0.1, (0, 0, thick * 0.72))
            - rounded_box((length * 0.5, wide * 0.5, thick), thick * 0.1, (0, 0, -thick * 0.72))
        )
    steel = [shank]
    cuts, pieces = [], [brick((length * 0.8, wide, thick * 0.75))]
    for side in (-1, 1):
        r = wide * rng.uniform(0.95, 1.25)
        at = np.array([side * length / 2, 0, 0])
        steel.append(cylinder(r, thick, at, segments=36))
        if rng.random() < 0.6:  # open end, 15 degrees off
            jaw = (
                cuboid((2.4 * r, r * 0.95, 1), (side * 1.05 * r, 0, 0))
                .rotate((0, 0, side * 15.0))
                .translate(tuple(at.tolist()))
            )
            cuts.append(jaw)
            for flank in (-1, 1):
                pieces.append(
                    brick((1.5 * r, r * 0.42, thick), (0.1 * side * r, flank * 0.72 * r, 0)) @ turn("z", side * 15).T
                    + at
                )
        else:
            cuts.append(cylinder(r * 0.62, 1.0, at, segments=6))
            pieces += [p @ np.diag([1, 1, 1]) + at for p in _ring_pieces(r, r * 0.6, thick)]
    return [Part(mesh_of(union(steel) - union(cuts)), "metal", tuple(pieces))]


def _ring_pieces(outer: float, inner: float, thick: float) -> list[Array]:
    pieces = []
    for k in range(8):
        a, b = 45 * k, 45 * (k + 1)
        outline = np.concatenate([arc((0, 0), outer, a, b, 3), arc((0, 0), inner, b, a, 2)])
        pieces.append(plate(outline, -thick / 2, thick / 2))
    return pieces


def clamp(rng: Rng) -> list[Part]:
    """A G-clamp: C-shaped frame, threaded screw with a bar, swivelling pad."""
    tall, deep = rng.uniform(0.06, 0.13), rng.uniform(0.045, 0.08)
    bar, thick = rng.uniform(0.01, 0.016), rng.uniform(0.009, 0.014)
    corner = bar * 0.8
    frame = extruded(rounded_rectangle(deep, tall, corner), thick, thick * 0.15)
    gap = cuboid((deep, tall - 2 * bar, 1), (-bar - 0.0, 0, 0))
    anvil = cylinder(bar * 0.5, bar * 0.9, (-deep / 2 + bar * 0.55, -tall / 2 + bar * 1.2, 0), "y")
    boss = cylinder(bar * 0.62, bar * 1.3, (-deep / 2 + bar * 0.55, tall / 2 - bar * 0.5, 0), "y")
    solid = union([frame - gap, anvil, boss])
    x = -deep / 2 + bar * 0.55
    end = -tall / 2 + bar * 1.7 + rng.uniform(0.1, 0.7) * (tall - 3 * bar)
    top = end + tall * 0.95
    turns = int((top - end) / 0.0022)
    z = np.linspace(end, top, 2 * turns + 1)
    r = bar * 0.3
    thread = [(0, end), *[(r * (1 if k % 2 else 0.84), at) for k, at in enumerate(z)], (0, top)]
    upright = turn("x", -90)
    screw = lathe(thread, 20).transformed(upright, (x, 0, 0))
    pad = lathe([(0, end - 0.004), (bar * 0.55, end - 0.004), (bar * 0.5, end), (0, end)], 24).transformed(
        upright, (x, 0, 0)
    )
    across = rng.uniform(0.035, 0.055)
    angle = rng.uniform(0, 180)
    lever = (
        cylinder(0.0026, across, (0, 0, 0), "x")
        + cylinder(0.004, 0.004, (across / 2, 0, 0), "x")
        + cylinder(0.004, 0.004, (-across / 2, 0, 0), "x")
    )
    lever_mesh = mesh_of(lever).transformed(turn("y", angle), (x, top - 0.004, 0))
    lever_piece = brick((across, 0.006, 0.006)) @ turn("y", angle).T + [x, top - 0.004, 0]
    pieces = (
        brick((bar, tall, thick), (deep / 2 - bar / 2, 0, 0)),
        *(brick((deep, bar, thick), (0, s * (tall - bar) / 2, 0)) for s in (-1, 1)),
    )
    rod = brick((2 * r, top - end, 2 * r), (x, (top + end) / 2, 0))
    return [
        Part(mesh_of(solid), pick(rng, "body", "metal", "accent"), pieces),
        Part(join([screw, pad, lever_mesh]), "metal", (rod, lever_piece)),
    ]


def drill(rng: Rng) -> list[Part]:
    """A cordless drill or driver: motor housing with vents, chuck, grip with trigger, battery; lies on its side."""
    r, length = rng.uniform(0.022, 0.03), rng.uniform(0.1, 0.15)
    t = np.linspace(0, 1, 16)
    profile = r * np.interp(t, [0, 0.06, 0.15, 0.6, 0.85, 1], [0.7, 0.92, 1, 1, 0.88, 0.75])
    housing = along_x([oval(2 * w, 2.15 * w, 0.85, 32) for w in profile], (t - 0.6) * length)
    nose_x = 0.4 * length
    chuck_l = rng.uniform(0.03, 0.045)
    chuck = lathe([
        (0, 0), (r * 0.7, 0), (r * 0.74, 0.006), (r * 0.62, 0.012), (r * 0.66, chuck_l * 0.6), (r * 0.3, chuck_l),
        (0, chuck_l),
    ])  # fmt: skip
    bit_l = rng.uniform(0, 0.06)
    bit = lathe(
        [(0, chuck_l - 0.002), (0.003, chuck_l - 0.002), (0.003, chuck_l + bit_l), (0, chuck_l + bit_l + 0.004)], 16
    )
    tilt = turn("y", rng.uniform(4, 16))
    grip_h = rng.uniform(0.085, 0.115)
    k = np.linspace(0, 1, 14)
    girth = np.interp(k, [0, 0.1, 0.5, 0.8, 1], [0.95, 0.88, 0.92, 0.86, 1.0])
    grip = along_z([oval(1.7 * r * g, 1.35 * r * g, 0.8, 32) for g in girth], (k - 1) * grip_h)
    at = np.array([-0.24 * length, 0, -0.3 * r])
    grip = grip @ tilt.T + at
    foot = mesh_of(rounded_box((r * 3.4, r * 2.5, r * 1.3), 0.006)).transformed(
        None, tilt @ [0.006, 0, -grip_h - r * 0.35] + at
    )
    plate_ = mesh_of(rounded_box((r * 3.1, r * 2.3, r * 0.6), 0.004)).transformed(
        None, tilt @ [0.006, 0, -grip_h + r * 0.3] + at
    )
    trigger = superquadric((0.007, 0.007, 0.014), 0.5, 0.5, 16, 24).transformed(
        tilt, tilt @ [r * 0.92, 0, -grip_h * 0.22] + at
    )
    cap = lathe([(0, -0.002), (r * 0.95, 0), (r * 1.0, 0.004), (r * 1.0, 0.016), (0, 0.016)]).transformed(
        LYING, (-0.585 * length, 0, 0)
    )
    band = loft(along_x([oval(2.04 * r, 2.2 * r, 0.85, 32)] * 2, np.array([-0.1, 0.02]) * length))
    parts = [
        Part(loft(housing), "body"),
        Part(loft(grip), pick(rng, "body", "rubber"), stretches(grip, 7)),
        Part(join([chuck, bit]).transformed(LYING, (nose_x - 0.002, 0, 0)), pick(rng, "metal", "rubber")),
        Part(join([foot, plate_]), "rubber", (foot.vertices, plate_.vertices)),
        Part(join([trigger, cap]), "accent", (trigger.vertices, cap.vertices)),
        Part(band, pick(rng, "accent", "label", "rubber")),
    ]
    return place(parts, turn("x", 90))

"""Things bent from wire and cable: whisk, hook, spring, coiled cable, eyeglasses, paper clip."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import brick, tube_pieces, walls
from uois_sam.synth.assets.solids import Solid, cuboid, cylinder, hull, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import arc, oval, smooth_path, tube


def whisk(rng: Rng) -> list[Part]:
    """A balloon whisk: loops of wire on a handle."""
    handle, bulb, r = rng.uniform(0.08, 0.13), rng.uniform(0.09, 0.15), rng.uniform(0.022, 0.036)
    wire, loops = rng.uniform(0.0008, 0.0014), int(rng.integers(4, 8))
    t = np.linspace(0, 2 * np.pi, 49)
    shape = np.column_stack([r * np.sin(t) * np.abs(np.sin(t / 2)) ** 1.2, 0 * t, bulb * (1 - np.cos(t)) / 2])
    shape[:, 0] += np.where(t < np.pi, 1, -1) * 0.003 * np.cos(t / 2) ** 2
    meshes: list[Mesh] = []
    pieces: list[Array] = []
    for k in range(loops):
        path = shape @ turn("z", 180 * k / loops).T
        meshes.append(tube(path, wire, 8))
        if k % 2 == 0:
            pieces += tube_pieces(path[::3], max(wire, 0.001), 2)
    width = rng.uniform(0.006, 0.012)
    grip = lathe(
        [
            (0, -handle),
            (width * 0.7, -handle),
            (width, -handle + 0.012),
            (width * 0.8, -handle * 0.3),
            (width * 0.55, 0.004),
            (0, 0.004),
        ],
        24,
    )
    lying = turn("y", 90)
    return [
        Part(join(meshes), "metal", tuple(pieces)).placed(lying),
        Part(grip, pick(rng, "metal", "wood", "rubber", "body")).placed(lying),
    ]


def hook(rng: Rng) -> list[Part]:
    """An S-hook, cup hook or carabiner-like ring."""
    bar, r = rng.uniform(0.002, 0.0045), rng.uniform(0.012, 0.03)
    stem = r * rng.uniform(0.2, 2.0)
    kind = int(rng.integers(3))
    if kind == 0:  # S
        upper = arc((0, stem + r), r, -90, 150, 26)
        path = np.concatenate([upper[::-1], -upper])
    elif kind == 1:  # straight shank, round end
        path = np.concatenate([[[0, -3 * r - stem], [0, -2.4 * r], [0, -1.7 * r]], arc((r, -0.2 * r), r, 180, -60, 28)])
    else:  # snap link with its gate open a crack
        loop = oval(1.6 * r, 3.2 * r + stem, 0.7, 48)
        path = np.roll(loop, -6, axis=0)[:45]
    curve = smooth_path(np.column_stack([path, np.zeros(len(path))])[:: 1 if kind == 2 else 2], 60)
    tilt = rng.normal(0, 0.1)
    curve[:, 2] = tilt * bar * curve[:, 1] / np.abs(curve).max()
    radii = np.full(60, bar)
    radii[[0, -1]] = bar * 0.6
    return [Part(tube(curve, radii, 12), pick(rng, "metal", "metal", "metal", "accent"), tube_pieces(curve, bar, 4))]


def spring(rng: Rng) -> list[Part]:
    """A coil spring, lying."""
    r, bar, turns = rng.uniform(0.006, 0.022), rng.uniform(0.0008, 0.0026), rng.uniform(4, 11)
    bar = min(bar, r * 0.22)
    pitch = bar * rng.uniform(2.3, 4.5)
    t = np.linspace(0, turns, int(turns * 18))
    squeeze = np.clip(np.minimum(t, turns - t), 0, 1)
    z = np.cumsum(np.where(squeeze < 0.95, 2.05 * bar, pitch)) * (t[1] - t[0])
    path = np.column_stack([r * np.cos(2 * np.pi * t), r * np.sin(2 * np.pi * t), z - z.mean()])
    low, high = z[0] - z.mean() - bar, z[-1] - z.mean() + bar
    hollow = np.array([[r - bar, low], [r - bar, high]])
    pieces = walls(np.array([[r + bar, low], [r + bar, high]]), hollow, 8)
    return [Part(tube(path, bar, 10), "metal", pieces).placed(turn("y", 90))]


def cable(rng: Rng) -> list[Part]:
    """A coiled charging cable, rope or hose with plugs at its ends, tied or loose."""
    r, bar, turns = rng.uniform(0.03, 0.07), rng.uniform(0.0016, 0.0045), float(rng.integers(2, 5))
    t = np.linspace(0, 1, int(60 * turns))
    angle = 2 * np.pi * turns * t
    wobble = sum(rng.normal(0, 1) * np.sin(angle * k / turns + rng.uniform(0, 6)) for k in range(1, 5))
    radius = r * (1 + 0.05 * wobble)
    squash = rng.uniform(0.55, 1)
    height = bar * (1 + 1.1 * turns * t + 0.5 * np.sin(angle * 1.37))
    path = np.column_stack([radius * np.cos(angle), squash * radius * np.sin(angle), height])
    for end, sign in ((0, -1), (-1, 1)):  # the ends leave the coil
        step = path[end] - path[end - sign * 1]
        step = step / np.linalg.norm(step) * [1, 1, 0]
        away = np.array([path[end] + step * s for s in np.linspace(0.006, rng.uniform(0.02, 0.05), 6)])
        path = np.concatenate([path, away]) if sign > 0 else np.concatenate([away[::-1], path])
    bundle = walls(
        np.array([[r * 1.08, 0], [r * 1.08, bar * (1 + 1.1 * turns)]]),
        np.array([[r * 0.92, 0], [r * 0.92, bar * (1 + 1.1 * turns)]]),
        12,
    )
    parts = [
        Part(
            tube(path, bar, 10),
            pick(rng, "rubber", "rubber", "accent", "fabric"),
            tuple(p * [1, squash, 1] for p in bundle),
        )
    ]
    size = (rng.uniform(0.018, 0.03), 3.6 * bar + 0.004, 2.4 * bar + 0.002)
    shell = mesh_of(rounded_box(size, min(size) * 0.3))
    tip = mesh_of(rounded_box((0.012, size[1] * 0.72, size[2] * 0.5), 0.0006, (size[0] / 2 + 0.005, 0, 0)))
    plugs, tips = [], []
    for end, before in ((0, 3), (-1, -4)):
        step = path[end] - path[before]
        rotation = turn("z", float(np.degrees(np.arctan2(step[1], step[0]))))
        at = path[end] + rotation @ [size[0] * 0.4, 0, 0]
        plugs.append(shell.transformed(rotation, at))
        tips.append(tip.transformed(rotation, at))
    parts.append(Part(join(plugs), parts[0].role if rng.random() < 0.5 else "accent", tuple(p.vertices for p in plugs)))
    parts.append(Part(join(tips), "metal", tuple(p.vertices for p in tips)))
    if rng.random() < 0.5:
        tie = superquadric((0.009, r * 0.17, bar * (1 + turns)), 0.6, 0.5, 14, 24)
        parts.append(Part(tie.transformed(None, (0, squash * r, bar * (0.8 + 0.6 * turns))), "accent"))
    return parts


def eyeglasses(rng: Rng) -> list[Part]:
    """Spectacles or sunglasses, unfolded or with their arms folded in."""
    wide, tall, bar = rng.uniform(0.044, 0.054), rng.uniform(0.03, 0.046), rng.uniform(0.0012, 0.0026)
    bridge, e = rng.uniform(0.015, 0.021), rng.uniform(0.55, 1.0)
    lenses: list[Mesh] = []
    frame: list[Mesh] = []
    pieces: list[Array] = []
    outline = oval(wide, tall, e, 40)
    outline[:, 1] *= 1 - 0.12 * np.sign(outline[:, 1]) * (outline[:, 1] < 0)
    for s in (-1, 1):
        at = s * (bridge + wide) / 2
        ring = np.column_stack(
            [outline[:, 0] + at, -0.08 * (np.abs(outline[:, 0] + at) / 0.06) ** 2 * 0.05, outline[:, 1]]
        )
        frame.append(tube(np.concatenate([ring, ring[:2]]), bar, 10))
        pieces += tube_pieces(ring, bar, 5, closed=True)
        lenses.append(mesh_of(_lens(ring)))
    arch = smooth_path(
        np.array([[-bridge / 2 - 0.001, 0, tall * 0.1], [0, 0.0015, tall * 0.22], [bridge / 2 + 0.001, 0, tall * 0.1]]),
        10,
    )
    frame.append(tube(arch, bar * 1.1, 10))
    folded = rng.random() < 0.5
    hinge = bridge / 2 + wide
    length = rng.uniform(0.11, 0.135)
    for s in (-1, 1):
        corner = np.array([s * hinge, 0, tall * 0.28])
        if folded:
            lift = 0.004 + (0.004 if s > 0 else 0)
            points = [
                [0, 0, 0],
                [s * 0.006, lift, 0],
                [-s * 0.012, lift + 0.002, 0],
                [-s * length * 0.7, lift + 0.004, 0],
                [-s * length, lift + 0.004, -0.018],
            ]
        else:
            points = [
                [0, 0, 0],
                [s * 0.004, 0.004, 0],
                [s * 0.004, length * 0.4, 0],
                [s * 0.002, length * 0.72, 0],
                [0, length, -0.022],
            ]
        path = smooth_path(corner + np.array(points), 26)
        frame.append(tube(path, np.linspace(bar * 1.3, bar, 26), 10))
        pieces += tube_pieces(path, bar * 1.2, 6)
    return [
        Part(join(frame), pick(rng, "accent", "metal", "body", "accent"), tuple(pieces)),
        Part(join(lenses), pick(rng, "clear", "clear", "glass", "accent"), tuple(m.vertices for m in lenses)),
    ]


def _lens(ring: Array) -> Solid:
    thick = np.array([0, 0.0005, 0])
    return hull(np.concatenate([ring - thick, ring + thick]))


def clip(rng: Rng) -> list[Part]:
    """A large paper clip, clothes hanger end or key ring with keys."""
    if rng.random() < 0.5:
        return _keys(rng)
    size, bar = rng.uniform(0.03, 0.07), rng.uniform(0.0008, 0.0016)
    a, b = size * 0.5, size * 0.11
    path = np.concatenate(
        [
            [[b, -a * 0.4], [b, 0]],
            arc((0, a - b), b, 0, 180, 12),
            [[-b, -a + 2 * b]],
            arc((0.2 * b, -a + 2 * b), 1.2 * b, 180, 360, 12),
            [[1.4 * b, a - 0.6 * b]],
            arc((0.35 * b, a - 0.6 * b), 1.05 * b * 1.0, 0, 180, 12) + [0, 0.4 * b],
            [[-0.7 * b, -a * 0.5]],
        ]
    )
    curve = smooth_path(np.column_stack([path, np.linspace(0, 2.2 * bar, len(path))]), 70)
    low, high = curve.min(axis=0) - bar, curve.max(axis=0) + bar
    flat = brick(high - low, (low + high) / 2)
    return [Part(tube(curve, bar, 10), pick(rng, "metal", "accent"), (flat,))]


def _keys(rng: Rng) -> list[Part]:
    parts = []
    r = rng.uniform(0.012, 0.018)
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    loop = r * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    parts.append(
        Part(tube(np.concatenate([loop, loop[:2]]), 0.0012, 10), "metal", tube_pieces(loop, 0.0012, 6, closed=True))
    )
    heads, pieces = [], []
    for k in range(int(rng.integers(1, 4))):
        bow, blade = rng.uniform(0.009, 0.013), rng.uniform(0.025, 0.035)
        key = cylinder(bow, 0.0022, (bow, 0, 0), segments=int(rng.choice([6, 8, 28]))) + cuboid(
            (blade, 0.008, 0.002), (1.8 * bow + blade / 2, 0, 0)
        )
        teeth = [
            cuboid((0.0025, 0.004, 1), (2.2 * bow + 0.005 * n, -0.004 + rng.uniform(-0.001, 0.001), 0))
            for n in range(int(blade / 0.0055))
        ]
        hole = cylinder(0.003, 1.0, (0.0045, 0, 0), segments=16)
        mesh = mesh_of(key - union([*teeth, hole]))
        place_deg = rng.uniform(-30, 30) + 55 * k
        rotation = turn("xz", rng.uniform(-6, 6), place_deg)
        at = rotation @ np.array([r - 0.0045, 0, 0]) + [0, 0, 0.0026 * (k - 0.5)]
        heads.append(mesh.transformed(rotation, at))
        pieces.append(heads[-1].vertices)
    parts.append(Part(join(heads), "metal", tuple(pieces)))
    if rng.random() < 0.7:
        fob = mesh_of(rounded_box((0.05, 0.028, 0.008), 0.0035, (r + 0.022, 0, 0))).transformed(turn("z", 200))
        parts.append(Part(fob, pick(rng, "rubber", "body", "label")))
    return parts

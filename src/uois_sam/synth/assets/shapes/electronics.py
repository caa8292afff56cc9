"""Electric things: remote controls, mice, game controllers, plugs, bulbs, phones, headphones."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, place, turn
from uois_sam.synth.assets.shapes.pieces import brick, plate, stretches, tube_pieces
from uois_sam.synth.assets.solids import cylinder, extruded, mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import along_x, loft, oval, rounded_rectangle, smooth_path, tube


def remote(rng: Rng) -> list[Part]:
    """A remote control, calculator or handset: rows of keys, a display or a ring of arrows."""
    x, y, z = rng.uniform(0.035, 0.06), rng.uniform(0.1, 0.2), rng.uniform(0.012, 0.024)
    t = np.linspace(0, 1, 14)
    waist = 1 - rng.uniform(0, 0.22) * np.sin(np.pi * t) ** 2
    ends = np.clip(np.sin(np.pi * np.clip(t, 0.02, 0.98)), 0, 1) ** 0.16
    rings = along_x(
        [oval(x * w * e, z * (0.75 + 0.25 * e), 0.4, 40) for w, e in zip(waist, ends, strict=True)], (t - 0.5) * y
    )
    body = loft(rings)
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(4, 9))
    pitch = x * 0.8 / columns
    first = -0.42 * y
    keys = []
    round_keys = rng.random() < 0.5
    for i in range(rows):
        for j in range(columns):
            at = (first + i * pitch * 1.05, (j - (columns - 1) / 2) * pitch * 0.93, z * 0.48)
            if at[0] > y * 0.2:
                continue
            keys.append(
                superquadric((pitch * 0.33, pitch * 0.36, 0.0022), 0.4, 1.0 if round_keys else 0.3, 8, 20).transformed(
                    None, at
                )
            )
    panel_at = y * 0.33
    if rng.random() < 0.5:
        panel = mesh_of(rounded_box((y * 0.2, x * 0.72, 0.002), 0.0008, (panel_at, 0, z * 0.48)))
        extra = Part(panel, pick(rng, "accent", "rubber", "label"))
    else:
        r = x * 0.3
        pad = lathe([(r * 0.45, 0), (r, 0), (r, 0.0025), (r * 0.85, 0.0035), (r * 0.5, 0.003), (r * 0.45, 0)], 36)
        centre = lathe([(0, 0), (r * 0.36, 0), (r * 0.36, 0.003), (0, 0.0034)], 24)
        extra = Part(join([pad, centre]).transformed(None, (panel_at - 0.01, 0, z * 0.47)), "accent")
    return [
        Part(body, pick(rng, "body", "rubber"), stretches(rings, 7)),
        Part(join(keys), pick(rng, "rubber", "accent")),
        extra,
    ]


def mouse(rng: Rng) -> list[Part]:
    """A computer mouse: two buttons, a wheel, sometimes a cable."""
    length, wide, tall = rng.uniform(0.085, 0.12), rng.uniform(0.05, 0.066), rng.uniform(0.028, 0.042)
    peak = rng.uniform(0.35, 0.55)
    t = np.linspace(0.004, 0.996, 30)
    bow = np.sqrt(np.clip(1 - np.abs((t - 0.5) * 2) ** rng.uniform(3, 6), 0, 1))
    width = wide * bow * (1 - rng.uniform(0, 0.16) * np.sin(np.pi * t) ** 2)
    height = tall * np.interp(t, [0, peak, 1], [0.55, 1, 0.5]) ** 1.0 * (0.35 + 0.65 * bow)
    height = tall * (0.35 + 0.65 * bow) * (1 - 0.9 * (t - peak) ** 2 / max(peak, 1 - peak) ** 2 * 0.55)
    rings = []
    for x, w, h in zip((t - 0.5) * length, width, height, strict=True):
        ring = oval(w, 2 * h, 0.72, 40)
        ring[:, 1] = np.where(ring[:, 1] < 0, ring[:, 1] * 0.1, ring[:, 1])
        rings.append(np.column_stack([np.full(40, x), ring[:, 0], ring[:, 1] + 0.1 * h]))
    shell = np.stack(rings)
    seam = []
    front = np.linspace(0.6, 0.985, 14)
    for y in (0.0,):
        z = np.interp(front, t, height) * 1.1
        seam.append(tube(np.column_stack([(front - 0.5) * length, np.full(14, y), z - 0.0002]), 0.0007, 8))
    across = np.linspace(-0.44, 0.44, 15)
    z0 = float(np.interp(0.58, t, height))
    w0 = float(np.interp(0.58, t, width))
    bow_z = 0.1 * z0 + z0 * np.clip(1 - np.abs(2 * across) ** (2 / 0.72), 0, 1) ** 0.36
    seam.append(tube(np.column_stack([np.full(15, 0.08 * length), across * w0, bow_z - 0.0002]), 0.0007, 8))
    wheel_x = 0.76
    wheel = cylinder(
        0.0105, 0.007, ((wheel_x - 0.5) * length, 0, float(np.interp(wheel_x, t, height)) * 1.1 - 0.006), "y"
    )
    parts = [
        Part(loft(shell), pick(rng, "body", "accent", "rubber"), stretches(shell, 10)),
        Part(join([*seam, mesh_of(wheel)]), "rubber", (mesh_of(wheel).vertices,)),
    ]
    if rng.random() < 0.45:
        start = np.array([length * 0.49, 0, 0.006])
        steps = np.cumsum(np.column_stack([np.full(6, 0.016), rng.normal(0, 0.016, 6), np.zeros(6)]), axis=0)
        steps[:, 2] = -0.003
        path = smooth_path(np.vstack([start - [0.004, 0, 0], start + [0.008, 0, -0.001], start + steps]), 36)
        parts.append(Part(tube(path, 0.0018, 10), "rubber", tube_pieces(path, 0.0018, 7)))
    return parts


def controller(rng: Rng) -> list[Part]:
    """A game controller: two horns, two sticks, a cross and four buttons."""
    wide, tall = rng.uniform(0.13, 0.16), rng.uniform(0.028, 0.038)
    s = wide / 0.15
    pad = rounded_box((0.09 * s, 0.055 * s, tall * 0.85), tall * 0.35, (0, 0.008, 0), 20)
    spread = rng.uniform(8, 24)
    shells: list[Mesh] = []
    pieces = [brick((0.09 * s, 0.055 * s, tall * 0.8), (0, 0.008, 0))]
    for side in (-1, 1):
        t = np.linspace(0, 1, 12)
        path = np.column_stack(
            [
                side * (0.045 + 0.012 * t + 0.016 * np.sin(np.deg2rad(spread)) * t) * s,
                (0.026 - 0.08 * t) * s,
                -0.012 * t**2 * s,
            ]
        )
        girth = tall * np.interp(t, [0, 0.1, 0.4, 0.85, 1], [0.42, 0.56, 0.56, 0.4, 0.26])
        shells.append(_sausage(path, girth))
        pieces += tube_pieces(path, girth, 4)
    body = join([mesh_of(pad), *shells])
    top = tall * 0.42
    sticks = []
    low = rng.random() < 0.5
    for side in (-1, 1):
        x, y = (side * 0.022 * s, -0.008 * s) if low or side > 0 else (-0.044 * s, 0.018 * s)
        sticks.append(_thumb_stick(top).transformed(None, (x, y, 0)))
    centre = np.array([-0.044 * s, 0.018 * s]) if low else np.array([-0.022 * s, -0.008 * s])
    cross = union([rounded_box((0.022, 0.0075, 0.006), 0.001), rounded_box((0.0075, 0.022, 0.006), 0.001)]).translate(
        (float(centre[0]), float(centre[1]), float(top + 0.001))
    )
    buttons = [
        superquadric((0.0048, 0.0048, 0.003), 0.6, 1, 10, 20).transformed(
            None, (0.044 * s + dx, 0.018 * s + dy, top + 0.0012)
        )
        for dx, dy in ((0.0105, 0), (-0.0105, 0), (0, 0.0105), (0, -0.0105))
    ]
    shoulders = [
        mesh_of(rounded_box((0.032 * s, 0.016, tall * 0.5), 0.005, (side * 0.04 * s, 0.034 * s, -0.001)))
        for side in (-1, 1)
    ]
    return [
        Part(body, pick(rng, "body", "rubber", "accent"), tuple(pieces)),
        Part(join([*sticks, mesh_of(cross), *shoulders]), "rubber", tuple(m.vertices for m in (*sticks, *shoulders))),
        Part(join(buttons), "accent"),
    ]


def _thumb_stick(z: float) -> Mesh:
    profile = [(0.005, -0.003), (0.0045, 0.005), (0.0085, 0.008), (0.009, 0.011), (0.006, 0.0105), (0, 0.009)]
    return lathe([(radius, z + height) for radius, height in profile], 28)


def _sausage(path: Array, radii: Array) -> Mesh:
    """A round tube with domed ends."""
    steps = np.deg2rad([80, 55, 25])
    ends = []
    for end, before in ((0, 1), (-1, -2)):
        outward = (path[end] - path[before]) / np.linalg.norm(path[end] - path[before])
        ends.append((path[end] + radii[end] * np.sin(steps)[:, None] * outward, radii[end] * np.cos(steps)))
    along = np.vstack([ends[0][0], path, ends[1][0][::-1]])
    return tube(along, np.concatenate([ends[0][1], radii, ends[1][1][::-1]]), 24)


def phone(rng: Rng) -> list[Part]:
    """A phone, power bank or tablet: rounded slab with a screen and a camera bump."""
    x, y, z = rng.uniform(0.055, 0.085), rng.uniform(0.11, 0.17), rng.uniform(0.007, 0.014)
    corner = rng.uniform(0.006, 0.012)
    outline = rounded_rectangle(x, y, corner)
    body = mesh_of(extruded(outline, z, z * 0.2))
    screen = mesh_of(
        extruded(rounded_rectangle(x * 0.93, y * rng.uniform(0.86, 0.96), corner * 0.8), 0.0006)
    ).transformed(None, (0, 0, z / 2))
    size = x * rng.uniform(0.2, 0.4)
    bump = mesh_of(rounded_box((size, size * rng.uniform(0.6, 1.6), 0.003), 0.0012)).transformed(
        None, (x * 0.22, y * 0.3, -z / 2 - 0.0004)
    )
    lenses = [
        lathe([(0, -0.0006), (0.0045, -0.0006), (0.0045, 0.0006), (0, 0.0006)], 20).transformed(
            None, (x * 0.22, y * 0.3 + s * size * 0.28, -z / 2 - 0.002)
        )
        for s in (-1, 1)
    ]
    button = mesh_of(rounded_box((0.0016, 0.012, z * 0.3), 0.0006, (x / 2, y * 0.12, 0)))
    parts = [
        Part(join([body, bump, button]), pick(rng, "body", "rubber", "metal"), (plate(outline, -z / 2, z / 2),)),
        Part(screen, pick(rng, "label", "accent", "rubber", "label")),
        Part(join(lenses), "glass"),
    ]
    return place(parts, turn("y", 180)) if rng.random() < 0.4 else parts

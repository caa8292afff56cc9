"""Vessels: bottles, bowls, cups, mugs, plates, jars, jugs, teapots, spray bottles, baskets, pans."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.meshes import Array, Mesh, join, lathe, superquadric
from uois_sam.synth.shapes.part import Part, Rng, pick, place, turn
from uois_sam.synth.shapes.pieces import Pieces, disc, tube_pieces, walls
from uois_sam.synth.solids import cuboid, mesh_of, rounded_box, union
from uois_sam.synth.sweeps import along_z, loft, oval, smooth_path, tube


def _open(outer: Array, wall: float, bands: int, segments: int = 48) -> tuple[Mesh, Pieces]:
    """A thin-walled open body of revolution from its (K, 2) outside profile, and its collision pieces."""
    inner = outer - [wall, 0]
    inner[:, 1] = wall + (outer[:, 1] - outer[0, 1]) * (1 - wall / np.ptp(outer[:, 1]))
    lip = (outer[-1] + inner[-1]) / 2 + [0, wall * 0.35]
    mesh = lathe([(0, 0), *outer, lip, *inner[::-1], (0, wall)], segments)
    return mesh, (*walls(outer, inner, 12, bands), disc(outer[0, 0], 0, wall))


def _handle(start: Array, end: Array, reach: float, radius: float, drop: float = 0.0) -> tuple[Mesh, Pieces]:
    """A round handle in the xz plane from one point of a wall to another, ``reach`` metres outwards (+x)."""
    points = np.array(
        [
            [start[0] - 0.001, 0, start[1]],
            [start[0] + 0.6 * reach, 0, start[1] + 0.1 * reach],
            [max(start[0], end[0]) + reach, 0, (start[1] * 0.55 + end[1] * 0.45) - drop],
            [end[0] + 0.6 * reach, 0, end[1] - 0.05 * reach],
            [end[0] - 0.001, 0, end[1]],
        ]
    )
    path = smooth_path(points, 22)
    return tube(path, radius, 14), tube_pieces(path, radius, 3)


def bottle(rng: Rng) -> list[Part]:
    """A bottle with shoulder, neck and cap: printed, or see-through with a paper label; squarish ones too."""
    r, h = rng.uniform(0.02, 0.045), rng.uniform(0.1, 0.28)
    neck, shoulder = r * rng.uniform(0.25, 0.6), h * rng.uniform(0.55, 0.8)
    curve = np.linspace(0, 1, 9)
    blend = 0.5 - 0.5 * np.cos(np.pi * curve)
    shoulder_z = shoulder + (h * 0.9 - shoulder) * curve * rng.uniform(0.4, 1)
    waist = 1 - rng.uniform(0, 0.2) * np.sin(np.pi * np.linspace(0, 1, 9)) ** 2
    side = [(r * w, 0.01 + (shoulder - 0.01) * t) for w, t in zip(waist, np.linspace(0, 1, 9), strict=True)]
    upper = [(r + (neck - r) * t, z) for t, z in zip(blend, shoulder_z, strict=True)]
    foot = [(0, 0), (r * 0.85, 0), (r * 0.96, 0.003)]
    neck_top = (neck, h * 0.92)
    cap_r = neck * rng.uniform(1.05, 1.6)
    cap = lathe([(neck, h * 0.88), (cap_r, h * 0.88), (cap_r, h * 0.99), (cap_r * 0.9, h), (0, h)])
    squeeze = np.diag([1, rng.uniform(0.5, 1), 1])
    if rng.random() < 0.4:
        band = [(x + 0.0004, z) for x, z in side[1:-1]]
        whole = lathe([*foot, *side, *upper[1:], neck_top])
        made = pick(rng, "clear", "clear", "glass", "body")
        parts = [Part(whole, made), Part(lathe(band), "label", (whole.vertices,))]
    else:
        parts = [
            Part(lathe([*foot, *side]), "label"),
            Part(lathe([*upper, neck_top]), "body" if rng.random() < 0.5 else "label"),
        ]
    return place([*parts, Part(cap, "accent")], squeeze)


def vessel(rng: Rng) -> list[Part]:
    """A bowl, cup or tumbler: an open, thin-walled surface of revolution."""
    top = rng.uniform(0.03, 0.1)
    height = top * rng.uniform(0.4, 2.2) if top < 0.055 else top * rng.uniform(0.35, 1.0)
    base = top * rng.uniform(0.4, 0.9)
    wall = rng.uniform(0.002, 0.005)
    bulge = rng.uniform(0, 0.25)
    t = np.linspace(0, 1, 13)
    outer_r = base + (top - base) * t + bulge * (top - base * 0.5) * np.sin(np.pi * t)
    mesh, pieces = _open(np.column_stack([outer_r, height * t]), wall, 3 if bulge > 0.05 else 1)
    return [Part(mesh, pick(rng, "body", "ceramic", "ceramic", "glass", "clear", "metal", "wood"), pieces)]


def mug(rng: Rng) -> list[Part]:
    """A cup with a handle."""
    r, h = rng.uniform(0.032, 0.05), rng.uniform(0.07, 0.12)
    taper, wall = rng.uniform(0.8, 1.1), 0.004
    t = np.linspace(0, 1, 9)
    belly = rng.uniform(-0.04, 0.12)
    radius = r * (taper + (1 - taper) * t + belly * np.sin(np.pi * t))
    radius[0] *= 0.94
    z = h * t
    z[1] = 0.006
    body, pieces = _open(np.column_stack([radius, z]), wall, 1 if abs(belly) < 0.04 else 2)
    low, high = rng.uniform(0.15, 0.3), rng.uniform(0.7, 0.85)
    ends = [np.array([np.interp(k * h, z, radius), k * h]) for k in (high, low)]
    handle, grip = _handle(ends[0], ends[1], rng.uniform(0.02, 0.034), rng.uniform(0.0035, 0.006))
    glaze = pick(rng, "ceramic", "ceramic", "body", "metal")
    if rng.random() < 0.55:
        return [Part(join([body, handle]), glaze, (*pieces, *grip))]
    print_ = lathe([(x + 0.0003, y) for x, y in zip(radius[2:-1], z[2:-1], strict=True)], 48)
    return [
        Part(body, glaze, pieces),
        Part(print_, "label", (pieces[0],)),
        Part(handle, pick(rng, glaze, "accent"), grip),
    ]


def plate(rng: Rng) -> list[Part]:
    """A shallow plate, saucer or lid."""
    r, h, wall = rng.uniform(0.06, 0.13), rng.uniform(0.01, 0.03), 0.004
    flat = r * rng.uniform(0.5, 0.75)
    outer = np.array([(flat, 0), (flat + (r - flat) * 0.3, h * 0.55), (r, h)])
    inner = np.array([(flat, wall), (flat + (r - flat) * 0.3, h * 0.55 + wall * 0.8), (r - 0.002, h + wall * 0.5)])
    profile = [(0, 0.001), (flat * 0.9, 0.001), *outer, (r, h + 0.002), *inner[::-1], (0, wall)]
    pieces = (*walls(outer, inner, 12), disc(flat, 0, wall))
    return [Part(lathe(profile, 56), pick(rng, "ceramic", "ceramic", "body", "metal", "wood"), pieces)]


def jar(rng: Rng) -> list[Part]:
    """A glass or plastic jar with a screw lid, a paper label and something inside."""
    r, h = rng.uniform(0.022, 0.05), rng.uniform(0.05, 0.15)
    neck = r * rng.uniform(0.75, 0.97)
    side = [(0, 0), (r * 0.88, 0), (r, 0.005), (r, h * 0.78), (r * 0.97, h * 0.83), (neck, h * 0.89), (neck, h * 0.97)]
    full = h * rng.uniform(0.3, 0.8)
    inside = lathe([(0, 0.004), (r - 0.004, 0.005), (r - 0.004, full), (0, full)])
    lid_r, lid_low = neck * 1.06, h * 0.88
    lid = lathe([(neck, lid_low), (lid_r, lid_low), (lid_r, h - 0.002), (lid_r - 0.002, h), (0, h)])
    band = lathe([(r + 0.0004, h * 0.18), (r + 0.0004, h * rng.uniform(0.5, 0.74))])
    whole = lathe(side)
    parts = [
        Part(whole, pick(rng, "glass", "glass", "clear", "body")),
        Part(inside, pick(rng, "body", "skin", "accent")),
    ]
    if rng.random() < 0.75:
        parts.append(Part(band, "label", (whole.vertices,)))
    return [*parts, Part(lid, pick(rng, "metal", "accent"))]


def _spouted(mesh: Mesh, height: float, push: float) -> Mesh:
    """Pull the rim out to a beak towards -x."""
    v = mesh.vertices.copy()
    angle = np.arctan2(v[:, 1], -v[:, 0])
    amount = push * np.exp(-((angle / 0.42) ** 2)) * np.clip((v[:, 2] / height - 0.72) / 0.28, 0, 1) ** 2
    v[:, 0] -= amount
    v[:, 2] += 0.35 * amount
    return Mesh(v, mesh.faces, mesh.uv)


def jug(rng: Rng) -> list[Part]:
    """A pitcher, milk jug or measuring cup: an open vessel with a beak and a handle."""
    r, h = rng.uniform(0.035, 0.065), rng.uniform(0.08, 0.2)
    t = np.linspace(0, 1, 15)
    belly, waist = rng.uniform(0, 0.3), rng.uniform(0, 0.2)
    radius = r * (0.85 + belly * np.sin(np.pi * t**0.8) - waist * np.exp(-(((t - 0.82) / 0.14) ** 2)) + 0.08 * t)
    body, pieces = _open(np.column_stack([radius, h * t]), 0.003, 3)
    body = _spouted(body, h, rng.uniform(0.008, 0.02))
    ends = [np.array([np.interp(k, t, radius), k * h]) for k in (rng.uniform(0.8, 0.93), rng.uniform(0.2, 0.4))]
    handle, grip = _handle(ends[0], ends[1], rng.uniform(0.025, 0.045), rng.uniform(0.004, 0.007))
    role = pick(rng, "ceramic", "ceramic", "glass", "clear", "metal", "body")
    if rng.random() < 0.75:
        return [Part(join([body, handle]), role, (*pieces, *grip))]
    return [Part(body, role, pieces), Part(handle, "accent", grip)]


def teapot(rng: Rng) -> list[Part]:
    """A teapot or kettle: round belly, spout, handle behind or above, lid with a knob."""
    r, h = rng.uniform(0.05, 0.085), rng.uniform(0.07, 0.13)
    t = np.linspace(0, 1, 15)
    top = rng.uniform(0.42, 0.6)
    belly = (1 - t) * rng.uniform(0.55, 0.8) + t * top + rng.uniform(0.35, 0.6) * np.sin(np.pi * t)
    belly *= r / belly.max()
    body = lathe([(0, 0), *zip(belly, h * t, strict=True), (0, h)], 48)
    edge = belly[-1]
    knob = rng.uniform(0.007, 0.012)
    lid = lathe(
        [
            (edge * 0.95, h),
            (edge * 0.97, h + 0.003),
            (edge * 0.6, h + 0.012),
            (knob * 0.5, h + 0.016),
            (knob * 0.5, h + 0.02),
            (knob, h + 0.02 + 0.6 * knob),
            (knob * 0.7, h + 0.02 + 1.5 * knob),
            (0, h + 0.021 + 1.7 * knob),
        ]
    )
    low, reach = rng.uniform(0.25, 0.4), r * rng.uniform(0.5, 0.8)
    at = float(np.interp(low, t, belly))
    spout = smooth_path(
        np.array(
            [
                [-at * 0.85, 0, h * low],
                [-at - reach * 0.45, 0, h * (low + 0.12)],
                [-at - reach * 0.75, 0, h * 0.75],
                [-at - reach * 1.1, 0, h * rng.uniform(0.95, 1.1)],
            ]
        ),
        18,
    )
    width = np.linspace(rng.uniform(0.014, 0.019), rng.uniform(0.006, 0.009), 18)
    if rng.random() < 0.7:
        ends = [np.array([np.interp(k, t, belly) * 0.97, k * h]) for k in (0.82, 0.25)]
        handle, grip = _handle(ends[0], ends[1], rng.uniform(0.03, 0.045), rng.uniform(0.005, 0.008))
    else:
        angle = np.linspace(0.15, np.pi - 0.15, 24)
        rise = rng.uniform(0.055, 0.08)
        path = np.column_stack([edge * 1.25 * np.cos(angle), 0 * angle, h * 0.86 + rise * np.sin(angle) ** 0.8])
        handle, grip = tube(path, 0.005, 14), tube_pieces(path, 0.005, 3)
    role = pick(rng, "ceramic", "ceramic", "metal", "body")
    trim = role if rng.random() < 0.6 else "accent"
    return [
        Part(body, role),
        Part(tube(spout, width, 18), role, tube_pieces(spout, width, 5)),
        Part(handle, trim, grip),
        Part(lid, trim if rng.random() < 0.5 else role),
    ]


def spray_bottle(rng: Rng) -> list[Part]:
    """A cleaner's bottle with a trigger head."""
    width, depth, h = rng.uniform(0.06, 0.095), rng.uniform(0.04, 0.06), rng.uniform(0.13, 0.2)
    z = np.array([0, 0.004, 0.03, 0.5, 0.62, 0.72, 0.84, 0.95, 1.0]) * h
    z[1] = 0.004
    waist = rng.uniform(0.62, 0.9)
    scale = np.array([0.9, 1.0, 1.0, 0.97, waist + 0.08, waist, 0.7 * waist, 0.32, 0.3])
    sections = [
        oval(width * s, max(depth * s**0.6, 0.02 if k > 6 else 0), rng.uniform(0.55, 0.8), 40)
        for k, s in enumerate(scale)
    ]
    rings = along_z(sections, z)
    collar = lathe([(0, h), (0.016, h), (0.016, h + 0.018), (0.012, h + 0.022), (0, h + 0.022)])
    top = h + 0.03
    head = union(
        [
            rounded_box((0.075, 0.02, 0.024), 0.007, (-0.012, 0, top + 0.006)),
            rounded_box((0.028, 0.018, 0.03), 0.005, (0.002, 0, top - 0.008)),
            rounded_box((0.012, 0.014, 0.014), 0.003, (-0.052, 0, top + 0.006)),
        ]
    )
    head_mesh = mesh_of(head)
    path = smooth_path(
        np.array([[-0.022, 0, top], [-0.034, 0, top - 0.018], [-0.036, 0, top - 0.04], [-0.046, 0, top - 0.052]]), 14
    )
    trigger = tube(path, np.linspace(0.005, 0.0035, 14), 12).transformed(np.diag([1, 1.5, 1]))
    body_role = pick(rng, "label", "label", "clear")
    parts = [Part(loft(rings), body_role)]
    if body_role == "clear":
        band = along_z([s * 1.006 for s in sections[2:4]], z[2:4])
        parts.append(Part(loft(band, capped=False), "label", (rings.reshape(-1, 3),)))
    head_pieces = (head_mesh.vertices[head_mesh.vertices[:, 2] > top - 0.007], head_mesh.vertices)
    parts += [
        Part(collar, "accent"),
        Part(head_mesh, "accent", head_pieces[:1]),
        Part(trigger, "body", tube_pieces(path, 0.005, 5)),
    ]
    return parts


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
    from uois_sam.synth.shapes.pieces import brick

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


def pan(rng: Rng) -> list[Part]:
    """A small frying pan or saucepan with a long handle."""
    r, h = rng.uniform(0.06, 0.1), rng.uniform(0.025, 0.075)
    base = r * rng.uniform(0.78, 0.98)
    outer = np.array([(base * 0.97, 0), (base, 0.004), (base + (r - base) * 0.6, h * 0.6), (r, h)])
    body, pieces = _open(outer, 0.0025, 1)
    length = min(rng.uniform(0.1, 0.16), 0.34 - 2 * r)
    path = np.array(
        [[r * 0.97, 0, h * 0.75], [r + 0.02, 0, h * 0.85], [r + 0.4 * length, 0, h + 0.006], [r + length, 0, h + 0.012]]
    )
    curve = smooth_path(path, 20)
    width = np.interp(np.linspace(0, 1, 20), [0, 0.2, 0.3, 0.85, 1], [0.004, 0.0045, 0.008, 0.009, 0.004])
    flat = turn("x", 0) * np.array([[1], [1.3], [1]])
    handle = tube(curve, width, 16).transformed(flat)
    return [
        Part(body, pick(rng, "metal", "metal", "body"), pieces),
        Part(handle, pick(rng, "rubber", "accent", "wood", "metal"), tube_pieces(curve, width, 6)),
    ]


def lidded(rng: Rng) -> list[Part]:
    """A thermos or travel cup: a tapered body with a band and a stepped lid."""
    r, h = rng.uniform(0.028, 0.042), rng.uniform(0.12, 0.24)
    low = r * rng.uniform(0.75, 1.0)
    body = lathe([(0, 0), (low - 0.002, 0), (low, 0.003), (r, h * 0.82), (0, h * 0.82)], 48)
    grip_low, grip_high = rng.uniform(0.25, 0.4), rng.uniform(0.5, 0.7)
    at = [low + (r - low) * k / 0.82 + 0.0012 for k in (grip_low, grip_high)]
    band = lathe(
        [(at[0] - 0.003, h * grip_low), (at[0], h * grip_low), (at[1], h * grip_high), (at[1] - 0.003, h * grip_high)],
        48,
    )
    lid = lathe(
        [(0, h * 0.82), (r * 1.05, h * 0.82), (r * 1.05, h * 0.88), (r * 0.9, h * 0.9), (r * 0.85, h), (0, h)], 48
    )
    spout = superquadric((0.008, 0.006, 0.006), 0.4, 0.6, 12, 24).transformed(None, (r * 0.5, 0, h + 0.003))
    return [
        Part(body, pick(rng, "metal", "label", "body")),
        Part(band, pick(rng, "rubber", "accent"), (body.vertices,)),
        Part(join([lid, spout]), pick(rng, "accent", "rubber")),
    ]

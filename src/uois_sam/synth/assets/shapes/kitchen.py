"""Cutlery and cooking tools: spoon, fork, knife, spatula, ladle. They lie flat in the xy plane, handle towards -y."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, join, lathe
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import disc, slab, stretches, tube_pieces, walls
from uois_sam.synth.assets.solids import extruded, mesh_of
from uois_sam.synth.assets.sweeps import arc, loft, oval, sheet, smooth_path, tube


def _blade_grid(along: Array, half_width: Array, height: Array, cup: Array, columns: int = 11) -> Array:
    """(R, C, 3) grid of a strip along y: half-widths, heights and how deep its middle is sunk, per station."""
    u = np.linspace(-1, 1, columns)
    x = half_width[:, None] * u
    z = height[:, None] - cup[:, None] * (1 - u**2)
    return np.stack([x, np.broadcast_to(along[:, None], x.shape), z], axis=2)


def spoon(rng: Rng) -> list[Part]:
    """A tea, table or serving spoon of metal, wood or plastic."""
    length = rng.uniform(0.12, 0.24)
    bowl = length * rng.uniform(0.24, 0.32)
    width, depth = bowl * rng.uniform(0.3, 0.36), bowl * rng.uniform(0.12, 0.2)
    handle = rng.uniform(0.0035, 0.007)
    neck = handle * rng.uniform(0.45, 0.7)
    s = np.concatenate(
        [np.linspace(0, length - bowl, 20)[:-1], length - bowl * (1 + np.cos(np.linspace(0, np.pi, 18))) / 2]
    )
    s[19:] = length - bowl + bowl * (1 - np.cos(np.linspace(0, np.pi, 18))) / 2
    stem = np.interp(s, [0, 0.006, length * 0.2, length - bowl], [handle * 0.5, handle, handle * 0.9, neck])
    inside = np.clip((s - (length - bowl)) / bowl, 0, 1)
    leaf = width * np.sqrt(np.clip(1 - ((inside - 0.53) / 0.53) ** 2, 0, 1)) * (inside > 0)
    half = np.maximum(np.where(inside > 0, leaf, stem), np.where(inside < 0.5, neck, 0.0008))
    cup = depth * np.sin(np.pi * inside) ** 0.8
    arch = depth + 0.022 * (1 - (2 * s / length - 0.75) ** 2).clip(0) * length / 0.2 * (1 - inside) ** 1.5
    grid = _blade_grid(s - length / 2, half, arch, cup)
    thick = rng.uniform(0.0012, 0.002)
    return [Part(sheet(grid, thick), pick(rng, "metal", "metal", "metal", "wood", "body"), slab(grid, thick, 12, 2))]


def fork(rng: Rng) -> list[Part]:
    """A fork with three or four tines."""
    length, tines = rng.uniform(0.13, 0.21), int(rng.integers(3, 5))
    head, prong = length * 0.14, length * rng.uniform(0.22, 0.28)
    width, handle = length * rng.uniform(0.055, 0.068), rng.uniform(0.0035, 0.006)
    curve = length * rng.uniform(0.04, 0.08)
    thick = rng.uniform(0.0013, 0.002)

    def height(y: Array) -> Array:
        t = np.clip((y / length - 0.55) / 0.45, 0, 1)
        return (
            0.012 * np.sin(np.pi * np.clip(y / length / 0.7, 0, 1)) + curve * (1 - (2 * t - 0.8) ** 2 / 0.64) * t**0.5
        )

    root = length - prong
    s = np.linspace(0, root, 30)
    half = np.interp(
        s,
        [0, 0.006, length * 0.25, root - head, root - head * 0.35, root],
        [handle * 0.5, handle, handle * 0.8, handle * 0.5, width * 0.94, width],
    )
    flat = np.zeros(30)
    grid = _blade_grid(s - length / 2, half, height(s), flat, 5)
    meshes, pieces = [sheet(grid, thick)], [*slab(grid, thick, 6, 1)]
    pitch = 2 * width / tines
    for k in range(tines):
        y = np.linspace(root - 0.001, length, 12)
        thin = np.interp(y, [root, length - 0.008, length], [pitch * 0.33, pitch * 0.28, pitch * 0.1])
        tine = _blade_grid(y - length / 2, thin, height(y), np.zeros(12), 3)
        tine[..., 0] += (k - (tines - 1) / 2) * pitch
        meshes.append(sheet(tine, thick))
        pieces += slab(tine, thick, 2, 1)
    return [Part(join(meshes), pick(rng, "metal", "metal", "metal", "body"), tuple(pieces))]


def knife(rng: Rng) -> list[Part]:
    """A table, paring or chef's knife."""
    blade, handle = rng.uniform(0.08, 0.18), rng.uniform(0.085, 0.125)
    tall = rng.uniform(0.016, 0.03) if rng.random() < 0.6 else rng.uniform(0.03, 0.045)
    thick = rng.uniform(0.0014, 0.0024)
    t = np.linspace(0, 1, 24)
    straight = rng.uniform(1.6, 4)
    edge = -tall * 0.55 * np.sqrt(np.clip(1 - t ** (2 * straight), 0, 1))
    spine = tall * 0.45 * (1 - rng.uniform(0, 1) * np.clip(t - 0.4, 0, 1) ** 1.5 * 2)
    spine = np.maximum(spine, edge + 0.0008)
    sections = [
        np.array(
            [
                [s, -thick / 2],
                [s, thick / 2],
                [0.4 * s + 0.6 * e, thick / 2],
                [e, 0.0001],
                [e, -0.0001],
                [0.4 * s + 0.6 * e, -thick / 2],
            ]
        )[:, [0, 1]]
        for s, e in zip(spine, edge, strict=True)
    ]
    rings = np.stack(
        [np.column_stack([c[:, 0], np.full(6, y), c[:, 1]]) for c, y in zip(sections, t * blade, strict=True)]
    )
    steel = Part(loft(rings), "metal", stretches(rings, 8))
    k = np.linspace(0, 1, 16)
    swell = rng.uniform(0.0, 0.2)
    wide = np.interp(k, [0, 0.06, 0.5, 0.92, 1], [0.012, 0.019 + 0.02 * swell, 0.018, 0.02, 0.017])
    deep = np.interp(k, [0, 0.06, 0.94, 1], [0.008, 0.014, 0.013, 0.01])
    e = rng.uniform(0.4, 0.9)
    grip = np.stack(
        [
            np.column_stack([oval(w, d, e, 24)[:, 0], np.full(24, -handle + handle * at), oval(w, d, e, 24)[:, 1]])[
                ::-1
            ]
            for w, d, at in zip(wide, deep, k, strict=True)
        ]
    )
    parts = [steel, Part(loft(grip), pick(rng, "wood", "body", "rubber", "metal"), stretches(grip, 8))]
    if rng.random() < 0.5:
        pins = [
            lathe([(0, -0.0075), (0.0025, -0.0075), (0.0025, 0.0075), (0, 0.0075)], 16).transformed(None, (0, y, 0))
            for y in (-0.2 * handle, -0.5 * handle, -0.8 * handle)
        ]
        parts.append(Part(join(pins), "metal", (grip[4:8].reshape(-1, 3),)))
    return parts


def spatula(rng: Rng) -> list[Part]:
    """A turner with slots, or a soft scraper, on a long handle."""
    width, reach = rng.uniform(0.045, 0.09), rng.uniform(0.07, 0.11)
    stem = min(rng.uniform(0.14, 0.22), 0.33 - reach)
    slots = int(rng.integers(0, 5))
    narrow = width * rng.uniform(0.55, 0.95)
    corner = 0.008
    outline = np.concatenate(
        [
            [[-narrow / 2, 0], [narrow / 2, 0]],
            arc((width / 2 - corner, reach - corner), corner, 0, 90, 6),
            arc((-width / 2 + corner, reach - corner), corner, 90, 180, 6),
        ]
    )
    holes = []
    for k in range(slots):
        x, w = (k - (slots - 1) / 2) * narrow * 0.8 / max(slots, 1), narrow * 0.16 / max(slots / 3, 1)
        y0, y1 = reach * 0.25, reach * 0.8
        holes.append(np.array([[x - w / 2, y0], [x - w / 2, y1], [x + w / 2, y1], [x + w / 2, y0]]))
    thick = 0.0018 if slots else rng.uniform(0.002, 0.006)
    blade = mesh_of(extruded([outline, *holes], thick))
    solid_blade = np.concatenate(
        [np.column_stack([outline, np.full(len(outline), z)]) for z in (-thick / 2 - 2e-4, thick / 2 + 2e-4)]
    )
    path = smooth_path(np.array([[0, 0.012, 0.002], [0, -0.01, 0.004], [0, -0.045, 0.022], [0, -stem, 0.03]]), 24)
    t = np.linspace(0, 1, 24)
    radii = np.interp(t, [0, 0.4, 0.5, 0.95, 1], [0.003, 0.0035, 0.0075, 0.0085, 0.005])
    stick = tube(path, radii, 14)
    role = pick(rng, "body", "accent", "wood", "rubber", "metal")
    return [
        Part(blade, pick(rng, "metal", "rubber", "body", "wood"), (solid_blade,)),
        Part(stick, role, tube_pieces(path, radii, 6)),
    ]


def ladle(rng: Rng) -> list[Part]:
    """A ladle or measuring spoon: a round cup on a stem; a strainer's shape too."""
    r = rng.uniform(0.02, 0.045)
    deep = r * rng.uniform(0.55, 1.0)
    t = np.linspace(0, np.pi / 2, 10)
    outer = np.column_stack([r * np.sin(t) + 0.0005, deep * (1 - np.cos(t))])
    outer[0, 0] = r * 0.2
    inner = np.maximum(outer - [0.0015, 0], 0.0002) + [0, 0.0]
    inner[:, 1] = 0.0015 + (deep - 0.0015) * outer[:, 1] / deep
    cup = lathe([(0, 0), *outer, *inner[::-1], (0, 0.0015)], 40)
    pieces = (*walls(outer, inner, 12, 2), disc(r * 0.3, 0, 0.002))
    length = min(rng.uniform(0.08, 0.24), 0.33 - 2 * r)
    path = smooth_path(
        np.array(
            [
                [0, -r + 0.001, deep * 0.95],
                [0, -r - 0.01, deep * 1.05],
                [0, -r - 0.03, deep * 1.1 + 0.004],
                [0, -r - length * 0.6, deep * 1.1 + 0.01],
                [0, -r - length, deep * 1.1 + 0.004],
            ]
        ),
        24,
    )
    width = np.interp(np.linspace(0, 1, 24), [0, 0.1, 0.9, 1], [0.0025, 0.003, 0.005, 0.0035])
    stem = tube(path, width, 12)
    role = pick(rng, "metal", "metal", "body", "wood")
    if rng.random() < 0.5:
        return [Part(join([cup, stem]), role, (*pieces, *tube_pieces(path, width, 6)))]
    return [Part(cup, role, pieces), Part(stem, "accent", tube_pieces(path, width, 6))]


def rolling_pin(rng: Rng) -> list[Part]:
    """A rolling pin, pestle or pepper mill: a turned piece of wood."""
    lying = turn("y", 90)
    length = rng.uniform(0.16, 0.33)
    thick, handle = rng.uniform(0.018, 0.028), rng.uniform(0.008, 0.012)
    bead = handle * rng.uniform(1.1, 1.5)
    k = length * rng.uniform(0.14, 0.24)
    half = length / 2
    side = [
        (0, -half),
        (handle * 0.7, -half),
        (bead, -half + 0.006),
        (handle * 0.8, -half + k * 0.55),
        (handle, -half + k),
        (handle, -half + k),
        (thick * 0.96, -half + k),
        (thick, -half + k + 0.003),
    ]
    profile = [*side, *[(r, -z) for r, z in side[::-1]]]
    mesh = lathe(profile, 40).transformed(lying)
    rings = [
        np.array([[r, z] for r, z in group])
        for group in (
            side[:5],
            [side[6], side[7], (thick, -side[7][1]), (thick * 0.96, -side[6][1])],
            [(r, -z) for r, z in side[:5]],
        )
    ]
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    pieces = tuple(
        np.concatenate([np.column_stack([r * np.cos(around), r * np.sin(around), np.full(16, z)]) for r, z in ring])
        @ lying.T
        for ring in rings
    )
    return [Part(mesh, pick(rng, "wood", "wood", "wood", "body", "metal"), pieces)]

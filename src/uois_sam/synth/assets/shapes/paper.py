"""Paper and card: books, single sheets, cards, envelopes, crumpled balls, rolls."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Mesh, box, join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import brick, slab, walls
from uois_sam.synth.assets.shapes.soft import waves
from uois_sam.synth.assets.sweeps import flat_grid, sheet


def book(rng: Rng) -> list[Part]:
    """A book, notebook or flat case: cover around a block of pages; flat on its back."""
    x, y, z = rng.uniform(0.09, 0.17), rng.uniform(0.13, 0.24), rng.uniform(0.008, 0.04)
    cover = [box((x, y, 0.003)).transformed(None, (0, 0, s * z / 2)) for s in (-1, 1)]
    spine = box((0.003, y, z + 0.003)).transformed(None, (-x / 2, 0, 0))
    pages = box((x * 0.96, y * 0.97, z * 0.95), atlas=False)
    whole = brick((x + 0.0015, y, z + 0.003), (-0.0008, 0, 0))
    return [Part(join([*cover, spine]), "carton", (whole,)), Part(pages, "paper", (whole,))]


def card(rng: Rng) -> list[Part]:
    """Playing cards, leaflets, envelopes, notes: one thin sheet, flat, curled or folded, or a loose stack."""
    kind = int(rng.integers(4))
    if kind == 0:
        return _stack(rng)
    small = kind == 1
    x, y = rng.uniform([0.05, 0.075], [0.07, 0.1]) if small else rng.uniform([0.08, 0.12], [0.16, 0.23])
    grid = flat_grid((x, y), 25, 17)
    u, v = grid[..., 0] / (x / 2), grid[..., 1] / (y / 2)
    if kind == 3:  # folded once, gaping
        angle = np.deg2rad(rng.uniform(10, 70))
        drop = np.clip(v, 0, None) * y / 2
        soft = np.sqrt(drop**2 + 0.003**2) - 0.003
        grid[..., 1] -= soft * (1 - np.cos(angle))
        grid[..., 2] = soft * np.sin(angle)
    else:
        curl = rng.normal(0, 0.06 if small else 0.12) * y
        grid[..., 2] = (
            curl * ((v * np.cos(0.6) + u * np.sin(0.6)) / 1.3) ** 2
            + 0.01 * y * waves(rng, u, v, (2, 4), 3) * rng.random()
        )
    thick = 0.0007 if small else 0.0005
    return [Part(sheet(grid, thick), pick(rng, "label", "paper", "label"), slab(grid, thick, 4, 2))]


def _stack(rng: Rng) -> list[Part]:
    x, y = rng.uniform([0.05, 0.075], [0.11, 0.16])
    count, thick = int(rng.integers(3, 12)), rng.uniform(0.0006, 0.002)
    meshes, pieces = [], []
    tidy = rng.uniform(0.0005, 0.005)
    for k in range(count):
        rotation, at = turn("z", rng.normal(0, 500 * tidy)), np.array([*rng.normal(0, tidy, 2), (k + 0.5) * thick])
        meshes.append(box((x, y, thick * 0.97)).transformed(rotation, at))
        if k in (0, count // 2, count - 1):
            pieces.append(
                brick((x, y, count * thick / 3), (0, 0, 0)) @ rotation.T
                + [*at[:2], count * thick * ((k > 0) + (k > count // 2) + 0.5) / 3]
            )
    return [Part(join(meshes), "carton", tuple(pieces))]


def crumpled(rng: Rng) -> list[Part]:
    """A crumpled paper ball, foil wad or used tissue: sharp random facets."""
    r = rng.uniform(0.018, 0.045)
    globe = superquadric((r, r * rng.uniform(0.75, 1), r * rng.uniform(0.65, 0.95)), 1, 1, 34, 52)
    unit = globe.vertices / np.linalg.norm(globe.vertices, axis=1, keepdims=True)
    planes = rng.normal(size=(46, 3))
    planes /= np.linalg.norm(planes, axis=1, keepdims=True)
    depth = rng.uniform(0.68, 0.97, 46)
    facing = unit @ planes.T
    cut = np.where(facing > 0.2, depth / np.maximum(facing, 0.2), 9.0)
    scale = np.minimum(cut.min(axis=1), 1.06)
    folds = rng.normal(size=(7, 3))
    ridge = np.abs(np.sin(unit @ folds.T * 4 + rng.uniform(0, 6, 7))).min(axis=1)
    scale *= 0.86 + 0.18 * np.clip(ridge * 5, 0, 1) ** 0.5
    mesh = Mesh(globe.vertices * scale[:, None], globe.faces, globe.uv)
    return [Part(mesh, pick(rng, "paper", "paper", "paper", "metal", "label"))]


def roll(rng: Rng) -> list[Part]:
    """A roll of kitchen paper, labels or ribbon on a card core, with a loose end."""
    outer, height = rng.uniform(0.025, 0.06), rng.uniform(0.03, 0.2)
    core = min(outer * rng.uniform(0.3, 0.6), 0.022)
    paper = lathe([(core, 0), (outer, 0), (outer, height), (core, height)], 56)
    sleeve = lathe(
        [
            (core - 0.0015, 0.0005),
            (core, 0.0005),
            (core, height - 0.0005),
            (core - 0.0015, height - 0.0005),
            (core - 0.0015, 0.0005),
        ],
        40,
    )
    s = np.linspace(0, 1, 12)
    length = rng.uniform(0.02, 0.07)
    start = rng.uniform(0.3, 1.2)
    angle = -s * start
    out = outer * (1 + 0.004 + 0.5 * (s * length / outer) ** 2 * 0.4)
    z = np.linspace(0.0004, height - 0.0004, 6)
    grid = np.stack(
        [
            np.broadcast_to((out * np.cos(angle))[None], (6, 12)),
            np.broadcast_to((out * np.sin(angle))[None], (6, 12)),
            np.broadcast_to(z[:, None], (6, 12)),
        ],
        axis=2,
    )
    end = sheet(grid, 0.0006)
    pieces = walls(np.array([[outer, 0], [outer, height]]), np.array([[core, 0], [core, height]]), 10)
    return [
        Part(join([paper, end]), pick(rng, "paper", "paper", "fabric"), (*pieces, *slab(grid, 0.0006, 1, 3))),
        Part(sleeve, "paper", pieces[:1]),
    ]

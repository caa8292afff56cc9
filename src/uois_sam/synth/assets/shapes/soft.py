"""Soft things: cloths folded and crumpled, soft toys, shoes, sponges, balls of wool."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, displaced, join, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import brick, slab, stretches, tube_pieces
from uois_sam.synth.assets.sweeps import flat_grid, loft, oval, sheet, smooth_path, tube


def waves(rng: Rng, x: Array, y: Array, lengths: tuple[float, float], count: int = 9) -> Array:
    """Smooth noise of unit spread: waves between two lengths (same unit as x and y) in all directions."""
    total = np.zeros_like(x)
    for _ in range(count):
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*lengths)
        total += np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / length + rng.uniform(0, 2 * np.pi))
    return total * np.sqrt(2 / count)


def cloth(rng: Rng) -> list[Part]:
    """A dish cloth, towel, glove or shirt: folded into layers, or dropped in a heap of ridges."""
    return _folded(rng) if rng.random() < 0.45 else _heap(rng)


def _folded(rng: Rng) -> list[Part]:
    x, y = rng.uniform(0.09, 0.24, 2)
    layers, thick = int(rng.integers(2, 7)), rng.uniform(0.0025, 0.006)
    meshes, pieces = [], []
    lean = rng.normal(0, 0.004, (layers, 2))
    for k in range(layers):
        grid = flat_grid((x, y), 17, 17)
        edge = np.maximum(np.abs(grid[..., 0]) / (x / 2), np.abs(grid[..., 1]) / (y / 2))
        grid[..., 2] = (
            k * thick
            + thick * (1 - 0.3 * edge**8)
            + 0.25 * thick * waves(rng, grid[..., 0], grid[..., 1], (0.05, 0.15)) * (k > 0)
        )
        grid[..., :2] += 0.0015 * np.stack(
            [waves(rng, grid[..., 1], grid[..., 0], (0.05, 0.2)) for _ in range(2)], axis=2
        )
        grid[..., :2] += lean[k]
        meshes.append(sheet(grid, thick * 0.94))
    roll = np.array([[s * x / 2, yy, 0] for s in (1,) for yy in np.linspace(-y / 2, y / 2, 12)])
    for k in range(0, layers - 1, 2):  # the fold at one side joins every second pair of layers
        path = roll + [lean[k].mean(), 0, (k + 1) * thick]
        meshes.append(tube(path, thick * 0.96, 14))
    total = layers * thick
    pieces = [brick((x + thick, y, total), (0, 0, total / 2))]
    return [Part(join(meshes), "fabric", tuple(pieces))]


def _heap(rng: Rng) -> list[Part]:
    x, y = rng.uniform(0.13, 0.26, 2)
    grid = flat_grid((x, y), 61, 61)
    u, v = grid[..., 0], grid[..., 1]
    radius = np.hypot(u / (x / 2), v / (y / 2))
    warp = 0.012 * np.stack([waves(rng, u, v, (0.08, 0.2), 5) for _ in range(2)], axis=2)
    a, b = u + warp[..., 0], v + warp[..., 1]
    ridge = sum((1 - np.abs(waves(rng, a, b, (0.09, 0.2), 3) / 1.6).clip(0, 1)) ** 2 * s for s in (1.0, 0.7, 0.5)) / 2.2
    tall = rng.uniform(0.018, 0.055)
    height = tall * ridge * (1.15 - 0.8 * radius.clip(0, 1.2) ** 2) + 0.0012 * waves(rng, a, b, (0.02, 0.04))
    height = height.clip(0.0, None)
    shrink = 1 - 0.18 * ridge
    corner = 1 - 0.12 * (np.abs(u / x * 2) * np.abs(v / y * 2)) ** 2 + 0.04 * waves(rng, u, v, (0.15, 0.3), 4)
    grid[..., 0] = u * shrink * corner
    grid[..., 1] = v * shrink * corner
    grid[..., 2] = height + 0.0035
    thick = rng.uniform(0.0018, 0.003)
    mesh = sheet(grid, thick)
    blocks = slab(grid, thick, 5, 5)
    grounded = tuple(np.concatenate([p, p * [1, 1, 0]]) for p in blocks)
    return [Part(mesh, "fabric", grounded)]


def soft_toy(rng: Rng) -> list[Part]:
    """A stuffed animal: body, head, limbs, ears, muzzle, eyes."""
    size = rng.uniform(0.05, 0.095)
    plush = rng.uniform(0.02, 0.06)

    def ball(radii: Array | list[float], at: Array | list[float], tilt: float = 0.0, exponent: float = 1.0) -> Mesh:
        mesh = displaced(superquadric(np.asarray(radii) * size, exponent, 1, 20, 32), rng, plush * size, 3)
        return mesh.transformed(turn("y", tilt), np.asarray(at) * size)

    head_r = rng.uniform(0.55, 0.75)
    head_z = 0.95 + head_r * 0.6
    torso = [ball([0.62, 0.55, 0.8], [0, 0, 0.4])]
    head = [ball([head_r, head_r * 0.9, head_r * 0.88], [0, 0, head_z])]
    arms, legs = rng.uniform(0, 50), rng.uniform(20, 75)
    limbs = []
    for s in (-1, 1):
        limbs.append(ball([0.22, 0.22, 0.5], [s * 0.72, -0.1, 0.62], -s * arms))
        limb = superquadric(np.array([0.26, 0.62, 0.26]) * size, 1, 1, 20, 32)
        limbs.append(
            displaced(limb, rng, plush * size, 3).transformed(
                turn("z", s * (90 - legs) * 0.5), np.array([s * 0.42, -0.6, -0.12]) * size
            )
        )
    ear, long = rng.uniform(0.18, 0.3), rng.uniform(0.2, 0.8)
    ears = [
        ball(
            [ear, 0.12, max(ear, long)],
            [s * head_r * 0.62, 0, head_z + head_r * 0.6 + long * 0.35],
            s * rng.uniform(5, 25),
        )
        for s in (-1, 1)
    ]
    muzzle = [ball([0.28, 0.26, 0.22], [0, -head_r * 0.78, head_z - 0.14])]
    eyes = [
        superquadric(np.full(3, 0.065) * size, 1, 1, 12, 20).transformed(
            None, np.array([s * 0.24, -head_r * 0.83, head_z + 0.14]) * size
        )
        for s in (-1, 1)
    ]
    nose = superquadric(np.array([0.1, 0.07, 0.07]) * size, 1, 1, 12, 20).transformed(
        None, np.array([0, -head_r * 0.78 - 0.25, head_z - 0.06]) * size
    )
    furry = [*torso, *head, *limbs, *ears]
    return [
        Part(join(furry), "fabric", tuple(m.vertices for m in (*torso, *head, *limbs, *ears))),
        Part(join(muzzle), pick(rng, "fabric", "accent")),
        Part(join([*eyes, nose]), "rubber", (nose.vertices,)),
    ]


def shoe(rng: Rng) -> list[Part]:
    """A child's or woman's shoe: sole, upper with an opening, collar, laces."""
    length = rng.uniform(0.14, 0.26)
    wide, heel = length * rng.uniform(0.34, 0.4), length * rng.uniform(0.0, 0.06)
    t = np.linspace(0, 1, 34)
    x = (t - 0.5) * length
    widths = [0.3, 0.5, 0.72, 0.7, 0.92, 1.0, 0.72, 0.42, 0.15]
    half = wide / 2 * np.interp(t, [0, 0.03, 0.12, 0.35, 0.6, 0.78, 0.92, 0.98, 1], widths)
    bend = 0.02 * length * np.sin(np.pi * (t - 0.3))
    sole_h = length * rng.uniform(0.06, 0.12)
    ground = 0.05 * length * np.clip((t - 0.8) / 0.2, 0, 1) ** 2
    top = ground + sole_h + heel * np.clip(1 - t / 0.5, 0, 1)
    sole = np.stack([_section(*at, 0.35) for at in zip(x, bend, half * 1.06, ground, top, strict=True)])
    ankle = length * rng.uniform(0.26, 0.42)
    rise = np.interp(t, [0, 0.04, 0.3, 0.42, 0.6, 0.85, 0.97], ankle * np.array([0.7, 1, 0.9, 0.86, 0.62, 0.4, 0.24]))
    rise = np.where(t > 0.97, np.interp(t, [0.97, 1], [ankle * 0.24, 0.012]), rise)
    upper = np.stack([_section(*at, 0.75, 0.35) for at in zip(x, bend, half, top - 0.003, top + rise, strict=True)])

    def ridge(share: Array | float) -> Array:
        """Centre line, height and half-width of the upper at shares of the length."""
        return np.stack([np.interp(share, t, side) for side in (bend, top + rise, half)])

    where = np.linspace(0.06, 0.42, 16)
    middle, height, reach = ridge(where)
    reach = reach * 0.62 * np.sqrt(np.clip(np.sin(np.pi * (where - 0.06) / 0.36), 0.02, 1))
    u = np.linspace(-1, 1, 9)[:, None]
    mouth = np.stack(
        np.broadcast_arrays((where - 0.5) * length, u * reach + middle, height + 0.0012 - 0.0035 * u**2), axis=2
    )
    edge = np.concatenate([mouth[0], mouth[-1, ::-1]])
    collar = tube(np.concatenate([edge, edge[:2]]), 0.0032, 10)
    laces = []
    for k in np.linspace(0.45, 0.68, int(rng.integers(3, 6))):
        b, z, w = ridge(k)
        at = (k - 0.5) * length
        knots = np.array([[at, b - w / 2, z - 0.008], [at + 0.005 * length, b, z + 0.002], [at, b + w / 2, z - 0.008]])
        laces.append(tube(smooth_path(knots, 12), 0.0022, 10))
    fabric = pick(rng, "fabric", "rubber", "body", "fabric")
    return [
        Part(loft(sole), pick(rng, "rubber", "rubber", "body"), stretches(sole, 8)),
        Part(loft(upper), fabric, stretches(upper, 8)),
        Part(join([collar, *laces]), pick(rng, "fabric", "accent")),
        Part(sheet(mouth, 0.0008), "rubber", slab(mouth, 0.0008, 1, 1)),
    ]


def _section(x: float, centre: float, half: float, low: float, high: float, exponent: float, top: float = 1.0) -> Array:
    """A cross-section in the yz plane; the upper side narrows to ``top`` of the width."""
    ring = oval(2 * half, high - low, exponent, 36)
    share = np.clip(ring[:, 1] / max(high - low, 1e-6) + 0.5, 0, 1)
    ring[:, 0] *= 1 - (1 - top) * share**1.5
    return np.column_stack([np.full(len(ring), x), ring[:, 0] + centre, ring[:, 1] + (low + high) / 2])


def sponge(rng: Rng) -> list[Part]:
    """A scouring sponge, eraser or bar of soap: two layers, rounded."""
    x, y, z = rng.uniform([0.03, 0.02, 0.01], [0.12, 0.075, 0.04])
    e = rng.uniform(0.1, 0.35)
    low = superquadric((x / 2, y / 2, z * 0.4), e, e).transformed(None, (0, 0, z * 0.38))
    low = displaced(low, rng, 0.0015, 4)
    if rng.random() < 0.35:
        return [Part(low, pick(rng, "body", "rubber", "skin"))]
    high = superquadric((x / 2, y / 2, z * 0.12), e, e).transformed(None, (0, 0, z * 0.85))
    return [Part(low, "body"), Part(high, pick(rng, "fabric", "accent", "rubber"))]


def yarn(rng: Rng) -> list[Part]:
    """A ball of wool or string, with a loose end."""
    r, bar = rng.uniform(0.025, 0.05), rng.uniform(0.0016, 0.003)
    t = np.linspace(0, 1, 640)
    turns = rng.uniform(16, 26)
    tilt = 2 * np.pi * t * rng.uniform(2.3, 4.7)
    angle = 2 * np.pi * turns * t
    lean = np.sin(2 * np.pi * t * rng.uniform(1.2, 3.3)) * 1.2
    first = np.column_stack([np.cos(tilt), np.sin(tilt), 0 * t])
    second = np.column_stack([-np.sin(tilt) * np.cos(lean), np.cos(tilt) * np.cos(lean), np.sin(lean)])
    path = r * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second)
    path *= 1 + 0.03 * np.sin(17 * t)[:, None]
    tail = path[-1] + np.cumsum(
        np.column_stack([np.full(14, 0.004), 0.002 * np.sin(np.arange(14)), np.zeros(14)]), axis=0
    )
    core = superquadric((r * 0.985,) * 3, 1, 1, 24, 36)
    strand = tube(np.concatenate([path, tail]), bar, 6)
    return [
        Part(join([core, strand]), "fabric", (core.vertices * 1.04, *tube_pieces(tail, bar, 14))),
    ]

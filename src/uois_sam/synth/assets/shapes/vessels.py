"""Vessels: bottles, bowls, cups, mugs, plates, jars, jugs, teapots, spray bottles, baskets, pans."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, join, lathe
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import Pieces, disc, tube_pieces, walls
from uois_sam.synth.assets.sweeps import smooth_path, tube


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
    lid = lathe([
        (edge * 0.95, h), (edge * 0.97, h + 0.003), (edge * 0.6, h + 0.012), (knob * 0.5, h + 0.016),
        (knob * 0.5, h + 0.02), (knob, h + 0.02 + 0.6 * knob), (knob * 0.7, h + 0.02 + 1.5 * knob),
        (0, h + 0.021 + 1.7 * knob),
    ])  # fmt: skip
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

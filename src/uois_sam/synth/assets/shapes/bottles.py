"""Closed vessels: bottles, jars, spray bottles, flasks."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import join, lathe, superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, place
from uois_sam.synth.assets.shapes.pieces import tube_pieces
from uois_sam.synth.assets.solids import mesh_of, rounded_box, union
from uois_sam.synth.assets.sweeps import along_z, loft, oval, smooth_path, tube


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


def flask(rng: Rng) -> list[Part]:
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

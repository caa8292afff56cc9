"""Object families: each draws one shape of its kind from a random generator. Unit: metres; sizes are real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.synth.meshes import Array, box, displaced, join, lathe, prism, superquadric
from uois_sam.synth.shapes.part import Part
from uois_sam.synth.sweeps import tube

Rng = np.random.Generator


def carton(rng: Rng) -> list[Part]:
    """A printed cardboard box, from matchbox to cereal carton."""
    a, b, c = np.sort(rng.uniform([0.012, 0.04, 0.06], [0.09, 0.17, 0.28]))
    order = rng.permutation([a, b, c]) if rng.random() < 0.3 else np.array([b, a, c])
    return [Part(box(order), "carton")]


def block(rng: Rng) -> list[Part]:
    """A rounded solid block of one material."""
    radii = rng.uniform(0.01, 0.06, 3)
    return [Part(superquadric(radii, rng.uniform(0.08, 0.3), rng.uniform(0.08, 0.3)), "body")]


def can(rng: Rng) -> list[Part]:
    """A food can or jar: label between two rims."""
    r, h = rng.uniform(0.022, 0.055), rng.uniform(0.04, 0.17)
    rim = 0.003
    metal = [(0, 0), (r, 0), (r + rim, rim), (r, 2 * rim)]
    top = [(r, h - 2 * rim), (r + rim, h - rim), (r, h), (r - 2 * rim, h - rim), (0, h - rim)]
    wall = [(r, 2 * rim), (r, h - 2 * rim)]
    return [Part(lathe(wall), "label"), Part(join([lathe(metal), lathe(top)]), "accent")]


def bottle(rng: Rng) -> list[Part]:
    """A bottle with shoulder, neck and cap; squarish ones by scaling one axis."""
    r, h = rng.uniform(0.02, 0.045), rng.uniform(0.1, 0.28)
    neck, shoulder = r * rng.uniform(0.25, 0.6), h * rng.uniform(0.55, 0.8)
    curve = np.linspace(0, 1, 9)
    blend = 0.5 - 0.5 * np.cos(np.pi * curve)
    shoulder_z = shoulder + (h * 0.9 - shoulder) * curve * rng.uniform(0.4, 1)
    waist = 1 - rng.uniform(0, 0.2) * np.sin(np.pi * np.linspace(0, 1, 9)) ** 2
    side = [(r * w, 0.01 + (shoulder - 0.01) * t) for w, t in zip(waist, np.linspace(0, 1, 9), strict=True)]
    upper = [(r + (neck - r) * t, z) for t, z in zip(blend, shoulder_z, strict=True)]
    body = lathe([(0, 0), (r * 0.9, 0), *side])
    top = lathe([*upper, (neck, h * 0.92)])
    cap_r = neck * rng.uniform(1.05, 1.6)
    cap = lathe([(neck, h * 0.88), (cap_r, h * 0.88), (cap_r, h), (0, h)])
    squeeze = np.diag([1, rng.uniform(0.5, 1), 1])
    parts = [(body, "label"), (top, "body" if rng.random() < 0.5 else "label"), (cap, "accent")]
    return [Part(mesh.transformed(squeeze), role) for mesh, role in parts]


def vessel(rng: Rng) -> list[Part]:
    """A bowl, cup or tumbler: an open, thin-walled surface of revolution."""
    top = rng.uniform(0.03, 0.1)
    height = top * rng.uniform(0.4, 2.2) if top < 0.055 else top * rng.uniform(0.35, 1.0)
    base = top * rng.uniform(0.4, 0.9)
    wall = rng.uniform(0.002, 0.006)
    bulge = rng.uniform(0, 0.25)
    t = np.linspace(0, 1, 10)
    outer_r = base + (top - base) * t + bulge * (top - base * 0.5) * np.sin(np.pi * t)
    outer = list(zip(outer_r, height * t, strict=True))
    inner = list(zip(outer_r[::-1] - wall, wall + (height - wall) * t[::-1], strict=True))
    return [Part(lathe([(0, 0), *outer, *inner, (0, wall)]), "body")]


def mug(rng: Rng) -> list[Part]:
    """A vessel with a handle."""
    r, h = rng.uniform(0.032, 0.05), rng.uniform(0.07, 0.12)
    taper, wall = rng.uniform(0.8, 1.1), 0.004
    body = lathe([(0, 0), (r * taper, 0), (r, h), (r - wall, h), (r * taper - wall, wall), (0, wall)])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 14)
    reach = rng.uniform(0.02, 0.035)
    path = np.column_stack([r * 0.95 + reach * np.cos(angle), np.zeros(14), h / 2 + h * 0.33 * np.sin(angle)])
    handle = tube(path, np.full(14, rng.uniform(0.004, 0.007)), 10)
    same = rng.random() < 0.8
    return [Part(join([body, handle]), "body")] if same else [Part(body, "label"), Part(handle, "accent")]


def plate(rng: Rng) -> list[Part]:
    """A shallow plate or lid."""
    r, h, wall = rng.uniform(0.06, 0.13), rng.uniform(0.01, 0.03), 0.004
    flat = r * rng.uniform(0.5, 0.75)
    profile = [(0, 0), (flat, 0), (r, h), (r, h + 0.002), (r - wall, h + 0.001), (flat, wall), (0, wall)]
    return [Part(lathe(profile, 56), "body")]


def container(rng: Rng) -> list[Part]:
    """A plastic food box with a lid of another colour."""
    x, y, h = rng.uniform(0.04, 0.1), rng.uniform(0.03, 0.07), rng.uniform(0.03, 0.08)
    corner = rng.uniform(0.15, 0.4)
    body = superquadric((x * 0.94, y * 0.94, h / 2), 0.12, corner).transformed(translation=(0, 0, h / 2))
    lid = superquadric((x, y, 0.008), 0.3, corner).transformed(translation=(0, 0, h))
    return [Part(body, "body"), Part(lid, "accent")]


def lump(rng: Rng) -> list[Part]:
    """Produce, stones, balls, soft toys: a displaced ellipsoid."""
    radii = rng.uniform(0.02, 0.06) * rng.uniform([0.7, 0.7, 0.6], [1.3, 1.0, 1.0])
    amplitude = rng.uniform(0, 0.25) * radii.min()
    mesh = displaced(superquadric(radii, rng.uniform(0.7, 1.1), rng.uniform(0.8, 1.1)), rng, amplitude)
    return [Part(mesh, "body")]


def bag(rng: Rng) -> list[Part]:
    """A filled pouch: a flattened pillow with creases and printed sides."""
    x, y = rng.uniform(0.05, 0.09), rng.uniform(0.06, 0.12)
    pillow = superquadric((x, y, rng.uniform(0.015, 0.035)), rng.uniform(0.9, 1.4), rng.uniform(0.3, 0.6))
    return [Part(displaced(pillow, rng, 0.01, 5.0), "label")]


def bent(rng: Rng) -> list[Part]:
    """Bananas, cucumbers, hooks: a tapered tube along an arc."""
    length, bend = rng.uniform(0.08, 0.22), rng.uniform(0.2, 1.8)
    t = np.linspace(-1, 1, 24)
    path = np.column_stack([np.sin(t * bend / 2), np.cos(t * bend / 2), 0 * t]) * length / bend
    thickness = rng.uniform(0.006, 0.022)
    radii = thickness * (1 - np.abs(t) ** rng.uniform(3, 12) * rng.uniform(0.3, 0.95))
    return [Part(tube(path - path.mean(axis=0), radii, 14), "body")]


def stick(rng: Rng) -> list[Part]:
    """Pens, markers, screwdrivers, spoons: a rod, often with a thicker grip or a cap."""
    length, r = rng.uniform(0.09, 0.24), rng.uniform(0.004, 0.012)
    split = rng.uniform(0.3, 0.7) * length
    grip = r * rng.uniform(1.0, 2.4)
    first = lathe([(0, 0), (r, 0), (r, split), (0, split)], 16)
    second = lathe([(0, split), (grip, split), (grip, length * 0.95), (grip * 0.6, length), (0, length)], 16)
    lying = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    return [Part(m.transformed(lying), role) for m, role in ((first, "accent"), (second, "body"))]


def tool(rng: Rng) -> list[Part]:
    """Drills, hammers, clamps, toy guns: a barrel, a handle at an angle, sometimes a battery foot."""
    length, r = rng.uniform(0.1, 0.2), rng.uniform(0.012, 0.03)
    lying = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    e = rng.uniform(0.2, 0.9)
    barrel = superquadric((length / 2, r, r * rng.uniform(0.8, 1.4)), e, e)
    nose = lathe([(r * 0.6, 0), (r * 0.5, length * 0.25), (0, length * 0.25)], 20)
    nose = nose.transformed(lying, (length * 0.45, 0, 0))
    tilt = Rotation.from_euler("y", rng.uniform(-25, 25), degrees=True).as_matrix()
    grip_h = rng.uniform(0.07, 0.13)
    grip = superquadric((r * 0.8, r * 0.7, grip_h / 2), 0.4, 0.6).transformed(tilt, (-length * 0.3, 0, -grip_h / 2))
    parts = [Part(barrel, "body"), Part(nose, "accent"), Part(grip, "accent" if rng.random() < 0.5 else "body")]
    if rng.random() < 0.5:
        foot = superquadric((r * 1.6, r, r * 0.7), 0.2, 0.3)
        parts.append(Part(foot.transformed(None, tilt @ [0, 0, -grip_h / 2] + [-length * 0.3, 0, -grip_h]), "accent"))
    flat = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    return [Part(p.mesh.transformed(flat), p.role) for p in parts]


def toy(rng: Rng) -> list[Part]:
    """Flat toy blocks and biscuits: an extruded star, flower, polygon or heart-like outline."""
    points = 72
    theta = np.linspace(0, 2 * np.pi, points, endpoint=False)
    lobes, depth = rng.integers(3, 9), rng.uniform(0, 0.45)
    kind = rng.integers(3)
    if kind == 0:  # smooth flower or ellipse
        radius = 1 + depth * np.cos(lobes * theta)
    elif kind == 1:  # regular polygon
        radius = np.cos(np.pi / lobes) / np.cos((theta % (2 * np.pi / lobes)) - np.pi / lobes)
    else:  # star with straight edges
        radius = 1 - depth * np.abs(((theta * lobes / np.pi) % 2) - 1)
    size = rng.uniform(0.015, 0.05)
    outline = size * radius[:, None] * np.column_stack([np.cos(theta), np.sin(theta)]) * [1, rng.uniform(0.6, 1)]
    return [Part(prism(outline, rng.uniform(0.008, 0.035)), "body")]


def book(rng: Rng) -> list[Part]:
    """A book or flat case: cover around a block of pages."""
    x, y, z = rng.uniform(0.09, 0.17), rng.uniform(0.13, 0.24), rng.uniform(0.008, 0.04)
    cover = [box((x, y, 0.003)).transformed(None, (0, 0, s * z / 2)) for s in (-1, 1)]
    spine = box((0.003, y, z)).transformed(None, (-x / 2, 0, 0))
    pages = box((x * 0.96, y * 0.97, z * 0.95), atlas=False)
    return [Part(join([*cover, spine]), "carton"), Part(pages, "paper")]


def ring(rng: Rng) -> list[Part]:
    """Tape rolls, bracelets, tyres: a thick ring."""
    outer, height = rng.uniform(0.025, 0.06), rng.uniform(0.008, 0.05)
    inner = outer * rng.uniform(0.45, 0.85)
    profile = [(inner, 0), (outer, 0), (outer, height), (inner, height), (inner, 0)]
    return [Part(lathe(profile, 48), "body")]


def gadget(rng: Rng) -> list[Part]:
    """Two or three different solids stuck together: what no catalogue holds."""
    parts = []
    reach = 0.0
    for index in range(rng.integers(2, 4)):
        radii = rng.uniform(0.012, 0.045, 3)
        mesh = superquadric(radii, rng.uniform(0.1, 1.3), rng.uniform(0.1, 1.3), 20, 32)
        direction = rng.normal(size=3)
        direction *= reach / np.linalg.norm(direction)
        parts.append(
            Part(
                mesh.transformed(Rotation.random(random_state=rng).as_matrix(), direction),
                "body" if index == 0 or rng.random() < 0.4 else "accent",
            )
        )
        reach = float(radii.mean()) * 1.3
    return parts


FAMILIES: dict[str, Callable[[Rng], list[Part]]] = {
    "carton": carton, "block": block, "can": can, "bottle": bottle, "vessel": vessel, "mug": mug, "plate": plate,
    "container": container, "lump": lump, "bag": bag, "bent": bent, "stick": stick, "tool": tool, "toy": toy,
    "book": book, "ring": ring, "gadget": gadget,
}  # fmt: skip
"""Every family by name; a scene description stores the name and the seed, not the mesh."""

FREQUENCIES = {
    "carton": 3.0, "block": 1.0, "can": 1.6, "bottle": 1.8, "vessel": 1.4, "mug": 1.0, "plate": 0.6,
    "container": 1.0, "lump": 1.2, "bag": 0.8, "bent": 0.9, "stick": 1.0, "tool": 1.4, "toy": 1.0,
    "book": 0.7, "ring": 0.5, "gadget": 1.0,
}  # fmt: skip
"""How often each family is drawn, relative to the others."""

UPRIGHT_FAMILIES = frozenset({"carton", "can", "bottle", "vessel", "mug", "plate", "container", "book"})
"""Families that usually stand on their base; the others are dropped in any orientation."""


def make_parts(family: str, seed: int) -> list[Part]:
    """The parts of one object: the same family and seed give the same meshes."""
    return FAMILIES[family](np.random.default_rng(seed))


def collision_points(parts: list[Part]) -> Array:
    """(V, 3) float64 vertices whose convex hull stands for the object in the physics."""
    return np.concatenate([part.mesh.vertices for part in parts])


def collision_pieces(parts: Sequence[Part]) -> list[Array]:
    """Convex point sets, (P, 3) float64 each, that stand for the object in the physics."""
    return [piece for part in parts for piece in part.pieces or (part.mesh.vertices,)]

"""Pipe fittings, bolts, nuts and brackets."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, lathe
from uois_sam.synth.assets.shapes.part import Part, Rng, pick, turn
from uois_sam.synth.assets.shapes.pieces import Pieces, brick, disc, moved, walls
from uois_sam.synth.assets.solids import Solid, ball, cuboid, cylinder, extruded, mesh_of, revolved, rounded_box, union


def _socket(radius: float, bore: float, length: float, lip: float) -> tuple[Solid, Pieces]:
    """A pipe end along +z with a thicker collar at its mouth."""
    body = cylinder(radius, length, (0, 0, length / 2))
    if lip > 0:
        body = body + cylinder(radius + lip, length * 0.4, (0, 0, length * 0.8))
    outer = np.array([[radius + lip, length * 0.6], [radius + lip, length]])
    inner = np.array([[bore, length * 0.6], [bore, length]])
    shank = np.array([[radius, 0], [radius, length * 0.6]])
    hollow = np.array([[bore, 0], [bore, length * 0.6]])
    return body, (*walls(outer, inner, 8), *walls(shank, hollow, 8))


def pipe(rng: Rng) -> list[Part]:
    """A straight pipe, elbow, tee or cross, with collars."""
    radius = rng.uniform(0.008, 0.024)
    bore, lip = radius * rng.uniform(0.65, 0.85), radius * float(rng.choice([0.0, 0.18, 0.28]))
    reach = radius * rng.uniform(2.0, 3.2)
    kind = int(rng.integers(4))
    if kind == 0:
        length = rng.uniform(0.05, 0.25)
        solid = cylinder(radius, length) - cylinder(bore, length + 0.01)
        if lip > 0:
            flange = cylinder(radius * 1.7, 0.005, (0, 0, length / 2 - 0.0025))
            holes = [
                cylinder(
                    radius * 0.14, 0.05, (1.37 * radius * np.cos(a), 1.37 * radius * np.sin(a), length / 2), segments=16
                )
                for a in np.arange(6) * np.pi / 3
            ]
            solid = union([solid, flange - cylinder(bore, 1.0) - union(holes)])
        outer, inner = (
            np.array([[radius, -length / 2], [radius, length / 2]]),
            np.array([[bore, -length / 2], [bore, length / 2]]),
        )
        pieces = walls(outer, inner, 10)
        if lip > 0:
            pieces += walls(
                np.array([[radius * 1.7, length / 2 - 0.005], [radius * 1.7, length / 2]]),
                inner[[1, 1]] - [[0, 0.005], [0, 0]],
                8,
            )
        return [Part(mesh_of(solid), pick(rng, "metal", "body", "accent"), pieces)]
    directions = {1: (0, 90), 2: (-90, 0, 90), 3: (-90, 0, 90, 180)}[kind]
    solids: list[Solid] = []
    bores: list[Solid] = []
    all_pieces: list[Array] = []
    for angle in directions:
        end, pieces = _socket(radius, bore, reach, lip)
        solids.append(end.rotate((0.0, float(angle), 0.0)))
        bores.append(cylinder(bore, reach + 0.01, (0, 0, (reach + 0.01) / 2)).rotate((0.0, float(angle), 0.0)))
        all_pieces += moved(pieces, turn("y", angle))
    solid = union([*solids, ball(radius)]) - union([*bores, ball(bore)])
    return [Part(mesh_of(solid), pick(rng, "metal", "body", "accent"), tuple(all_pieces)).placed(turn("x", 90))]


def bolt(rng: Rng) -> list[Part]:
    """A screw or bolt with a visible thread; hexagon, cylinder or mushroom head."""
    r, length = rng.uniform(0.0025, 0.009), rng.uniform(0.02, 0.11)
    head_r, head_h = r * rng.uniform(1.6, 2.0), r * rng.uniform(1.0, 1.5)
    rises = max(int(length * 0.8 / (r * 0.34)), 6)
    plain = length * rng.uniform(0, 0.4)
    z = np.linspace(plain, length - r * 0.3, 2 * rises + 1)
    thread = [(r * (1.0 if k % 2 else 0.82), float(at)) for k, at in enumerate(z)]
    shank = lathe([(0, 0), (r, 0), (r, plain), *thread, (r * 0.7, length), (0, length)], 24)
    kind = int(rng.integers(3))
    if kind == 0:
        head = cylinder(head_r * 1.12, head_h, (0, 0, -head_h / 2), segments=6) ^ cylinder(
            head_r * 1.3, head_h, (0, 0, -head_h / 2), top=head_r * 1.05
        )
    elif kind == 1:
        head = cylinder(head_r, head_h * 1.3, (0, 0, -head_h * 0.65)) - cylinder(
            r * 0.8, head_h, (0, 0, -head_h * 1.3), segments=6
        )
    else:
        dome = cylinder(head_r, head_h * 0.6, (0, 0, -head_h * 0.3), top=head_r * 1.25) + cylinder(
            head_r * 0.6, head_h * 0.35, (0, 0, -head_h * 0.72), top=head_r
        )
        head = (
            dome
            - cuboid((0.3 * r, 10 * r, head_h), (0, 0, -head_h * 1.15))
            - cuboid((10 * r, 0.3 * r, head_h), (0, 0, -head_h * 1.15))
        )
    top = mesh_of(head)
    parts = [Part(top, "metal"), Part(shank, "metal", (disc(r, 0, length, 12),))]
    if rng.random() < 0.3:
        washer = lathe(
            [
                (r * 1.02, 0.0002),
                (head_r * 1.5, 0.0002),
                (head_r * 1.5, 0.0018),
                (r * 1.02, 0.0018),
                (r * 1.02, 0.0002),
            ],
            32,
        )
        parts.append(Part(washer, "metal"))
    return [part.placed(turn("y", 90)) for part in parts]


def nut(rng: Rng) -> list[Part]:
    """A hexagon, square, wing or flange nut, 1 to 5 cm."""
    bore = rng.uniform(0.003, 0.013)
    across, tall = bore * rng.uniform(1.75, 2.1), bore * rng.uniform(1.2, 1.9)
    sides = int(rng.choice([6, 6, 6, 4]))
    block = cylinder(across * 1.1, tall, segments=sides) ^ cylinder(across * 1.45, tall, top=across * 1.02, segments=40)
    block = block ^ cylinder(across * 1.02, tall, top=across * 1.45, segments=40)
    pieces: list[Array] = list(
        walls(np.array([[across, -tall / 2], [across, tall / 2]]), np.array([[bore, -tall / 2], [bore, tall / 2]]), 6)
    )
    kind = int(rng.integers(3))
    if kind == 1:
        block = block + cylinder(across * 1.45, tall * 0.2, (0, 0, -tall * 0.4))
        pieces.append(disc(across * 1.45, -tall / 2, -tall * 0.3))
        pieces = pieces[:-1] + list(
            walls(
                np.array([[across * 1.45, -tall / 2], [across * 1.45, -tall * 0.3]]),
                np.array([[bore, -tall / 2], [bore, -tall * 0.3]]),
                6,
            )
        )
    elif kind == 2:
        for s in (-1, 1):
            wing = rounded_box((across * 1.3, across * 0.3, tall * 1.5), across * 0.14).rotate((0.0, -s * 25.0, 0.0))
            at = (s * across * 1.25, 0.0, tall * 0.55)
            block = block + wing.translate(at)
            pieces.append(mesh_of(wing.translate(at)).vertices)
    grooves = _thread(bore, tall)
    return [Part(mesh_of(block - grooves), pick(rng, "metal", "metal", "metal", "accent"), tuple(pieces))]


def _thread(bore: float, tall: float) -> Solid:
    """The space that a thread cuts into a bore: stacked double cones."""
    turns = 5
    z = np.linspace(-tall * 0.55, tall * 0.55, 2 * turns + 1)
    rim = [[bore * (1.0 if k % 2 else 0.88), at] for k, at in enumerate(z)]
    return revolved(np.array([[0, z[0]], *rim, [0, z[-1]]]), 28)


def bracket(rng: Rng) -> list[Part]:
    """An angle bracket, hinge plate or shelf support with screw holes."""
    width, thick = rng.uniform(0.015, 0.05), rng.uniform(0.002, 0.005)
    legs = rng.uniform(0.03, 0.12, 2)
    flat = rounded_box((legs[0], width, thick), thick * 0.3, (legs[0] / 2, 0, thick / 2))
    wall = rounded_box((thick, width, legs[1]), thick * 0.3, (thick / 2, 0, legs[1] / 2))
    solid = flat + wall
    pieces = [
        brick((legs[0], width, thick), (legs[0] / 2, 0, thick / 2)),
        brick((thick, width, legs[1]), (thick / 2, 0, legs[1] / 2)),
    ]
    if rng.random() < 0.5:
        size = legs.min() * rng.uniform(0.4, 0.8)
        rib = extruded(np.array([[0, 0], [size, 0], [0, size]]), thick)
        solid = solid + rib.rotate((90.0, 0.0, 0.0)).translate((thick * 0.6, 0.0, thick * 0.6))
        rib_outline = np.array([[0, -thick / 2, 0], [size, -thick / 2, 0], [0, -thick / 2, size]])
        pieces.append(np.concatenate([rib_outline, rib_outline + [0, thick, 0]]) + [thick * 0.6, 0, thick * 0.6])
    cuts = []
    hole = rng.uniform(0.002, 0.0045)
    for k in range(2):
        for share in (0.4, 0.8) if legs[k] > 0.05 else (0.65,):
            for y in (-0.28, 0.28) if width > 0.03 else (0.0,):
                at = (share * legs[k], y * width, 0.0) if k == 0 else (0.0, y * width, share * legs[k])
                cuts.append(cylinder(hole, 0.05, at, "z" if k == 0 else "x", segments=20))
    return [Part(mesh_of(solid - union(cuts)), pick(rng, "metal", "metal", "body"), tuple(pieces))]

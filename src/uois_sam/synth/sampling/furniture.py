"""Distractors: things around the support that are no objects to find. Unit: metres."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.families import FAMILIES, make_parts
from uois_sam.synth.assets.meshes import Mesh, box, join, lathe, superquadric
from uois_sam.synth.assets.sweeps import tube
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.materials import CLOTHS, FURNITURE, WALLS, draw_kind, sample_furnishing
from uois_sam.synth.scene import Pose, Prop, Surface, Vector

Rng = np.random.Generator
FAMILY_PREFIX = "family:"
SPINES = {"plain": 0.5, "label": 0.3, "atlas": 0.2, "crate": 0.5, "badge": 0.3}
WALL_SIDE_M = 6.0
BIG_FAMILIES = ("carton", "container", "bottle", "vessel", "lump", "bag", "book", "can")
"""Shapes that, several times as large as an object, pass for furniture: stools, baskets, cushions, crates."""


def prop_mesh(prop: Prop) -> Mesh:
    """Return the mesh of a prop in its own frame, centred at the origin but for ``cable``."""
    if prop.kind == "box":
        return box(prop.size, uv_metres=prop.texture_metres)
    half = np.array(prop.size) / 2
    if prop.kind == "cylinder":
        mesh = lathe([(0, -half[2]), (half[0], -half[2]), (half[0], half[2]), (0, half[2])], 40)
        flat = mesh.vertices[:, :2] / prop.texture_metres + 0.5
        return replace(mesh, uv=flat) if half[2] < half[0] else mesh  # a round top shows its texture unbent
    if prop.kind == "turned":
        return _turned(np.random.default_rng(prop.seed), half)
    if prop.kind == "cable":
        return _cable(np.random.default_rng(prop.seed), prop.size)
    if prop.kind.startswith(FAMILY_PREFIX):
        mesh = join([part.mesh for part in make_parts(FAMILIES[prop.kind.removeprefix(FAMILY_PREFIX)], prop.seed)])
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        centred = mesh.transformed(None, -(low + high) / 2)
        return centred.transformed(np.diag(np.array(prop.size) / np.maximum(high - low, 1e-3)))
    return superquadric(half, 0.35, 0.35)


def box_prop(size: Vector, position: Any, surface: Surface, turn: float = 0.0, **options: Any) -> Prop:
    """An upright box, turned about z by ``turn`` radians."""
    quaternion = (float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2)))
    return Prop("box", tuple(float(s) for s in size), surface, Pose(tuple(float(p) for p in position), quaternion),
                **options)  # fmt: skip


def rod_prop(start: Any, end: Any, width: float, surface: Surface, kind: str = "cylinder") -> Prop:
    """A straight piece from one point to another."""
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    length = float(np.linalg.norm(end - start))
    quaternion = Rotation.align_vectors([(end - start) / length], [[0, 0, 1]])[0].as_quat(scalar_first=True)
    pose = Pose(tuple(((start + end) / 2).tolist()), tuple(quaternion.tolist()))
    return Prop(kind, (width, width, length), surface, pose, solid=False)


def sample_furniture(rng: Rng, floor_z: float, nearest: float, variety: Variety) -> list[Prop]:
    """Cabinets, chairs, monitors, cartons, walls with posters, cables: outside ``nearest`` metres of the centre."""
    if not variety.distractors:
        return []
    props: list[Prop] = []
    for _ in range(int(rng.integers(0, 5))):
        angle, distance = rng.uniform(0, 2 * np.pi), nearest + rng.uniform(0.15, 1.6)
        props += sample_piece(rng, angle, distance, floor_z, variety)
    if rng.random() < 0.5:
        angle, far = rng.uniform(0, 2 * np.pi), nearest + rng.uniform(0.5, 2.2)
        props += sample_wall(rng, far, variety, angle)
    for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.3 else 0):
        size = (float(rng.uniform(0.5, 1.6)), float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.004, 0.012)))
        look = Surface("plain", int(rng.integers(2**31)), 0.5, saturation=0.3, brightness=0.4)
        props.append(_put("cable", size, rng.uniform(0, 6.3), nearest + rng.uniform(-0.1, 0.6), floor_z, look,
                          rng.uniform(0, 6.3), seed=int(rng.integers(2**31))))  # fmt: skip
    return props


def sample_piece(rng: Rng, angle: float, distance: float, z: float, variety: Variety) -> list[Prop]:
    """A piece of furniture on height z, its near side ``distance`` metres off in the direction ``angle`` (radians)."""
    makers = [_block, _block, _chair, _desk, _shelf, _stool, _pile]
    return makers[rng.integers(len(makers))](rng, angle, distance, z, variety)


def sample_robot(rng: Rng, variety: Variety) -> list[Prop]:
    """An arm that reaches in from the side, a base plate, or a gripper at the frame's edge."""
    if not variety.distractors:
        return []
    angle = rng.uniform(0, 2 * np.pi)
    outward = np.array([np.cos(angle), np.sin(angle), 0.0])
    pale = rng.random() < 0.5
    look = Surface("plain", int(rng.integers(2**31)), float(rng.uniform(0.2, 0.6)), float(rng.random() < 0.4), 0.2,
                   1.3 if pale else 0.5)  # fmt: skip
    joint_look = sample_furnishing(rng, {"plain": 1.0}, variety)
    joint = outward * rng.uniform(0.42, 0.62) + [0, 0, rng.uniform(0.0, 0.1)]
    props: list[Prop] = []
    if rng.random() < 0.5:
        plate = sample_furnishing(rng, {"perforated": 0.7, "brushed": 0.3, "hammered": 1.0}, variety)
        centre = outward * (np.hypot(*joint[:2]) + rng.uniform(0.0, 0.15))
        props.append(box_prop((0.4, 0.6, 0.02), centre + [0, 0, 0.01], plate, angle, texture_metres=0.4, solid=False))
        props.append(rod_prop(joint - [0, 0, 0.02], joint + [0, 0, 0.12], rng.uniform(0.12, 0.22), look))
    for index in range(int(rng.integers(1, 4))):
        direction = outward * rng.uniform(-0.3, 1) + rng.normal(0, 0.5, 3) * [1, 1, 0.3] + [0, 0, 0.7]
        direction /= np.linalg.norm(direction)
        end = joint + direction * rng.uniform(0.15, 0.5)
        width = float(rng.uniform(0.06, 0.16))
        props.append(rod_prop(joint, end, width, look, "cylinder" if rng.random() < 0.7 else "box"))
        props.append(_centred("soft", (width * 1.2,) * 3, end, joint_look if index % 2 else look))
        joint = end
    if rng.random() < 0.4:
        props += _gripper(rng, outward, look)
    return props


def _gripper(rng: Rng, outward: Any, look: Surface) -> list[Prop]:
    """Two fingers under a palm, hanging in from above the edge of the view."""
    tip = outward * rng.uniform(0.28, 0.45) + [0, 0, rng.uniform(0.12, 0.35)]
    side = np.array([-outward[1], outward[0], 0.0]) * rng.uniform(0.025, 0.06)
    dark = Surface("plain", look.seed + 1, 0.6, saturation=0.2, brightness=0.35)
    up = np.array([0, 0, 1.0]) + outward * rng.uniform(0, 0.8)
    up /= np.linalg.norm(up)
    fingers = [rod_prop(tip + s * side, tip + s * side + 0.09 * up, 0.018, dark, "box") for s in (-1, 1)]
    return [*fingers, rod_prop(tip + 0.09 * up, tip + 0.16 * up, 0.11, look, "box"),
            rod_prop(tip + 0.16 * up, tip + 0.7 * up, 0.07, look)]  # fmt: skip


def _put(kind: str, size: Vector, angle: float, distance: float, z: float, surface: Surface, turn: float,
         **options: Any) -> Prop:  # fmt: skip
    """A prop that stands on height z, its near side ``distance`` metres from the centre."""
    away = distance + max(size[:2]) / 2
    quaternion = (float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2)))
    position = (float(away * np.cos(angle)), float(away * np.sin(angle)), float(z + size[2] / 2))
    return Prop(kind, tuple(float(s) for s in size), surface, Pose(position, quaternion), solid=False, **options)


def _centred(kind: str, size: Vector, centre: Any, surface: Surface) -> Prop:
    return Prop(kind, tuple(float(s) for s in size), surface, Pose(tuple(float(c) for c in centre)), solid=False)


def _block(rng: Rng, angle: float, distance: float, z: float, variety: Variety) -> list[Prop]:
    """A cabinet, post or cushion."""
    size = tuple(rng.uniform([0.08, 0.08, 0.2], [0.9, 0.6, 1.3]).tolist())
    kind = str(rng.choice(["box", "cylinder", "soft"], p=[0.7, 0.15, 0.15]))
    surface = sample_furnishing(rng, FURNITURE, variety)
    return [_put(kind, size, angle, distance, z, surface, rng.uniform(0, 6.3), texture_metres=rng.uniform(0.3, 1.5))]


def _chair(rng: Rng, angle: float, distance: float, z: float, variety: Variety) -> list[Prop]:
    """Seat, back and four legs, or a column on a star of feet."""
    seat = sample_furnishing(rng, {"plain": 0.4, "weave": 0.3, "wood": 0.2, "leather": 0.1, "knit": 0.5}, variety)
    frame = Surface("plain", int(rng.integers(2**31)), 0.4, float(rng.random() < 0.5), 0.15, rng.choice([0.3, 1.0]))
    centre = (distance + 0.25) * np.array([np.cos(angle), np.sin(angle), 0]) + [0, 0, z]
    facing = angle + rng.normal(0, 0.7)
    forward, aside = np.array([np.cos(facing), np.sin(facing), 0]), np.array([-np.sin(facing), np.cos(facing), 0])
    height, half = rng.uniform(0.4, 0.5), rng.uniform(0.18, 0.25)
    props = [
        box_prop((2 * half, 2 * half, 0.05), centre + [0, 0, height], seat, facing, solid=False),
        box_prop((0.04, 2 * half, 0.4), centre + forward * half + [0, 0, height + 0.28], seat, facing, solid=False),
    ]
    corners = [forward * half * a + aside * half * b for a in (-0.9, 0.9) for b in (-0.9, 0.9)]
    if rng.random() < 0.5:
        return props + [rod_prop(centre + c + [0, 0, height], centre + 1.1 * c, 0.03, frame) for c in corners]
    post = rod_prop(centre + [0, 0, height], centre + [0, 0, 0.08], 0.05, frame)
    return [*props, post, *(rod_prop(centre + [0, 0, 0.08], centre + 1.2 * c + [0, 0, 0.03], 0.035, frame)
                            for c in corners)]  # fmt: skip


def _desk(rng: Rng, angle: float, distance: float, z: float, variety: Variety) -> list[Prop]:
    """A desk with a monitor or two and a keyboard."""
    height = rng.uniform(0.65, 0.8)
    top = sample_furnishing(rng, FURNITURE, variety)
    props = [_put("box", (0.6, 1.3, height), angle, distance, z, top, angle)]
    out = np.array([np.cos(angle), np.sin(angle), 0])
    aside = np.array([-out[1], out[0], 0])
    black = Surface("plain", int(rng.integers(2**31)), 0.4, saturation=0.1, brightness=0.25)
    for shift in (-0.3, 0.3)[: int(rng.integers(1, 3))]:
        foot = out * (distance + 0.4) + aside * (shift + rng.normal(0, 0.05)) + [0, 0, z + height]
        screen = Surface(draw_kind(rng, {"screen": 1.0, "scenery": 1.0}, variety), int(rng.integers(2**31)), 0.2)
        facing = angle + rng.normal(0, 0.3)
        props.append(rod_prop(foot, foot + [0, 0, 0.15], 0.05, black))
        props.append(box_prop((0.03, 0.52, 0.32), foot + [0, 0, 0.28], black, facing, solid=False))
        normal = np.array([np.cos(facing), np.sin(facing), 0])
        props.append(box_prop((0.004, 0.49, 0.29), foot + [0, 0, 0.28] - 0.016 * normal, screen, facing,
                              texture_metres=0.5, solid=False))  # fmt: skip
    return props


def _shelf(rng: Rng, angle: float, distance: float, z: float, variety: Variety) -> list[Prop]:
    """A rack: uprights, boards and rows of spines and boxes, all out of reach."""
    look = sample_furnishing(rng, FURNITURE, variety)
    out, aside = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
    back = out * (distance + 0.15)
    props = [
        box_prop((0.3, 0.03, 1.6), back + s * 0.5 * aside + [0, 0, z + 0.8], look, angle, solid=False) for s in (-1, 1)
    ]
    for level in (0.2, 0.65, 1.1):
        props.append(box_prop((0.3, 1.0, 0.03), back + [0, 0, z + level], look, angle, solid=False))
        for place in np.arange(-0.4, 0.4, rng.uniform(0.12, 0.3)):
            size = tuple(rng.uniform([0.1, 0.05, 0.12], [0.26, 0.22, 0.34]).tolist())
            thing = sample_furnishing(rng, SPINES, variety)
            props.append(box_prop(size, back + place * aside + [0, 0, z + level + 0.015 + size[2] / 2], thing, angle,
                                  texture_metres=0.25, solid=False))  # fmt: skip
    return props[:14]


def _stool(rng: Rng, angle: float, distance: float, z: float, variety: Variety) -> list[Prop]:
    """A low piece with turned legs."""
    look = sample_furnishing(rng, {"wood": 0.7, "plain": 0.3, "parquet": 0.7}, variety)
    height, half = rng.uniform(0.25, 0.5), rng.uniform(0.12, 0.25)
    centre = (distance + half) * np.array([np.cos(angle), np.sin(angle), 0]) + [0, 0, z]
    seed = int(rng.integers(2**31))
    corners = [centre + [sx * half * 0.7, sy * half * 0.7, height / 2] for sx in (-1, 1) for sy in (-1, 1)]
    legs = [replace(_centred("turned", (0.05, 0.05, height), corner, look), seed=seed) for corner in corners]
    return [_centred("cylinder", (2 * half, 2 * half, 0.04), centre + [0, 0, height], look), *legs]


def _pile(rng: Rng, angle: float, distance: float, z: float, variety: Variety) -> list[Prop]:
    """One or two everyday shapes, far too large to be objects."""
    props = []
    for _ in range(int(rng.integers(1, 3))):
        family = str(rng.choice(BIG_FAMILIES))
        size = tuple((rng.uniform(0.3, 0.7) * rng.uniform(0.6, 1.2, 3)).tolist())
        look = sample_furnishing(rng, FURNITURE, variety)
        props.append(_put(FAMILY_PREFIX + family, size, angle + rng.normal(0, 0.3), distance, z, look,
                          rng.uniform(0, 6.3), seed=int(rng.integers(2**31))))  # fmt: skip
    return props


def sample_wall(rng: Rng, far: float, variety: Variety, angle: float) -> list[Prop]:
    """A wall ``far`` metres off in the direction ``angle``, perhaps with posters."""
    out, aside = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
    look, metres = sample_furnishing(rng, WALLS, variety), rng.uniform(0.8, 3.0)
    props = [box_prop((0.1, WALL_SIDE_M, 5.0), (far + 0.05) * out + [0, 0, 0.5], look, angle,
                      texture_metres=metres, solid=False)]  # fmt: skip
    for _ in range(int(rng.integers(0, 4))):
        size = (0.006, float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.2, 0.8)))
        poster = sample_furnishing(rng, {**CLOTHS, "picture": 0.6, "label": 0.4, "scenery": 1.0, "badge": 0.4}, variety)
        centre = (far - 0.004) * out + aside * rng.uniform(-1.2, 1.2) + [0, 0, rng.uniform(-0.1, 0.8)]
        props.append(box_prop(size, centre, poster, angle, texture_metres=max(size[1:]), solid=False))
    return props


def _turned(rng: Rng, half: Any) -> Mesh:
    """A turned leg: rings and swellings along a rod."""
    stations = np.linspace(-half[2], half[2], 22)
    radius = half[0] * (0.75 + 0.25 * np.sin(rng.uniform(4, 14) * np.linspace(0, 1, 22) + rng.uniform(0, 6)))
    radius[rng.integers(2, 20, 3)] *= 0.6
    return lathe([(0, stations[0]), *zip(radius, stations, strict=True), (0, stations[-1])], 20)


def _cable(rng: Rng, size: Vector) -> Mesh:
    """A cable lying in curves inside a flat box whose floor is z = -size/2."""
    t = np.linspace(0, 1, 60)
    x = (t - 0.5) * size[0]
    y = sum(np.sin(2 * np.pi * (k * t * rng.uniform(0.5, 1.2) + rng.random())) / k for k in (1, 2, 3)) * size[1] / 4
    return tube(np.column_stack([x, y, np.zeros(60)]), np.full(60, size[2] / 2), 8)

"""Places, furniture, lamps and cameras: everything around the objects. Unit: metres; the support's top is z = 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.synth.scene import Camera, Lamp, Pose, Prop, Rng, Surface

SUPPORT_TEXTURES = ["wood", "plain", "speckle", "weave", "marble", "checker", "stripes", "gradient"]
SUPPORT_WEIGHTS = [0.26, 0.24, 0.17, 0.12, 0.07, 0.07, 0.03, 0.04]


def sample_place(rng: Rng) -> tuple[str, tuple[Prop, ...], float]:
    """Draw a table, floor or bin.

    Returns:
        Name of the place, its props, and the radius (m) around the centre in which objects are dropped.
    """
    name = str(rng.choice(["table", "floor", "bin"], p=[0.62, 0.17, 0.21]))
    reach = float(rng.uniform(0.1, 0.32))
    if name == "floor":
        props = [_ground(rng, 0.0), *_furniture(rng, 0.0, 0.6)]
    else:
        floor_z = -float(rng.uniform(0.35, 0.8))
        props = [*_table(rng, floor_z), _ground(rng, floor_z), *_furniture(rng, floor_z, 0.75)]
    if name == "bin":
        walls, reach = _bin(rng)
        props += walls
    elif rng.random() < 0.14:
        props.append(_mat(rng))
    if name != "bin" and rng.random() < 0.22:
        props += _rig(rng)
    return name, tuple(props), reach


def sample_camera(rng: Rng, place: str, reach: float) -> Camera:
    """Draw a camera that looks at the objects from 0.4 to 1.4 m, steep for bins, any slant elsewhere."""
    elevation = np.deg2rad(rng.uniform(48, 88) if place == "bin" else rng.uniform(20, 88))
    azimuth = rng.uniform(0, 2 * np.pi)
    fov = rng.uniform(36, 68)
    fitting = (reach + 0.12) / np.tan(np.deg2rad(fov / 2))
    distance = float(np.clip(fitting * rng.uniform(0.8, 1.7), 0.4, 1.4))
    target = np.append(rng.normal(0, 0.25 * reach, 2), rng.uniform(0, 0.06))
    direction = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    return Camera(
        position=tuple((target + distance * np.array(direction)).tolist()),
        target=tuple(target.tolist()),
        fov_deg=float(fov),
        roll_deg=float(rng.normal(0, 5)),
        exposure=float(rng.uniform(0.32, 0.62)),
        white_balance=tuple(np.exp(rng.normal(0, 0.09, 3)).tolist()),
    )


def sample_lamps(rng: Rng) -> tuple[Lamp, ...]:
    """Draw two lamps: from tiny and hard to wide and soft, sometimes one all but off."""
    lamps = []
    for _ in range(2):
        angle, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 2.4)
        away = rng.uniform(0.2, 2.0)
        side = float(np.exp(rng.uniform(np.log(0.06), np.log(1.2))))
        tint = np.exp(rng.normal(0, 0.12, 3))
        power = np.exp(rng.uniform(np.log(0.2), np.log(12))) / side**2
        position = (float(away * np.cos(angle)), float(away * np.sin(angle)), float(height))
        lamps.append(Lamp(position, side, tuple((power * tint).tolist())))
    return tuple(lamps)


def _surface(rng: Rng, kinds: list[str], weights: list[float] | None = None) -> Surface:
    return Surface(
        texture=str(rng.choice(kinds, p=weights)),
        seed=int(rng.integers(2**31)),
        roughness=float(rng.uniform(0.25, 0.95)),
        saturation=float(rng.choice([0.1, 0.4, 1.0], p=[0.4, 0.35, 0.25])),
    )


def _box(
    size: tuple[float, ...], position: tuple[float, ...], surface: Surface, turn: float = 0.0, **options: Any
) -> Prop:
    quaternion = (float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2)))
    return Prop("box", size, surface, Pose(tuple(float(p) for p in position), quaternion), **options)


def _ground(rng: Rng, z: float) -> Prop:
    surface = _surface(rng, SUPPORT_TEXTURES, SUPPORT_WEIGHTS)
    return _box((8.0, 8.0, 0.1), (0, 0, z - 0.05), surface, rng.uniform(0, 6.3), texture_metres=rng.uniform(0.5, 2.0))


def _table(rng: Rng, floor_z: float) -> list[Prop]:
    width, depth = float(rng.uniform(0.55, 2.0)), float(rng.uniform(0.5, 1.1))
    thick = float(rng.uniform(0.015, 0.06))
    offset = rng.uniform(-0.5, 0.5, 2) * np.maximum(np.array([width, depth]) - 0.55, 0)
    surface = _surface(rng, SUPPORT_TEXTURES, SUPPORT_WEIGHTS)
    top = _box((width, depth, thick), (*offset, -thick / 2), surface, texture_metres=rng.uniform(0.3, 1.3))
    legs, leg = [], float(rng.uniform(0.03, 0.08))
    leg_surface = surface if rng.random() < 0.6 else _surface(rng, ["plain", "wood"])
    height = -floor_z - thick
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = offset[0] + sx * (width / 2 - leg), offset[1] + sy * (depth / 2 - leg)
            legs.append(_box((leg, leg, height), (x, y, floor_z + height / 2), leg_surface, solid=False))
    return [top, *legs]


def _furniture(rng: Rng, floor_z: float, nearest: float) -> list[Prop]:
    """Cabinets, monitors, cartons and posts around the support: clutter that is not to be found."""
    props = []
    for _ in range(int(rng.integers(0, 6))):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(nearest + 0.2, 2.5)
        size = tuple(rng.uniform([0.08, 0.08, 0.2], [0.9, 0.6, 1.3]).tolist())
        kind = str(rng.choice(["box", "cylinder", "soft"], p=[0.7, 0.15, 0.15]))
        surface = _surface(rng, ["plain", "atlas", "wood", "weave", "checker", "stripes"])
        turn = rng.uniform(0, 6.3)
        distance += max(size[:2]) / 2
        pose = Pose((float(distance * np.cos(angle)), float(distance * np.sin(angle)), floor_z + size[2] / 2),
                    (float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2))))  # fmt: skip
        props.append(Prop(kind, size, surface, pose, texture_metres=float(rng.uniform(0.3, 1.5)), solid=False))
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        far = rng.uniform(1.2, 3.0)
        wall = _surface(rng, ["plain", "speckle", "picture", "wood"], [0.6, 0.15, 0.1, 0.15])
        props.append(_box((0.1, 6.0, 5.0), (far * np.cos(angle), far * np.sin(angle), 0.5), wall, angle,
                          texture_metres=rng.uniform(0.8, 3.0), solid=False))  # fmt: skip
    return props


def _bin(rng: Rng) -> tuple[list[Prop], float]:
    """A crate, tray or open carton standing on the support."""
    x, y = rng.uniform(0.24, 0.6), rng.uniform(0.2, 0.42)
    height, thick = float(rng.uniform(0.03, 0.2)), float(rng.uniform(0.004, 0.015))
    outside = _surface(rng, ["plain", "wood", "speckle", "gradient"], [0.65, 0.15, 0.1, 0.1])
    inside = outside if rng.random() < 0.7 else _surface(rng, SUPPORT_TEXTURES, SUPPORT_WEIGHTS)
    walls = [_box((x, y, 0.004), (0, 0, 0.002), inside, texture_metres=float(rng.uniform(0.2, 0.8)))]
    for s in (-1, 1):
        walls.append(_box((thick, y + thick, height), (s * x / 2, 0, height / 2), outside))
        walls.append(_box((x + thick, thick, height), (0, s * y / 2, height / 2), outside))
    return walls, float(min(x, y) / 2 * 0.75)


def _mat(rng: Rng) -> Prop:
    """A place mat, sheet or cloth: flat and patterned, no object."""
    surface = _surface(rng, ["atlas", "checker", "stripes", "weave", "picture", "plain"])
    size = (float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.2, 0.5)), 0.0015)
    x, y = rng.normal(0, 0.08, 2)
    return _box(size, (x, y, 0.0008), surface, rng.uniform(0, 6.3), texture_metres=float(rng.uniform(0.2, 0.6)))


def _rig(rng: Rng) -> list[Prop]:
    """A piece of a robot or a clamped fixture that reaches in from the side: jointed thick tubes and blocks."""
    angle = rng.uniform(0, 2 * np.pi)
    outward = np.array([np.cos(angle), np.sin(angle), 0.0])
    surface = Surface("plain", int(rng.integers(2**31)), float(rng.uniform(0.2, 0.6)), float(rng.random() < 0.4), 0.2)
    joint = outward * rng.uniform(0.42, 0.6) + [0, 0, rng.uniform(0.0, 0.1)]
    props = []
    for index in range(int(rng.integers(1, 4))):
        direction = outward * rng.uniform(-0.3, 1) + rng.normal(0, 0.5, 3) * [1, 1, 0.3] + [0, 0, 0.7]
        direction /= np.linalg.norm(direction)
        length, width = float(rng.uniform(0.15, 0.5)), float(rng.uniform(0.06, 0.16))
        quaternion = Rotation.align_vectors([direction], [[0, 0, 1]])[0].as_quat(scalar_first=True)
        pose = Pose(tuple((joint + direction * length / 2).tolist()), tuple(quaternion.tolist()))
        kind = "cylinder" if rng.random() < 0.7 else "box"
        look = surface if index == 0 or rng.random() < 0.6 else _surface(rng, ["plain"])
        props.append(Prop(kind, (width, width, length), look, pose, solid=False))
        joint = joint + direction * length
    return props

"""What stands about in offices and laboratories: chairs on castors, drawer units, cartons, waste bins. Unit: metres."""

from __future__ import annotations

from typing import Any

import numpy as np

from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.furniture import FAMILY_PREFIX, box_prop, rod_prop
from uois_sam.synth.sampling.materials import FURNITURE, sample_furnishing
from uois_sam.synth.scene import Pose, Prop, Surface, Vector

Rng = np.random.Generator


def sample_office_piece(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> list[Prop]:
    """One piece on height z, its near side ``near`` metres off in the direction ``angle`` (radians)."""
    makers = [_office_chair, _office_chair, _drawer_unit, _cartons, _cartons, _waste_bin, _bags, _cables]
    return makers[int(rng.integers(len(makers)))](rng, angle, near, z, variety)


def _office_chair(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> list[Prop]:
    """Five feet with castors, a column, seat, back and perhaps arms; mostly dark."""
    dark = _dark(rng, float(rng.choice([0.2, 0.35, 0.8])))
    cloth = sample_furnishing(rng, {"plain": 0.5, "weave": 0.5, "leather": 0.3, "knit": 0.1}, variety)
    cloth = dark if rng.random() < 0.4 else cloth
    out, facing = _direction(angle), rng.uniform(0, 2 * np.pi)
    centre = out * (near + 0.33) + [0, 0, z]
    forward, aside = _direction(facing), _direction(facing + np.pi / 2)
    height = rng.uniform(0.42, 0.52)
    props = [rod_prop(centre + [0, 0, 0.08], centre + [0, 0, height], 0.05, dark)]
    for foot in np.arange(5) * 2 * np.pi / 5 + rng.uniform(0, 1):
        tip = centre + 0.3 * _direction(foot)
        props.append(rod_prop(centre + [0, 0, 0.11], tip + [0, 0, 0.07], 0.04, dark, "box"))
        props.append(_part("soft", (0.05, 0.05, 0.05), tip + [0, 0, 0.025], dark))
    props.append(_part("soft", (0.48, 0.46, 0.09), centre + [0, 0, height], cloth, facing))
    props.append(_part("soft", (0.08, 0.42, 0.5), centre + 0.24 * forward + [0, 0, height + 0.35], cloth, facing))
    for side in (-1, 1) if rng.random() < 0.6 else ():
        elbow = centre + side * 0.26 * aside + [0, 0, height + 0.2]
        props.append(rod_prop(elbow - [0, 0, 0.22], elbow, 0.03, dark))
        props.append(_part("box", (0.26, 0.05, 0.03), elbow, dark, facing))
    return props


def _drawer_unit(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> list[Prop]:
    """A cabinet with drawer fronts and handles, turned towards the centre; perhaps a printer on it."""
    depth, width, height = rng.uniform([0.3, 0.35, 0.4], [0.5, 0.9, 1.1]).tolist()
    body, front = (sample_furnishing(rng, FURNITURE, variety) for _ in range(2))
    front = body if rng.random() < 0.6 else front
    metal, out, turn = _dark(rng, 0.9), _direction(angle), angle + float(rng.normal(0, 0.25))
    towards = -_direction(turn)
    centre = out * (near + depth / 2) + [0, 0, z + height / 2]
    props = [box_prop((depth, width, height), centre, body, turn, solid=False)]
    count = int(rng.integers(2, 5))
    for level in (np.arange(count) + 0.5) / count - 0.5:
        middle = centre + towards * (depth / 2 + 0.004) + [0, 0, level * height]
        props.append(box_prop((0.016, width - 0.02, height / count - 0.015), middle, front, turn, solid=False))
        props.append(box_prop((0.02, 0.14, 0.015), middle + 0.015 * towards, metal, turn, solid=False))
    if rng.random() < 0.4:
        top = centre + [0, 0, height / 2]
        pale = Surface("plain", int(rng.integers(2**31)), 0.5, saturation=0.1, brightness=float(rng.choice([0.4, 1.3])))
        props.append(box_prop((0.3, 0.36, 0.2), top + [0, 0, 0.1], pale, turn, solid=False))
        props.append(box_prop((0.01, 0.3, 0.04), top + [0, 0, 0.09] + towards * 0.15, metal, turn, solid=False))
    return props


def _cartons(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> list[Prop]:
    """One to three shipping or shop boxes, beside or on each other."""
    props: list[Prop] = []
    level, centre = z, _direction(angle) * (near + 0.25)
    for _ in range(int(rng.integers(1, 4))):
        size = tuple(rng.uniform([0.15, 0.2, 0.1], [0.4, 0.5, 0.4]).tolist())
        kinds = {"cardboard": 0.4, "atlas": 0.3, "crate": 0.3, "plain": 0.15, "label": 0.1}
        look = sample_furnishing(rng, kinds, variety)
        if rng.random() < 0.5:
            level, centre = z, centre + _direction(angle + rng.choice([-1.6, 1.6])) * (0.1 + max(size[:2]))
        kind = FAMILY_PREFIX + "carton" if look.texture in ("atlas", "crate") else "box"
        props.append(_part(kind, size, centre + [0, 0, level + size[2] / 2], look, rng.uniform(0, 6.3)))
        level += size[2]
    return props


def _waste_bin(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> list[Prop]:
    """A round or square basket."""
    width, height = rng.uniform([0.2, 0.25], [0.35, 0.6]).tolist()
    look = _dark(rng, float(rng.choice([0.2, 0.6, 1.2])), float(rng.choice([0.1, 1.0])))
    centre = _direction(angle) * (near + width / 2) + [0, 0, z + height / 2]
    return [_part(str(rng.choice([FAMILY_PREFIX + "vessel", "cylinder", "soft"])), (width, width, height), centre, look,
                  seed=int(rng.integers(2**31)))]  # fmt: skip


def _bags(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> list[Prop]:
    """Bags and rucksacks leaning about, a coat on the floor."""
    props = []
    for _ in range(int(rng.integers(1, 3))):
        size = tuple(rng.uniform([0.15, 0.25, 0.2], [0.3, 0.45, 0.5]).tolist())
        look = sample_furnishing(rng, {"plain": 0.5, "weave": 0.3, "leather": 0.2, "plaid": 0.1}, variety)
        kind = str(rng.choice([FAMILY_PREFIX + "bag", FAMILY_PREFIX + "lump", "soft"]))
        centre = _direction(angle + rng.normal(0, 0.15)) * (near + 0.2) + [0, 0, z + size[2] / 2]
        props.append(_part(kind, size, centre, look, rng.uniform(0, 6.3), int(rng.integers(2**31))))
    return props


def _cables(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> list[Prop]:
    """Cables on the floor and a socket strip."""
    props = []
    for _ in range(int(rng.integers(1, 4))):
        size = (float(rng.uniform(0.5, 1.6)), float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.006, 0.014)))
        centre = _direction(angle) * (near + rng.uniform(0, 0.6)) + [0, 0, z + size[2] / 2]
        bright = float(rng.choice([0.2, 1.0]))
        props.append(_part("cable", size, centre, _dark(rng, bright, float(rng.random())), rng.uniform(0, 6.3),
                           int(rng.integers(2**31))))  # fmt: skip
    strip = _direction(angle) * (near + 0.2) + [0, 0, z + 0.02]
    return [*props, _part("box", (0.06, 0.36, 0.04), strip, _dark(rng, 1.2), rng.uniform(0, 6.3))]


def _direction(angle: float) -> Any:
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _dark(rng: Rng, brightness: float, saturation: float = 0.2) -> Surface:
    return Surface("plain", int(rng.integers(2**31)), 0.5, saturation=saturation, brightness=brightness)


def _part(kind: str, size: Vector, centre: Any, surface: Surface, turn: float = 0.0, seed: int = 0) -> Prop:
    """A piece about a centre, turned about z by ``turn`` radians."""
    pose = Pose(tuple(float(c) for c in centre), (float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2))))
    return Prop(kind, tuple(float(s) for s in size), surface, pose, texture_metres=0.5, solid=False, seed=seed)

"""Places of objects: tables, floors, bins, trays, shelves, drawers, seats. Unit: metres; objects stand on z = 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.sampling.config import PLACES, Variety
from uois_sam.synth.sampling.furniture import box_prop, sample_furniture, sample_robot
from uois_sam.synth.sampling.materials import CLOTHS, FLOORS, FURNITURE, SUPPORTS, sample_furnishing
from uois_sam.synth.scene import Pose, Prop, Surface

Rng = np.random.Generator
GROUND_SIDE_M = 8.0
"""Side of the square floor."""


@dataclass(frozen=True)
class Place:
    """A drawn place."""

    name: str
    props: tuple[Prop, ...]
    half_xy: tuple[float, float]
    """Half extents of the area into which objects are dropped."""
    support: Surface
    """Surface that they stand on."""
    elevation_deg: tuple[float, float] = (18.0, 88.0)
    """Range of the camera's height above the horizon."""
    azimuth_deg: tuple[float, float] = (0.0, 360.0)
    """Range of directions it looks from; 0 is +x."""


@dataclass(frozen=True)
class _Draw:
    """Arguments that the makers of places share."""

    rng: Rng
    variety: Variety
    assets: Assets

    def surface(self, weights: dict[str, float]) -> Surface:
        return sample_furnishing(self.rng, weights, self.variety, self.assets)


def sample_place(rng: Rng, variety: Variety, assets: Assets = BUILT_IN) -> Place:
    """Draw one of the places that ``variety`` allows."""
    shares = np.array([PLACES[name] for name in variety.places])
    name = str(rng.choice(list(variety.places), p=shares / shares.sum()))
    return MAKERS[name](_Draw(rng, variety, assets))


def _table(d: _Draw) -> Place:
    props, support, floor_z, _ = _table_props(d)
    half = float(d.rng.uniform(0.1, 0.32))
    props += _cloth(d) + sample_furniture(d.rng, floor_z, 0.75, d.variety)
    if d.rng.random() < 0.22:
        props += sample_robot(d.rng, d.variety)
    return Place("table", tuple(props), (half, half * d.rng.uniform(0.6, 1.0)), support)


def _floor(d: _Draw) -> Place:
    ground = _ground(d, 0.0)
    half = float(d.rng.uniform(0.12, 0.34))
    props = [ground, *_cloth(d), *sample_furniture(d.rng, 0.0, 0.5, d.variety)]
    if d.rng.random() < 0.15:
        props += sample_robot(d.rng, d.variety)
    return Place("floor", tuple(props), (half, half), ground.surface, (25.0, 88.0))


def _bin(d: _Draw) -> Place:
    """A crate or open carton on a table or the floor, walls up to 20 cm."""
    x, y, height = d.rng.uniform(0.24, 0.6), d.rng.uniform(0.2, 0.42), float(d.rng.uniform(0.05, 0.2))
    props = _under(d)
    walls, inside = _box_walls(d, x, y, height)
    half = (x / 2 * 0.72, y / 2 * 0.72)
    return Place("bin", (*props, *walls), half, inside, (48.0, 88.0))


def _tray(d: _Draw) -> Place:
    """A flat tray with a low rim."""
    x, y, height = d.rng.uniform(0.26, 0.5), d.rng.uniform(0.2, 0.36), float(d.rng.uniform(0.01, 0.035))
    walls, inside = _box_walls(d, x, y, height)
    return Place("tray", (*_under(d), *walls), (x / 2 * 0.75, y / 2 * 0.75), inside, (25.0, 88.0))


def _shelf(d: _Draw) -> Place:
    """A board between two sides and a back, often with another board above; seen from the front."""
    rng = d.rng
    depth, width, gap = rng.uniform(0.26, 0.42), rng.uniform(0.5, 0.9), rng.uniform(0.28, 0.5)
    look = d.surface(FURNITURE)
    inside = look if rng.random() < 0.7 else d.surface(SUPPORTS)
    metres = float(rng.uniform(0.3, 1.0))
    props = [
        box_prop((depth, width, 0.02), (0, 0, -0.01), inside, texture_metres=metres),
        box_prop((0.015, width, gap + 0.1), (-depth / 2, 0, gap / 2 - 0.05), look, texture_metres=metres),
    ]
    for side in (-1, 1):
        props.append(box_prop((depth, 0.02, gap + 0.5), (0, side * width / 2, 0), look, texture_metres=metres))
    if rng.random() < 0.6:
        props.append(box_prop((depth, width, 0.02), (0, 0, gap), look, texture_metres=metres, solid=False))
    if rng.random() < 0.6:
        props.append(box_prop((depth, width, 0.02), (0, 0, -gap), look, texture_metres=metres, solid=False))
    props += [_ground(d, -0.9), *sample_furniture(rng, -0.9, 1.6, d.variety)]
    return Place("shelf", tuple(props), (depth / 2 * 0.6, width / 2 * 0.75), inside, (8.0, 40.0), (-38.0, 38.0))


def _drawer(d: _Draw) -> Place:
    """An open drawer in front of its cabinet."""
    rng = d.rng
    x, y, height = rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.6), float(rng.uniform(0.06, 0.16))
    walls, inside = _box_walls(d, x, y, height)
    front = d.surface(FURNITURE)
    cabinet = [
        box_prop((0.02, y + 0.06, height + 0.06), (x / 2 + 0.01, 0, height / 2), front, texture_metres=0.8),
        box_prop((0.5, y + 0.1, 0.9), (-x / 2 - 0.26, 0, height + 0.03 - 0.45), front, texture_metres=0.8),
    ]
    props = [_ground(d, -0.6), *walls, *cabinet, *sample_furniture(rng, -0.6, 1.0, d.variety)]
    return Place("drawer", tuple(props), (x / 2 * 0.7, y / 2 * 0.7), inside, (45.0, 86.0), (-75.0, 75.0))


def _seat(d: _Draw) -> Place:
    """A sofa or armchair: cushion, back and arms of one cloth."""
    rng = d.rng
    depth, width = rng.uniform(0.5, 0.65), rng.uniform(0.55, 1.4)
    kinds = {"carpet": 0.4, "weave": 0.3, "leather": 0.2, "plain": 0.1, "knit": 0.5, "plaid": 0.3, "floral": 0.15}
    cloth = d.surface(kinds)
    metres = float(rng.uniform(0.3, 0.8))
    arm, back = rng.uniform(0.12, 0.22), rng.uniform(0.35, 0.6)
    props = [
        box_prop((depth, width, 0.4), (0, 0, -0.2), cloth, texture_metres=metres),
        box_prop(
            (0.2, width + 2 * arm, 0.4 + back), (-depth / 2 - 0.08, 0, (back - 0.4) / 2), cloth, texture_metres=metres
        ),
    ]
    for side in (-1, 1):
        props.append(box_prop((depth, arm, 0.62), (0, side * (width + arm) / 2, -0.1), cloth, texture_metres=metres))
    props += [_ground(d, -0.42), *sample_furniture(rng, -0.42, 1.0, d.variety)]
    half = (depth / 2 * 0.6, min(0.3, width / 2 * 0.7))
    return Place("seat", tuple(props), half, cloth, (30.0, 80.0), (-70.0, 70.0))


MAKERS: dict[str, Callable[[_Draw], Place]] = {
    "table": _table, "floor": _floor, "bin": _bin, "tray": _tray, "shelf": _shelf, "drawer": _drawer, "seat": _seat,
}  # fmt: skip


def _under(d: _Draw) -> list[Prop]:
    """Draw the support of a bin or tray, and its surroundings."""
    if d.rng.random() < 0.3:
        return [_ground(d, 0.0), *sample_furniture(d.rng, 0.0, 0.6, d.variety)]
    props, _, floor_z, _ = _table_props(d)
    return props + sample_furniture(d.rng, floor_z, 0.8, d.variety)


def _ground(d: _Draw, z: float) -> Prop:
    turn, metres = d.rng.uniform(0, 6.3), float(d.rng.uniform(0.4, 1.8))
    size = (GROUND_SIDE_M, GROUND_SIDE_M, 0.1)
    return box_prop(size, (0, 0, z - 0.05), d.surface(FLOORS), turn, texture_metres=metres)


def _table_props(d: _Draw) -> tuple[list[Prop], Surface, float, np.ndarray]:
    """A table, square or round, on legs, a pedestal or a cabinet, and the floor below it."""
    rng = d.rng
    floor_z = -float(rng.uniform(0.35, 0.8))
    width, depth, thick = rng.uniform(0.55, 2.0), rng.uniform(0.5, 1.1), float(rng.uniform(0.015, 0.06))
    offset = rng.uniform(-0.5, 0.5, 2) * np.maximum(np.array([width, depth]) - 0.55, 0)
    top = d.surface(SUPPORTS)
    look = top if rng.random() < 0.6 else d.surface({"plain": 0.6, "wood": 0.4, "parquet": 0.4})
    metres = float(rng.uniform(0.3, 1.3))
    if rng.random() < 0.15:
        radius = max(width, depth) / 2
        pose = Pose((float(offset[0] * 0.5), float(offset[1] * 0.5), -thick / 2))
        round_top = Prop("cylinder", (2 * radius, 2 * radius, thick), top, pose, texture_metres=metres)
        foot = Prop("turned", (0.14, 0.14, -floor_z - thick), look, Pose((*pose.position[:2], (floor_z - thick) / 2)),
                    solid=False, seed=int(rng.integers(2**31)))  # fmt: skip
        return [round_top, foot, _ground(d, floor_z)], top, floor_z, offset
    props = [box_prop((width, depth, thick), (*offset, -thick / 2), top, texture_metres=metres), _ground(d, floor_z)]
    height, leg = -floor_z - thick, float(rng.uniform(0.03, 0.09))
    if rng.random() < 0.12:
        body = (width * 0.9, depth * 0.9, height)
        return [*props, box_prop(body, (*offset, floor_z + height / 2), look, solid=False)], top, floor_z, offset
    kind, seed = str(rng.choice(["box", "cylinder", "turned"], p=[0.5, 0.2, 0.3])), int(rng.integers(2**31))
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = offset[0] + sx * (width / 2 - leg), offset[1] + sy * (depth / 2 - leg)
            pose = Pose((float(x), float(y), floor_z + height / 2))
            props.append(Prop(kind, (leg, leg, height), look, pose, solid=False, seed=seed))
    return props, top, floor_z, offset


def _box_walls(d: _Draw, x: float, y: float, height: float) -> tuple[list[Prop], Surface]:
    """Floor and four walls of an open box standing on z = 0, and the look of its floor; some of clear plastic."""
    rng, thick = d.rng, float(d.rng.uniform(0.004, 0.015))
    outside = d.surface({"plain": 0.55, "cardboard": 0.2, "wood": 0.1, "brushed": 0.08, "perforated": 0.07, "cork": 0.1,
                         "parquet": 0.1})  # fmt: skip
    clear = d.variety.clear and rng.random() < 0.12
    if clear:
        outside = Surface(
            "plain", outside.seed, 0.15, saturation=0.2, brightness=1.3, clear=float(rng.uniform(0.6, 0.9))
        )
    inside = outside if rng.random() < 0.7 and not clear else d.surface(SUPPORTS)
    metres = float(rng.uniform(0.2, 0.8))
    props = [box_prop((x, y, 0.004), (0, 0, -0.0005), inside, texture_metres=metres)]
    for s in (-1, 1):
        props.append(box_prop((thick, y + thick, height), (s * x / 2, 0, height / 2), outside, texture_metres=metres))
        props.append(box_prop((x + thick, thick, height), (0, s * y / 2, height / 2), outside, texture_metres=metres))
    return props, inside


def _cloth(d: _Draw) -> list[Prop]:
    """A place mat, sheet or table cloth: flat and patterned, no object."""
    if not d.variety.cloths or d.rng.random() > 0.16:
        return []
    size = (float(d.rng.uniform(0.3, 0.8)), float(d.rng.uniform(0.25, 0.6)), 0.0015)
    x, y = d.rng.normal(0, 0.06, 2)
    return [box_prop(size, (x, y, -0.0004), d.surface(CLOTHS), d.rng.uniform(0, 6.3),
                     texture_metres=float(d.rng.uniform(0.2, 0.8)))]  # fmt: skip

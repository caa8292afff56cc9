"""The built-in object families: each draws one shape of its kind from a random generator. Unit: metres; real sizes.

A scene description stores a family's name and a seed, not meshes; shapes live in :mod:`uois_sam.synth.assets.shapes`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uois_sam.synth.assets.meshes import Array
from uois_sam.synth.assets.shapes import (
    abstract,
    baskets,
    bottles,
    electrics,
    electronics,
    fittings,
    hardware,
    kitchen,
    packaging,
    paper,
    produce,
    soft,
    tools,
    toys,
    vessels,
    wire,
    workshop,
)
from uois_sam.synth.assets.shapes.part import ROLES as ROLES
from uois_sam.synth.assets.shapes.part import Part as Part

Draw = Callable[[np.random.Generator], list[Part]]


@dataclass(frozen=True)
class Family:
    """One kind of object."""

    draw: Draw
    group: str
    """Kind of goods: packaging, vessels, kitchen, tools, hardware, wire, soft, produce, paper, electronics, toys,
    abstract, or mesh for a user's own."""
    frequency: float = 0.5
    """Relative frequency with which it is drawn."""
    upright: float = 0.0
    """Share that starts on its base, or flat on its back; the rest is dropped in any orientation."""
    nests: bool = False
    """Open at the top: smaller things fit inside, and its own kind often stacks into itself."""
    heldout: bool = False
    """Never in training scenes: whole kinds that only validation shows."""


FAMILIES: dict[str, Family] = {
    "carton": Family(packaging.carton, "packaging", 7.0, 0.65),
    "open_carton": Family(packaging.open_carton, "packaging", 0.5, 0.85, nests=True),
    "can": Family(packaging.can, "packaging", 3.5, 0.65),
    "container": Family(packaging.container, "packaging", 2.0, 0.65),
    "bag": Family(packaging.bag, "packaging", 1.3, 0.7),
    "blister": Family(packaging.blister, "packaging", 0.5, 0.7),
    "squeeze_tube": Family(packaging.squeeze_tube, "packaging", 1.0, 0.6),
    "egg_tray": Family(packaging.egg_tray, "packaging", 0.3, 0.7, nests=True, heldout=True),
    "bottle": Family(bottles.bottle, "vessels", 4.0, 0.6),
    "vessel": Family(vessels.vessel, "vessels", 2.6, 0.7, nests=True),
    "mug": Family(vessels.mug, "vessels", 2.4, 0.65, nests=True),
    "plate": Family(vessels.plate, "vessels", 1.0, 0.85, nests=True),
    "jar": Family(bottles.jar, "vessels", 1.6, 0.65),
    "jug": Family(vessels.jug, "vessels", 0.9, 0.7, nests=True),
    "teapot": Family(vessels.teapot, "vessels", 0.5, 0.75, heldout=True),
    "spray_bottle": Family(bottles.spray_bottle, "vessels", 0.6, 0.6, heldout=True),
    "basket": Family(baskets.basket, "vessels", 0.3, 0.85, nests=True),
    "pan": Family(vessels.pan, "vessels", 0.4, 0.7, nests=True),
    "flask": Family(bottles.flask, "vessels", 0.5, 0.6, heldout=True),
    "spoon": Family(kitchen.spoon, "kitchen", 0.6, 0.7),
    "fork": Family(kitchen.fork, "kitchen", 0.4, 0.7),
    "knife": Family(kitchen.knife, "kitchen", 0.5, 0.7),
    "spatula": Family(kitchen.spatula, "kitchen", 0.4, 0.6, heldout=True),
    "ladle": Family(kitchen.ladle, "kitchen", 0.3, 0.5),
    "rolling_pin": Family(kitchen.rolling_pin, "kitchen", 0.3, 0.7),
    "stick": Family(tools.stick, "tools", 0.8, 0.5),
    "tool": Family(tools.tool, "tools", 0.5, 0.4),
    "hammer": Family(tools.hammer, "tools", 0.5, 0.7),
    "screwdriver": Family(tools.screwdriver, "tools", 0.7, 0.6),
    "pliers": Family(workshop.pliers, "tools", 0.8, 0.75),
    "scissors": Family(workshop.scissors, "tools", 0.6, 0.8, heldout=True),
    "wrench": Family(workshop.wrench, "tools", 0.5, 0.75),
    "clamp": Family(workshop.clamp, "tools", 0.8, 0.6),
    "drill": Family(workshop.drill, "tools", 1.0, 0.6),
    "brush": Family(tools.brush, "tools", 0.5, 0.6),
    "torch": Family(tools.torch, "tools", 0.4, 0.5, heldout=True),
    "ring": Family(hardware.ring, "hardware", 0.5, 0.5),
    "pipe": Family(fittings.pipe, "hardware", 0.5, 0.4),
    "gear": Family(hardware.gear, "hardware", 0.5, 0.6, heldout=True),
    "bolt": Family(fittings.bolt, "hardware", 0.4, 0.3),
    "nut": Family(fittings.nut, "hardware", 0.3, 0.6),
    "bracket": Family(fittings.bracket, "hardware", 0.4, 0.4, heldout=True),
    "machined": Family(hardware.machined, "hardware", 0.6, 0.5),
    "knob": Family(hardware.knob, "hardware", 0.3, 0.3),
    "whisk": Family(wire.whisk, "wire", 0.3, 0.5),
    "hook": Family(wire.hook, "wire", 0.3, 0.6, heldout=True),
    "spring": Family(wire.spring, "wire", 0.3, 0.4),
    "cable": Family(wire.cable, "wire", 0.5, 0.8),
    "eyeglasses": Family(wire.eyeglasses, "wire", 0.4, 0.4),
    "clip": Family(wire.clip, "wire", 0.3, 0.7),
    "cloth": Family(soft.cloth, "soft", 0.7, 0.85),
    "soft_toy": Family(soft.soft_toy, "soft", 0.6, 0.4),
    "shoe": Family(soft.shoe, "soft", 0.5, 0.7, heldout=True),
    "sponge": Family(soft.sponge, "soft", 0.5, 0.6),
    "yarn": Family(soft.yarn, "soft", 0.2),
    "lump": Family(produce.lump, "produce", 1.2),
    "bent": Family(produce.bent, "produce", 0.5, 0.3),
    "apple": Family(produce.apple, "produce", 1.2, 0.5),
    "pepper": Family(produce.pepper, "produce", 0.6, 0.4, heldout=True),
    "banana": Family(produce.banana, "produce", 1.4, 0.5),
    "carrot": Family(produce.carrot, "produce", 0.4, 0.3, heldout=True),
    "mushroom": Family(produce.mushroom, "produce", 0.3, 0.3),
    "book": Family(paper.book, "paper", 1.5, 0.75),
    "card": Family(paper.card, "paper", 0.6, 0.85),
    "crumpled": Family(paper.crumpled, "paper", 0.4),
    "roll": Family(paper.roll, "paper", 0.4, 0.5, heldout=True),
    "remote": Family(electronics.remote, "electronics", 0.6, 0.7),
    "mouse": Family(electronics.mouse, "electronics", 0.5, 0.75),
    "controller": Family(electronics.controller, "electronics", 0.5, 0.6, heldout=True),
    "plug": Family(electrics.plug, "electronics", 0.5, 0.4),
    "bulb": Family(electrics.bulb, "electronics", 0.4, 0.3),
    "phone": Family(electronics.phone, "electronics", 0.5, 0.8),
    "headphones": Family(electrics.headphones, "electronics", 0.4, 0.7, heldout=True),
    "keypad": Family(electrics.keypad, "electronics", 0.4, 0.7),
    "block": Family(toys.block, "toys", 1.6, 0.3),
    "toy": Family(toys.toy, "toys", 0.8, 0.4),
    "brick": Family(toys.brick, "toys", 0.5, 0.5),
    "toy_car": Family(toys.toy_car, "toys", 0.6, 0.75, heldout=True),
    "die": Family(toys.die, "toys", 0.3, 0.3),
    "turned": Family(toys.turned, "toys", 0.4, 0.4),
    "gadget": Family(abstract.gadget, "abstract", 0.8),
    "device": Family(abstract.device, "abstract", 0.6, 0.6),
}
"""Built-in families by name."""


@functools.lru_cache(maxsize=96)
def make_parts(family: Family, seed: int) -> tuple[Part, ...]:
    """Make the parts of one object: the same family and seed give the same meshes."""
    return tuple(family.draw(np.random.default_rng(seed)))


def collision_pieces(parts: Sequence[Part]) -> list[Array]:
    """Return convex point sets, (P, 3) float64 metres each, that the object collides as."""
    return [piece for part in parts for piece in part.pieces or (part.mesh.vertices,)]


def mesh_points(parts: Sequence[Part]) -> Array:
    """Return the (V, 3) float64 vertices of all parts, metres."""
    return np.concatenate([part.mesh.vertices for part in parts])

"""Light rigs: three lamps and a sky. Unit: metres; the support's top is z = 0.

Every rig has the same number of lamps, since the renderer's kernel depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.scene import Lamp, Sky

Rng = np.random.Generator
Lamps = tuple[Lamp, ...]


def lamp(rng: Rng, angle: float, away: float, height: float, side: float, power: float, tint: float = 0.12) -> Lamp:
    """One lamp; ``power`` is radiance times area, ``tint`` the deviation of its colour."""
    colour = np.exp(rng.normal(0, tint, 3))
    position = (float(away * np.cos(angle)), float(away * np.sin(angle)), float(height))
    return Lamp(position, float(side), tuple((power / side**2 * colour).tolist()))


def off(rng: Rng) -> Lamp:
    """A lamp too weak to be seen."""
    return lamp(rng, 0.0, 2.0, 2.0, 0.1, 1e-5)


def mixed(rng: Rng) -> tuple[Lamps, float]:
    """Two lamps, each from tiny and hard to wide and soft, from glaring to all but off."""
    lamps = [
        lamp(rng, rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 2.0), rng.uniform(0.8, 2.4),
             np.exp(rng.uniform(np.log(0.06), np.log(1.2))), np.exp(rng.uniform(np.log(0.2), np.log(12))))
        for _ in range(2)
    ]  # fmt: skip
    return (*lamps, off(rng)), rng.uniform(0.15, 1.2)


def ceiling(rng: Rng) -> tuple[Lamps, float]:
    """Office panels in a row overhead."""
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(0.8, 1.8)
    power, shift = np.exp(rng.uniform(np.log(1.5), np.log(6))), rng.uniform(-0.5, 0.5)
    places = [(k - 1) * pitch + shift for k in range(3)]
    lamps = [lamp(rng, angle, p if abs(p) > 0.05 else 0.05, rng.uniform(1.9, 2.1), 0.6, power, 0.04) for p in places]
    return tuple(lamps), rng.uniform(0.2, 1.0)


def window(rng: Rng) -> tuple[Lamps, float]:
    """A wide bluish window from one side, a weak warm lamp from another."""
    angle = rng.uniform(0, 2 * np.pi)
    bright = lamp(rng, angle, rng.uniform(1.5, 2.5), rng.uniform(0.5, 1.3), rng.uniform(0.9, 1.6), rng.uniform(3, 15))
    warm = lamp(rng, angle + rng.uniform(1.5, 4.5), rng.uniform(0.5, 1.5), 1.8, 0.2, rng.uniform(0.1, 1.5))
    return (bright, warm, off(rng)), rng.uniform(0.1, 0.7)


def spot(rng: Rng) -> tuple[Lamps, float]:
    """One small hard lamp close by: deep shadows, highlights."""
    hard = lamp(rng, rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.2), rng.uniform(0.7, 1.6), rng.uniform(0.04, 0.1),
                rng.uniform(1, 4))  # fmt: skip
    return (hard, off(rng), off(rng)), rng.uniform(0.08, 0.4)


def dim(rng: Rng) -> tuple[Lamps, float]:
    """An evening room: little, coloured light."""
    lamps = [lamp(rng, rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.8), rng.uniform(0.6, 1.8), 0.25,
                  rng.uniform(0.1, 0.6), 0.35) for _ in range(2)]  # fmt: skip
    return (*lamps, off(rng)), rng.uniform(0.05, 0.2)


def ring(rng: Rng) -> tuple[Lamps, float]:
    """Three equal small lamps around: threefold shadows. Held out from training."""
    angle, away, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.2), rng.uniform(0.9, 1.8)
    power, side = rng.uniform(0.8, 3), rng.uniform(0.08, 0.3)
    lamps = tuple(lamp(rng, angle + 2 * np.pi * k / 3, away, height, side, power) for k in range(3))
    return lamps, rng.uniform(0.1, 0.7)


def sun(rng: Rng) -> tuple[Lamps, float]:
    """Low sun under an open sky: one far, hard, warm light. Held out from training."""
    away = rng.uniform(3, 8)
    low = lamp(rng, rng.uniform(0, 2 * np.pi), away, away * rng.uniform(0.3, 1.2), 0.35, rng.uniform(20, 90), 0.1)
    return (low, off(rng), off(rng)), rng.uniform(0.4, 1.5)


def bench(rng: Rng) -> tuple[Lamps, float]:
    """Work lights side by side, close above. Held out from training."""
    angle, height = rng.uniform(0, np.pi), rng.uniform(0.55, 0.8)
    power = rng.uniform(0.3, 1.2)
    lamps = [lamp(rng, angle, 0.05 + 0.3 * k, height, 0.12, power, 0.05) for k in (-1, 0, 1)]
    return tuple(lamps), rng.uniform(0.1, 0.5)


def studio(rng: Rng) -> tuple[Lamps, float]:
    """One soft light overhead: what is left when light variety is switched off."""
    return (lamp(rng, 0.0, 0.05, 2.0, 1.2, 5.0, 0.0), off(rng), off(rng)), 0.6


@dataclass(frozen=True)
class Rig:
    """A kind of lighting."""

    draw: Callable[[Rng], tuple[Lamps, float]]
    """Draws three lamps and the strength of the sky."""
    frequency: float
    heldout: bool = False
    sky: str = "room"


RIGS = {
    "mixed": Rig(mixed, 0.4), "ceiling": Rig(ceiling, 0.24), "window": Rig(window, 0.16), "spot": Rig(spot, 0.1),
    "dim": Rig(dim, 0.1), "ring": Rig(ring, 0.35, heldout=True), "sun": Rig(sun, 0.3, heldout=True, sky="outdoors"),
    "bench": Rig(bench, 0.35, heldout=True),
}  # fmt: skip


def sample_lights(rng: Rng, variety: Variety, assets: Assets = BUILT_IN) -> tuple[str, Lamps, Sky]:
    """Draw a rig of the split: its name, its three lamps and the sky."""
    if not variety.lights:
        lamps, strength = studio(rng)
        return "studio", lamps, Sky("room", int(rng.integers(2**31)), strength)
    names = [name for name, rig in RIGS.items() if variety.split == "all" or rig.heldout == (variety.split == "val")]
    shares = np.array([RIGS[name].frequency for name in names])
    name = str(rng.choice(names, p=shares / shares.sum()))
    lamps, strength = RIGS[name].draw(rng)
    own = assets.own_skies
    kind = str(rng.choice(own)) if own and rng.random() < 0.7 else RIGS[name].sky
    return name, lamps, Sky(kind, int(rng.integers(2**31)), float(strength))

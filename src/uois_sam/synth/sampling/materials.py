"""Random surfaces: of a part from its role, and of supports and furniture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.assets.textures import TEXTURES, in_split
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.scene import Surface

Rng = np.random.Generator


@dataclass(frozen=True)
class Material:
    """Surfaces of one role. Weights are relative; kinds outside the split or switched off drop out."""

    textures: dict[str, float]
    roughness: tuple[float, float]
    metallic: float = 0.0
    """Share of metallic ones."""
    clear: float = 0.0
    """Share of see-through ones."""
    brightness: tuple[float, float] = (1.0, 1.0)


MATERIALS = {
    "carton": Material({"atlas": 0.86, "crate": 0.86, "plain": 0.06, "cardboard": 0.08}, (0.2, 0.8)),
    "label": Material(
        {"label": 0.58, "badge": 0.58, "plain": 0.16, "picture": 0.05, "scenery": 0.05, "stripes": 0.06, "plaid": 0.05,
         "gradient": 0.07, "dots": 0.03, "floral": 0.05}, (0.15, 0.7)),
    "body": Material(
        {"plain": 0.6, "gradient": 0.09, "speckle": 0.06, "marble": 0.04, "wood": 0.05, "stripes": 0.04, "dots": 0.02,
         "leather": 0.05, "label": 0.04, "mottled": 0.08, "cork": 0.05, "terrazzo": 0.05, "plaid": 0.05, "badge": 0.04},
        (0.12, 0.85), metallic=0.07, clear=0.03),
    "accent": Material({"plain": 0.9, "speckle": 0.03, "stripes": 0.03, "leather": 0.04, "mottled": 0.05},
                       (0.12, 0.85), metallic=0.15),
    "paper": Material({"page": 0.4, "plain": 0.35, "weave": 0.1, "cardboard": 0.1, "picture": 0.05, "scenery": 0.1},
                      (0.6, 0.95), brightness=(0.85, 1.1)),
    "metal": Material({"brushed": 0.7, "plain": 0.3, "hammered": 0.7}, (0.12, 0.5), metallic=0.8),
    "ceramic": Material({"plain": 0.78, "speckle": 0.08, "stripes": 0.08, "dots": 0.04, "floral": 0.15,
                         "terrazzo": 0.08}, (0.08, 0.4)),
    "glass": Material({"plain": 1.0}, (0.02, 0.12), clear=0.9),
    "clear": Material({"plain": 0.85, "gradient": 0.15}, (0.05, 0.4), clear=0.75),
    "rubber": Material({"plain": 0.8, "leather": 0.2, "cork": 0.1}, (0.6, 0.95), brightness=(0.2, 0.8)),
    "fabric": Material({"weave": 0.45, "carpet": 0.15, "stripes": 0.12, "dots": 0.06, "herringbone": 0.12,
                        "plain": 0.1, "knit": 0.4, "plaid": 0.2, "floral": 0.2}, (0.75, 1.0), brightness=(0.4, 1.1)),
    "wood": Material({"wood": 1.0, "parquet": 1.0}, (0.3, 0.8)),
    "skin": Material({"peel": 0.8, "gradient": 0.12, "plain": 0.08, "mottled": 0.8}, (0.25, 0.65)),
}  # fmt: skip
"""Role of a part (``shapes.part.ROLES``) to its material."""

SUPPORTS = {
    "wood": 0.24, "plain": 0.22, "speckle": 0.08, "weave": 0.09, "marble": 0.06, "checker": 0.07, "stripes": 0.02,
    "concrete": 0.1, "leather": 0.03, "perforated": 0.03, "brushed": 0.03, "herringbone": 0.02,
    "parquet": 0.2, "terrazzo": 0.12, "cork": 0.06, "hexagons": 0.06, "plaid": 0.06, "floral": 0.04, "mottled": 0.05,
}  # fmt: skip
FLOORS = {
    "carpet": 0.3, "wood": 0.18, "concrete": 0.18, "jute": 0.1, "checker": 0.1, "speckle": 0.08, "plain": 0.06,
    "parquet": 0.3, "rug": 0.12, "terrazzo": 0.2, "hexagons": 0.12, "knit": 0.06,
}  # fmt: skip
CLOTHS = {
    "weave": 0.2, "stripes": 0.15, "checker": 0.15, "dots": 0.1, "plain": 0.1, "herringbone": 0.1, "perforated": 0.06,
    "picture": 0.06, "page": 0.08, "plaid": 0.3, "floral": 0.2, "rug": 0.1, "knit": 0.1, "scenery": 0.1,
}  # fmt: skip
FURNITURE = {
    "plain": 0.5, "wood": 0.22, "brushed": 0.06, "weave": 0.08, "leather": 0.05, "cardboard": 0.06, "atlas": 0.03,
    "parquet": 0.1, "hammered": 0.08, "cork": 0.05, "plaid": 0.05, "crate": 0.03,
}  # fmt: skip
WALLS = {"plain": 0.6, "concrete": 0.25, "wood": 0.1, "stripes": 0.05, "mottled": 0.1, "floral": 0.08, "hexagons": 0.08}


NATURAL = frozenset({"wood", "parquet", "cork", "cardboard", "jute", "leather", "mottled"})
"""Textures that keep their colours: greyed wood looks unnatural."""


def draw_kind(rng: Rng, weights: dict[str, float], variety: Variety) -> str:
    """Draw one of the texture kinds that the split and the switches leave; ``plain`` if they leave none."""
    off = {group for group, on in (("print", variety.prints), ("material", variety.patterns),
                                   ("pattern", variety.patterns)) if not on}  # fmt: skip
    left = {k: w for k, w in weights.items() if in_split(k, variety.split) and TEXTURES[k].group not in off}
    if not left:
        return "plain"
    shares = np.array(list(left.values()))
    return str(rng.choice(list(left), p=shares / shares.sum()))


def sample_surface(rng: Rng, role: str, variety: Variety, assets: Assets = BUILT_IN) -> Surface:
    """Draw the surface of a part from its role."""
    material = MATERIALS[role]
    kind = draw_kind(rng, material.textures, variety)
    own = assets.own_textures
    if own and role in ("carton", "label", "body", "fabric", "paper") and rng.random() < 0.5:
        kind = str(rng.choice(own))
    metallic = rng.random() < material.metallic
    clear = rng.uniform(0.55, 0.97) if rng.random() < material.clear else 0.0
    return Surface(
        texture=kind,
        seed=int(rng.integers(2**31)),
        roughness=float(rng.uniform(*material.roughness) * (0.6 if metallic else 1.0)),
        metallic=float(metallic),
        brightness=float(rng.uniform(*material.brightness)),
        wear=_wear(rng, variety),
        clear=float(clear) if variety.clear else 0.0,
    )


def sample_furnishing(rng: Rng, weights: dict[str, float], variety: Variety, assets: Assets = BUILT_IN) -> Surface:
    """Draw the surface of a support or a piece of furniture, in duller colours than those of objects."""
    kind = draw_kind(rng, weights, variety)
    own = assets.own_textures
    if own and rng.random() < 0.3:
        kind = str(rng.choice(own))
    natural = kind in NATURAL
    return Surface(
        texture=kind,
        seed=int(rng.integers(2**31)),
        roughness=float(rng.uniform(0.25, 0.95)),
        metallic=float(kind in ("brushed", "hammered") and rng.random() < 0.7),
        saturation=float(rng.uniform(0.5, 1.0) if natural else rng.choice([0.1, 0.4, 1.0], p=[0.4, 0.35, 0.25])),
        brightness=float(rng.choice([1.35, 1.0, 0.7, 0.35], p=[0.2, 0.5, 0.18, 0.12])),
        wear=_wear(rng, variety),
    )


def camouflaged(surface: Surface, support: Surface) -> Surface:
    """Return the surface in the colours of the support."""
    return replace(support, roughness=surface.roughness, clear=0.0)


def _wear(rng: Rng, variety: Variety) -> float:
    amount = float(rng.uniform(0.05, 0.8)) if rng.random() < 0.35 else 0.0
    return amount if variety.wear else 0.0

"""Parts of an object, one material each, and the convex pieces that stand for them in the physics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uois_sam.synth.meshes import Array, Mesh

ROLES = (
    "carton", "label", "body", "accent", "paper",
    "metal", "ceramic", "glass", "clear", "rubber", "fabric", "wood", "skin",
)  # fmt: skip
"""Kinds of surface a part can have; ``scene.sample_surface`` draws a look for each.

``carton`` texture atlas of printed faces; ``label`` print wrapped around; ``body`` any material; ``accent`` plain
contrast colour (caps, handles); ``paper`` pages, card, crumpled sheets; ``metal`` bare or painted metal; ``ceramic``
glazed; ``glass`` and ``clear`` see-through glass and plastic; ``rubber`` dark and dull; ``fabric`` woven; ``wood``;
``skin`` of fruit and vegetables."""


@dataclass(frozen=True)
class Part:
    """A piece of an object with one material."""

    mesh: Mesh
    role: str
    """Kind of surface, one of :data:`ROLES`."""
    pieces: tuple[Array, ...] = ()
    """Convex pieces, each (P, 3) float64 points in metres whose hull collides; empty: the hull of the mesh."""
    picture: npt.NDArray[np.uint8] | None = None
    """(H, W, 3) uint8 RGB texture that a user's mesh came with; None: the surface is sampled from the role."""

"""Parts of an object, one material each, and the convex pieces that they collide as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.meshes import Array, Mesh, Vector
from uois_sam.synth.assets.shapes.pieces import moved

Rng = np.random.Generator

ROLES = (
    "carton",
    "label",
    "body",
    "accent",
    "paper",
    "metal",
    "ceramic",
    "glass",
    "clear",
    "rubber",
    "fabric",
    "wood",
    "skin",
)
"""Kinds of surface a part can have; ``sampling.materials`` draws a surface for each.

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
    """(H, W, 3) uint8 RGB texture from the file of a user's mesh; None if the surface is drawn from the role."""

    def placed(self, rotation: Array | None = None, translation: Vector = (0.0, 0.0, 0.0)) -> Part:
        """Return the part after a (3, 3) linear map and a translation in metres."""
        mesh = self.mesh.transformed(rotation, translation)
        return replace(self, mesh=mesh, pieces=moved(self.pieces, rotation, translation))


def place(parts: Sequence[Part], rotation: Array | None = None, translation: Vector = (0.0, 0.0, 0.0)) -> list[Part]:
    """Return all parts after a (3, 3) linear map and a translation in metres."""
    return [part.placed(rotation, translation) for part in parts]


def turn(axes: str, *degrees: float) -> Array:
    """Return the (3, 3) rotation from Euler angles in degrees about fixed axes, such as ``turn("xz", 90, 30)``."""
    return np.asarray(Rotation.from_euler(axes, degrees, degrees=True).as_matrix()).reshape(3, 3)


def pick(rng: Rng, *choices: str) -> str:
    """Draw one of the choices with equal probability."""
    return choices[int(rng.integers(len(choices)))]

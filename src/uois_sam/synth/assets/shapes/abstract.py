"""Abstract objects: solids stuck together, and figures cut by holes, slots and steps along one axis."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.meshes import superquadric
from uois_sam.synth.assets.shapes.part import Part, Rng, pick
from uois_sam.synth.assets.shapes.pieces import brick, disc
from uois_sam.synth.assets.solids import cylinder, mesh_of, rounded_box, union


def gadget(rng: Rng) -> list[Part]:
    """Two or three different solids stuck together."""
    parts = []
    reach = 0.0
    for index in range(rng.integers(2, 4)):
        radii = rng.uniform(0.012, 0.045, 3)
        mesh = superquadric(radii, rng.uniform(0.1, 1.3), rng.uniform(0.1, 1.3), 20, 32)
        direction = rng.normal(size=3)
        direction *= reach / np.linalg.norm(direction)
        parts.append(
            Part(
                mesh.transformed(Rotation.random(random_state=rng).as_matrix(), direction),
                "body" if index == 0 or rng.random() < 0.4 else "accent",
            )
        )
        reach = float(radii.mean()) * 1.3
    return parts


def device(rng: Rng) -> list[Part]:
    """A household device that might exist: stacked, aligned volumes with grooves, vents, a dial and feet."""
    round_ = rng.random() < 0.45
    count = int(rng.integers(2, 4))
    z, solids, pieces = 0.0, [], []
    width = rng.uniform([0.03, 0.03], [0.075, 0.06])
    roles = [pick(rng, "body", "body", "metal"), pick(rng, "accent", "rubber", "body"), "body"]
    parts = []
    for k in range(count):
        tall = rng.uniform(0.012, 0.06)
        size = width * rng.uniform(0.65, 1.0) if k else width
        if round_:
            solid = cylinder(
                size[0] / 2, tall, (0, 0, z + tall / 2), top=size[0] / 2 * rng.uniform(0.75, 1), segments=48
            )
            piece = disc(size[0] / 2, z, z + tall)
        else:
            solid = rounded_box(
                (size[0], size[1], tall), min(*size, tall) * rng.uniform(0.06, 0.3), (0, 0, z + tall / 2)
            )
            piece = brick((size[0], size[1], tall), (0, 0, z + tall / 2))
        cuts = []
        if rng.random() < 0.5:
            for n in range(int(rng.integers(2, 6))):
                at = z + tall * (0.25 + 0.09 * n)
                cuts.append(
                    rounded_box(
                        (size[0] * 0.55, 0.012, tall * 0.045), tall * 0.015, (0, -size[int(not round_)] / 2, at)
                    )
                )
        if rng.random() < 0.3:
            cuts.append(cylinder(min(size) * 0.16, 1.0, (0, 0, z + tall / 2), "y"))
        solids.append(solid - union(cuts) if cuts else solid)
        pieces.append(piece)
        parts.append(Part(mesh_of(solids[-1]), roles[k], (piece,)))
        z += tall
    dial_r = min(width) * rng.uniform(0.15, 0.3)
    if rng.random() < 0.6:
        dial = cylinder(dial_r, 0.01, (0, 0, z + 0.004), segments=36) - rounded_box(
            (dial_r * 1.4, 0.0015, 0.004), 0.0004, (0, 0, z + 0.009)
        )
        parts.append(Part(mesh_of(dial), "accent"))
    return parts

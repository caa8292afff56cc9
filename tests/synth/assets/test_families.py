"""Every family of shapes, over several seeds: sound meshes of real size, with pieces that stand for them in physics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from uois_sam.synth.assets.families import FAMILIES, ROLES, collision_pieces, make_parts
from uois_sam.synth.assets.meshes import Mesh

SEEDS = (0, 3)
OLD_FAMILIES = {
    "carton", "block", "can", "bottle", "vessel", "mug", "plate", "container", "lump", "bag", "bent", "stick", "tool",
    "toy", "book", "ring", "gadget",
}  # fmt: skip
"""Saved scenes of the first release name these."""


def volume(mesh: Mesh) -> float:
    """Divergence theorem about the mesh's middle: positive when faces look outwards, also for open shells."""
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - middle for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("family", FAMILIES)
def test_meshes_are_sound_and_of_real_size(family: str) -> None:
    for seed in SEEDS:
        parts = make_parts(FAMILIES[family], seed)
        points = np.concatenate([part.mesh.vertices for part in parts])
        assert np.isfinite(points).all()
        assert 0.01 <= np.ptp(points, axis=0).max() <= 0.36
        for part in parts:
            assert part.role in ROLES
            assert part.mesh.faces.min() >= 0 and part.mesh.faces.max() < len(part.mesh.vertices) == len(part.mesh.uv)
            assert part.mesh.uv.min() >= -1e-9 and part.mesh.uv.max() <= 1 + 1e-9
            lengths = np.linalg.norm(part.mesh.vertex_normals()[part.mesh.faces.ravel()], axis=1)
            assert np.isfinite(lengths).all()
        assert sum(volume(part.mesh) for part in parts) > 0, "faces look inwards"


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_cover_the_object_and_stay_within_it(family: str) -> None:
    for seed in SEEDS:
        parts = make_parts(FAMILIES[family], seed)
        points = np.concatenate([part.mesh.vertices for part in parts])
        pieces = collision_pieces(parts)
        assert 1 <= len(pieces) <= 90
        for piece in pieces:
            assert ConvexHull(piece).volume > 1e-11, "a flat piece cannot collide"
        reach = np.concatenate(pieces)
        outside = max((points.min(axis=0) - reach.min(axis=0)).max(), (reach.max(axis=0) - points.max(axis=0)).max())
        missing = max((reach.min(axis=0) - points.min(axis=0)).max(), (points.max(axis=0) - reach.max(axis=0)).max())
        assert outside < 0.004, "it would float"
        assert missing < 0.02, "it would sink in"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_makes_the_same_object_and_another_seed_another(family: str) -> None:
    first, again, other = (FAMILIES[family].draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [part.role for part in first] == [part.role for part in again]
    for one, same in zip(first, again, strict=True):
        assert np.array_equal(one.mesh.vertices, same.mesh.vertices)
        assert np.array_equal(one.mesh.faces, same.mesh.faces)
        assert np.array_equal(one.mesh.uv, same.mesh.uv)
    assert len(first) != len(other) or not np.array_equal(first[0].mesh.vertices, other[0].mesh.vertices)


def test_the_register_is_complete_and_keeps_whole_kinds_for_validation() -> None:
    assert FAMILIES.keys() >= OLD_FAMILIES
    assert len(FAMILIES) >= 32
    heldout = {name for name, family in FAMILIES.items() if family.heldout}
    assert len(heldout) >= 8
    assert not heldout & OLD_FAMILIES
    assert len({FAMILIES[name].group for name in heldout}) >= 6
    for family in FAMILIES.values():
        assert family.frequency > 0
        assert 0 <= family.upright <= 1

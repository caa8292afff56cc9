"""Mesh primitives: closed where they should be, facing outwards, of the size asked for."""

from __future__ import annotations

import numpy as np
import pytest

from uois_sam.synth.assets.meshes import Mesh, box, join, lathe, prism, superquadric
from uois_sam.synth.assets.sweeps import tube


def signed_volume(mesh: Mesh) -> float:
    """Divergence theorem: positive when faces are counter-clockwise seen from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_a_box_has_its_volume_and_extent() -> None:
    mesh = box((0.2, 0.1, 0.05))
    assert signed_volume(mesh) == pytest.approx(0.2 * 0.1 * 0.05)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.2, 0.1, 0.05])


def test_a_box_shows_six_different_cells_of_the_texture_atlas() -> None:
    cells = {tuple(np.floor(quad.mean(axis=0) * [3, 2]).astype(int)) for quad in box((1, 1, 1)).uv.reshape(6, 4, 2)}
    assert len(cells) == 6


def test_texture_repeats_at_true_scale() -> None:
    top = box((2.0, 1.0, 0.1), uv_metres=0.5).uv.reshape(6, 4, 2)[4]
    assert np.ptp(top, axis=0) == pytest.approx([4.0, 2.0])


def test_a_lathed_cylinder_has_nearly_the_cylinder_volume() -> None:
    mesh = lathe([(0, 0), (0.05, 0), (0.05, 0.2), (0, 0.2)], segments=128)
    assert signed_volume(mesh) == pytest.approx(np.pi * 0.05**2 * 0.2, rel=2e-3)


def test_sharp_corners_of_a_profile_keep_their_own_normals() -> None:
    mesh = lathe([(0, 0), (0.05, 0), (0.05, 0.2), (0, 0.2)])
    normals = mesh.vertex_normals()
    flat = np.abs(np.abs(normals[:, 2]) - 1) < 1e-6
    upright = np.abs(normals[:, 2]) < 1e-6
    on_axis = np.linalg.norm(mesh.vertices[:, :2], axis=1) < 1e-9
    assert (flat | upright | on_axis).all()


def test_an_ellipsoid_has_nearly_its_volume() -> None:
    mesh = superquadric((0.1, 0.05, 0.03), 1, 1, rows=60, columns=90)
    assert signed_volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.1 * 0.05 * 0.03, rel=1e-2)


def test_a_straight_tube_is_a_cylinder() -> None:
    path = np.column_stack([np.zeros(5), np.zeros(5), np.linspace(0, 0.2, 5)])
    mesh = tube(path, np.full(5, 0.01), segments=64)
    assert abs(signed_volume(mesh)) == pytest.approx(np.pi * 0.01**2 * 0.2, rel=1e-2)


def test_a_square_prism_is_a_box() -> None:
    outline = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.05
    assert signed_volume(prism(outline, 0.02)) == pytest.approx(0.1 * 0.1 * 0.02)


def test_joining_keeps_every_face_on_its_own_vertices() -> None:
    parts = [box((1, 1, 1)), box((2, 1, 1)).transformed(translation=(5, 0, 0))]
    assert signed_volume(join(parts)) == pytest.approx(3.0)

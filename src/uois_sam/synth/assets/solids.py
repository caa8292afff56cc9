"""Solids cut and joined with booleans (library ``manifold3d``), and their conversion to textured meshes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from uois_sam.errors import MissingExtraError
from uois_sam.synth.assets.meshes import Array, Mesh, Vector

Solid = Any
"""A ``manifold3d.Manifold``: takes ``+`` (union), ``-`` (difference), ``translate`` (m) and ``rotate`` (degrees)."""


@functools.cache
def library() -> Any:
    """Import ``manifold3d``.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import manifold3d
    except ImportError as error:
        raise MissingExtraError("making shapes with holes", "synth", "manifold3d") from error
    return manifold3d


def cuboid(size: Vector, centre: Vector = (0.0, 0.0, 0.0)) -> Solid:
    """A box of ``size`` metres around ``centre``."""
    return library().Manifold.cube(tuple(map(float, size)), True).translate(tuple(map(float, centre)))


def cylinder(
    radius: float, height: float, centre: Vector = (0.0, 0.0, 0.0), axis: str = "z", *, top: float | None = None,
    segments: int = 32,
) -> Solid:  # fmt: skip
    """A cylinder, or a cone with another ``top`` radius, around ``centre`` along an axis."""
    upper = radius if top is None else top
    solid = library().Manifold.cylinder(float(height), float(radius), float(upper), segments, True)
    turn = {"x": (0.0, 90.0, 0.0), "y": (-90.0, 0.0, 0.0), "z": (0.0, 0.0, 0.0)}[axis]
    return solid.rotate(turn).translate(tuple(map(float, centre)))


def ball(radius: float, centre: Vector = (0.0, 0.0, 0.0), segments: int = 32) -> Solid:
    """A sphere."""
    return library().Manifold.sphere(float(radius), segments).translate(tuple(map(float, centre)))


def rounded_box(size: Vector, radius: float, centre: Vector = (0.0, 0.0, 0.0), segments: int = 12) -> Solid:
    """A box with rounded edges and corners."""
    half = np.asarray(size, dtype=float) / 2
    radius = float(min(radius, half.min() * 0.98))
    corner = library().Manifold.sphere(radius, segments)
    inner = half - radius
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    places = np.asarray(centre, dtype=float) + signs * inner
    return library().Manifold.batch_hull([corner.translate(tuple(place.tolist())) for place in places])


def extruded(outlines: Array | Sequence[Array], height: float, bevel: float = 0.0) -> Solid:
    """Outlines (outer counter-clockwise, holes clockwise; (P, 2) metres) extruded along z around z = 0.

    ``bevel`` metres are cut off the top and bottom edges by drawing the outline in towards the middle of its box.
    """
    m3 = library()
    rings = [outlines] if isinstance(outlines, np.ndarray) else list(outlines)
    section = m3.CrossSection([np.asarray(ring, dtype=float) for ring in rings], m3.FillRule.Positive)
    if bevel <= 0:
        return m3.Manifold.extrude(section, float(height)).translate((0.0, 0.0, -height / 2))
    x0, y0, x1, y1 = section.bounds()
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    section = section.translate((-centre[0], -centre[1]))
    narrow = (1 - 2 * bevel / (x1 - x0), 1 - 2 * bevel / (y1 - y0))
    edge = m3.Manifold.extrude(section, float(bevel), scale_top=narrow)
    middle = m3.Manifold.extrude(section, float(height - 2 * bevel)).translate((0.0, 0.0, bevel - height / 2))
    upper = edge.translate((0.0, 0.0, height / 2 - bevel))
    lower = upper.mirror((0.0, 0.0, 1.0))
    return m3.Manifold.batch_boolean([lower, middle, upper], m3.OpType.Add).translate((*centre, 0.0))


def revolved(profile: Sequence[tuple[float, float]] | Array, segments: int = 40) -> Solid:
    """A closed counter-clockwise (radius, z) outline turned around z."""
    m3 = library()
    section = m3.CrossSection([np.asarray(profile, dtype=float)], m3.FillRule.Positive)
    return m3.Manifold.revolve(section, segments)


def hull(points: Array) -> Solid:
    """The convex hull of (P, 3) points."""
    return library().Manifold.hull_points(np.asarray(points, dtype=float))


def union(solids: Sequence[Solid]) -> Solid:
    """Return the union of solids."""
    m3 = library()
    return m3.Manifold.batch_boolean(list(solids), m3.OpType.Add)


def mesh_of(solid: Solid) -> Mesh:
    """Return a mesh whose texture is projected from the six sides of the solid's box, nowhere mirrored or stretched.

    Triangles share no vertices; :meth:`Mesh.vertex_normals` keeps edges sharp and round sides smooth.
    """
    raw = solid.to_mesh64() if hasattr(solid, "to_mesh64") else solid.to_mesh()
    points = np.asarray(raw.vert_properties, dtype=float)[:, :3]
    return faceted(points[np.asarray(raw.tri_verts)])


def faceted(corners: Array) -> Mesh:
    """Return a mesh from (F, 3, 3) corners of triangles, textured by projection from the six sides of its box."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    real = (normals**2).sum(axis=1) > 0
    corners, normals = corners[real], normals[real]
    axis = np.abs(normals).argmax(axis=1)
    sign = np.sign(normals[np.arange(len(axis)), axis])
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    place = (corners - low) / max(float((high - low).max()), 1e-9)
    across = np.array([1, 0, 0])[axis]  # u runs along y, x, x ...
    upward = np.array([2, 2, 1])[axis]  # ... and v along z, z, y
    flip = np.array([1.0, -1.0, 1.0])[axis] * sign
    rows, columns = np.arange(len(axis))[:, None], np.arange(3)[None]
    u = place[rows, columns, across[:, None]]
    u = np.where(flip[:, None] > 0, u, 1 - u)
    v = place[rows, columns, upward[:, None]]
    faces = np.arange(3 * len(corners)).reshape(-1, 3)
    return Mesh(corners.reshape(-1, 3), faces, np.stack([u, v], axis=2).reshape(-1, 2))

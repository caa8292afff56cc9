"""Meshes swept along something: tubes along paths, lofts through cross-sections, sheets of cloth, card and metal."""

from __future__ import annotations

import numpy as np

from uois_sam.synth.assets.meshes import Array, Mesh, Vector, fan, grid_faces, join


def tube(path: Array, radii: Vector | float, segments: int = 16) -> Mesh:
    """A round tube along a (P, 3) path with a radius (m) at every point, closed by flat caps."""
    return loft(tube_rings(path, radii, segments))


def tube_rings(path: Array, radii: Vector | float, segments: int = 16) -> Array:
    """(P, ``segments``, 3) circles around a path; frames turn only with the path, so nothing twists."""
    path = np.asarray(path, dtype=float)
    tangents = np.gradient(path, axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-12)
    side = np.cross(tangents[0], np.eye(3)[np.argmin(np.abs(tangents[0]))])
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    width = np.broadcast_to(np.asarray(radii, dtype=float), len(path))
    rings = np.empty((len(path), segments, 3))
    for k, (point, tangent) in enumerate(zip(path, tangents, strict=True)):
        side = side - (side @ tangent) * tangent
        side /= max(np.linalg.norm(side), 1e-12)
        other = np.cross(tangent, side)
        rings[k] = point + width[k] * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * other)
    return rings


def loft(rings: Array, *, capped: bool = True, closed: bool = False) -> Mesh:
    """A surface through cross-sections.

    Args:
        rings: (S, P, 3) points in metres; each section runs counter-clockwise seen from where the next one lies.
        capped: close both ends with flat faces.
        closed: join the last section to the first one instead.

    Texture u runs around, v along.
    """
    rings = np.asarray(rings, dtype=float)
    if closed:
        rings = np.concatenate([rings, rings[:1]])
    around = np.concatenate([rings, rings[:, :1]], axis=1)
    count, points = around.shape[:2]
    u, v = np.meshgrid(np.linspace(0, 1, points), np.linspace(0, 1, count))
    wall = Mesh(around.reshape(-1, 3), grid_faces(count, points), np.stack([u, v], 2).reshape(-1, 2))
    if closed or not capped:
        return wall
    ends = [fan(rings[0, ::-1], rings[0].mean(axis=0)), fan(rings[-1], rings[-1].mean(axis=0))]
    return join([wall, *ends])


def sheet(top: Array, thickness: float) -> Mesh:
    """A thin sheet with rims.

    Args:
        top: (R, C, 3) points of the upper side; rows run along y, columns along x, where it lies flat.
        thickness: metres.

    Each side shows the whole texture, unmirrored.
    """
    top = np.asarray(top, dtype=float)
    return between(top, under(top, thickness))


def between(top: Array, bottom: Array) -> Mesh:
    """A closed surface from two (R, C, 3) grids, the upper and the lower side, and a rim that joins their borders."""
    rows, columns = top.shape[:2]
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    faces = grid_faces(rows, columns)
    upper = Mesh(top.reshape(-1, 3), faces, np.stack([u, v], 2).reshape(-1, 2))
    lower = Mesh(bottom.reshape(-1, 3), faces[:, ::-1], np.stack([1 - u, v], 2).reshape(-1, 2))
    edge = _border(rows, columns)
    strip = np.stack([bottom.reshape(-1, 3)[edge], top.reshape(-1, 3)[edge]])
    around, along = np.meshgrid(np.linspace(0, 1, len(edge)), [0.0, 0.02])
    rim = Mesh(strip.reshape(-1, 3), grid_faces(2, len(edge)), np.stack([around, along], 2).reshape(-1, 2))
    return join([upper, lower, rim])


def under(top: Array, thickness: float) -> Array:
    """(R, C, 3) lower side of a sheet: the upper one moved against its normals."""
    normals = np.cross(np.gradient(top, axis=1), np.gradient(top, axis=0))
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
    return top - thickness * normals


def flat_grid(size: Vector, rows: int, columns: int) -> Array:
    """(R, C, 3) points of a rectangle of ``size`` (x, y) metres around the origin at z = 0."""
    x, y = np.meshgrid(np.linspace(-size[0] / 2, size[0] / 2, columns), np.linspace(-size[1] / 2, size[1] / 2, rows))
    return np.stack([x, y, np.zeros_like(x)], axis=2)


def oval(width: float, height: float, exponent: float = 1.0, points: int = 32) -> Array:
    """(P, 2) counter-clockwise superellipse of full ``width`` and ``height``; exponents near 0 give rectangles."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    return np.column_stack(
        [np.sign(c) * np.abs(c) ** exponent * width / 2, np.sign(s) * np.abs(s) ** exponent * height / 2]
    )


def along_x(sections: list[Array], x: Array) -> Array:
    """(S, P, 3) rings for :func:`loft` from (P, 2) sections in (y, z) at the given x, in rising order."""
    return np.stack([np.column_stack([np.full(len(s), at), s]) for s, at in zip(sections, x, strict=True)])


def along_z(sections: list[Array], z: Array) -> Array:
    """(S, P, 3) rings for :func:`loft` from (P, 2) sections in (x, y) at the given z, in rising order."""
    return np.stack([np.column_stack([s, np.full(len(s), at)]) for s, at in zip(sections, z, strict=True)])


def arc(centre: Vector, radius: float, start_deg: float, end_deg: float, count: int = 16) -> Array:
    """(count, 2) points of a circle's arc."""
    angle = np.deg2rad(np.linspace(start_deg, end_deg, count))
    return np.asarray(centre)[:2] + radius * np.column_stack([np.cos(angle), np.sin(angle)])


def rounded_rectangle(width: float, height: float, corner: float) -> Array:
    """(32, 2) counter-clockwise outline with round corners of radius ``corner``."""
    w, h = width / 2 - corner, height / 2 - corner
    corners = ((1, 1, 0), (-1, 1, 90), (-1, -1, 180), (1, -1, 270))
    return np.concatenate([arc((sx * w, sy * h), corner, start, start + 90, 8) for sx, sy, start in corners])


def smooth_path(points: Array, count: int = 40) -> Array:
    """(count, D) points of a smooth curve through the given ones."""
    from scipy.interpolate import CubicSpline

    points = np.asarray(points, dtype=float)
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.asarray(CubicSpline(steps, points)(np.linspace(0, steps[-1], count)))


def _border(rows: int, columns: int) -> Array:
    """Return indices around a grid, counter-clockwise, the first one repeated."""
    index = np.arange(rows * columns).reshape(rows, columns)
    return np.concatenate([index[0, :-1], index[:-1, -1], index[-1, :0:-1], index[::-1, 0]])

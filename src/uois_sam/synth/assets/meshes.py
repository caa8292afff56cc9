"""Triangle-mesh primitives that object families are made of. Unit: metres; z up; counter-clockwise faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Vector = Sequence[float] | Array

SHARP_ANGLE_DEG = 35.0
"""Profile corners sharper than this get their own vertices, so that shading does not smooth them away."""


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh with texture coordinates."""

    vertices: Array
    """(V, 3) float64, metres."""
    faces: IntArray
    """(F, 3) int64 vertex indices, counter-clockwise seen from outside."""
    uv: Array
    """(V, 2) float64 texture coordinates; (0, 0) is the texture's bottom left."""

    def transformed(self, rotation: Array | None = None, translation: Vector = (0.0, 0.0, 0.0)) -> Mesh:
        """Return the mesh after a (3, 3) rotation (or any linear map) and a translation in metres."""
        vertices = self.vertices if rotation is None else self.vertices @ np.asarray(rotation).T
        return Mesh(vertices + np.asarray(translation, dtype=float), self.faces, self.uv)

    def vertex_normals(self) -> Array:
        """Return (V, 3) unit normals, area-weighted means of the adjacent faces.

        Vertices at the same place share one normal unless their faces meet at more than ``SHARP_ANGLE_DEG``: texture
        seams and meshes without shared vertices shade smoothly where the surface is round, and edges stay sharp.
        """
        corners = self.vertices[self.faces]
        face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        own = np.stack(
            [np.bincount(self.faces.ravel(), np.repeat(face_normals[:, k], 3), len(self.vertices)) for k in range(3)],
            axis=1,
        )
        unit = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-30)
        first, second = _coincident_pairs(self.vertices)
        near = (unit[first] * unit[second]).sum(axis=1) > np.cos(np.deg2rad(SHARP_ANGLE_DEG))
        near |= np.abs(own[first]).max(axis=1) < 1e-30  # corners of empty faces only, as at the poles of a globe
        first, second = first[near], second[near]
        normals = own + np.stack([np.bincount(first, own[second, k], len(own)) for k in range(3)], axis=1)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Concatenate meshes."""
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + offset for m, offset in zip(meshes, offsets, strict=True)]),
        np.concatenate([m.uv for m in meshes]),
    )


def box(size: Vector, *, atlas: bool = True, uv_metres: float | None = None) -> Mesh:
    """Make an axis-aligned box centred at the origin.

    Args:
        size: extent along x, y, z in metres.
        atlas: each face shows its own cell of a 3x2 texture atlas (a printed carton); else each shows all of it.
        uv_metres: side of the texture in metres; faces then repeat it at true scale (tables, walls).
    """
    sx, sy, sz = (s / 2 for s in size)
    faces = [  # origin corner, first edge, second edge: normal = first x second, outwards
        ((-sx, -sy, -sz), (2 * sx, 0, 0), (0, 0, 2 * sz)),
        ((sx, sy, -sz), (-2 * sx, 0, 0), (0, 0, 2 * sz)),
        ((sx, -sy, -sz), (0, 2 * sy, 0), (0, 0, 2 * sz)),
        ((-sx, sy, -sz), (0, -2 * sy, 0), (0, 0, 2 * sz)),
        ((-sx, -sy, sz), (2 * sx, 0, 0), (0, 2 * sy, 0)),
        ((-sx, sy, -sz), (2 * sx, 0, 0), (0, -2 * sy, 0)),
    ]
    vertices, triangles, uvs = [], [], []
    for index, (corner, first, second) in enumerate(np.asarray(f, dtype=float) for f in faces):
        vertices.append([corner, corner + first, corner + first + second, corner + second])
        triangles.append(np.array([[0, 1, 2], [0, 2, 3]]) + 4 * index)
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
        if uv_metres is not None:
            square = square * [np.linalg.norm(first) / uv_metres, np.linalg.norm(second) / uv_metres]
        elif atlas:
            square = (square + [index % 3, index // 3]) / [3, 2]
        uvs.append(square)
    return Mesh(np.concatenate(vertices), np.concatenate(triangles), np.concatenate(uvs))


def lathe(profile: Sequence[tuple[float, float]], segments: int = 40) -> Mesh:
    """Make a surface of revolution about z.

    Args:
        profile: (radius, z) pairs in metres, from the outside bottom to the outside top (and down the inside for
            open vessels); the outside is on the right of the direction of travel.
        segments: facets around the axis.

    Texture u runs around, v along the profile's length.
    """
    points = np.asarray(profile, dtype=float)
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    v_coordinate = lengths / max(lengths[-1], 1e-9)
    angles = np.linspace(0, 2 * np.pi, segments + 1)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vertices, uvs, faces = [], [], []
    start = 0
    for run in _smooth_runs(points):
        ring = points[run]
        xy = ring[:, 0, None, None] * around
        z = np.broadcast_to(ring[:, 1, None, None], (*xy.shape[:2], 1))
        vertices.append(np.concatenate([xy, z], axis=2).reshape(-1, 3))
        u, v = np.meshgrid(angles / (2 * np.pi), v_coordinate[run])
        uvs.append(np.stack([u, v], axis=2).reshape(-1, 2))
        faces.append(grid_faces(len(ring), segments + 1) + start)
        start += vertices[-1].shape[0]
    return Mesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(uvs))


def superquadric(radii: Vector, e1: float, e2: float, rows: int = 28, columns: int = 48) -> Mesh:
    """Make a superellipsoid with semi-axes ``radii`` (m); exponents near 0 give boxes, 1 ellipsoids, 2 octahedra."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rows)
    longitude = np.linspace(-np.pi, np.pi, columns + 1)

    def power(x: Array, e: float) -> Array:
        x = np.where(np.abs(x) < 1e-9, 0.0, x)  # rounding errors to small powers would open seams and poles
        return np.sign(x) * np.abs(x) ** e

    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    x = radii[0] * power(np.cos(lat), e1) * power(np.cos(lon), e2)
    y = radii[1] * power(np.cos(lat), e1) * power(np.sin(lon), e2)
    z = radii[2] * power(np.sin(lat), e1)
    uv = np.stack([(lon + np.pi) / (2 * np.pi), (lat + np.pi / 2) / np.pi], axis=2).reshape(-1, 2)
    return Mesh(np.stack([x, y, z], axis=2).reshape(-1, 3), grid_faces(rows, columns + 1), uv)


def prism(outline: Array, height: float) -> Mesh:
    """Extrude a (P, 2) counter-clockwise, star-shaped outline (m) along z, centred at z = 0."""
    outline = np.asarray(outline, dtype=float)
    closed = np.vstack([outline, outline[:1]])
    extent = np.abs(outline).max()
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    walls = []
    for k, (a, b) in enumerate(zip(closed[:-1], closed[1:], strict=True)):
        corners = np.array([[*a, -height / 2], [*b, -height / 2], [*b, height / 2], [*a, height / 2]])
        left, right, top = steps[k] / steps[-1], steps[k + 1] / steps[-1], min(height / steps[-1], 1.0)
        uv = np.array([[left, 0], [right, 0], [right, top], [left, top]])
        walls.append(Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), uv))
    caps = []
    for ring, z in ((outline, height / 2), (outline[::-1], -height / 2)):
        rim = np.column_stack([ring, np.full(len(ring), z)])
        cap = fan(rim, np.array([0.0, 0.0, z]))
        sign = np.array([np.sign(z), 1.0])  # seen from below, right is -x
        caps.append(Mesh(cap.vertices, cap.faces, sign * cap.vertices[:, :2] / (2 * extent) + 0.5))
    return join([*walls, *caps])


def displaced(mesh: Mesh, rng: np.random.Generator, amplitude: float, frequency: float = 2.0) -> Mesh:
    """Add smooth lumps to a mesh: a few random waves move vertices along their normals by up to ``amplitude`` m."""
    extent = np.abs(mesh.vertices).max()
    waves = rng.normal(size=(5, 3)) * frequency / extent
    phases = rng.uniform(0, 2 * np.pi, 5)
    shift = np.sin(mesh.vertices @ waves.T + phases).mean(axis=1, keepdims=True)
    radial = mesh.vertices / np.maximum(np.linalg.norm(mesh.vertices, axis=1, keepdims=True), 1e-9)
    return Mesh(mesh.vertices + amplitude * shift * radial, mesh.faces, mesh.uv)


def _coincident_pairs(vertices: Array) -> tuple[IntArray, IntArray]:
    """Return ordered pairs of different vertices at the same position, to a micrometre."""
    scale = np.array([73856093, 19349669, 83492791]) * 1_000_003
    with np.errstate(over="ignore"):
        keys = (np.rint(vertices * 1e6).astype(np.int64) * scale).sum(axis=1)  # a hash: int64 wraps around
    order = np.argsort(keys, kind="stable")
    new = np.concatenate([[True], np.diff(keys[order]) != 0])
    starts = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    counts = np.diff(np.append(starts, len(keys)))
    repeat = counts[group]
    first = np.repeat(np.arange(len(keys)), repeat)
    within = np.arange(len(first)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    second = np.repeat(starts[group], repeat) + within
    different = first != second
    return order[first[different]], order[second[different]]


def _smooth_runs(points: Array) -> list[slice]:
    """Split a profile at sharp corners; neighbours share the corner point."""
    directions = np.diff(points, axis=0)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    cosines = (directions[:-1] * directions[1:]).sum(axis=1)
    corners = (np.flatnonzero(cosines < np.cos(np.deg2rad(SHARP_ANGLE_DEG))) + 1).tolist()
    bounds = [0, *corners, len(points) - 1]
    return [slice(a, b + 1) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def grid_faces(rows: int, columns: int) -> IntArray:
    """Return two triangles for each cell of a grid of vertices; seen from the front, columns run right and rows up."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return np.concatenate([np.stack([a, b, c], 2).reshape(-1, 3), np.stack([a, c, d], 2).reshape(-1, 3)])


def fan(rim: Array, centre: Array) -> Mesh:
    """Return triangles from a (P, 3) counter-clockwise rim to a centre."""
    count = len(rim)
    vertices = np.vstack([rim, centre])
    here = np.arange(count)
    faces = np.column_stack([here, (here + 1) % count, np.full(count, count)])
    angles = np.linspace(0, 2 * np.pi, count)
    uv = np.vstack([0.5 + 0.5 * np.column_stack([np.cos(angles), np.sin(angles)]), [[0.5, 0.5]]])
    return Mesh(vertices, faces, uv)

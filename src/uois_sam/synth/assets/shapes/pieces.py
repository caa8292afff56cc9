"""Convex pieces that an object collides as, made together with its shape instead of by decomposing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uois_sam.synth.assets.meshes import Array, Vector
from uois_sam.synth.assets.sweeps import tube_rings, under

Pieces = tuple[Array, ...]

THINNEST_M = 0.002
"""Least thickness with which sheets collide: thinner ones would slip through each other."""


def stretches(rings: Array, every: int = 3, *, closed: bool = False) -> Pieces:
    """One piece for every few cross-sections of a loft, (S, P, 3)."""
    rings = np.concatenate([rings, rings[:1]]) if closed else np.asarray(rings)
    last = len(rings) - 1
    return tuple(rings[k : min(k + every, last) + 1].reshape(-1, 3) for k in range(0, last, every))


def tube_pieces(path: Array, radii: Vector | float, every: int = 3, *, closed: bool = False) -> Pieces:
    """Pieces of a round tube: eight-sided stretches."""
    width = np.broadcast_to(np.asarray(radii, dtype=float), len(path))
    return stretches(tube_rings(path, width, 8), every, closed=closed)


def walls(outer: Array, inner: Array, sectors: int = 12, bands: int = 1) -> Pieces:
    """Sectors of a hollow body of revolution.

    Args:
        outer, inner: (K, 2) (radius, z) of the wall's two sides at the same K stations.
        sectors: pieces around; their outer corners lie on the surface.
        bands: pieces along the profile; one is enough where it is straight.
    """
    outer, inner = np.asarray(outer, dtype=float), np.asarray(inner, dtype=float)
    cuts = np.unique(np.linspace(0, len(outer) - 1, bands + 1).round().astype(int))
    pieces = []
    for low, high in zip(cuts[:-1], cuts[1:], strict=True):
        outside = outer[low : high + 1]
        inside = inner[low : high + 1]
        for k in range(sectors):
            angles = 2 * np.pi * (k + np.array([0, 0.5, 1])) / sectors
            pieces.append(np.concatenate([_turned(outside, angles), _turned(inside, angles[[0, 2]])]))
    return tuple(pieces)


def disc(radius: float, low: float, high: float, count: int = 20) -> Array:
    """A flat cylinder between two heights."""
    return _turned(np.array([[radius, low], [radius, high]]), np.linspace(0, 2 * np.pi, count, endpoint=False))


def slab(top: Array, thickness: float, rows: int = 3, columns: int = 3) -> Pieces:
    """Blocks of a sheet given by its (R, C, 3) upper side."""
    surplus = max(THINNEST_M - thickness, 0) / 2
    upper = under(top, -surplus)
    lower = under(top, thickness + surplus)
    pieces = []
    row_cuts = np.unique(np.linspace(0, top.shape[0] - 1, rows + 1).round().astype(int))
    column_cuts = np.unique(np.linspace(0, top.shape[1] - 1, columns + 1).round().astype(int))
    for a, b in zip(row_cuts[:-1], row_cuts[1:], strict=True):
        for c, d in zip(column_cuts[:-1], column_cuts[1:], strict=True):
            block = np.s_[a : b + 1, c : d + 1]
            pieces.append(np.concatenate([upper[block].reshape(-1, 3), lower[block].reshape(-1, 3)]))
    return tuple(pieces)


def brick(size: Vector, centre: Vector = (0.0, 0.0, 0.0)) -> Array:
    """The eight corners of a box."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    return np.asarray(centre, dtype=float) + signs * np.asarray(size, dtype=float) / 2


def plate(outline: Array, low: float, high: float) -> Array:
    """A (P, 2) convex outline between two heights."""
    return np.concatenate([np.column_stack([outline, np.full(len(outline), z)]) for z in (low, high)])


def moved(pieces: Sequence[Array], rotation: Array | None = None, translation: Vector = (0.0, 0.0, 0.0)) -> Pieces:
    """Pieces after a (3, 3) linear map and a translation in metres."""
    turn = np.eye(3) if rotation is None else np.asarray(rotation)
    return tuple(piece @ turn.T + np.asarray(translation, dtype=float) for piece in pieces)


def _turned(profile: Array, angles: Array) -> Array:
    """Points of a (K, 2) (radius, z) profile at the given angles."""
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    xy = profile[:, 0, None, None] * around
    z = np.broadcast_to(profile[:, 1, None, None], (*xy.shape[:2], 1))
    return np.concatenate([xy, z], axis=2).reshape(-1, 3)

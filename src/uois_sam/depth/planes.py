"""Planes in a depth map, found by random sampling (MSAC) on NumPy: all hypotheses are scored at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uois_sam.types import BoolArray

Array = npt.NDArray[np.float32]

HYPOTHESES = 96
"""Planes through three points that are tried for each plane that is found."""
REACH = 0.12
"""Farthest that the three points lie from each other, as a share of the grid's width: neighbours share a surface."""
SCORED = 1536
"""Points that hypotheses are scored on."""
LEAST_POINTS = 30
"""On which a plane is looked for."""
REFITS = 3
"""Weighted least squares after the best hypothesis was chosen."""


@dataclass(frozen=True)
class Plane:
    """A plane with its normal towards the camera. Frame: camera (x right, y down, z forward), metres."""

    normal: Array
    """(3,) float32, unit length."""
    offset: float
    """Height of the camera above the plane: that of a point p is ``normal @ p + offset``."""

    def heights(self, points: Array) -> Array:
        """Return the (...) float32 heights of (..., 3) points above the plane, towards the camera."""
        return points @ self.normal + np.float32(self.offset)


def tolerance(distance_m: Array) -> Array:
    """Return the distance from a surface within which a measured point is taken to lie on it, in metres.

    Three deviations of a structured-light camera (Nguyen, Izadi and Lovell 2012) or a short-baseline stereo camera,
    and 3 mm for surfaces that are not quite plane.
    """
    return np.asarray(0.003 + 0.0045 * distance_m * distance_m, dtype=np.float32).clip(0.005, 0.06)


def find_planes(points: Array, weights: Array, most: int, least_share: float, rng: np.random.Generator) -> list[Plane]:
    """Find planes one after the other, each among the points that no earlier one explains.

    Args:
        points: (h, w, 3) float32 on a grid, camera frame, metres; z = 0 where unknown.
        weights: (h, w) float32, what each point counts; 0 leaves it out.
        most: number of planes.
        least_share: share of the whole weight that a plane has to explain.
        rng: draws the hypotheses.

    Returns:
        Planes in the order found, which is about that of their weight.
    """
    left = (weights > 0) & (points[..., 2] > 0)
    total = float(weights[left].sum())
    limits = tolerance(points[..., 2])
    found: list[Plane] = []
    while len(found) < most and np.count_nonzero(left) >= LEAST_POINTS:
        plane = _best_plane(points, np.where(left, weights, 0), limits, rng)
        if plane is None:
            break
        on = left & (np.abs(plane.heights(points)) < limits)
        if float(weights[on].sum()) < least_share * total:
            break
        found.append(plane)
        left &= ~(np.abs(plane.heights(points)) < 1.5 * limits)
    return found


def _best_plane(points: Array, weights: Array, limits: Array, rng: np.random.Generator) -> Plane | None:
    usable = np.flatnonzero(weights > 0)
    sample = usable if len(usable) <= SCORED else usable[:: -(-len(usable) // SCORED)]
    flat, heavy, near = points.reshape(-1, 3)[sample], weights.ravel()[sample], limits.ravel()[sample]
    normals, offsets = _hypotheses(points, weights > 0, rng)
    if len(normals) == 0:
        return None
    away = (normals @ flat.T + offsets[:, None]) / near
    scores = np.maximum(0, 1 - away * away) @ heavy
    best = int(scores.argmax())
    plane = Plane(normals[best], float(offsets[best]))
    for _ in range(REFITS):
        refitted = _fit(flat, heavy * np.maximum(0, 1 - (plane.heights(flat) / near) ** 2))
        if refitted is None:
            break
        plane = refitted
    return plane


def _hypotheses(points: Array, usable: BoolArray, rng: np.random.Generator) -> tuple[Array, Array]:
    """(K, 3) unit normals towards the camera and (K,) offsets of planes through three neighbouring points each."""
    height, width = usable.shape
    rows, columns = np.nonzero(usable)
    pick = rng.integers(0, len(rows), HYPOTHESES)
    reach = max(2, round(REACH * width))
    corners = [points[rows[pick], columns[pick]]]
    valid = np.ones(HYPOTHESES, dtype=np.bool_)
    for _ in range(2):
        r = (rows[pick] + rng.integers(-reach, reach + 1, HYPOTHESES)).clip(0, height - 1)
        c = (columns[pick] + rng.integers(-reach, reach + 1, HYPOTHESES)).clip(0, width - 1)
        corners.append(points[r, c])
        valid &= usable[r, c]
    first, second, third = (corner[valid] for corner in corners)
    across = np.cross(second - first, third - first)
    length = np.linalg.norm(across, axis=1)
    proper = length > 1e-6
    normals = across[proper] / length[proper, None]
    offsets = -(normals * first[proper]).sum(axis=1)
    turned = np.where(offsets < 0, -1, 1).astype(np.float32)  # the camera, at 0, is above
    return (normals * turned[:, None]).astype(np.float32), (offsets * turned).astype(np.float32)


def _fit(points: Array, weights: Array) -> Plane | None:
    """Least squares of (P, 3) points with (P,) weights; None where they do not span a plane."""
    total = float(weights.sum())
    if np.count_nonzero(weights) < 3 or total <= 0:
        return None
    centre = (weights @ points) / total
    centred = points - centre
    values, vectors = np.linalg.eigh((centred * weights[:, None]).T.astype(np.float64) @ centred.astype(np.float64))
    if values[1] <= 1e-12 * max(values[2], 1e-12):
        return None
    normal = vectors[:, 0].astype(np.float32)
    offset = -float(normal @ centre)
    return Plane(normal, offset) if offset >= 0 else Plane(-normal, -offset)

"""The support that things stand on: which of a photo's planes it is, and how far it reaches."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from uois_sam.depth.planes import Array, Plane, find_planes, tolerance
from uois_sam.types import BoolArray

MOST_PLANES = 6
LEAST_SHARE = 0.03
"""Of all measured points on a plane for it to count."""
LEAST_SCORE = 0.25
"""Of a plane, from 0 to 1, for it to be taken as the support."""
TALLEST_M = 0.4
"""Things that stand on a plane rise no higher: what does, stands on another one."""
LEAST_PIECE = 0.03
"""Pieces of the support that are smaller than this share of the largest do not widen it ..."""
LARGEST_GAP_M = 0.3
"""... and none that lie farther from the rest: seats are as high as tables."""
REACHES = 3
"""Times that pieces are added to what was added before."""


@dataclass(frozen=True)
class Support:
    """A plane that things stand on, and its extent."""

    plane: Plane
    axes: Array
    """(2, 3) float32: unit vectors along the plane."""
    edges: Array
    """(E, 3) float32: half planes whose intersection is the convex hull of what is seen of the support: (a, b, c) with
    a u + b v + c the distance beyond an edge in metres, of coordinates (u, v) along the axes."""
    score: float
    """How well it explains what is seen, from 0 to 1."""

    def beyond(self, points: Array) -> Array:
        """Return how far (..., 3) points lie beyond the support's edge, in metres along it; negative within."""
        return _beyond(np.asarray(points @ self.axes.T, dtype=np.float32), self.edges)


def find_support(points: Array, foreground: Array | None, rng: np.random.Generator) -> Support | None:
    """Find the plane that the photo's objects stand on.

    Of several planes, as a table, the floor below it and a wall behind it, it is the one that is seen around the
    objects and that they rise from; where no objects are known, the largest that faces up.

    Args:
        points: (h, w, 3) float32, camera frame, metres; z = 0 where unknown.
        foreground: (h, w) float32 probability of an object; None where nothing is known.
        rng: draws the hypotheses.

    Returns:
        None where no plane explains enough.
    """
    known = points[..., 2] > 0
    if not known.any():
        return None
    planes = find_planes(points, known.astype(np.float32), MOST_PLANES, LEAST_SHARE, rng)
    if not planes:
        return None
    scores = [_score(plane, points, known, foreground) for plane in planes]
    best = int(np.argmax(scores))
    if scores[best] < LEAST_SCORE:
        return None
    return _with_extent(planes[best], points, known, scores[best])


def _score(plane: Plane, points: Array, known: BoolArray, foreground: Array | None) -> float:
    heights, limits = plane.heights(points), tolerance(points[..., 2])
    on = known & (np.abs(heights) < limits)
    things = None if foreground is None else known & (foreground > 0.5)
    if foreground is None or things is None or np.count_nonzero(things) < 0.002 * things.size:
        return _upright(plane) * float(on.sum()) / float(known.sum())
    near = np.where(known, 1 / np.maximum(points[..., 2], 0.1) ** 2, 0).astype(np.float32)
    side = 2 * round(0.05 * things.shape[1]) + 1
    around = cv2.dilate(things.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    ring = near * (around & (foreground < 0.3))
    if np.count_nonzero(ring) < 0.002 * ring.size:  # objects all over the photo: what is seen of the plane has to do
        ring = near
    seen_around = float(ring[on].sum()) / max(1e-6, float(ring.sum()))
    whole = float(near[things].sum())
    rises = float(near[things & (heights > 0) & (heights < TALLEST_M)].sum()) / whole
    below = float(near[things & (heights < -2 * limits)].sum()) / whole
    return max(0.0, _upright(plane) * (0.6 * seen_around + 0.4 * rises - 0.5 * below))


def _upright(plane: Plane) -> float:
    """How well a plane's direction is that of a support, for a camera that is held upright or looks straight down: a
    wall's normal points aside or, seen from above, down the picture."""
    aside, down, _ = (float(value) for value in plane.normal)
    return (1 - aside * aside) * (1.0 if down < 0.15 else 0.5)


def _with_extent(plane: Plane, points: Array, known: BoolArray, score: float) -> Support:
    on = known & (np.abs(plane.heights(points)) < tolerance(points[..., 2]))
    closed = cv2.morphologyEx(on.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, pieces, sizes, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    areas = sizes[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    axes = _axes(plane.normal)
    along = (points @ axes.T).astype(np.float32)
    # What lies near is wide in the picture: of a table and a seat as high as it, the nearer one is the support.
    kept = [int(areas.argmax())]
    others = [int(piece) for piece in np.flatnonzero(areas >= LEAST_PIECE * areas.max()) if piece != kept[0]]
    edges = _edges_around(along[on & (pieces == kept[0])])
    for _ in range(REACHES):
        near = [
            piece for piece in others if _beyond(along[on & (pieces == piece)], edges).min(initial=9) < LARGEST_GAP_M
        ]
        if not near:
            break
        kept, others = kept + near, [piece for piece in others if piece not in near]
        edges = _edges_around(along[on & np.isin(pieces, kept)])
    return Support(plane, axes, edges, score)


def _beyond(along: Array, edges: Array) -> Array:
    """How far (..., 2) coordinates along a plane lie beyond the worst of (E, 3) edges."""
    return np.asarray((along @ edges[:, :2].T + edges[:, 2]).max(axis=-1), dtype=np.float32)


def _edges_around(along: Array) -> Array:
    """(E, 3) edges of the convex hull of (P, 2) coordinates."""
    return _edges(np.asarray(cv2.convexHull(along)[:, 0], dtype=np.float32))


def _axes(normal: Array) -> Array:
    helper = np.eye(3, dtype=np.float32)[int(np.abs(normal).argmin())]
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first)]).astype(np.float32)


def _edges(hull: Array) -> Array:
    """(E, 3) half planes of a convex polygon, whichever way round its (V, 2) corners are listed."""
    following = np.roll(hull, -1, axis=0)
    along = following - hull
    length = np.linalg.norm(along, axis=1)
    proper = length > 1e-6
    if np.count_nonzero(proper) < 3:
        return np.array([[0, 0, 0]], dtype=np.float32)
    along, corner = along[proper] / length[proper, None], hull[proper]
    out = np.stack([along[:, 1], -along[:, 0]], axis=1)
    offset = -(out * corner).sum(axis=1)
    middle = hull.mean(axis=0)
    turned = np.where(out @ middle + offset > 0, -1, 1)[:, None]
    return (np.concatenate([out, offset[:, None]], axis=1) * turned).astype(np.float32)

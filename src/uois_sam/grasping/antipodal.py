"""Antipodal grasps on masks: where both fingers meet surfaces that face them, and the hand touches nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from uois_sam.grasping.clearance import hidden_share, is_free, unseen_share
from uois_sam.grasping.grasp import HAND, Array, Grasp, Hand, SeenScene
from uois_sam.grasping.slices import Slices, slices_at
from uois_sam.types import BoolArray

Rng = np.random.Generator
TILTS_DEG = (0.0, 25.0, 45.0)
"""Of the approach against straight down; tilted ones come from the camera's side, whose surfaces are seen."""
TURNS = 12
"""Directions of closing, over half a circle."""
CENTRES = 24
"""Places on an object that are tried."""
GRID_M = 0.003
"""Points are thinned to one in each cube of this side."""
CLEARANCE_M = 0.004
"""Between the hand and everything else, the support included: more than the error of a depth camera nearby."""
SUPPORT_M = 0.002
"""Points below this are the support's, which the hand is kept above anyway: taken for things in its way, steps of depth
in millimetres would keep it off all that lies flat."""
REACH_M = 0.16
"""Points farther from an object's middle than this, and its own radius, are in nobody's way."""
LEAST_POINTS = 20
HIDDEN_COSTS = 0.7
"""Of the score, for an object whose whole outline is hidden by others: it lies below them."""
SHALLOWEST_M = 0.006
"""Least depth of the tips below the first point between them."""
MARGIN_M = 0.012
"""Between each finger and what it is to hold, on the way: less than that stays free in clutter."""


@dataclass(frozen=True)
class Limits:
    """What a grasp has to fulfil, besides room for the hand."""

    least_facing: float
    """Cosine between a finger's way and the surface it meets below which the finger slides off."""
    least_engaged: float
    """Share of what can be between the fingers that is: above the middle of a round thing they slide off."""
    steepest: float
    """Slope of an outline against a finger's pad from which on the pad slips along it."""


STRICT = Limits(least_facing=0.65, least_engaged=0.55, steepest=0.3)
LOOSE = Limits(least_facing=0.5, least_engaged=0.35, steepest=0.4)
"""Where nothing on the table fulfils ``STRICT``: a grasp that may slip is better than none."""


@dataclass(frozen=True)
class _Thing:
    """What a mask covers."""

    mask: int
    """Its index."""
    own: Array
    """(P, 3) points on it."""
    around: Array
    """(Q, 3) points of everything near it, itself included, but for the support."""
    hidden: float
    """Share of its outline that others hide."""


@dataclass(frozen=True)
class AntipodalPlanner:
    """Samples hand poses over each mask's points and keeps those that close on the object and touch nothing else."""

    hand: Hand = HAND
    passes: tuple[Limits, ...] = (STRICT, LOOSE)
    """Tried one after the other until there are grasps."""

    def plan(self, scene: SeenScene, masks: BoolArray, rng: np.random.Generator) -> list[Grasp]:
        """See :meth:`uois_sam.grasping.grasp.Planner.plan`."""
        things = list(_things(scene, masks))
        for limits in self.passes:
            grasps = [grasp for thing in things for grasp in self._on(thing, limits, scene, rng)]
            if grasps:
                return sorted(grasps, key=lambda grasp: -grasp.score)
        return []

    def _on(self, thing: _Thing, limits: Limits, scene: SeenScene, rng: Rng) -> Iterator[Grasp]:
        own = thing.own
        view = scene.world_from_camera[:3, 3] - own.mean(axis=0)
        normals = _normals(own, view)
        centres = _centres(own, rng)
        for approach in _approaches(view):
            for closing in _closings(approach, own):
                axes = np.column_stack([closing, np.cross(approach, closing), approach])
                found = slices_at(centres, own, normals, axes, self.hand, CLEARANCE_M)
                found = found.only(
                    (found.points >= LEAST_POINTS // 2)
                    & (found.engaged_m >= np.maximum(SHALLOWEST_M, limits.least_engaged * found.thick_m))
                    & (found.width_m + 2 * CLEARANCE_M <= self.hand.opening_m)
                    & (found.slant <= limits.steepest)
                    & (found.facing >= limits.least_facing)
                )
                openings = np.minimum(self.hand.opening_m, found.width_m + 2 * MARGIN_M)
                free = is_free(found.tips, openings, thing.around, axes, self.hand, CLEARANCE_M)
                yield from self._grasps(thing, found.only(free), openings[free], axes, scene)

    def _grasps(self, thing: _Thing, found: Slices, openings: Array, axes: Array, scene: SeenScene) -> Iterator[Grasp]:
        """Scored grasps of one orientation."""
        closing, _, approach = axes.T
        low, high = thing.own.min(axis=0), thing.own.max(axis=0)
        off = np.linalg.norm(found.tips[:, :2] - (low + high)[:2] / 2, axis=1) / max(
            0.02, float((high - low)[:2].max())
        )
        engaged = np.minimum(1.0, found.engaged_m / found.thick_m)  # fingers that reach below the middle hold
        raised = (found.tips[:, 2] - low[2]) / max(0.01, high[2] - low[2])
        score = (
            found.facing + engaged + 0.5 * found.cover + 0.1 * raised
            - found.slant - off - abs(closing[2]) - 0.5 * found.width_m / self.hand.opening_m
            - 0.3 * unseen_share(found.tips, openings, axes, self.hand, scene) - HIDDEN_COSTS * thing.hidden
        )  # fmt: skip
        for tips, width, opening, value in zip(found.tips, found.width_m, openings, score, strict=True):
            place, way, across = (tuple(each.tolist()) for each in (tips, approach, closing))
            yield Grasp(place, way, across, float(width), float(value), thing.mask, float(opening))


def _things(scene: SeenScene, masks: BoolArray) -> Iterator[_Thing]:
    """What each mask covers, but for those with too few points."""
    points = scene.points()
    seen = np.isfinite(points[..., 2])
    everything, places = _thinned(points[seen])
    pixels = np.flatnonzero(seen)[places]
    for index, mask in enumerate(masks):
        inside = mask.ravel()[pixels]
        own = everything[inside]
        own = own[own[:, 2] > CLEARANCE_M] if (own[:, 2] > CLEARANCE_M).sum() >= LEAST_POINTS else own
        if len(own) < LEAST_POINTS:
            continue
        middle = (own.min(axis=0) + own.max(axis=0)) / 2
        reach = REACH_M + np.linalg.norm(np.ptp(own, axis=0)) / 2
        near = (np.linalg.norm(everything - middle, axis=1) < reach) & (everything[:, 2] > SUPPORT_M)
        around = np.concatenate([everything[near & ~inside], own])
        yield _Thing(index, own, around, hidden_share(scene.depth_m, mask))


def _centres(own: Array, rng: Rng) -> Array:
    """Places to try: two thirds anywhere on the object, the others near its middle, where it does not tip."""
    some = own[rng.choice(len(own), min(4 * CENTRES, len(own)), replace=False)]
    off = np.linalg.norm(some[:, :2] - (own[:, :2].min(axis=0) + own[:, :2].max(axis=0)) / 2, axis=1)
    anywhere = some[: 2 * CENTRES // 3]
    central = some[2 * CENTRES // 3 :]
    return np.concatenate([anywhere, central[np.argsort(off[2 * CENTRES // 3 :])[: CENTRES // 3]]])


def _approaches(view: Array) -> list[Array]:
    """Straight down, and tilted so that the hand comes from the camera's side."""
    flat, level = view * [1, 1, 0], float(np.hypot(*view[:2]))
    flat = flat / max(1e-9, level)
    tilts = np.deg2rad(TILTS_DEG if level > 0.02 else TILTS_DEG[:1])  # from straight above no side is seen
    return [np.array([0.0, 0.0, -np.cos(tilt)]) - np.sin(tilt) * flat for tilt in tilts]


def _closings(approach: Array, own: Array) -> list[Array]:
    """Directions at right angles to the approach, over half a circle, and along the sides of the object's outline."""
    first = np.cross(approach, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(approach, first)
    flat = np.column_stack([own @ first, own @ second]).astype(np.float32)
    side = np.deg2rad(cv2.minAreaRect(flat)[2])
    angles = [*(np.pi * np.arange(TURNS) / TURNS), side, side + np.pi / 2]
    return [np.cos(angle) * first + np.sin(angle) * second for angle in angles]


def _normals(points: Array, view: Array) -> Array:
    """(P, 3) unit normals of the plane through each point's neighbours, towards the camera."""
    _, neighbours = cKDTree(points).query(points, k=min(16, len(points)))
    spread = points[neighbours] - points[neighbours].mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(spread.transpose(0, 2, 1) @ spread)
    normals = vectors[:, :, 0]
    return np.where((normals @ view)[:, None] < 0, -normals, normals)


def _thinned(points: Array) -> tuple[Array, np.ndarray]:
    """One point in each cube of ``GRID_M``, and their places in the list."""
    cells = np.floor(points / GRID_M).astype(np.int64)
    cells -= cells.min(axis=0, initial=0)
    spans = cells.max(axis=0, initial=0) + 1
    _, first = np.unique((cells[:, 0] * spans[1] + cells[:, 1]) * spans[2] + cells[:, 2], return_index=True)
    return points[first], first

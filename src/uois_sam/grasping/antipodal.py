"""Antipodal grasps on masks: where both fingers meet surfaces that face them, and the hand touches nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from uois_sam.grasping.grasp import HAND, Array, Grasp, Hand, SeenScene
from uois_sam.types import BoolArray

TILTS_DEG = (0.0, 25.0, 45.0)
"""Of the approach against straight down; tilted ones come from the camera's side, whose surfaces are seen."""
TURNS = 12
"""Directions of closing, over half a circle."""
CENTRES = 12
"""Places on an object that are tried."""
MOST_POINTS = 4000
"""Of an object, and of all that is near it."""
CLEARANCE_M = 0.004
"""Between the hand and everything else, the support included: more than the error of a depth camera nearby."""
REACH_M = 0.12
"""Points farther from the grasp than this are in nobody's way."""
LEAST_POINTS = 20
STRIPS = 4
"""Across a finger's breadth, in which the outline is measured."""
STEEPEST = 0.35
"""Slope of an outline against a finger's pad from which on the pad slips along it."""
RIM = 0.3
"""Slope of a surface against the closing direction below which it is a rim, and the side below is not seen."""
MOST_IN_THE_WAY = 3
"""Points inside the hand's volume that may be noise."""


@dataclass(frozen=True)
class AntipodalPlanner:
    """Samples hand poses over each mask's points and keeps those that close on the object and touch nothing else."""

    hand: Hand = HAND

    def plan(self, scene: SeenScene, masks: BoolArray, rng: np.random.Generator) -> list[Grasp]:
        """See :meth:`uois_sam.grasping.grasp.Planner.plan`."""
        points = scene.points()
        seen = np.isfinite(points[..., 2])
        camera = scene.world_from_camera[:3, 3]
        grasps: list[Grasp] = []
        for index, mask in enumerate(masks):
            own = points[mask & seen]
            if len(own) < LEAST_POINTS:
                continue
            own = own[own[:, 2] > CLEARANCE_M] if (own[:, 2] > CLEARANCE_M).sum() >= LEAST_POINTS else own
            middle = np.median(own, axis=0)
            near = points[~mask & seen]
            near = near[np.linalg.norm(near - middle, axis=1) < REACH_M + np.ptp(own, axis=0).max()]
            grasps += self._on_object(index, _thinned(own, rng), _thinned(near, rng), camera - middle, rng)
        return sorted(grasps, key=lambda grasp: -grasp.score)

    def _on_object(self, mask: int, own: Array, others: Array, view: Array, rng: np.random.Generator) -> list[Grasp]:
        normals = _normals(own, view)
        height = max(0.01, float(np.ptp(own[:, 2])))
        found = []
        for centre in own[rng.choice(len(own), min(CENTRES, len(own)), replace=False)]:
            for approach in _approaches(view):
                for closing in _closings(approach):
                    grasp = self._closed(mask, centre, approach, closing, own, normals, others)
                    if grasp is not None:
                        high = (grasp.centre[2] - own[:, 2].min()) / height
                        off = np.linalg.norm(np.asarray(grasp.centre) - np.median(own, axis=0))
                        bonus = 0.1 * high - off / max(0.02, float(np.ptp(own[:, :2], axis=0).max()))
                        found.append(Grasp(grasp.centre, grasp.approach, grasp.closing, grasp.width_m,
                                           float(grasp.score + bonus), mask))  # fmt: skip
        return found

    def _closed(
        self, mask: int, point: Array, approach: Array, closing: Array, own: Array, normals: Array, others: Array
    ) -> Grasp | None:
        """The grasp at a point, if what is between the fingers can be held and nothing is in the way."""
        hand = self.hand
        axes = np.column_stack([closing, np.cross(approach, closing), approach])
        local = (own - point) @ axes
        between = np.abs(local[:, 1]) < hand.finger_m[1] / 2
        top = local[between, 2].min()  # nearest to the palm
        deepest = min(top + hand.depth_m, _above_support(point, axes, hand))
        held = between & (local[:, 2] < deepest) & (local[:, 2] > top - 1e-9)
        if held.sum() < LEAST_POINTS // 2 or deepest - top < 0.006:
            return None
        left, right = local[held, 0].min(), local[held, 0].max()
        width = right - left
        if width + 2 * CLEARANCE_M > hand.opening_m:
            return None
        centre = point + axes @ np.array([(left + right) / 2, 0.0, deepest])
        if not self._is_free(centre, axes, np.concatenate([others, own[~held]]), own):
            return None
        slant = _slant(local[held, :2], hand.finger_m[1])
        if slant > STEEPEST:
            return None
        facing = _facing(local[held, 0], normals[held] @ closing, left, right)
        thick = min(hand.depth_m, (point + axes @ np.array([0.0, 0.0, top]))[2] / max(1e-3, -approach[2]))
        engaged = (deepest - top) / max(thick, 1e-3)  # fingers that reach below the middle hold
        score = facing + min(1.0, engaged) - abs(float(closing[2])) - slant - 0.5 * width / hand.opening_m
        return Grasp(
            tuple(centre.tolist()), tuple(approach.tolist()), tuple(closing.tolist()), float(width), score, mask
        )

    def _is_free(self, tips: Array, axes: Array, others: Array, own: Array) -> bool:
        """Whether fingers (open as far as they go) and palm meet no point and stay above the support."""
        hand = self.hand
        (thick, broad, long), half = hand.finger_m, hand.opening_m / 2
        boxes = [((-half - thick, -broad / 2, -long), (-half, broad / 2, 0.0)),
                 ((half, -broad / 2, -long), (half + thick, broad / 2, 0.0)),
                 ((-hand.palm_m[0] / 2, -hand.palm_m[1] / 2, -long - hand.palm_m[2]),
                  (hand.palm_m[0] / 2, hand.palm_m[1] / 2, -long))]  # fmt: skip
        local = (np.concatenate([others, own]) - tips) @ axes
        for low, high in boxes:
            inside = ((local > np.array(low) - CLEARANCE_M) & (local < np.array(high) + CLEARANCE_M)).all(axis=1)
            if inside.sum() > MOST_IN_THE_WAY:
                return False
            corners = np.array(list(product(*zip(low, high, strict=True))))
            if (tips + corners @ axes.T)[:, 2].min() < CLEARANCE_M / 2:
                return False
        return True


def _above_support(point: Array, axes: Array, hand: Hand) -> float:
    """How far the tips may go from a point along the approach before a finger's corner meets the support."""
    down = -axes[2, 2]
    if down <= 0:
        return np.inf
    reach = abs(axes[2, 0]) * (hand.opening_m / 2 + hand.finger_m[0]) + abs(axes[2, 1]) * hand.finger_m[1] / 2
    return float((point[2] - reach - CLEARANCE_M) / down)


def _facing(places: Array, slopes: Array, left: float, right: float) -> float:
    """How well the surfaces at both fingers face them, 0 to 1; a side that is not seen counts half."""
    edge = max(0.003, 0.15 * (right - left))
    sides = []
    for near, sign in ((places < left + edge, -1.0), (places > right - edge, 1.0)):
        outward = np.clip(sign * slopes[near], 0, 1)
        sides.append(float(outward.mean()) if near.any() and outward.max() > RIM else 0.5)
    return float(max(min(sides), 0.25 * sum(sides)))


def _slant(places: Array, breadth: float) -> float:
    """Slope of the outline at the fingers, the steeper of both: how far it recedes over the breadth of a pad."""
    strip = np.clip(((places[:, 1] / breadth + 0.5) * STRIPS).astype(int), 0, STRIPS - 1)
    ends = [(places[strip == k, 0].min(), places[strip == k, 0].max()) for k in np.unique(strip)]
    low, high = np.array(ends).T
    return float(max(np.ptp(low), np.ptp(high)) / breadth)


def _approaches(view: Array) -> list[Array]:
    """Straight down, and tilted so that the hand comes from the camera's side."""
    flat, level = view * [1, 1, 0], float(np.hypot(*view[:2]))
    flat = flat / max(1e-9, level)
    tilts = np.deg2rad(TILTS_DEG if level > 0.02 else TILTS_DEG[:1])  # from straight above no side is seen
    return [np.array([0.0, 0.0, -np.cos(tilt)]) - np.sin(tilt) * flat for tilt in tilts]


def _closings(approach: Array) -> list[Array]:
    """Directions at right angles to the approach, over half a circle."""
    first = np.cross(approach, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(approach, first)
    angles = np.pi * np.arange(TURNS) / TURNS
    return [np.cos(angle) * first + np.sin(angle) * second for angle in angles]


def _normals(points: Array, view: Array) -> Array:
    """(P, 3) unit normals of the plane through each point's neighbours, towards the camera."""
    _, neighbours = cKDTree(points).query(points, k=min(16, len(points)))
    spread = points[neighbours] - points[neighbours].mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(spread.transpose(0, 2, 1) @ spread)
    normals = vectors[:, :, 0]
    return np.where((normals @ view)[:, None] < 0, -normals, normals)


def _thinned(points: Array, rng: np.random.Generator) -> Array:
    if len(points) <= MOST_POINTS:
        return points
    return points[rng.choice(len(points), MOST_POINTS, replace=False)]

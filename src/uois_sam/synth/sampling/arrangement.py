"""Arrangements of objects before physics settles them: positions over the support, and orientations.

Heights are left to the physics, which lifts every object above what was placed before it and lets it drop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uois_sam.synth.scene import Pose

Rng = np.random.Generator
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Footprint:
    """Size and behaviour of an object, as far as the arrangement depends on it."""

    half_xy: tuple[float, float]
    """Half extents standing upright, metres."""
    stands: float
    """Probability of standing upright; else its orientation is random."""
    nests: bool
    """True if others fit inside it."""

    @property
    def radius(self) -> float:
        """Radius of the circle around it, upright."""
        return float(np.hypot(*self.half_xy))


def arrange(rng: Rng, name: str, objects: Sequence[Footprint], half_xy: tuple[float, float]) -> list[Pose]:
    """Draw a pose (z = 0) for every object.

    Args:
        rng: random generator.
        name: a key of ``config.ARRANGEMENTS``.
        objects: in the order in which physics will place them.
        half_xy: half extents of the area to use, metres.
    """
    if not objects:
        return []
    return _ARRANGERS[name](rng, objects, np.asarray(half_xy, dtype=float))


def scattered(rng: Rng, objects: Sequence[Footprint], half: Array) -> list[Pose]:
    """Apart from each other where there is room."""
    centres: list[Array] = []
    for item in objects:
        tries = [rng.uniform(-half, half) for _ in range(12)]
        taken = [np.linalg.norm(np.array(centres) - place, axis=1).min() if centres else np.inf for place in tries]
        centres.append(tries[int(np.argmax(np.minimum(taken, 2.2 * item.radius)))])
    return [_pose(rng, centre, item) for centre, item in zip(centres, objects, strict=True)]


def touching(rng: Rng, objects: Sequence[Footprint], half: Array) -> list[Pose]:
    """One cluster in which each touches another, often with parallel sides."""
    centres = [rng.uniform(-0.4, 0.4, 2) * half]
    base = rng.uniform(0, 2 * np.pi)
    turns = [base]
    for index, item in enumerate(objects[1:], start=1):
        best, room = centres[0], -np.inf
        for _ in range(10):
            other = int(rng.integers(index))
            direction = turns[other] + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.15)
            gap = min(objects[other].half_xy) + min(item.half_xy) + rng.uniform(0, 0.004)
            place = centres[other] + gap * np.array([np.cos(direction), np.sin(direction)])
            free = min(float(np.linalg.norm(place - c)) - min(o.half_xy) - min(item.half_xy)
                       for c, o in zip(centres, objects, strict=False))  # fmt: skip
            free -= 2 * float(np.maximum(np.abs(place) - half, 0).sum())
            if free > room:
                best, room = place, free
        centres.append(np.clip(best, -half, half))
        turns.append(base + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.08))
    return [_pose(rng, centre, item, turn=turn, upright=rng.random() < max(item.stands, 0.6))
            for centre, turn, item in zip(centres, turns, objects, strict=True)]  # fmt: skip


def piled(rng: Rng, objects: Sequence[Footprint], half: Array) -> list[Pose]:
    """A heap, dropped in random orientations near one point."""
    reach = half * rng.uniform(0.25, 0.6)
    centre = rng.uniform(-0.3, 0.3, 2) * half
    places = [np.clip(centre + rng.normal(0, 0.6, 2) * reach, -half, half) for _ in objects]
    return [_pose(rng, place, item, upright=rng.random() < 0.3 * item.stands)
            for place, item in zip(places, objects, strict=True)]  # fmt: skip


def stacked(rng: Rng, objects: Sequence[Footprint], half: Array) -> list[Pose]:
    """Towers of two to four, broad ones first; what is left over stands around."""
    centres = [rng.uniform(-0.8, 0.8, 2) * half for _ in range(max(1, len(objects) // 3))]
    poses = []
    for index, item in enumerate(objects):
        centre = centres[index % len(centres)] + rng.normal(0, 0.15) * np.array(item.half_xy)
        alone = rng.random() < 0.2
        poses.append(_pose(rng, rng.uniform(-half, half) if alone else centre, item, upright=True))
    return poses


def rows(rng: Rng, objects: Sequence[Footprint], half: Array) -> list[Pose]:
    """Rows of upright objects, as on a shop shelf."""
    pitch = float(np.median([2 * max(item.half_xy) for item in objects])) + rng.uniform(0.002, 0.05)
    per_row = max(1, int(2 * half[1] / pitch))
    turn = rng.uniform(-0.2, 0.2) if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
    axis = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    poses = []
    for index, item in enumerate(objects):
        row, column = divmod(index, per_row)
        grid = np.array([row * pitch - half[0], column * pitch - half[1] + pitch / 2])
        place = axis @ grid + rng.normal(0, 0.004, 2)
        inside = bool((np.abs(place) <= 1.1 * half).all())
        quarter = turn + rng.choice([0, np.pi / 2, np.pi]) + rng.normal(0, 0.06)
        poses.append(_pose(rng, place if inside else rng.uniform(-half, half), item, turn=quarter, upright=True))
    return poses


def nested(rng: Rng, objects: Sequence[Footprint], half: Array) -> list[Pose]:
    """Things in open vessels, vessels in vessels; the rest scattered around."""
    poses = scattered(rng, objects, half)
    vessels = [k for k, item in enumerate(objects) if item.nests]
    for k in vessels:
        poses[k] = _pose(rng, np.array(poses[k].position[:2]), objects[k], upright=True)
    for index, item in enumerate(objects):
        hosts = [k for k in vessels if k < index and min(objects[k].half_xy) > 0.9 * max(item.half_xy)]
        if hosts and rng.random() < 0.7:
            host = hosts[int(rng.integers(len(hosts)))]
            place = np.array(poses[host].position[:2]) + rng.normal(0, 0.1) * np.array(objects[host].half_xy)
            poses[index] = _pose(rng, place, item, upright=item.nests or rng.random() < 0.5)
    return poses


_ARRANGERS: dict[str, Callable[[Rng, Sequence[Footprint], Array], list[Pose]]] = {
    "scattered": scattered, "touching": touching, "piled": piled, "stacked": stacked, "rows": rows, "nested": nested,
}  # fmt: skip


def _pose(rng: Rng, xy: Array, item: Footprint, *, turn: float | None = None, upright: bool | None = None) -> Pose:
    upright = rng.random() < item.stands if upright is None else upright
    turn = rng.uniform(0, 2 * np.pi) if turn is None else turn
    quaternion = np.array([np.cos(turn / 2), 0, 0, np.sin(turn / 2)]) if upright else rng.normal(size=4)
    quaternion /= np.linalg.norm(quaternion)
    return Pose((float(xy[0]), float(xy[1]), 0.0), tuple(quaternion.tolist()))

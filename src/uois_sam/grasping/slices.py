"""What lies between the fingers of a hand at many places: its breadth, how deep they reach, how it faces them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from uois_sam.grasping.grasp import Array, Hand
from uois_sam.types import BoolArray

STRIPS = 4
"""Across a finger's breadth, in which the outline is measured."""
RIM = 0.3
"""Slope of a surface against the closing direction below which it is a rim, and the side below is not seen."""
UNSEEN, NEITHER_SEEN = 0.9, 0.65
"""What is made of a side that is not seen: this share of the other one, or this."""


@dataclass(frozen=True)
class Slices:
    """What a hand of one orientation would hold at each of C places; all arrays have C rows."""

    tips: Array
    """(C, 3): middle between the finger tips, in the world."""
    points: Array
    """Number of points between the fingers."""
    width_m: Array
    engaged_m: Array
    """Depth of the tips below the first point between them."""
    thick_m: Array
    """Depth that would hold all of it: down to the support, but no more than the hand can."""
    slant: Array
    """Slope of the outline at the fingers, the steeper of both: how far it recedes over the breadth of a pad."""
    cover: Array
    """Share of a finger's breadth along which there is something to hold, 0 to 1."""
    facing: Array
    """How well the surfaces at both fingers face them, 0 to 1, the worse of both. A side that is not seen is taken for
    nearly as good as the other; where neither is (a box seen from above) it is 0.65."""

    def only(self, kept: BoolArray) -> Slices:
        """Those of some rows."""
        return Slices(*(getattr(self, each.name)[kept] for each in fields(self)))


def slices_at(centres: Array, own: Array, normals: Array, axes: Array, hand: Hand, clearance_m: float) -> Slices:
    """Measure an object's points between the fingers at each place.

    Args:
        centres: (C, 3) places, in the world.
        own: (P, 3) points of the object.
        normals: (P, 3) of its surface.
        axes: (3, 3) hand's axes in the world, as columns.
        hand: sizes of the hand.
        clearance_m: between the tips and the support.
    """
    local, at = own @ axes, centres @ axes
    across = local[None, :, 1] - at[:, None, 1]
    between = np.abs(across) < hand.finger_m[1] / 2
    depth = np.broadcast_to(local[:, 2], between.shape)
    top = np.where(between, depth, np.inf).min(axis=1)
    deepest = np.minimum(top + hand.depth_m, at[:, 2] + _above_support(centres[:, 2], axes, hand, clearance_m))
    held = between & (depth < deepest[:, None])
    x = np.broadcast_to(local[:, 0], between.shape)
    left, right = np.where(held, x, np.inf).min(axis=1), np.where(held, x, -np.inf).max(axis=1)
    with np.errstate(invalid="ignore"):
        tips = np.column_stack([(left + right) / 2, at[:, 1], deepest]) @ axes.T
        width = right - left
        facing = _facing(x, held, normals @ axes[:, 0], left, right)
        slant, cover = _outline(x, across, held, hand.finger_m[1])
    heights = centres[:, 2] + (top - at[:, 2]) * axes[2, 2]
    thick = np.maximum(1e-3, np.minimum(hand.depth_m, heights / max(1e-3, -axes[2, 2])))
    return Slices(tips, held.sum(axis=1), width, deepest - top, thick, slant, cover, facing)


def _above_support(heights: Array, axes: Array, hand: Hand, clearance_m: float) -> Array:
    """How far the tips may go from points along the approach before a finger's corner meets the support."""
    down = -axes[2, 2]
    if down <= 0:
        return np.full(len(heights), np.inf)
    reach = abs(axes[2, 0]) * (hand.opening_m / 2 + hand.finger_m[0]) + abs(axes[2, 1]) * hand.finger_m[1] / 2
    return np.asarray((heights - reach - clearance_m) / down)


def _facing(x: Array, held: BoolArray, slopes: Array, left: Array, right: Array) -> Array:
    edge = np.maximum(0.003, 0.15 * (right - left))
    means, seen = [], []
    for near, sign in ((x < (left + edge)[:, None], -1.0), (x > (right - edge)[:, None], 1.0)):
        near = near & held
        outward = np.where(near, np.clip(sign * slopes, 0, 1), 0.0)
        means.append(outward.sum(axis=1) / np.maximum(1, near.sum(axis=1)))
        seen.append(outward.max(axis=1) > RIM)
    sides = [np.where(seen[k], means[k], np.where(seen[1 - k], UNSEEN * means[1 - k], NEITHER_SEEN)) for k in (0, 1)]
    return np.asarray(np.minimum(*sides))


def _outline(x: Array, across: Array, held: BoolArray, breadth: float) -> tuple[Array, Array]:
    """Slant and cover."""
    strip = np.clip(((across / breadth + 0.5) * STRIPS).astype(int), 0, STRIPS - 1)
    inside = [held & (strip == k) for k in range(STRIPS)]
    there = np.array([each.any(axis=1) for each in inside])
    spans = []
    for sign in (1.0, -1.0):
        ends = np.array([np.where(each, sign * x, np.inf).min(axis=1) for each in inside])
        spans.append(np.where(there, ends, -np.inf).max(axis=0) - ends.min(axis=0))
    return np.asarray(np.maximum(*spans) / breadth), there.mean(axis=0)

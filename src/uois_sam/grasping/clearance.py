"""Whether a hand has room: what it would touch on its way and at its place, and how much of that was seen."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np

from uois_sam.grasping.grasp import APPROACH_M, Array, Hand, SeenScene
from uois_sam.types import BoolArray, FloatArray

MOST_IN_THE_WAY = 2
"""Points inside the hand's volume that may be noise."""
BEHIND_M = 0.003
"""A place this far behind what the camera sees was not seen."""
STEP_M = 0.006
"""Least step in depth between two things."""


def is_free(tips: Array, openings: Array, around: Array, axes: Array, hand: Hand, clearance_m: float) -> BoolArray:
    """(C,) bool: fingers and palm meet no point on their way and stay above the support.

    Args:
        tips: (C, 3) middles between the finger tips.
        openings: (C,) metres between the fingers.
        around: (P, 3) points of everything nearby.
        axes: (3, 3) hand's axes in the world, as columns.
        hand: sizes of the hand.
        clearance_m: between the hand and the points, and half of that between it and the support.
    """
    (thick, broad, long), (wide, deep, high) = hand.finger_m, hand.palm_m
    local, at = around @ axes, tips @ axes
    x, y, z = (local[None, :, axis] - at[:, None, axis] for axis in range(3))
    inner = openings[:, None] / 2
    beside, finger_y = (abs(x) > inner - clearance_m) & (abs(x) < inner + thick + clearance_m), broad / 2 + clearance_m
    finger = beside & (abs(y) < finger_y) & (z < clearance_m) & (z > -long - clearance_m - APPROACH_M)
    palm = (abs(x) < wide / 2 + clearance_m) & (abs(y) < deep / 2 + clearance_m)
    palm &= (z < clearance_m - long) & (z > -long - high - clearance_m - APPROACH_M)
    outer = openings / 2 + thick
    drop = abs(axes[2, 1]) * broad / 2  # of the corners of the tips, below their middle
    lowest = np.minimum(
        tips[:, 2] - abs(axes[2, 0]) * outer - drop,
        tips[:, 2] - axes[2, 2] * long - abs(axes[2, 0]) * wide / 2 - abs(axes[2, 1]) * deep / 2,
    )
    touched = np.maximum(finger.sum(axis=1), palm.sum(axis=1))
    return np.asarray((touched <= MOST_IN_THE_WAY) & (lowest >= clearance_m / 2))


def unseen_share(tips: Array, openings: Array, axes: Array, hand: Hand, scene: SeenScene) -> Array:
    """(C,) share of the fingers' volume at their place that lies behind what the camera sees."""
    thick, broad, long = hand.finger_m
    steps = np.array(list(product([-0.4, 0.0, 0.4], [-0.9, -0.5, -0.1])))
    sides = openings[:, None] / 2 * [-1.0, 1.0] + np.array([-thick / 2, thick / 2])
    places = np.zeros((len(tips), 2, len(steps), 3))
    places[..., 0], places[..., 1:] = sides[..., None], steps * [broad, long]
    places = tips[:, None] + places.reshape(len(tips), 2 * len(steps), 3) @ axes.T
    pose = scene.world_from_camera
    camera = (places - pose[:3, 3]) @ pose[:3, :3]
    pixels = camera @ scene.intrinsics.T
    x, y = (np.rint(pixels[..., k] / np.maximum(1e-6, pixels[..., 2])).astype(int) for k in (0, 1))
    height, width = scene.depth_m.shape
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (camera[..., 2] > 0)
    depth = scene.depth_m[np.where(within, y, 0), np.where(within, x, 0)]
    return np.asarray((~within | ((depth > 0) & (camera[..., 2] > depth + BEHIND_M))).mean(axis=1))


def hidden_share(depth_m: FloatArray, mask: BoolArray) -> float:
    """Share of a mask's outline that is hidden by something nearer to the camera: what lies below or behind others."""
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return 0.0
    window = np.s_[max(0, ys.min() - 2) : ys.max() + 3, max(0, xs.min() - 2) : xs.max() + 3]
    inside = mask[window].astype(np.uint8)
    far = np.where(inside > 0, depth_m[window], np.float32(0))
    own = cv2.dilate(far, np.ones((5, 5), np.uint8))  # the object's depth, continued by two pixels
    ring = (cv2.dilate(inside, np.ones((5, 5), np.uint8)) > 0) & (inside == 0) & (depth_m[window] > 0)
    return float((depth_m[window][ring] < own[ring] - STEP_M).mean()) if ring.any() else 0.0

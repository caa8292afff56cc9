"""Harder appearances of a view: neighbours of one colour, shadows and light across objects, textures of no material.

Each takes away a cue that rendered scenes give too readily. Where two things that touch differ in colour, colour parts
them; on a real table cans of one kind stand side by side, and a dark band is as often a shadow as an edge. What a
renderer's surfaces look like from close by is not what a camera shows. Labels stay.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.training.augmentation import View
from uois_sam.types import BoolArray

Rng = np.random.Generator
Array = npt.NDArray[np.float32]

TOUCHING = 3
"""Objects at most this many pixels apart are neighbours."""
LEAST_SPREAD = 4.0
"""Least standard deviation of a channel, of 255, that a colour is matched by: flat colours would be torn apart."""

KERNEL_SIDES = 1, 3, 5, 7
"""Sides of the kernels of random convolutions, in pixels; 1 mixes colours only."""


def harden(view: View, rng: Rng) -> View:
    """Give a neighbour another's colours, let a shadow fall across the view, or both."""
    kind = rng.random()
    if kind < 0.6:
        view = match_neighbours(view, rng)
    if kind > 0.3:
        view = cast_shadows(view, rng)
    return view


def match_neighbours(view: View, rng: Rng) -> View:
    """Give one or two objects the mean and spread of colour of an object that they touch."""
    pairs = _neighbours(view.labels)
    if not pairs:
        return view
    image = view.image.astype(np.float32)
    for index in rng.permutation(len(pairs))[: int(rng.integers(1, 3))]:
        one, other = (pairs[index][side] for side in rng.permutation(2))
        _take_colours(image, view.labels == one, view.labels == other, rng.uniform(0.7, 1.0))
    return View(np.clip(image, 0, 255).astype(np.uint8), view.labels)


def cast_shadows(view: View, rng: Rng) -> View:
    """Darken the view in one to three soft or hard shapes, and light it unevenly from one side."""
    height, width = view.labels.shape
    light = _slope(height, width, rng)
    for _ in range(int(rng.integers(1, 4))):
        light *= 1 - rng.uniform(0.15, 0.6) * _shape(height, width, rng)
    image: Any = view.image.astype(np.float32) * light[..., None]
    return View(np.clip(image, 0, 255).astype(np.uint8), view.labels)


def random_convolution(view: View, rng: Rng) -> View:
    """Replace colours and textures by those of a random convolution of the view, mixed with it (RandConv, Xu et al.,
    arXiv 2007.13003). Shapes larger than its kernel, at most 7 pixels, stay; so do each channel's mean and spread."""
    side = int(rng.choice(KERNEL_SIDES))
    kernels = rng.standard_normal((3, 3, side, side), dtype=np.float32)
    image = view.image.astype(np.float32)
    filtered = np.stack([_convolve(image, row) for row in kernels], axis=2)
    spread = image.std(axis=(0, 1)) / np.maximum(filtered.std(axis=(0, 1)), 1e-3)
    matched = (filtered - filtered.mean(axis=(0, 1))) * spread + image.mean(axis=(0, 1))
    mixed = image + rng.uniform() * (matched - image)
    return View(np.clip(mixed, 0, 255).astype(np.uint8), view.labels)


def _convolve(image: Array, kernels: Array) -> Array:
    """(H, W): sum of the channels of an (H, W, C) image, each filtered by its kernel of (C, s, s)."""
    parts = [cv2.filter2D(image[..., channel], -1, kernel) for channel, kernel in enumerate(kernels)]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float32)


def _neighbours(labels: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Pairs of objects at most TOUCHING pixels apart along a row or a column."""
    pairs: set[tuple[int, int]] = set()
    for step in range(1, TOUCHING + 1):
        for before, after in ((labels[:, :-step], labels[:, step:]), (labels[:-step], labels[step:])):
            meet = (before > 0) & (after > 0) & (before != after)
            ends = np.sort(np.stack([before[meet], after[meet]], axis=1), axis=1)
            pairs |= {(int(one), int(other)) for one, other in np.unique(ends, axis=0)}
    return sorted(pairs)


def _take_colours(image: Array, mask: BoolArray, source: BoolArray, share: float) -> None:
    """Move the colours of a mask towards those of another, in place."""
    own, theirs = image[mask], image[source]
    scale = np.maximum(theirs.std(axis=0), LEAST_SPREAD) / np.maximum(own.std(axis=0), LEAST_SPREAD)
    matched = (own - own.mean(axis=0)) * np.minimum(scale, 2.0) + theirs.mean(axis=0)
    edge = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)[mask][:, None]
    image[mask] = own + share * edge * (matched - own)


def _slope(height: int, width: int, rng: Rng) -> Array:
    """(H, W) about 1: light that falls off along a random direction."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    ys, xs = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    return np.asarray(1 + strength * (np.cos(angle) * xs + np.sin(angle) * ys) / np.sqrt(2), dtype=np.float32)


def _shape(height: int, width: int, rng: Rng) -> Array:
    """(H, W) in [0, 1]: a convex shape with a hard or soft edge, as large as an arm or a whole table's half."""
    centre = rng.uniform(0, 1, 2) * (width, height)
    reach = width * np.exp(rng.uniform(np.log(0.05), np.log(0.5), 2))
    corners = rng.standard_normal((7, 2)) * reach + centre
    shape = np.zeros((height, width), dtype=np.float32)
    cv2.fillConvexPoly(shape, cv2.convexHull(np.rint(corners).astype(np.int32)), 1.0)
    return np.asarray(cv2.GaussianBlur(shape, (0, 0), float(np.exp(rng.uniform(np.log(0.6), np.log(12))))))

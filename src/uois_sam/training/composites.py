"""Composite views: objects of another view set among those of this one, and pictures of it printed on large objects.

Both widen what few scenes can show. Pasted objects crowd and occlude (simple copy-paste, arXiv 2012.07177); they stand
on or beside objects that are there, because a thing in the air or on the floor beyond is no object. Printed pictures
teach that what is shown on a box is part of it: a photo of fruit on a carton has edges like those of real fruit.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.training.augmentation import View, log_normal
from uois_sam.types import BoolArray, ImageArray

Rng = np.random.Generator
Array = npt.NDArray[np.float32]

PASTED_AREA = (0.002, 0.12)
"""Least and greatest area of a pasted object, as a share of the view."""
PRINTED_AREA = 0.012
"""Least area of an object that gets a print, as a share of the view."""
MOST_PASTED = 4
REACH = 0.08
"""Pasted objects are centred within this share of the view's width from an object."""


def compose(view: View, donor: View, rng: Rng) -> View:
    """Take objects of another view of the same size, prints of it, or both."""
    kind = rng.random()
    if kind < 0.65:
        view = print_on_objects(view, donor.image, rng)
    if kind > 0.35:
        view = paste_objects(view, donor, rng)
    return view


def paste_objects(view: View, donor: View, rng: Rng) -> View:
    """Set up to four objects of another view of the same size on or beside the objects of a view.

    Objects that the donor's frame cuts are not taken. A view without objects stays without.
    """
    whole = _whole_objects(donor.labels)
    if not len(whole) or not (view.labels > 0).any():
        return view
    image: Any = view.image.astype(np.float32)
    labels = view.labels.copy()
    height, width = labels.shape
    near = cv2.distanceTransform((labels <= 0).astype(np.uint8), cv2.DIST_L2, 3) <= REACH * width
    for value in rng.permutation(whole)[: int(rng.integers(1, MOST_PASTED + 1))]:
        mask = donor.labels == value
        ys, xs = np.nonzero(mask)
        y, x = divmod(int(rng.choice(np.flatnonzero(near))), width)
        shift = np.array([[1, 0, x - round(float(xs.mean()))], [0, 1, y - round(float(ys.mean()))]], dtype=np.float32)
        moved = cv2.warpAffine(mask.astype(np.uint8), shift, (width, height), flags=cv2.INTER_NEAREST) > 0
        pixels = cv2.warpAffine(donor.image, shift, (width, height), flags=cv2.INTER_NEAREST).astype(np.float32)
        if rng.random() < 0.6:
            image *= 1 - rng.uniform(0.15, 0.6) * _shadow(moved, rng)[..., None]
        opacity = cv2.GaussianBlur(moved.astype(np.float32), (0, 0), 0.7)[..., None]
        image = image * (1 - opacity) + pixels * log_normal(rng, 0.15) * opacity
        labels[moved] = labels.max() + 1
    return View(np.clip(image, 0, 255).astype(np.uint8), labels)


def print_on_objects(view: View, picture: ImageArray, rng: Rng) -> View:
    """Print parts of a picture on one or two large objects, shaded as the objects are. Labels stay.

    Args:
        view: the view.
        picture: (h, w, 3) uint8 RGB.
        rng: source of chance.
    """
    ids, areas = np.unique(view.labels[view.labels > 0], return_counts=True)
    large = ids[areas >= PRINTED_AREA * view.labels.size]
    if not len(large):
        return view
    image = view.image.astype(np.float32)
    for value in rng.permutation(large)[: int(rng.integers(1, 3))]:
        _print(image, view.labels == value, picture, rng)
    return View(np.clip(image, 0, 255).astype(np.uint8), view.labels)


def _whole_objects(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Labels of objects of a size to be pasted that the frame does not cut."""
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    least, most = (share * labels.size for share in PASTED_AREA)
    return np.asarray(ids[(areas >= least) & (areas <= most) & ~np.isin(ids, cut)], dtype=np.int32)


def _shadow(mask: BoolArray, rng: Rng) -> Array:
    """(H, W) in [0, 1]: a soft shadow, a little aside of what casts it."""
    softness = float(rng.uniform(2, 10))
    aside = rng.normal(0, softness, 2)
    shift = np.array([[1, 0, aside[0]], [0, 1, abs(aside[1])]], dtype=np.float32)
    moved = cv2.warpAffine(mask.astype(np.float32), shift, mask.shape[::-1])
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), softness), dtype=np.float32)


def _print(image: Array, mask: BoolArray, picture: ImageArray, rng: Rng) -> None:
    """Print on one object, in place: a part of the picture in a tilted quadrilateral along its main direction."""
    height, width = mask.shape
    inside = cv2.erode(mask.astype(np.uint8), _disc(int(rng.integers(0, 5)))) > 0
    if not inside.any():
        return
    ys, xs = np.nonzero(inside)
    corners = cv2.boxPoints(cv2.minAreaRect(np.stack([xs, ys], axis=1).astype(np.float32)))
    along, across, origin = corners[1] - corners[0], corners[3] - corners[0], corners[0]
    share = rng.uniform(0.35, 1.0, 2)
    offset = rng.uniform(0, 1 - share)
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * share + offset + rng.normal(0, 0.03, (4, 2))
    target = (origin + unit[:, :1] * along + unit[:, 1:] * across).astype(np.float32)
    h, w = picture.shape[:2]
    part = rng.uniform(0.25, 1.0)
    left, top = rng.uniform(0, 1 - part) * w, rng.uniform(0, 1 - part) * h
    source = np.array([[0, 0], [part * w, 0], [part * w, part * h], [0, part * h]]) + [left, top]
    transform = cv2.getPerspectiveTransform(np.roll(source, int(rng.integers(4)), axis=0).astype(np.float32), target)
    printed: Any = cv2.warpPerspective(picture, transform, (width, height), flags=cv2.INTER_AREA).astype(np.float32)
    covered = np.zeros(mask.shape, dtype=np.uint8)
    cv2.fillConvexPoly(covered, np.rint(target).astype(np.int32), 1)
    luminance = cv2.GaussianBlur(image.mean(axis=2), (0, 0), 4.0)
    light = np.clip(luminance / max(1.0, float(luminance[mask].mean())), 0.3, 1.8)[..., None]
    edge = cv2.GaussianBlur((inside & (covered > 0)).astype(np.float32), (0, 0), 0.6) * mask
    opacity = rng.uniform(0.6, 1.0) * edge[..., None]
    image[:] = image * (1 - opacity) + printed * light * log_normal(rng, 0.2) * opacity


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), dtype=np.uint8)

"""Objects dressed as packaging: bands, blobs, letters and pictures in strong colours all over them.

What is printed on a box has sharper edges than the box itself, up to its rim and over it. Rendered prints are too tame
to teach that, and a network that trusts edges cuts a cereal box along its letters. Labels stay.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.training.augmentation import View
from uois_sam.types import BoolArray, ImageArray

Rng = np.random.Generator
Array = npt.NDArray[np.float32]

DRESSED_AREA = 0.01
"""Least area of an object that is dressed, as a share of the view."""
MOST_DRESSED = 3
LETTERS = "ABCDEFGHIKLMNOPRSTUVXYZabcdeghiknorstuz0123456789%!"
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)


def dress_objects(view: View, rng: Rng) -> View:
    """Dress up to three large objects, shaded as they are."""
    ids, areas = np.unique(view.labels[view.labels > 0], return_counts=True)
    large = ids[areas >= DRESSED_AREA * view.labels.size]
    if not len(large):
        return view
    image = view.image.astype(np.float32)
    for value in rng.permutation(large)[: int(rng.integers(1, MOST_DRESSED + 1))]:
        _dress(image, view.labels == value, view.image, rng)
    return View(np.clip(image, 0, 255).astype(np.uint8), view.labels)


def shading(image: Array, mask: BoolArray) -> Array:
    """(H, W, 1) float32: how light falls on an object, 1 on average, from its own blurred luminance."""
    luminance = cv2.GaussianBlur(image.mean(axis=2), (0, 0), 4.0)
    return np.asarray(np.clip(luminance / max(1.0, float(luminance[mask].mean())), 0.3, 1.8)[..., None])


def _dress(image: Array, mask: BoolArray, picture: ImageArray, rng: Rng) -> None:
    """Dress one object in place: the wrapping is drawn flat and laid along the object's main direction."""
    ys, xs = np.nonzero(mask)
    corners = cv2.boxPoints(cv2.minAreaRect(np.stack([xs, ys], axis=1).astype(np.float32)))
    sides = [max(8, round(float(np.linalg.norm(corners[end] - corners[0])))) for end in (1, 3)]
    flat, covered = _wrapping(sides[1], sides[0], picture, rng)
    source = np.array([[0, 0], [sides[0], 0], [sides[0], sides[1]], [0, sides[1]]], dtype=np.float32)
    tilted = corners + rng.normal(0, 0.04, (4, 2)) * min(sides)
    transform = cv2.getPerspectiveTransform(source, tilted.astype(np.float32))
    size = mask.shape[1], mask.shape[0]
    printed: Any = cv2.warpPerspective(flat, transform, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    where: Any = cv2.warpPerspective(covered, transform, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    edge = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6) * mask
    opacity = rng.uniform(0.75, 1.0) * (where / 255 * edge)[..., None]
    image[:] = image * (1 - opacity) + printed * shading(image, mask) * opacity


def _wrapping(height: int, width: int, picture: ImageArray, rng: Rng) -> tuple[ImageArray, npt.NDArray[np.uint8]]:
    """(h, w, 3) uint8 RGB as printed, and (h, w) uint8, 255 where it is."""
    whole = rng.random() < 0.6
    flat = np.full((height, width, 3), _colour(rng), dtype=np.uint8)
    covered = np.full((height, width), 255 if whole else 0, dtype=np.uint8)
    colours = [_colour(rng) for _ in range(int(rng.integers(1, 5)))]
    for _ in range(int(rng.integers(2, 9))):
        colour = colours[int(rng.integers(len(colours)))]
        part = np.zeros((height, width), dtype=np.uint8)
        kind = rng.random()
        if kind < 0.3:
            _letter(part, rng)
        elif kind < 0.5:
            _band(part, rng)
        else:
            _blob(part, rng)
        pasted = kind > 0.75
        flat[part > 0] = _patch(picture, height, width, rng)[part > 0] if pasted else colour
        covered |= part
    return flat, covered


def _colour(rng: Rng) -> tuple[int, int, int]:
    """An RGB colour: white, black, or a strong one."""
    kind = rng.random()
    if kind < 0.25:
        return (235, 235, 230) if kind < 0.17 else (25, 25, 28)
    hsv = np.array([[[rng.uniform(0, 180), rng.uniform(90, 255), rng.uniform(60, 255)]]], dtype=np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _letter(part: npt.NDArray[np.uint8], rng: Rng) -> None:
    """A word, as large as fits or small."""
    height, width = part.shape
    word = "".join(rng.choice(list(LETTERS), int(rng.integers(1, 9))))
    font = FONTS[int(rng.integers(len(FONTS)))]
    (across, down), _ = cv2.getTextSize(word, font, 1.0, 1)
    scale = min(width / across, height / down) * rng.uniform(0.3, 1.0)
    left, bottom = rng.uniform(0, 1, 2) * (width - scale * across, height - scale * down)
    at = (int(left), int(bottom + scale * down))
    cv2.putText(part, word, at, font, scale, 255, max(1, round(scale * rng.uniform(1, 5))))


def _band(part: npt.NDArray[np.uint8], rng: Rng) -> None:
    """A stripe from side to side, or a frame's corner."""
    height, width = part.shape
    low, high = np.sort(rng.uniform(-0.1, 1.1, 2))
    if rng.random() < 0.5:
        part[max(0, int(low * height)) : max(0, int(high * height)) + 1] = 255
    else:
        part[:, max(0, int(low * width)) : max(0, int(high * width)) + 1] = 255


def _blob(part: npt.NDArray[np.uint8], rng: Rng) -> None:
    """An ellipse or a crooked shape."""
    size = np.array(part.shape[::-1])
    middle, reach = rng.uniform(0, 1, 2) * size, rng.uniform(0.06, 0.45, 2) * size
    if rng.random() < 0.5:
        axes = np.maximum(1, reach).astype(int).tolist()
        cv2.ellipse(part, middle.astype(int).tolist(), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        return
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 11))))
    radii = rng.uniform(0.3, 1.2, len(angles))[:, None]
    corners = middle + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach
    cv2.fillPoly(part, [np.rint(corners).astype(np.int32)], 255)


def _patch(picture: ImageArray, height: int, width: int, rng: Rng) -> ImageArray:
    """A part of the picture at the wrapping's size."""
    h, w = picture.shape[:2]
    share = rng.uniform(0.15, 0.7)
    rows, columns = max(2, int(share * h)), max(2, int(share * w))
    top, left = int(rng.integers(0, h - rows + 1)), int(rng.integers(0, w - columns + 1))
    part = picture[top : top + rows, left : left + columns]
    return np.asarray(cv2.resize(part, (width, height)), dtype=np.uint8)

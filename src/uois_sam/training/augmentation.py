"""Training views of labelled images: crop, flip, photometric jitter and point prompts, all from one generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from uois_sam.training.targets import COMPACT_TARGET
from uois_sam.types import FloatArray, ImageArray, Sample

Rng = np.random.Generator
IntLabels = npt.NDArray[np.int32]


CLOSE_UPS = 0.12
"""Share of views cropped so closely that one object may fill half of them, as in photos taken at arm's length."""


@dataclass(frozen=True)
class View:
    """One image and its labels in the frame of the model's input."""

    image: ImageArray
    """(H, W, 3) uint8 RGB."""
    labels: IntLabels
    """(H, W) int32."""


def plain_view(sample: Sample, size_hw: tuple[int, int]) -> View:
    """Stretch the whole image to the input size."""
    return _resized(sample.image, sample.labels.astype(np.int32), size_hw)


def random_view(sample: Sample, size_hw: tuple[int, int], rng: Rng) -> View:
    """Crop, mirror and jitter at random, and stretch to the input size."""
    view = random_crop(sample, size_hw, rng)
    return View(photometric_jitter(view.image, rng), view.labels)


def random_crop(sample: Sample, size_hw: tuple[int, int], rng: Rng) -> View:
    """Crop and mirror at random, and stretch to the input size."""
    image, labels = _crop(sample.image, sample.labels.astype(np.int32), rng)
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    if rng.random() < 0.15:
        image, labels = image[::-1], labels[::-1]
    return _resized(np.ascontiguousarray(image), np.ascontiguousarray(labels), size_hw)


def photometric_jitter(image: ImageArray, rng: Rng) -> ImageArray:
    """Change colour, exposure, sharpness, noise and compression at random ((H, W, 3) uint8 in and out)."""
    pixels: Any = image.astype(np.float32)
    if rng.random() < 0.8:
        pixels = 255 * (pixels / 255) ** log_normal(rng, 0.25)
        pixels = pixels * log_normal(rng, 0.1, 3) * log_normal(rng, 0.2)
        pixels = (pixels - 128) * log_normal(rng, 0.25) + 128
    if rng.random() < 0.6:
        grey = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        pixels = grey[..., None] + (pixels - grey[..., None]) * rng.uniform(0, 1.8)
    if rng.random() < 0.3:
        pixels = _shift_hue(pixels, rng.uniform(-30, 30))
    if rng.random() < 0.15:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.4, 1.6)))
    elif rng.random() < 0.65:  # photos are crisp: their edges are twice as strong as those of enlarged renderings
        blurred = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.8, 2.5)))
        pixels = pixels + (pixels - blurred) * rng.uniform(0.3, 2.5)
    if rng.random() < 0.6:
        deviation = rng.uniform(1, 14)
        grain = rng.standard_normal(pixels.shape, dtype=np.float32)
        if rng.random() < 0.4:
            grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 2
        pixels = pixels + deviation * grain
    result = np.clip(pixels, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)  # the order of channels survives
    return result


def log_normal(rng: Rng, deviation: float, count: int | None = None) -> Any:
    """One or (count,) float32 factors about 1: in NumPy's float64, which a generator gives, images would go on."""
    return np.float32(np.exp(rng.normal(0, deviation, count)))


def sample_prompts(
    labels: IntLabels, count: int, background_share: float, rng: Rng, central_share: float = 0.0
) -> tuple[FloatArray, IntLabels]:
    """Sample point prompts on objects and on background.

    Objects take turns, so small ones are prompted as often as large ones. Half of the background points lie close to
    an object, where false prompts come from in practice. Points on objects come first.

    Args:
        labels: (H, W) int32; no point is placed on negative labels.
        count: number of points.
        background_share: share of points on background, 0 to 1; 1 is used where there is no object.
        central_share: share of the other points that lie about the centre of their object, as a prompt generator's do;
            the rest lie anywhere on it, as a user's may.

    Returns:
        (count, 2) float32 xy and (count,) int32 labels under them (0 for background).
    """
    ids = np.unique(labels)
    ids = ids[ids > 0]
    background = count if len(ids) == 0 else round(background_share * count)
    if not (labels == 0).any():
        background = 0
    chosen = np.resize(rng.permutation(ids), count - background) if len(ids) else ids[:0]
    points = []
    for value in chosen:
        place = _point_amid if central_share and rng.random() < central_share else _point_on
        points.append(place(labels == value, rng))
    if background:
        outside = labels == 0
        near = outside & binary_dilation(labels > 0, iterations=12)
        for index in range(background):
            points.append(_point_on(near if index % 2 and near.any() else outside, rng))
    found = np.concatenate([chosen, np.zeros(background)]).astype(np.int32)
    return np.array(points, dtype=np.float32).reshape(-1, 2), found


def _point_amid(mask: npt.NDArray[np.bool_], rng: Rng) -> tuple[float, float]:
    """Pixel of the mask nearest to a normally distributed point around its centroid, as wide as the heatmap's peak."""
    ys, xs = np.nonzero(mask)
    y, x = np.array([ys.mean(), xs.mean()]) + rng.normal(0, COMPACT_TARGET.sigma_of_size * np.sqrt(len(ys)), 2)
    nearest = int(np.argmin((ys - y) ** 2 + (xs - x) ** 2))
    return float(xs[nearest]), float(ys[nearest])


def _point_on(mask: npt.NDArray[np.bool_], rng: Rng) -> tuple[float, float]:
    pixels = np.flatnonzero(mask)
    y, x = divmod(int(pixels[rng.integers(len(pixels))]), mask.shape[1])
    return float(x), float(y)


def _crop(image: ImageArray, labels: IntLabels, rng: Rng) -> tuple[ImageArray, IntLabels]:
    height, width = labels.shape
    side = rng.uniform(0.28, 0.5) if rng.random() < CLOSE_UPS else rng.uniform(0.5, 1.0)
    stretch = np.exp(rng.normal(0, 0.08))
    h = max(1, int(min(side * stretch, 1) * height))
    w = max(1, int(min(side / stretch, 1) * width))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    window = np.s_[top : top + h, left : left + w]
    return image[window], labels[window]


def _resized(image: ImageArray, labels: IntLabels, size_hw: tuple[int, int]) -> View:
    size = size_hw[1], size_hw[0]
    shrinks = image.shape[0] > size_hw[0]
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    # INTER_NEAREST would shift labels by half a pixel against the image
    nearest = cv2.resize(labels.astype(np.uint16), size, interpolation=cv2.INTER_NEAREST_EXACT)
    return View(resized.astype(np.uint8), nearest.astype(np.int32))


def _shift_hue(pixels: npt.NDArray[np.float32], degrees: float) -> npt.NDArray[np.float32]:
    hsv = cv2.cvtColor((np.clip(pixels, 0, 255) / 255).astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + degrees) % 360
    return (cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).astype(np.float32)

"""Depth as cameras measure it: noise, dead bands, bleeding edges, and holes on clear, black and shiny things.

Strengths are those that others have measured, none is fitted here:

* structured light: Nguyen, Izadi and Lovell (2012) for the Kinect, 1.9 mm at 1 m and growing with the square of the
  distance, which is 0.08 px of disparity; disparity in eighths of a pixel; looked up beside the true pixel at edges
  (Barron and Malik 2013).
* stereo: the 0.08 px of disparity that Intel states for its own tuning, with the baseline and focal length of a D435:
  2.5 mm at 1 m; neighbours share a matching window, so that noise is correlated and near surfaces grow at their edges.
* time of flight: about a millimetre at 1 m and a systematic error of 0.1 % (Azure Kinect's data sheet); no dead band,
  but pixels that fly between near and far at edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.synth.scene import Scene
from uois_sam.types import FloatArray, ImageArray, LabelMap

SensorKind = Literal["structured-light", "stereo", "time-of-flight"]


@dataclass(frozen=True)
class DepthSensor:
    """A kind of depth camera; lengths in pixels are of a picture 640 wide."""

    focal_baseline: float
    """Focal length in pixels times baseline in metres, which makes disparity of depth; 0 where depth is measured."""
    noise: float
    """Deviation: of disparity in pixels, or of depth in metres at 1 m."""
    correlated: float
    """Share of the noise that neighbours share, 0 to 1."""
    window: float
    """Deviation of the neighbourhood that shares it, in pixels."""
    steps: float
    """Steps of a pixel of disparity; 0 for none."""
    bias: float
    """Deviation of the systematic relative error, which varies slowly over the picture."""
    bleeding: float
    """Deviation of the distance, in pixels, from which depth is looked up: edges become ragged."""
    growing: float
    """Pixels by which near surfaces grow over far ones."""
    flying: float
    """Share of the pixels at edges that lie between near and far."""
    nearest_m: float
    farthest_m: float
    clear_holes: float
    """Share of clear things without depth; elsewhere the camera sees what is behind them."""
    black_holes: float
    """Share of black things without depth."""
    shiny_holes: float
    """Share of mirror-like things without depth."""


SENSORS: dict[SensorKind, DepthSensor] = {
    "structured-light": DepthSensor(43.5, 0.08, 0.5, 2.0, 8, 0.001, 0.8, 0, 0, 0.4, 6.0, 0.6, 0.3, 0.5),
    "stereo": DepthSensor(32.0, 0.08, 0.8, 3.0, 32, 0.002, 1.0, 2.0, 0, 0.28, 8.0, 0.4, 0.05, 0.4),
    "time-of-flight": DepthSensor(0, 0.0012, 0.3, 1.5, 0, 0.001, 0.4, 0, 0.5, 0.25, 5.5, 0.5, 0.4, 0.3),
}
BLACK = 0.03
"""Reflectance (linear brightness) below which light of the camera is lost."""


def sense_depth(
    depth_m: FloatArray,
    image: ImageArray,
    clear: FloatArray,
    shiny: FloatArray,
    kind: SensorKind,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the depth that a camera of a kind would give for a rendered view.

    Args:
        depth_m: (H, W) float32 true depth in metres; 0 where nothing is.
        image: (H, W, 3) uint8 sRGB picture of the same view.
        clear: (H, W) share of light that passes through what is seen, 0 to 1.
        shiny: (H, W) how mirror-like it is, 0 to 1.
        kind: a key of :data:`SENSORS`.
        rng: draws everything; the same generator gives the same depth.

    Returns:
        (H, W) float32 metres, 0 where unknown.
    """
    sensor, unit = SENSORS[kind], depth_m.shape[1] / 640
    true = _behind(depth_m, clear > 0.5)
    seen = _bleed(_grown(true, sensor.growing * unit), sensor.bleeding * unit, rng)
    seen = _flying(seen, sensor.flying, unit, rng)
    measured = _noisy(seen, sensor, unit, rng)
    shadow = _shadow(true, sensor.focal_baseline * unit)
    lost = _lost(image, clear, shiny, sensor, unit, rng) | shadow | (seen <= 0)
    lost |= (measured < sensor.nearest_m) | (measured > sensor.farthest_m)
    return np.where(lost, 0, measured).astype(np.float32)


def _field(shape: tuple[int, ...], deviation: float, rng: np.random.Generator) -> FloatArray:
    """White noise smoothed by a Gaussian and scaled back to deviation 1."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if deviation < 0.3:
        return noise
    coarse = max(1, int(deviation / 3))  # smooth noise needs few samples
    small = noise[: -(-shape[0] // coarse) + 1, : -(-shape[1] // coarse) + 1]
    smooth = cv2.GaussianBlur(small, (0, 0), deviation / coarse)
    smooth = cv2.resize(smooth, shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), dtype=np.float32)


def _behind(depth_m: FloatArray, clear: npt.NDArray[np.bool_]) -> FloatArray:
    """Depth without clear things: what lies around them is continued below."""
    if not clear.any():
        return depth_m
    known = (~clear & (depth_m > 0)).astype(np.float32)
    filled, weight = depth_m * known, known
    for deviation in (4, 16, 64, 256):
        around = cv2.GaussianBlur(filled * (weight > 0), (0, 0), deviation)
        near = cv2.GaussianBlur((weight > 0).astype(np.float32), (0, 0), deviation)
        fresh = clear & (weight == 0) & (near > 0.02)
        filled = np.where(fresh, around / np.maximum(near, 1e-6), filled)
        weight = np.where(fresh, 1, weight).astype(np.float32)
    return np.where(clear, np.maximum(filled, depth_m), depth_m).astype(np.float32)


def _grown(depth_m: FloatArray, pixels: float) -> FloatArray:
    if pixels < 0.5:
        return depth_m
    side = 2 * round(pixels) + 1
    far = np.where(depth_m > 0, depth_m, np.float32(1e3))
    near = cv2.erode(far, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    grows = (depth_m > 0) & (near < 0.97 * depth_m)  # within a surface a window finds the middle
    return np.where(grows, near, depth_m).astype(np.float32)


def _bleed(depth_m: FloatArray, pixels: float, rng: np.random.Generator) -> FloatArray:
    height, width = depth_m.shape
    shifts = [pixels * _field(depth_m.shape, 1.0, rng) for _ in range(2)]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    at_rows = np.rint(rows + shifts[0]).astype(int).clip(0, height - 1)
    at_columns = np.rint(columns + shifts[1]).astype(int).clip(0, width - 1)
    looked_up = depth_m[at_rows, at_columns]
    edge = np.abs(looked_up - depth_m) > 0.02 * depth_m  # inside a surface, depth stays that of the pixel
    return np.where(edge, looked_up, depth_m).astype(np.float32)


def _flying(depth_m: FloatArray, share: float, unit: float, rng: np.random.Generator) -> FloatArray:
    if share == 0:
        return depth_m
    side = 2 * max(1, round(unit)) + 1
    kernel = np.ones((side, side), np.uint8)
    near, far = cv2.erode(depth_m, kernel), cv2.dilate(depth_m, kernel)
    edge = (near > 0) & (far > 1.05 * near) & (rng.random(depth_m.shape) < share)
    between = near + (far - near) * rng.random(depth_m.shape, dtype=np.float32)
    return np.where(edge, between, depth_m).astype(np.float32)


def _noisy(depth_m: FloatArray, sensor: DepthSensor, unit: float, rng: np.random.Generator) -> FloatArray:
    shared, own = np.sqrt(sensor.correlated), np.sqrt(1 - sensor.correlated)
    window = sensor.window * unit
    noise = shared * _field(depth_m.shape, window, rng) + own * _field(depth_m.shape, 0, rng)
    depth = depth_m * (1 + sensor.bias * _field(depth_m.shape, 80 * unit, rng))
    if sensor.focal_baseline == 0:
        return np.asarray(depth * (1 + sensor.noise * noise), dtype=np.float32)
    disparity = sensor.focal_baseline / np.maximum(depth, 1e-3) + sensor.noise * noise
    if sensor.steps:
        disparity = np.rint(disparity * sensor.steps) / sensor.steps
    return np.asarray(sensor.focal_baseline / np.maximum(disparity, 1e-3), dtype=np.float32)


def _shadow(depth_m: FloatArray, focal_baseline: float) -> npt.NDArray[np.bool_]:
    """Pixels that the projector, or the second camera, does not see: something nearer stands in its way.

    It stands to the left, so that a pixel is seen at its column less the disparity there: hidden is what lands beyond
    a pixel further right that is nearer.
    """
    if focal_baseline == 0:
        return np.zeros(depth_m.shape, dtype=np.bool_)
    disparity = focal_baseline / np.where(depth_m > 0, depth_m, np.float32(1e3))
    lands = np.arange(depth_m.shape[1], dtype=np.float32)[None] - disparity
    least = np.minimum.accumulate(lands[:, ::-1], axis=1)[:, ::-1]
    right = np.concatenate([least[:, 1:], np.full((len(least), 1), np.inf, np.float32)], axis=1)
    return np.asarray(lands > right + 0.5)


def _lost(
    image: ImageArray,
    clear: npt.NDArray[Any],
    shiny: npt.NDArray[Any],
    sensor: DepthSensor,
    unit: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Holes in patches: where a smooth field of chances is below the share that the material loses."""
    from scipy.special import ndtr

    light = cv2.GaussianBlur((image.astype(np.float32) / 255) ** 2.2, (0, 0), max(0.5, unit)).mean(axis=2)
    black = np.clip(1 - light / BLACK, 0, 1)
    share = np.maximum.reduce([
        sensor.clear_holes * (clear > 0.5), sensor.shiny_holes * shiny, sensor.black_holes * black,
    ])  # fmt: skip
    chance = ndtr(_field(image.shape[:2], 8 * unit, rng))
    return np.asarray((chance < share) | (rng.random(image.shape[:2]) < 0.002))


def surface_maps(scene: Scene, labels: LabelMap) -> tuple[FloatArray, FloatArray]:
    """Return how clear and how shiny the objects of a scene are, as :func:`sense_depth` takes it.

    Args:
        scene: its objects' surfaces; an object is as clear as its clearest part, and as shiny as its parts on average.
        labels: (H, W) label map; 0 is background, k object k - 1.

    Returns:
        Two (H, W) float32 maps in 0..1, 0 on the background.
    """
    clear, shiny = np.zeros((2, len(scene.objects) + 1), dtype=np.float32)
    for k, one in enumerate(scene.objects, 1):
        clear[k] = max(surface.clear for surface in one.surfaces)
        shiny[k] = np.mean([surface.metallic * (1 - surface.roughness) for surface in one.surfaces])
    return clear[labels], shiny[labels]

"""Model of the camera from light to file: vignetting, blur, exposure, tone curve, sensor noise, sharpening, JPEG."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.synth.scene import Camera
from uois_sam.types import ImageArray

FloatImage = npt.NDArray[np.float32]


def develop(light: npt.NDArray[np.floating[Any]], camera: Camera) -> ImageArray:
    """Turn a linear picture into the one that a camera would save.

    Args:
        light: (H, W, 3) float, linear.
        camera: its settings; sizes are shares of the picture's width, so that they do not depend on resolution.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    linear = np.maximum(light, 0).astype(np.float32) * np.array(camera.white_balance, dtype=np.float32)
    linear = _vignette(_blur(linear, camera), camera.vignetting)
    encoded = encode_srgb(linear * _gain(linear, camera.exposure))
    encoded = _tone(encoded, camera.contrast)
    encoded = _add_noise(encoded, camera)
    if camera.sharpen > 0:
        encoded = encoded + camera.sharpen * (encoded - cv2.GaussianBlur(encoded, (0, 0), 1.0))
    return _compress(np.rint(np.clip(encoded, 0, 1) * 255).astype(np.uint8), camera.jpeg)


def encode_srgb(linear: npt.NDArray[Any]) -> FloatImage:
    """Convert linear light to sRGB values in 0..1, with a soft shoulder instead of hard clipping."""
    shoulder = np.where(linear < 0.6, linear, 0.6 + 0.4 * (1 - np.exp(-(np.maximum(linear, 0.6) - 0.6) / 0.4)))
    curve = 1.055 * np.maximum(shoulder, 1e-8) ** (1 / 2.4) - 0.055
    return np.where(shoulder <= 0.0031308, 12.92 * shoulder, curve).astype(np.float32)


def _gain(linear: FloatImage, exposure: float) -> np.float32:
    """Return the factor at which the encoded picture has ``exposure`` as its mean."""
    low, high = 1e-4, 1e4
    small = linear[::8, ::8]
    for _ in range(24):
        gain = float(np.sqrt(low * high))
        low, high = (gain, high) if encode_srgb(small * gain).mean() < exposure else (low, gain)
    return np.float32(gain)


def _blur(linear: FloatImage, camera: Camera) -> FloatImage:
    """Blur by the camera's motion, then by the lens."""
    width = linear.shape[1]
    dx, dy = camera.motion[0] * width, camera.motion[1] * width
    length = float(np.hypot(dx, dy))
    if length > 0.7:
        side = 2 * int(np.ceil(length / 2)) + 3
        kernel = np.zeros((side, side), dtype=np.float32)
        middle = side // 2
        for t in np.linspace(-0.5, 0.5, 4 * side):
            kernel[round(middle + t * dy), round(middle + t * dx)] += 1
        linear = np.asarray(cv2.filter2D(linear, -1, kernel / kernel.sum()), dtype=np.float32)
    sigma = camera.blur * width
    return np.asarray(cv2.GaussianBlur(linear, (0, 0), sigma) if sigma > 0.2 else linear, dtype=np.float32)


def _vignette(linear: FloatImage, amount: float) -> FloatImage:
    if amount == 0:
        return linear
    height, width = linear.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.asarray(linear * (1 - np.float32(amount) * (x**2 + y**2) / 2)[..., None], dtype=np.float32)


def _tone(encoded: FloatImage, contrast: float) -> FloatImage:
    """Apply an S-shaped (or flattened) curve about middle grey that keeps black and white."""
    if contrast == 1.0:
        return encoded
    side = np.where(encoded < 0.5, 2 * encoded, 2 - 2 * encoded).clip(0, 1) ** np.float32(contrast)
    return np.where(encoded < 0.5, side / 2, 1 - side / 2).astype(np.float32)


def _add_noise(encoded: FloatImage, camera: Camera) -> FloatImage:
    """Add shot noise, which grows with the square root of light (a quarter is constant), and coarser colour noise."""
    if camera.noise == 0:
        return encoded
    rng = np.random.default_rng(camera.noise_seed)
    height, width = encoded.shape[:2]
    deviation = np.float32(camera.noise) * np.sqrt(0.0625 + 2 * np.clip(encoded, 0, 1))
    fine = rng.standard_normal(encoded.shape, dtype=np.float32)
    grey = fine.mean(axis=2, keepdims=True) * np.float32(np.sqrt(3))
    coarse = cv2.resize(rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), dtype=np.float32), (width, height))
    return encoded + deviation * (np.float32(0.8) * grey + np.float32(0.6) * coarse)


def _compress(pixels: ImageArray, quality: int) -> ImageArray:
    if quality >= 100:
        return pixels
    coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    if decoded is None:  # cannot happen to data just encoded; for the type checker
        return pixels
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)

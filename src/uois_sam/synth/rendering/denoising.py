"""Denoising by Open Image Denoise, guided by albedo and normals of the first hits.

Vectorised variants of Mitsuba render these by its own integrator. Its scalar build spends about 9 microseconds a ray
there (a whole light path takes 3), so it casts the rays one by one, and fewer of them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.errors import MissingExtraError

FloatImage = npt.NDArray[np.float32]

SAMPLES = 4
"""Rays a pixel."""
SCALAR_SAMPLES = 2
"""Rays a pixel in the scalar variant."""


def render_features(loaded: Any, size_hw: tuple[int, int], seed: int) -> tuple[FloatImage, FloatImage]:
    """Render albedo and shading normals, each (H, W, 3) float32, through the scene's own lens.

    Args:
        loaded: a Mitsuba scene of the active variant.
        size_hw: rows and columns of the picture.
        seed: where in the pixel and on the lens rays pass.
    """
    import mitsuba as mi

    if "scalar" in mi.variant():
        layers = _render_scalar(loaded, size_hw, seed)
    else:
        layers = np.array(mi.render(loaded, integrator=_integrator(mi.variant()), spp=SAMPLES, seed=seed))
    return np.ascontiguousarray(layers[..., :3]), np.ascontiguousarray(layers[..., 3:])


@functools.cache
def _integrator(_variant: str) -> Any:
    """Return the integrator of the variant: that of another cannot be used."""
    import mitsuba as mi

    return mi.load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"})


def _render_scalar(loaded: Any, size_hw: tuple[int, int], seed: int) -> FloatImage:
    """Return (H, W, 6) float32: albedo, normal."""
    import mitsuba as mi

    sensor = loaded.sensors()[0]
    height, width = size_hw
    rng = np.random.default_rng(seed)
    total = np.zeros((height * width, 6))
    for _ in range(SCALAR_SAMPLES):
        y, x = np.divmod(np.arange(height * width), width)
        film = (np.column_stack([x, y]) + rng.random((len(x), 2))) / [width, height]
        places = np.column_stack([film, rng.random((len(x), 2))]).tolist()
        rows = []
        for across, down, lens_x, lens_y in places:
            ray, _ = sensor.sample_ray(0.0, 0.5, mi.Point2f(across, down), mi.Point2f(lens_x, lens_y))
            hit = loaded.ray_intersect(ray)
            if hit.is_valid():
                albedo, normal = hit.bsdf().eval_diffuse_reflectance(hit), hit.sh_frame.n
                rows.append((*albedo, *normal))
            else:
                rows.append((0.0,) * 6)
        total += rows
    return (total / SCALAR_SAMPLES).reshape(height, width, 6).astype(np.float32)


def denoise(colour: FloatImage, albedo: FloatImage, normal: FloatImage) -> FloatImage:
    """Denoise a linear picture by Open Image Denoise.

    Args:
        colour: (H, W, 3) float32 radiance.
        albedo: (H, W, 3) float32 of :func:`render_features`.
        normal: (H, W, 3) float32 of :func:`render_features`.

    Raises:
        MissingExtraError: if pyoidn is not installed.
    """
    try:
        import pyoidn
    except ImportError as error:
        raise MissingExtraError("denoising renders", "synth", "pyoidn") from error
    return np.asarray(pyoidn.denoise(np.ascontiguousarray(colour), hdr=True, albedo=albedo, normal=normal))

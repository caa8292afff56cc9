"""Random cameras: pose, lens, and development of the picture. Unit: metres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.places import Place
from uois_sam.synth.scene import Camera

Rng = np.random.Generator
NEAREST_M, FARTHEST_M = 0.4, 1.5


def sample_camera(rng: Rng, place: Place, variety: Variety) -> Camera:
    """Draw a camera 0.4 to 1.5 m from the objects, 35 to 75 degrees wide, from grazing to straight down."""
    elevation = np.deg2rad(rng.uniform(*place.elevation_deg))
    azimuth = np.deg2rad(rng.uniform(*place.azimuth_deg))
    fov = rng.uniform(35, 75)
    reach = max(place.half_xy)
    fitting = (reach + 0.12) / np.tan(np.deg2rad(fov / 2))
    distance = float(np.clip(fitting * rng.uniform(*variety.framing), NEAREST_M, FARTHEST_M))
    target = np.append(rng.normal(0, 0.25 * reach, 2), rng.uniform(0, 0.06))
    direction = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    position = target + distance * np.array(direction)
    camera = Camera(tuple(position.tolist()), tuple(target.tolist()), float(fov), float(rng.normal(0, 6)))
    return _with_noise(rng, _with_optics(rng, camera, distance, variety), variety)


def _with_optics(rng: Rng, camera: Camera, distance: float, variety: Variety) -> Camera:
    """Draw exposure, colour cast, depth of field and blur."""
    shaken = rng.random() < 0.12
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.002, 0.008)
    drawn = replace(
        camera,
        exposure=float(rng.uniform(0.28, 0.64)),
        white_balance=tuple(np.exp(rng.normal(0, 0.09, 3)).tolist()),
        aperture_m=float(rng.uniform(0.0, 0.0035) if rng.random() < 0.35 else 0.0),
        focus_m=float(distance * np.exp(rng.normal(0, 0.12))),
        vignetting=float(rng.uniform(0, 0.4) if rng.random() < 0.5 else 0.0),
        contrast=float(np.exp(rng.normal(0.05, 0.2))),
        motion=(float(length * np.cos(angle)), float(length * np.sin(angle))) if shaken else (0.0, 0.0),
        blur=float(rng.uniform(0.0004, 0.0018) if rng.random() < 0.5 else 0.0),
    )
    return drawn if variety.optics else camera


def _with_noise(rng: Rng, camera: Camera, variety: Variety) -> Camera:
    """Draw sensor noise, sharpening and JPEG quality."""
    drawn = replace(
        camera,
        noise=float(np.exp(rng.uniform(np.log(0.0015), np.log(0.03)))),
        sharpen=float(rng.uniform(0.2, 1.2) if rng.random() < 0.4 else 0.0),
        jpeg=int(rng.integers(35, 97)) if rng.random() < 0.6 else 100,
        noise_seed=int(rng.integers(2**31)),
    )
    return drawn if variety.noise else camera

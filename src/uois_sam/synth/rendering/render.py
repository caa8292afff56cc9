"""Render a settled scene: photo, label map and depth."""

from __future__ import annotations

import functools
import gc
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.runtime.timing import stage
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.rendering.denoising import denoise, render_features
from uois_sam.synth.rendering.ground_truth import GroundTruth, compute_ground_truth
from uois_sam.synth.rendering.mitsuba_scene import load_scene, load_shapes
from uois_sam.synth.rendering.sensor import develop
from uois_sam.synth.scene import Scene
from uois_sam.types import ImageArray

FloatImage = npt.NDArray[np.float32]

MAX_BOUNCES = 7
"""Enough to see through both walls of a glass and back."""
ROULETTE_FROM = 4


@dataclass(frozen=True)
class Rendering:
    """One rendered view. Frame: image, pixels."""

    image: ImageArray
    """(H, W, 3) uint8 RGB."""
    truth: GroundTruth
    """Labels, depth and amodal masks; unaffected by lens and sensor."""


def render(scene: Scene, size_hw: tuple[int, int], samples: int, assets: Assets = BUILT_IN) -> Rendering:
    """Render a scene whose objects are settled.

    Args:
        scene: the scene; a variant must have been chosen in this process (:mod:`~uois_sam.synth.rendering.variants`).
        size_hw: rows and columns of the picture.
        samples: light paths a pixel before denoising.
        assets: where the names in the scene are looked up.
    """
    import mitsuba as mi

    loaded = load_scene(scene, size_hw, assets)
    seed = scene.seed % 2**31
    with stage("trace"):
        colour = np.array(mi.render(loaded, integrator=_light_transport(mi.variant()), spp=samples, seed=seed))
    with stage("guides"):
        albedo, normal = render_features(loaded, size_hw, seed)
    with stage("denoise"):
        colour = denoise(colour, albedo, normal)
    with stage("labels"):
        truth = compute_ground_truth(loaded.shapes(), scene.camera, size_hw, len(scene.objects))
    del loaded
    gc.collect()  # plugin instances that linger would count towards the next scene's kernel
    with stage("develop"):
        image = develop(colour, scene.camera)
    return Rendering(image, truth)


def measure(scene: Scene, size_hw: tuple[int, int], assets: Assets = BUILT_IN) -> GroundTruth:
    """Return labels and depth of :func:`render` without the picture, which takes most of its time."""
    return compute_ground_truth(load_shapes(scene, assets), scene.camera, size_hw, len(scene.objects))


@functools.cache
def _light_transport(_variant: str) -> Any:
    """Return the integrator of the variant: that of another cannot be used."""
    import mitsuba as mi

    return mi.load_dict({"type": "path", "max_depth": MAX_BOUNCES, "rr_depth": ROULETTE_FROM})

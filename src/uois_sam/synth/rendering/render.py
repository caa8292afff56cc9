"""Mitsuba draws a settled scene: photo, label map and depth."""

from __future__ import annotations

import functools
import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.runtime.timing import stage
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.rendering.denoising import guide_layers
from uois_sam.synth.rendering.ground_truth import Truth, see
from uois_sam.synth.rendering.mitsuba_scene import build
from uois_sam.synth.rendering.sensor import develop
from uois_sam.synth.scene import Scene
from uois_sam.types import ImageArray

FloatImage = npt.NDArray[np.float32]

MAX_BOUNCES = 7
"""Enough to see through both walls of a glass and back."""
ROULETTE_FROM = 4
LLVM_CANDIDATES = ("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1", "/usr/lib/aarch64-linux-gnu/libLLVM.so.19.1")
"""Where Debian and Ubuntu put a libLLVM that is known to work; versions 15 and 16 abort on AVX-512 machines."""


@dataclass(frozen=True)
class Rendering:
    """One rendered view. Frame: image, pixels."""

    image: ImageArray
    """(H, W, 3) uint8 RGB."""
    truth: Truth
    """Labels, depth and amodal masks; not touched by lens or sensor."""


def choose_variant(wanted: str = "auto") -> str:
    """Pick and activate a Mitsuba variant: ``llvm`` where a good libLLVM is found, else ``scalar``.

    Args:
        wanted: ``auto``, ``llvm``, ``scalar`` or ``cuda``.

    Raises:
        MissingExtraError: Mitsuba is not installed.
        UOISError: the variant does not work on this machine.
    """
    try:
        import mitsuba as mi
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", "mitsuba") from error
    wanted = _resolve(wanted)
    check_variant(wanted)
    name = {"llvm": "llvm_ad_rgb", "scalar": "scalar_rgb", "cuda": "cuda_ad_rgb"}[wanted]
    mi.set_variant(name)
    return name


def check_variant(wanted: str) -> None:
    """Find out cheaply, without Mitsuba, whether a variant works on this machine; ``auto`` is taken to.

    Raises:
        MissingExtraError: Dr.Jit, which comes with Mitsuba, is not installed.
        UOISError: it does not.
    """
    if wanted not in _NEEDS:
        return
    _resolve(wanted)
    try:
        import drjit
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", "drjit") from error
    backend = {"llvm": drjit.JitBackend.LLVM, "cuda": drjit.JitBackend.CUDA}[wanted]
    if not drjit.has_backend(backend):
        raise UOISError(f"--variant {wanted}: expected {_NEEDS[wanted]}, found none that works")


_NEEDS = {
    "llvm": "a libLLVM (Debian: apt install libllvm19, or its path in DRJIT_LIBLLVM_PATH; --variant scalar needs none)",
    "cuda": "an NVIDIA GPU with its driver (--variant auto needs none)",
}


def limit_threads(count: int) -> None:
    """Let renderer and denoiser use so many threads of this process; before the first picture."""
    import drjit

    drjit.set_thread_count(count)
    if count < (os.cpu_count() or 1):
        os.environ.setdefault("OIDN_NUM_THREADS", str(count))
        # Pinned threads would all sit on the same first cores, whatever the number of processes.
        os.environ.setdefault("OIDN_SET_AFFINITY", "0")


def _resolve(wanted: str) -> str:
    """``scalar`` in place of ``auto`` where no libLLVM is found; where one is, Dr.Jit learns of it."""
    if wanted in ("auto", "llvm") and "DRJIT_LIBLLVM_PATH" not in os.environ:
        found = [path for path in LLVM_CANDIDATES if Path(path).exists()]
        if found:
            os.environ["DRJIT_LIBLLVM_PATH"] = found[0]
        elif wanted == "auto":
            wanted = "scalar"
    return "llvm" if wanted == "auto" else wanted


def render(scene: Scene, size_hw: tuple[int, int], samples: int, assets: Assets = BUILT_IN) -> Rendering:
    """Draw a scene whose objects are settled.

    Args:
        scene: the scene; :func:`choose_variant` must have been called in this process.
        size_hw: rows and columns of the picture.
        samples: light paths a pixel before denoising.
        assets: where the names in the scene are looked up.
    """
    import mitsuba as mi

    loaded = build(scene, size_hw, assets)
    seed = scene.seed % 2**31
    with stage("trace"):
        colour = np.array(mi.render(loaded, integrator=_light_transport(mi.variant()), spp=samples, seed=seed))
    with stage("guides"):
        albedo, normal = guide_layers(loaded, size_hw, seed)
    with stage("denoise"):
        colour = _denoise(colour, albedo, normal)
    with stage("labels"):
        truth = see(loaded.shapes(), scene.camera, size_hw, len(scene.objects))
    del loaded
    gc.collect()  # plugin instances that linger would count towards the next scene's kernel
    with stage("develop"):
        image = develop(colour, scene.camera)
    return Rendering(image, truth)


@functools.cache
def _light_transport(_variant: str) -> Any:
    """One integrator a variant: those of another cannot be used."""
    import mitsuba as mi

    return mi.load_dict({"type": "path", "max_depth": MAX_BOUNCES, "rr_depth": ROULETTE_FROM})


def _denoise(colour: FloatImage, albedo: FloatImage, normal: FloatImage) -> FloatImage:
    try:
        import pyoidn
    except ImportError as error:
        raise MissingExtraError("denoising renders", "synth", "pyoidn") from error
    return np.asarray(pyoidn.denoise(np.ascontiguousarray(colour), hdr=True, albedo=albedo, normal=normal))

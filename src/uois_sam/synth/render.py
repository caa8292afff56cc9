"""Mitsuba draws a settled scene: photo, label map and depth.

Every surface is the same material plugin and every texture the same kind and size, so that all scenes share one
compiled kernel; with a free mix of materials the compiler takes longer than the light does.
"""

from __future__ import annotations

import functools
import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from uois_sam.errors import MissingExtraError
from uois_sam.synth.casting import NEAR_CLIP_M, mitsuba_pose
from uois_sam.synth.families import make_parts
from uois_sam.synth.labels import Truth, see
from uois_sam.synth.meshes import Mesh, box, lathe, superquadric
from uois_sam.synth.scene import Camera, Lamp, Pose, Prop, Scene, Surface
from uois_sam.synth.stages import stage
from uois_sam.synth.textures import desaturate, paint
from uois_sam.types import ImageArray

FloatImage = npt.NDArray[np.float32]

TEXTURE_SIDE = 384
SKY_HW = (64, 128)
MAX_BOUNCES = 5
GUIDE_SAMPLES = 4
"""Rays a pixel for the denoiser's albedo and normals."""
SHAPES_STEP = 24
"""Shape counts are padded to multiples of this (see :func:`_pad`)."""
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
    """
    try:
        import mitsuba as mi
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", "mitsuba") from error
    if wanted in ("auto", "llvm") and "DRJIT_LIBLLVM_PATH" not in os.environ:
        found = [path for path in LLVM_CANDIDATES if Path(path).exists()]
        if found:
            os.environ["DRJIT_LIBLLVM_PATH"] = found[0]
        elif wanted == "auto":
            wanted = "scalar"
    name = {"auto": "llvm_ad_rgb", "llvm": "llvm_ad_rgb", "scalar": "scalar_rgb", "cuda": "cuda_ad_rgb"}[wanted]
    mi.set_variant(name)
    return name


def render(scene: Scene, size_hw: tuple[int, int], samples: int) -> Rendering:
    """Draw a scene whose objects are settled.

    Args:
        scene: the scene; :func:`choose_variant` must have been called in this process.
        size_hw: rows and columns of the picture.
        samples: light paths a pixel before denoising.
    """
    import mitsuba as mi

    world: dict[str, Any] = {"type": "scene", "sensor": _sensor(scene.camera, size_hw)}
    world["sky"] = {"type": "envmap", "bitmap": mi.Bitmap(_sky(scene.sky_seed) * np.float32(scene.sky_strength))}
    for index, lamp in enumerate(scene.lamps):
        world[f"lamp{index}"] = _lamp(f"lamp{index}", lamp)
    for index, prop in enumerate(scene.props):
        world[f"prop{index}"] = _shape(f"prop{index}", _prop_mesh(prop), prop.pose, prop.surface)
    for index, spec in enumerate(scene.objects):
        for part_index, part in enumerate(make_parts(spec.family, spec.seed)):
            name = f"object{index}_{part_index}"
            world[name] = _shape(name, part.mesh, spec.pose, spec.surfaces[part_index])
    _pad(world)
    with stage("load"):
        loaded = mi.load_dict(world)
    light, guides = _integrators()
    with stage("trace"):
        colour = np.array(mi.render(loaded, integrator=light, spp=samples, seed=scene.seed % 2**31))
    with stage("guides"):
        layers = np.array(mi.render(loaded, integrator=guides, spp=GUIDE_SAMPLES, seed=scene.seed % 2**31))
    with stage("denoise"):
        colour = _denoise(colour, layers[..., :3], layers[..., 3:])
    with stage("labels"):
        truth = see(loaded.shapes(), scene.camera, size_hw, len(scene.objects))
    del loaded, world
    gc.collect()  # plugin instances that linger would count towards the next scene's kernel
    with stage("develop"):
        image = develop(colour, scene.camera)
    return Rendering(image, truth)


def develop(colour: FloatImage, camera: Camera) -> ImageArray:
    """Expose, balance and encode a linear picture as sRGB bytes, with a soft shoulder instead of hard clipping."""
    balanced = np.maximum(colour, 0) * np.array(camera.white_balance, dtype=np.float32)
    low, high = 1e-4, 1e4
    for _ in range(24):  # the gain at which the encoded picture has the wanted mean
        gain = float(np.sqrt(low * high))
        low, high = (gain, high) if _encode(balanced[::4, ::4] * gain).mean() < camera.exposure else (low, gain)
    return np.rint(_encode(balanced * gain) * 255).astype(np.uint8)


def _encode(linear: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    shoulder = np.where(linear < 0.6, linear, 0.6 + 0.4 * (1 - np.exp(-(linear - 0.6) / 0.4)))
    return np.where(shoulder <= 0.0031308, 12.92 * shoulder, 1.055 * np.maximum(shoulder, 1e-8) ** (1 / 2.4) - 0.055)


@functools.cache
def _integrators() -> tuple[Any, Any]:
    """Light transport, and the albedo and normals that guide the denoiser."""
    import mitsuba as mi

    return (
        mi.load_dict({"type": "path", "max_depth": MAX_BOUNCES}),
        mi.load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"}),
    )


def _denoise(colour: FloatImage, albedo: FloatImage, normal: FloatImage) -> FloatImage:
    try:
        import pyoidn
    except ImportError as error:
        raise MissingExtraError("denoising renders", "synth", "pyoidn") from error
    guides = {"albedo": np.ascontiguousarray(albedo), "normal": np.ascontiguousarray(normal)}
    return np.asarray(pyoidn.denoise(np.ascontiguousarray(colour), hdr=True, **guides))


def _sensor(camera: Camera, size_hw: tuple[int, int]) -> dict[str, Any]:
    film = {"type": "hdrfilm", "width": size_hw[1], "height": size_hw[0], "pixel_format": "rgb",
            "component_format": "float32", "rfilter": {"type": "box"}}  # fmt: skip
    return {"type": "perspective", "fov": camera.fov_deg, "fov_axis": "x", "near_clip": NEAR_CLIP_M, "film": film,
            "to_world": mitsuba_pose(camera),
            "sampler": {"type": "independent"}}  # fmt: skip


def _lamp(name: str, lamp: Lamp) -> Any:
    """An area light as a mesh: a ``rectangle`` would bake its position into the kernel."""
    import mitsuba as mi

    turn, _ = Rotation.align_vectors([np.negative(lamp.position)], [[0.0, 0.0, 1.0]])
    half = lamp.side / 2
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    square = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float))
    properties = mi.Properties()
    properties["mesh_bsdf"] = mi.load_dict({"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.5}})
    radiance = {"type": "rgb", "value": list(lamp.radiance)}
    properties["mesh_emitter"] = mi.load_dict({"type": "area", "radiance": radiance})
    return _load_mesh(name, square.transformed(turn.as_matrix(), lamp.position), properties)


def _pad(world: dict[str, Any]) -> None:
    """Add specks deep below the floor until the number of shapes is a multiple of ``SHAPES_STEP``.

    The kernel depends on how many surfaces there are; rounding leaves a handful of kernels to compile, once.
    """
    speck = Mesh(1e-4 * np.eye(3), np.array([[0, 1, 2]]), np.eye(3)[:, :2])
    shapes = sum(name.startswith(("prop", "object")) for name in world)
    for index in range(-shapes % SHAPES_STEP):
        surface = Surface("plain", 0)
        world[f"speck{index}"] = _shape(f"speck{index}", speck, Pose((0.0, 0.0, -50.0)), surface, texture_side=4)


def _sky(seed: int) -> FloatImage:
    """(64, 128, 3) float32 surroundings for reflections: dim room tones, a bright ceiling, windows and lamps."""
    rng = np.random.default_rng(seed)
    height, width = SKY_HW
    rows = np.linspace(0, 1, height)[:, None, None]
    tone = rng.uniform(0.3, 0.9) * np.exp(rng.normal(0, 0.13, 3)) * (1.2 - rng.uniform(0, 1.0) * rows)
    clutter = gaussian_filter(rng.normal(size=(height, width, 1)), (3, 3, 0), mode="wrap")
    sky = np.broadcast_to(tone, (height, width, 3)) * (1 + 0.8 * clutter / (clutter.std() + 1e-9)).clip(0.2, 3)
    sky = sky.copy()
    for _ in range(int(rng.integers(1, 6))):
        y, x = rng.integers(0, height // 2), rng.integers(0, width)
        h, w = rng.integers(2, 16), rng.integers(2, 24)
        sky[y : y + h, x : x + w] = rng.uniform(2, 14) * np.exp(rng.normal(0, 0.15, 3))
    return sky.astype(np.float32)


def _prop_mesh(prop: Prop) -> Mesh:
    if prop.kind == "box":
        return box(prop.size, uv_metres=prop.texture_metres)
    half = np.array(prop.size) / 2
    if prop.kind == "cylinder":
        return lathe([(0, -half[2]), (half[0], -half[2]), (half[0], half[2]), (0, half[2])])
    return superquadric(half, 0.35, 0.35)


def _shape(name: str, mesh: Mesh, pose: Pose, surface: Surface, texture_side: int = TEXTURE_SIDE) -> Any:
    import mitsuba as mi

    with stage("textures"):
        pixels = desaturate(paint(surface.texture, surface.seed, texture_side), surface.saturation)
    picture = mi.Bitmap(np.ascontiguousarray(pixels[::-1]))  # first row is v = 0, and v points up
    bsdf = mi.load_dict({"type": "twosided", "material": {
        "type": "principled", "base_color": {"type": "bitmap", "bitmap": picture}, "specular": 0.5,
        "roughness": surface.roughness, "metallic": float(np.clip(surface.metallic, 0.001, 0.999))}})  # fmt: skip
    properties = mi.Properties()
    properties["mesh_bsdf"] = bsdf
    rotation = Rotation.from_quat(pose.quaternion, scalar_first=True).as_matrix()
    return _load_mesh(name, mesh.transformed(rotation, pose.position), properties)


def _load_mesh(name: str, mesh: Mesh, properties: Any) -> Any:
    import mitsuba as mi

    shape = mi.Mesh(name, len(mesh.vertices), len(mesh.faces), has_vertex_normals=True, has_vertex_texcoords=True,
                    props=properties)  # fmt: skip
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = mesh.vertices.ravel().astype(np.float32)
    parameters["vertex_normals"] = mesh.vertex_normals().ravel().astype(np.float32)
    parameters["vertex_texcoords"] = mesh.uv.ravel().astype(np.float32)
    parameters["faces"] = mesh.faces.ravel().astype(np.uint32)
    parameters.update()
    return shape

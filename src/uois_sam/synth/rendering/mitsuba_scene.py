"""Scenes as Mitsuba scenes: shapes, materials, lamps, sky and camera.

All scenes share a handful of compiled kernels, because a kernel depends on which plugins there are and on how many
surfaces: every scene has the same two materials (one of them perhaps only on a speck), the same kind of texture, three
lamps, a lens, and a rounded number of shapes. With a free mix, compiling takes longer than rendering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.runtime.timing import stage
from uois_sam.synth.assets.collection import Assets
from uois_sam.synth.assets.meshes import Mesh
from uois_sam.synth.assets.textures import desaturate
from uois_sam.synth.assets.textures.fields import Picture, to_uint8
from uois_sam.synth.rendering.ray_casting import NEAR_CLIP_M, mitsuba_pose
from uois_sam.synth.sampling.furniture import prop_mesh
from uois_sam.synth.scene import Camera, Lamp, Pose, Scene, Surface

TEXTURE_SIDE = 384
SHAPES_STEP = 32
"""Shape counts are padded to multiples of this (see :func:`_pad`)."""
SHARP_APERTURE_M = 1e-6
"""Lens opening that stands for a pinhole: the plugin requires one above zero."""
CLEAR_FROM = 0.01
"""Share of transmitted light above which a surface has the clear material."""


def load_scene(scene: Scene, size_hw: tuple[int, int], assets: Assets) -> Any:
    """Load a scene for rendering; :func:`~uois_sam.synth.rendering.variants.choose_variant` must have been called.

    Shapes of ``scene.objects[i]`` are named ``object{i}_{part}``, everything else otherwise.
    """
    import mitsuba as mi

    world: dict[str, Any] = {"type": "scene", "sensor": _sensor(scene.camera, size_hw)}
    world["sky"] = {"type": "envmap", "bitmap": mi.Bitmap(assets.paint_sky(scene.sky))}
    for index, lamp in enumerate(scene.lamps):
        world[f"lamp{index}"] = _lamp(f"lamp{index}", lamp)
    for solid in solids(scene, assets):
        world[solid.name] = _shape(solid, solid.painted(assets))
    _pad(world, assets)
    with stage("load"):
        loaded = mi.load_dict(world)
        _free_lens(loaded)
    return loaded


def load_shapes(scene: Scene, assets: Assets) -> list[Any]:
    """Return the shapes of :func:`load_scene` without materials: all that labels and depth depend on."""
    lamps = [_load_mesh(f"lamp{index}", _lamp_mesh(lamp)) for index, lamp in enumerate(scene.lamps)]
    return lamps + [_load_mesh(solid.name, solid.mesh) for solid in solids(scene, assets)]


@dataclass(frozen=True)
class Solid:
    """A mesh of one surface."""

    name: str
    """``prop0``, ``object0_1`` (the second part of the first object), ``loose0_0``."""
    mesh: Mesh
    """In the world, metres."""
    surface: Surface
    picture: Picture | None
    """Its own picture, if it has one: of a user's mesh."""

    def painted(self, assets: Assets, side: int = TEXTURE_SIDE) -> Picture:
        """Paint its texture, (S, S, 3) uint8 sRGB."""
        with stage("textures"):
            surface = self.surface
            pixels = self.picture
            if pixels is None:
                pixels = assets.paint(surface.texture, surface.seed, side, surface.wear)
            pixels = desaturate(pixels, surface.saturation)
            return pixels if surface.brightness == 1.0 else to_uint8(pixels * np.float32(surface.brightness))


def solids(scene: Scene, assets: Assets) -> Iterator[Solid]:
    """All there is in a scene but lamps."""
    for index, prop in enumerate(scene.props):
        yield Solid(f"prop{index}", _placed(prop_mesh(prop), prop.pose), prop.surface, None)
    for kind, specs in (("object", scene.objects), ("loose", scene.loose)):
        for index, spec in enumerate(specs):
            for number, part in enumerate(assets.parts(spec.family, spec.seed)):
                mesh = _placed(part.mesh, spec.pose)
                yield Solid(f"{kind}{index}_{number}", mesh, spec.surfaces[number], part.picture)


def _sensor(camera: Camera, size_hw: tuple[int, int]) -> dict[str, Any]:
    film = {"type": "hdrfilm", "width": size_hw[1], "height": size_hw[0], "pixel_format": "rgb",
            "component_format": "float32", "rfilter": {"type": "box"}}  # fmt: skip
    return {"type": "thinlens", "fov": camera.fov_deg, "fov_axis": "x", "near_clip": NEAR_CLIP_M, "film": film,
            "aperture_radius": max(camera.aperture_m, SHARP_APERTURE_M), "focus_distance": camera.focus_m,
            "to_world": mitsuba_pose(camera), "sampler": {"type": "independent"}}  # fmt: skip


def _free_lens(loaded: Any) -> None:
    """Make the lens' parameters data: constants would be compiled into a kernel for every scene."""
    import drjit as dr
    import mitsuba as mi

    if "scalar" in mi.variant():
        return
    sensor = loaded.sensors()[0]
    parameters = mi.traverse(sensor)
    for name in ("aperture_radius", "focus_distance"):
        parameters[name] = dr.opaque(mi.Float, parameters[name][0])
    parameters.update()


def _lamp(name: str, lamp: Lamp) -> Any:
    """Make an area light as a mesh: the position of a ``rectangle`` would be compiled into the kernel."""
    import mitsuba as mi

    properties = mi.Properties()
    properties["mesh_bsdf"] = mi.load_dict({"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.5}})
    radiance = {"type": "rgb", "value": list(lamp.radiance)}
    properties["mesh_emitter"] = mi.load_dict({"type": "area", "radiance": radiance})
    return _load_mesh(name, _lamp_mesh(lamp), properties)


def _lamp_mesh(lamp: Lamp) -> Mesh:
    turn, _ = Rotation.align_vectors([np.negative(lamp.position)], [[0.0, 0.0, 1.0]])
    half = lamp.side / 2
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    square = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float))
    return square.transformed(turn.as_matrix(), lamp.position)


def _pad(world: dict[str, Any], assets: Assets) -> None:
    """Add specks deep below the floor until the number of shapes is a multiple of ``SHAPES_STEP``.

    The kernel depends on how many surfaces there are, and of which materials; rounding leaves a handful of kernels to
    compile, once. There is always at least one clear speck, so that the clear material is always there.
    """
    speck = Mesh(1e-4 * np.eye(3) - [0.0, 0.0, 50.0], np.array([[0, 1, 2]]), np.eye(3)[:, :2])
    shapes = sum(name.startswith(("prop", "object", "loose")) for name in world)
    for index in range(1 + (-shapes - 1) % SHAPES_STEP):
        surface = Surface("plain", 0, clear=0.5 if index == 0 else 0.0)
        solid = Solid(f"speck{index}", speck, surface, None)
        world[solid.name] = _shape(solid, solid.painted(assets, side=4))


def _shape(solid: Solid, pixels: Picture) -> Any:
    import mitsuba as mi

    properties = mi.Properties()
    properties["mesh_bsdf"] = mi.load_dict(_material(solid.surface, pixels))
    return _load_mesh(solid.name, solid.mesh, properties)


def _placed(mesh: Mesh, pose: Pose) -> Mesh:
    rotation = Rotation.from_quat(pose.quaternion, scalar_first=True).as_matrix()
    return mesh.transformed(rotation, pose.position)


def _material(surface: Surface, pixels: Picture) -> dict[str, Any]:
    """Return an opaque solid, or for clear surfaces a thin shell: light goes straight on and shadows stay light."""
    import mitsuba as mi

    picture = mi.Bitmap(np.ascontiguousarray(pixels[::-1]))  # first row is v = 0, and v points up
    colour = {"type": "bitmap", "bitmap": picture}
    if surface.clear > CLEAR_FROM:
        return {"type": "principledthin", "base_color": colour, "roughness": max(surface.roughness, 0.02),
                "spec_trans": surface.clear, "eta": 1.5, "diff_trans": 0.3}  # fmt: skip
    return {"type": "twosided", "material": {
        "type": "principled", "base_color": colour, "specular": 0.5, "roughness": surface.roughness,
        "metallic": float(np.clip(surface.metallic, 0.001, 0.999))}}  # fmt: skip


def _load_mesh(name: str, mesh: Mesh, properties: Any = None) -> Any:
    import mitsuba as mi

    properties = mi.Properties() if properties is None else properties
    properties.set_id(name)
    shape = mi.Mesh(name, len(mesh.vertices), len(mesh.faces), has_vertex_normals=True, has_vertex_texcoords=True,
                    props=properties)  # fmt: skip
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = mesh.vertices.ravel().astype(np.float32)
    parameters["vertex_normals"] = mesh.vertex_normals().ravel().astype(np.float32)
    parameters["vertex_texcoords"] = mesh.uv.ravel().astype(np.float32)
    parameters["faces"] = mesh.faces.ravel().astype(np.uint32)
    parameters.update()
    return shape

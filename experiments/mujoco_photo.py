"""What it costs to show the model MuJoCo's picture of a scene instead of a photo-like rendering.

    python experiments/mujoco_photo.py [--tables 12] [--out results.json] [--pictures folder]
    python experiments/mujoco_photo.py --tables 30 --labelled folder

The tables of ``uois-sam demo grasp`` (piles and packed ones), each seen twice by the same camera: path traced, as the
demo shows them to the model, and drawn by MuJoCo from the same meshes with the same textures, lit by the same lamps'
directions and a light at the camera. Labels are the same. Figures are means over the pictures; the interval of the
difference is the 95 % one of 5000 resamples of the tables. ``--labelled`` scores nothing: it keeps MuJoCo's pictures
and labels, for ``finetune_gain.py``. Needs the extra ``grasp``, and OpenGL (a display or EGL).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

if "DISPLAY" not in os.environ:
    os.environ.setdefault("MUJOCO_GL", "egl")  # read when MuJoCo is imported

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError
from uois_sam.evaluation import score_image
from uois_sam.grasping.tables import TableConfig, draw_table, look
from uois_sam.io.encoding import encode_jpeg, encode_png
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.runtime.provenance import summary
from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.rendering.mitsuba_scene import Solid, solids
from uois_sam.synth.rendering.pinhole import world_from_camera
from uois_sam.synth.rendering.variants import choose_variant
from uois_sam.synth.scene import Scene
from uois_sam.types import ImageArray, LabelMap

WAYS = ("path traced", "MuJoCo")
FIGURES = ("F", "boundary F", "%75")
RESAMPLES = 5000


def picture_by_mujoco(scene: Scene, size_hw: tuple[int, int]) -> ImageArray:
    """Draw a scene with MuJoCo's renderer, (H, W, 3) uint8.

    Raises:
        UOISError: if there is no OpenGL here.
    """
    model = model_of(scene, size_hw)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    try:
        renderer = mujoco.Renderer(model, *size_hw)
    except Exception as error:  # whatever the system's graphics raise
        raise UOISError(f"MuJoCo's pictures need OpenGL: a display, or EGL (MUJOCO_GL=egl); found: {error}") from error
    renderer.update_scene(data, camera="eye")
    picture = np.asarray(renderer.render()).copy()
    renderer.close()
    return picture


def model_of(scene: Scene, size_hw: tuple[int, int]) -> Any:
    """A MuJoCo model of what is seen of a scene, with its camera ``eye``; geoms are named as the solids are."""
    spec = mujoco.MjSpec()
    spec.visual.global_.offheight, spec.visual.global_.offwidth = size_hw
    spec.visual.quality.shadowsize = 4096
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 20.0
    spec.stat.extent = 1.0
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.35] * 3, [0.3] * 3
    for solid in solids(scene, BUILT_IN):
        add_solid(spec, solid)
    for lamp in scene.lamps:
        direction = -np.asarray(lamp.position) / np.linalg.norm(lamp.position)
        spec.worldbody.add_light(pos=lamp.position, dir=direction, diffuse=[0.5] * 3, castshadow=True,
                                 type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)  # fmt: skip
    pose = world_from_camera(scene.camera)
    vertical = 2 * np.arctan(np.tan(np.deg2rad(scene.camera.fov_deg) / 2) * size_hw[0] / size_hw[1])
    facing = Rotation.from_matrix(pose[:3, :3] * [1, -1, -1])  # OpenGL's camera: y up, and looking along -z
    spec.worldbody.add_camera(name="eye", pos=pose[:3, 3], quat=facing.as_quat(scalar_first=True),
                              fovy=float(np.rad2deg(vertical)))  # fmt: skip
    return spec.compile()


def add_solid(spec: Any, solid: Solid) -> None:
    """Add a mesh with its texture to a world; it takes no part in the physics."""
    mesh, pixels = solid.mesh, solid.painted(BUILT_IN)
    spec.add_mesh(name=solid.name, uservert=mesh.vertices.ravel(), userface=mesh.faces.ravel(),
                  usertexcoord=mesh.uv.ravel(), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)  # fmt: skip
    side = pixels.shape[0]
    texture = spec.add_texture(name=solid.name, type=mujoco.mjtTexture.mjTEXTURE_2D)
    texture.width, texture.height, texture.nchannel = pixels.shape[1], side, 3
    texture.data = np.ascontiguousarray(pixels).tobytes()
    material = spec.add_material(name=solid.name, specular=0.5, shininess=1 - solid.surface.roughness)
    textures = material.textures
    textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = solid.name
    material.textures = textures
    spec.worldbody.add_geom(name=solid.name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=solid.name,
                            material=solid.name, contype=0, conaffinity=0,
                            rgba=[1, 1, 1, 1 - 0.7 * solid.surface.clear])  # fmt: skip


def score(model: UOISSAM, picture: ImageArray, truth: LabelMap) -> tuple[float, float, float]:
    """F, boundary F and %75 of a picture, in percent."""
    found = score_image(model.predict(picture).label_map(), truth)
    return 100 * found.overlap.f_measure, 100 * found.boundary.f_measure, 100 * found.over_75


def measure(options: argparse.Namespace) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(T, 2, 3) scores of every table, by :data:`WAYS` and :data:`FIGURES`."""
    model = UOISSAM.from_pretrained(options.model, device="cpu")
    rows = []
    for seed in range(options.seed, options.seed + options.tables):
        for arrangement in ("pile", "packed"):
            config = TableConfig(arrangement=arrangement)
            scene = draw_table(seed, config)
            seen, truth = look(scene, config)
            assert seen.image is not None
            pictures = (seen.image, picture_by_mujoco(scene, config.size_hw))
            rows.append([score(model, picture, truth) for picture in pictures])
            print(f"{arrangement} {seed}: F {rows[-1][0][0]:.0f}, MuJoCo {rows[-1][1][0]:.0f}", file=sys.stderr)
            if options.pictures:
                both = np.concatenate([model.predict(picture).overlay() for picture in pictures], axis=1)
                write_atomically(options.pictures / f"{arrangement}_{seed}.jpg", encode_jpeg(both, 90))
    return np.array(rows)


def write_labelled(options: argparse.Namespace) -> None:
    """Write MuJoCo's pictures and labels of all tables to ``rgb/`` and ``label/`` of a folder."""
    for part in ("rgb", "label"):
        make_output_folder(options.labelled / part)
    for seed in range(options.seed, options.seed + options.tables):
        for arrangement in ("pile", "packed"):
            config = TableConfig(arrangement=arrangement)
            scene = draw_table(seed, config)
            _, truth = look(scene, config, photo=False)
            name = f"{seed}_{arrangement}.png"
            write_atomically(options.labelled / "rgb" / name, encode_png(picture_by_mujoco(scene, config.size_hw)))
            write_atomically(options.labelled / "label" / name, encode_png(truth.astype(np.uint16)))
            print(f"{arrangement} {seed}", file=sys.stderr)


def main() -> int:
    """Run the script; exit status 2 where it cannot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=12, help="piles, and as many packed tables (default: 12)")
    parser.add_argument("--seed", type=int, default=2000, help="of the first table (default: 2000)")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--pictures", type=Path, help="folder for both pictures of every table, with what was found")
    parser.add_argument("--labelled", type=Path, help="folder for MuJoCo's pictures and labels of every table")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        if options.pictures:
            make_output_folder(options.pictures)
        choose_variant()
        if options.labelled:
            write_labelled(options)
            return 0
        scores = measure(options)
    except UOISError as error:
        print(f"mujoco_photo: {error}", file=sys.stderr)
        return 2
    differences = scores[:, 1] - scores[:, 0]
    drawn = np.random.default_rng(0).integers(0, len(scores), (RESAMPLES, len(scores)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5], axis=0)
    print(f"| {len(scores)} tables | {' | '.join(FIGURES)} |\n|---|---|---|---|")
    for way, means in zip(WAYS, scores.mean(axis=0), strict=True):
        print(f"| {way} | {' | '.join(f'{mean:.1f}' for mean in means)} |")
    rows = zip(differences.mean(axis=0), low, high, strict=True)
    print(f"| difference | {' | '.join(f'{d:+.1f} ({a:+.1f} to {b:+.1f})' for d, a, b in rows)} |")
    record = make_record("mujoco_photo", {"ways": WAYS, "figures": FIGURES, "scores": scores.tolist(),
                                          "seed": options.seed, "tables": options.tables})  # fmt: skip
    print(f"\n{summary(record['machine'])}")
    if options.out:
        write_record(options.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())

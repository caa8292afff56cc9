"""Tables to be cleared: a few things that fit a hand on 0.3 m square, seen by a camera above (VGN's protocol)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from uois_sam.errors import DatasetError, UOISError, count
from uois_sam.grasping.grasp import SeenScene
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.assets.families import mesh_points
from uois_sam.synth.assets.user_files import warn_skipped
from uois_sam.synth.physics import UnsettledError, settle
from uois_sam.synth.rendering.pinhole import intrinsics, world_from_camera
from uois_sam.synth.rendering.render import measure, render
from uois_sam.synth.sampling.arrangement import Footprint, arrange
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.scenes import sample_object, sample_scene
from uois_sam.synth.scene import Camera, ObjectSpec, Scene
from uois_sam.types import LabelMap

Arrangement = Literal["pile", "packed"]

HALF_M = 0.11
"""Half side of the area that objects' centres are drawn in; with their own size they fill 0.3 m."""
SMALLEST_M = 0.015
"""Least extent of a thing: thinner ones, as a card, no hand of this kind takes from a table."""
GRASPABLE_M = 0.06
"""Greatest second extent: whichever way it lies, a hand that opens 8 cm can take it."""
LONGEST_M = 0.2
FITS = "at least {:.0f} mm thin, at most {:.0f} mm across and {:.0f} mm long".format(
    *(1000 * extent for extent in (SMALLEST_M, GRASPABLE_M, LONGEST_M))
)
MOST_DRAWS = 300
DISTANCE_M = 0.55
ELEVATION_DEG = (48.0, 75.0)
FOV_DEG = 50.0


@dataclass(frozen=True)
class TableConfig:
    """How tables are drawn and seen."""

    objects: int = 5
    arrangement: Arrangement = "pile"
    """``pile``: dropped on a heap; ``packed``: standing close to each other."""
    size_hw: tuple[int, int] = (480, 640)
    samples: int = 8
    """Light paths a pixel."""


def draw_table(seed: int, config: TableConfig, assets: Assets = BUILT_IN) -> Scene:
    """Draw a settled scene of kinds that training never shows.

    Raises:
        UOISError: if none settles.
    """
    variety = Variety(split="val", places=("table",), most_objects=1, surroundings=0, cloths=False, clear=False)
    things = replace(variety, families=tuple(assets.own_families))  # a user's meshes alone, if there are any
    for attempt in range(10):
        rng = np.random.default_rng([seed, attempt])
        stage = sample_scene(int(rng.integers(2**31)), variety, assets)
        objects = [_graspable(rng, things, assets) for _ in range(config.objects)]
        prints = [_footprint(each, assets, config.arrangement) for each in objects]
        poses = arrange(rng, "piled" if config.arrangement == "pile" else "scattered", prints, (HALF_M, HALF_M))
        placed = tuple(replace(each, pose=pose) for each, pose in zip(objects, poses, strict=True))
        try:
            scene = settle(replace(stage, objects=placed, camera=_camera(rng, stage.camera)), assets)
        except UnsettledError:
            continue
        if len(scene.objects) == config.objects:
            return scene
    raise UOISError(f"table {seed}: expected {count(config.objects, 'thing')} to stay on it, found none in 10 draws")


def look(
    scene: Scene, config: TableConfig, assets: Assets = BUILT_IN, *, photo: bool = True
) -> tuple[SeenScene, LabelMap]:
    """Take a photo (if wanted: it takes nearly all of the time) with depth, and the true labels (i + 1: object i)."""
    if photo:
        taken = render(scene, config.size_hw, config.samples, assets)
        image, truth = taken.image, taken.truth
    else:
        image, truth = None, measure(scene, config.size_hw, assets)
    depth = (truth.depth_mm / 1000).astype(np.float32)
    camera = scene.camera
    return SeenScene(image, depth, intrinsics(camera, config.size_hw), world_from_camera(camera)), truth.labels


def load_assets(meshes: Path | None, scale: float = 1.0) -> Assets:
    """Return the built-in things, or those of a folder of meshes that fit the hand; the others are logged.

    Raises:
        DatasetError: if the folder cannot be used, or none of its meshes fits.
        MissingExtraError: if packages for meshes are not installed.
    """
    if meshes is None:
        return BUILT_IN
    loaded = Assets.load(meshes=meshes, mesh_scale=scale)
    fitting = {}
    for name in loaded.own_families:
        extents = _extents(name, 0, loaded)
        if _fits(extents):
            fitting[name] = loaded.families[name]
        else:
            warn_skipped(meshes / name.removeprefix("mesh/"), f"{_millimetres(extents)}, expected {FITS}")
    if not fitting:
        found = _millimetres(_extents(loaded.own_families[0], 0, loaded))
        raise DatasetError(
            f"{meshes}: expected meshes that fit the hand ({FITS}; --mesh-scale?), found none: the first is {found}"
        )
    return replace(loaded, families={**BUILT_IN.families, **fitting})


def _graspable(rng: np.random.Generator, variety: Variety, assets: Assets) -> ObjectSpec:
    for _ in range(MOST_DRAWS):
        found = sample_object(rng, variety, assets)
        if _fits(_extents(found.family, found.seed, assets)):
            return found
    raise UOISError(f"expected things that fit a hand, found none in {MOST_DRAWS} draws")


def _extents(family: str, seed: int, assets: Assets) -> tuple[float, float, float]:
    """Extents of a thing, in ascending order."""
    small, middle, long = np.sort(np.ptp(mesh_points(assets.parts(family, seed)), axis=0)).tolist()
    return small, middle, long


def _fits(extents: tuple[float, float, float]) -> bool:
    small, middle, long = extents
    return small >= SMALLEST_M and middle <= GRASPABLE_M and long <= LONGEST_M


def _millimetres(extents: tuple[float, float, float]) -> str:
    return " x ".join(f"{1000 * each:.0f}" for each in extents) + " mm"


def _footprint(item: ObjectSpec, assets: Assets, arrangement: Arrangement) -> Footprint:
    half = np.ptp(mesh_points(assets.parts(item.family, item.seed)), axis=0) / 2
    stands = 1.0 if arrangement == "packed" else assets.families[item.family].upright
    return Footprint((float(half[0]), float(half[1])), stands, False)


def _camera(rng: np.random.Generator, drawn: Camera) -> Camera:
    """The drawn camera's optics, looking at the table's middle from a robot's height."""
    elevation, azimuth = np.deg2rad(rng.uniform(*ELEVATION_DEG)), rng.uniform(0, 2 * np.pi)
    direction = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    position = tuple((DISTANCE_M * np.array(direction)).tolist())
    return replace(drawn, position=position, target=(0.0, 0.0, 0.02), fov_deg=FOV_DEG, roll_deg=0.0,
                   focus_m=DISTANCE_M, motion=(0.0, 0.0))  # fmt: skip

"""Random scenes from a seed, the settings of their variety, and assets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uois_sam.errors import DatasetError
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.assets.families import mesh_points
from uois_sam.synth.sampling.arrangement import Footprint, arrange
from uois_sam.synth.sampling.cameras import sample_camera
from uois_sam.synth.sampling.config import ARRANGEMENTS, DEFAULT, Variety
from uois_sam.synth.sampling.lights import sample_lights
from uois_sam.synth.sampling.materials import camouflaged, sample_surface
from uois_sam.synth.sampling.places import Place, sample_place
from uois_sam.synth.sampling.surroundings import MOST_LOOSE, STREAM, has_surroundings, household, surround
from uois_sam.synth.scene import ObjectSpec, Pose, Scene

Rng = np.random.Generator
AREA_PER_OBJECT_M2 = 0.0035
"""Area of the place for each object: a place holds about two layers of them."""
OWN_MESH_SHARE = 0.5
"""Share of a user's own meshes among objects, if there are any."""


def sample_scene(seed: int, variety: Variety = DEFAULT, assets: Assets = BUILT_IN) -> Scene:
    """Draw a whole scene; objects float above the support until physics settles them.

    Raises:
        DatasetError: if ``variety`` names families that do not exist, or leaves none.
    """
    surrounded = has_surroundings(seed, variety)
    asked, variety = variety, household(seed, variety) if surrounded else variety
    rng = np.random.default_rng(seed)
    place = sample_place(rng, variety, assets)
    names = list(variety.arrangements)
    shares = np.array([ARRANGEMENTS[name] for name in names])
    arrangement = str(rng.choice(names, p=shares / shares.sum()))
    objects = _sample_objects(rng, place, arrangement, variety, assets)
    rig, lamps, sky = sample_lights(rng, variety, assets)
    scene = Scene(
        seed=seed, place=place.name, arrangement=arrangement, rig=rig, objects=objects, props=place.props, lamps=lamps,
        sky=sky, camera=sample_camera(rng, place, variety),
    )  # fmt: skip
    return _with_surroundings(scene, place, asked, assets) if surrounded else scene


def families_of(variety: Variety, assets: Assets = BUILT_IN) -> list[str]:
    """Return the built-in shape families that scenes of this variety may hold.

    Raises:
        DatasetError: if a family does not exist, or none is left.
    """
    unknown = [name for name in variety.families if name not in assets.families]
    if unknown:
        raise DatasetError(f"variety: unknown families {', '.join(unknown)}; expected of {', '.join(assets.families)}")
    if variety.families:
        return list(variety.families)
    built_in = {name: f for name, f in assets.families.items() if f.group != "mesh"}
    return [name for name, f in built_in.items() if variety.split == "all" or f.heldout == (variety.split == "val")]


def sample_object(rng: Rng, variety: Variety, assets: Assets = BUILT_IN) -> ObjectSpec:
    """Draw one object's shape and surfaces, at the origin."""
    names = families_of(variety, assets)
    weights = np.array([assets.families[name].frequency for name in names])
    family = str(rng.choice(names, p=weights / weights.sum()))
    own = assets.own_families
    if own and rng.random() < OWN_MESH_SHARE:
        family = str(rng.choice(own))
    return _dressed(rng, family, int(rng.integers(2**31)), variety, assets)


def _with_surroundings(scene: Scene, place: Place, variety: Variety, assets: Assets) -> Scene:
    """The same objects in a room, if the place can have one."""
    rng = np.random.default_rng([scene.seed, STREAM, 2])
    loose = tuple(sample_object(rng, variety, assets) for _ in range(int(rng.integers(0, MOST_LOOSE + 1))))
    found = surround(scene.seed, place, variety, loose, assets)
    if found is None:
        return scene
    camera, props, laid_out = found
    return replace(scene, camera=camera, props=props, loose=laid_out)


def _sample_objects(
    rng: Rng, place: Place, arrangement: str, variety: Variety, assets: Assets
) -> tuple[ObjectSpec, ...]:
    area = 4 * place.half_xy[0] * place.half_xy[1]
    most = min(variety.most_objects, max(3, int(area / AREA_PER_OBJECT_M2)))
    empty = rng.random() < variety.empty_share or variety.most_objects == 0
    count = 0 if empty else int(rng.integers(1, most + 1))
    objects = [sample_object(rng, variety, assets) for _ in range(count)]
    if count > 2 and rng.random() < variety.twins_share:  # only edges separate them
        objects = [replace(objects[0]) for _ in objects]
    if rng.random() < variety.camouflage_share:
        objects = [_hidden(item, place) if rng.random() < 0.5 else item for item in objects]
    prints = [_footprint(item, assets) for item in objects]
    if arrangement in ("stacked", "nested"):  # broad and open ones first: later ones land on or in them
        order = np.argsort([-p.radius - 0.1 * p.nests * (arrangement == "nested") for p in prints])
        objects, prints = [objects[k] for k in order], [prints[k] for k in order]
    poses = arrange(rng, arrangement, prints, place.half_xy)
    return tuple(replace(item, pose=pose) for item, pose in zip(objects, poses, strict=True))


def _dressed(rng: Rng, family: str, seed: int, variety: Variety, assets: Assets) -> ObjectSpec:
    """Draw a surface for every part of an object; parts of one role often share theirs."""
    shared = {}
    surfaces = []
    for part in assets.parts(family, seed):
        if part.role not in shared or rng.random() < 0.15:
            shared[part.role] = sample_surface(rng, part.role, variety, assets)
        surfaces.append(shared[part.role])
    return ObjectSpec(family, seed, tuple(surfaces), Pose())


def _hidden(item: ObjectSpec, place: Place) -> ObjectSpec:
    return replace(item, surfaces=tuple(camouflaged(surface, place.support) for surface in item.surfaces))


def _footprint(item: ObjectSpec, assets: Assets) -> Footprint:
    points = mesh_points(assets.parts(item.family, item.seed))
    half: Sequence[float] = ((points.max(axis=0) - points.min(axis=0)) / 2).tolist()
    family = assets.families[item.family]
    return Footprint((half[0], half[1]), family.upright, family.nests)

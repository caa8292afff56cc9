"""The knobs do what they say: splits share nothing, and every switch takes its variety away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from uois_sam.errors import DatasetError
from uois_sam.synth.assets.families import FAMILIES
from uois_sam.synth.assets.textures import TEXTURES
from uois_sam.synth.sampling.config import ARRANGEMENTS, PLACES, Variety
from uois_sam.synth.sampling.lights import RIGS
from uois_sam.synth.sampling.scenes import families_of, sample_scene
from uois_sam.synth.scene import Camera, Scene, Surface

SEEDS = range(24)
CHEAP = ("carton", "can", "lump")
"""Shapes that take no time to make."""


def scenes(variety: Variety) -> list[Scene]:
    return [sample_scene(seed, variety) for seed in SEEDS]


def surfaces(drawn: Iterable[Scene]) -> set[str]:
    found = set()
    for scene in drawn:
        found |= {surface.texture for item in scene.objects for surface in item.surfaces}
        found |= {prop.surface.texture for prop in scene.props}
    return found


@pytest.fixture(scope="module")
def train() -> list[Scene]:
    return scenes(Variety(most_objects=10))


@pytest.fixture(scope="module")
def val() -> list[Scene]:
    return scenes(Variety(split="val", most_objects=6))


def test_validation_scenes_are_unseen_by_construction(train: list[Scene], val: list[Scene]) -> None:
    def families(drawn: list[Scene]) -> set[str]:
        return {item.family for scene in drawn for item in scene.objects}

    assert not families(train) & families(val)
    assert surfaces(train) & surfaces(val) <= {"plain"}
    assert not {scene.rig for scene in train} & {scene.rig for scene in val}


def test_every_family_rig_and_texture_belongs_to_exactly_one_split() -> None:
    train, val = set(families_of(Variety())), set(families_of(Variety(split="val")))
    assert not train & val
    assert train | val == set(families_of(Variety(split="all"))) == set(FAMILIES)
    assert len(train) >= 32 and len(val) >= 12
    assert {rig.heldout for rig in RIGS.values()} == {texture.heldout for texture in TEXTURES.values()} == {True, False}


def test_scenes_cover_places_arrangements_and_counts() -> None:
    many = [sample_scene(seed, Variety(families=CHEAP)) for seed in range(160)]
    assert {scene.place for scene in many} == set(PLACES)
    assert {scene.arrangement for scene in many} == set(ARRANGEMENTS)
    counts = [len(scene.objects) for scene in many]
    assert 0 < counts.count(0) < 20
    assert max(counts) <= 25


def test_one_place_and_arrangement_can_be_asked_for() -> None:
    drawn = scenes(Variety(places=("bin",), arrangements=("piled",), most_objects=4, empty_share=0))
    assert {scene.place for scene in drawn} == {"bin"}
    assert {scene.arrangement for scene in drawn} == {"piled"}
    assert {len(scene.objects) for scene in drawn} == {1, 2, 3, 4}


def test_families_can_be_asked_for_across_the_split() -> None:
    drawn = scenes(Variety(families=("teapot", "can")))
    assert {item.family for scene in drawn for item in scene.objects} == {"teapot", "can"}


def test_prints_off_leaves_no_print() -> None:
    groups = {TEXTURES[kind].group for kind in surfaces(scenes(Variety(prints=False, families=CHEAP)))}
    assert groups == {"plain", "material", "pattern"}


def test_patterns_off_leaves_plain_and_print() -> None:
    groups = {TEXTURES[kind].group for kind in surfaces(scenes(Variety(patterns=False, families=CHEAP)))}
    assert groups == {"plain", "print"}


@pytest.mark.parametrize(("switch", "trait"), [("wear", "wear"), ("clear", "clear")])
def test_wear_and_clear_can_be_switched_off(train: list[Scene], switch: str, trait: str) -> None:
    def amounts(drawn: list[Scene]) -> list[float]:
        looks: list[Surface] = [s for scene in drawn for item in scene.objects for s in item.surfaces]
        return [getattr(look, trait) for look in looks + [p.surface for scene in drawn for p in scene.props]]

    assert max(amounts(train)) > 0
    assert set(amounts(scenes(replace(Variety(most_objects=6), **{switch: False})))) == {0.0}


def test_distractors_off_leaves_only_the_place_itself() -> None:
    with_them = np.mean(
        [len(scene.props) for scene in scenes(Variety(places=("floor",), cloths=False, families=CHEAP))]
    )
    drawn = scenes(Variety(places=("floor",), cloths=False, distractors=False, families=CHEAP))
    assert with_them > 4
    assert {len(scene.props) for scene in drawn} == {1}


def test_cloths_off_leaves_no_mat() -> None:
    variety = Variety(places=("floor",), distractors=False, families=CHEAP)
    assert {len(scene.props) for scene in scenes(variety)} == {1, 2}


def test_lights_off_is_one_soft_lamp() -> None:
    assert {scene.rig for scene in scenes(Variety(lights=False, families=CHEAP))} == {"studio"}


def test_optics_and_noise_off_is_a_perfect_camera() -> None:
    for scene in scenes(Variety(optics=False, noise=False, families=CHEAP)):
        camera = scene.camera
        assert camera == Camera(camera.position, camera.target, camera.fov_deg, camera.roll_deg)


def test_twins_are_copies_and_camouflage_takes_the_supports_texture() -> None:
    twins = [s for s in scenes(Variety(twins_share=1.0, camouflage_share=0, families=CHEAP)) if len(s.objects) > 2]
    assert all(len({(o.family, o.seed, o.surfaces) for o in s.objects}) == 1 for s in twins)
    hidden = [s for s in scenes(Variety(camouflage_share=1.0, places=("floor",), families=CHEAP)) if s.objects]
    ground = [next(p.surface for p in s.props if p.size[0] == 8.0) for s in hidden]
    assert any(o.surfaces[0].seed == g.seed for s, g in zip(hidden, ground, strict=True) for o in s.objects)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "test"}, "unknown split 'test'; expected of train, val, all"),
        ({"places": ("moon",)}, "unknown places 'moon'"),
        ({"places": ()}, "at least one place"),
        ({"arrangements": ("knotted",)}, "unknown arrangements 'knotted'"),
        ({"most_objects": -1}, "most_objects of 0 or more, got -1"),
        ({"empty_share": 1.5}, "empty_share between 0 and 1, got 1.5"),
    ],
)
def test_knobs_that_make_no_sense_are_errors(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Variety(**changes)  # type: ignore[arg-type]


def test_an_unknown_family_is_an_error() -> None:
    with pytest.raises(DatasetError, match="unknown families unicorn"):
        sample_scene(0, Variety(families=("unicorn",)))

"""Rooms stand behind the support, what is loose in them has no label, and scenes without a room stay as they were."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from uois_sam.errors import DatasetError
from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.assets.families import FAMILIES, mesh_points
from uois_sam.synth.dataset.config import PRESETS
from uois_sam.synth.dataset.make_scene import scene_seed
from uois_sam.synth.rendering.render import render
from uois_sam.synth.rendering.variants import choose_variant
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.office import sample_office_piece
from uois_sam.synth.sampling.places import sample_place
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.sampling.surroundings import ROOMS, edge, has_surroundings
from uois_sam.synth.scene import ObjectSpec, Pose, Scene

ALWAYS = Variety(surroundings=1.0, most_objects=4)
NEVER = replace(ALWAYS, surroundings=0.0)
SEEDS = range(30)


@pytest.fixture(scope="module")
def rooms() -> list[Scene]:
    return [scene for scene in (sample_scene(seed, ALWAYS) for seed in SEEDS) if scene.place in ROOMS]


def test_half_of_all_scenes_get_a_room() -> None:
    assert 0.4 < np.mean([has_surroundings(seed, Variety()) for seed in range(400)]) < 0.6
    assert not any(has_surroundings(seed, replace(ALWAYS, distractors=False)) for seed in SEEDS)


def test_the_validation_preset_is_what_it_was_before_there_were_rooms() -> None:
    """Every word and whole number, and all others up to rounding: NumPy's functions round otherwise with AVX-512."""
    config = PRESETS["tabletop-val"]
    drawn = [sample_scene(scene_seed(config.seed, index, 0), config.variety).to_json() for index in range(3)]
    words, numbers = told_apart([json.loads(scene) for scene in drawn])
    assert hashlib.sha256(" ".join(words).encode()).hexdigest()[:16] == "8c54785bb50d6974"
    assert len(numbers) == 1464
    assert sum(numbers) == pytest.approx(2893.2256705115783, rel=1e-9)
    assert sum(map(abs, numbers)) == pytest.approx(3086.7414854782014, rel=1e-9)


def told_apart(value: Any) -> tuple[list[str], list[float]]:
    """Names, words and whole numbers of a tree as JSON has it, and its other numbers, each in order."""
    if isinstance(value, float):
        return [], [value]
    if not isinstance(value, dict | list):
        return [repr(value)], []
    words: list[str] = []
    numbers: list[float] = []
    for name, each in value.items() if isinstance(value, dict) else ((None, each) for each in value):
        below = told_apart(each)
        words += [*([] if name is None else [name]), *below[0]]
        numbers += below[1]
    return words, numbers


def test_a_room_changes_neither_place_nor_light() -> None:
    for seed in SEEDS:
        with_room, without = sample_scene(seed, ALWAYS), sample_scene(seed, NEVER)
        assert with_room.place == without.place
        assert not without.loose
        if with_room.place not in ROOMS:
            assert with_room.props == without.props


def test_loose_things_lie_clear_of_the_objects_and_of_each_other(rooms: list[Scene]) -> None:
    assert sum(len(scene.loose) for scene in rooms) > len(rooms)
    for scene in rooms:
        lowest = [points(one)[:, 2].min() for one in scene.loose]
        floor = min(prop.pose.position[2] + prop.size[2] / 2 for prop in scene.props if prop.size[0] >= 8)
        assert min(lowest, default=floor) >= floor - 1e-6
        if scene.place in ("table", "seat"):
            assert not any(on_the_support(scene, one) for one in scene.loose)


def points(one: ObjectSpec) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_quat(one.pose.quaternion, scalar_first=True)
    return turned.apply(mesh_points(BUILT_IN.parts(one.family, one.seed))) + np.array(one.pose.position)


def on_the_support(scene: Scene, one: ObjectSpec) -> bool:
    low = points(one).min(axis=0)
    tops = [p for p in scene.props if p.solid and p.size[0] < 8 and abs(p.pose.position[2] + p.size[2] / 2) < 0.01]
    return abs(low[2]) < 0.05 and any(
        (np.abs(np.subtract(one.pose.position[:2], p.pose.position[:2])) < np.array(p.size[:2]) / 2).all() for p in tops
    )


def test_nothing_of_the_room_stands_between_camera_and_objects(rooms: list[Scene]) -> None:
    for scene in rooms:
        towards = np.subtract(scene.camera.position, scene.camera.target)[:2]
        towards /= np.linalg.norm(towards)
        walls = [prop for prop in scene.props if max(prop.size) == 6.0]
        assert len(walls) <= 2
        assert all(float(np.dot(wall.pose.position[:2], towards)) < 0.3 for wall in walls)


def test_loose_things_survive_json_and_scenes_without_name_none(rooms: list[Scene]) -> None:
    scene = next(scene for scene in rooms if scene.loose)
    assert Scene.from_json(scene.to_json()) == scene
    assert '"loose"' not in sample_scene(0, NEVER).to_json()


def test_validation_rooms_hold_validation_kinds_only() -> None:
    drawn = [sample_scene(seed, replace(ALWAYS, split="val")) for seed in SEEDS]
    assert all(FAMILIES[one.family].heldout for scene in drawn for one in (*scene.objects, *scene.loose))


def test_the_edge_of_a_table_is_found_in_every_direction() -> None:
    place = sample_place(np.random.default_rng(3), Variety(places=("table",), surroundings=0.0))
    assert all(edge(place, angle) >= max(place.half_xy) for angle in np.linspace(0, 6, 12))


def test_office_furniture_stands_on_its_floor() -> None:
    for seed in range(40):
        pieces = sample_office_piece(np.random.default_rng(seed), 0.4, 1.0, -0.7, Variety())
        assert not any(piece.solid for piece in pieces)
        assert min(piece.pose.position[2] for piece in pieces) > -0.7


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(DatasetError, match="surroundings between 0 and 1"):
        Variety(surroundings=1.5)


def test_loose_things_are_drawn_and_have_no_label() -> None:
    choose_variant("scalar")
    scene = sample_scene(1, Variety(places=("table",), families=("carton",), empty_share=1.0, surroundings=0.0))
    thing = sample_scene(2, Variety(families=("carton",), empty_share=0.0, most_objects=1, surroundings=0.0)).objects[0]
    before = render(scene, (24, 32), 1)
    after = render(replace(scene, loose=(replace(thing, pose=Pose((0.0, 0.0, 0.05))),)), (24, 32), 1)
    assert not after.truth.labels.any()
    assert (after.truth.depth_mm != before.truth.depth_mm).any()

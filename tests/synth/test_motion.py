"""Videos before they are rendered: who moves, who does not, and that an object is the same in every frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.motion import MOTIONS, Cast, film, motion_of
from uois_sam.synth.physics import settle
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import Scene

VARIETY = Variety(places=("table",), arrangements=("scattered",), most_objects=5, empty_share=0, distractors=False)
FRAMES = 8


@pytest.fixture(scope="module")
def scene() -> Scene:
    for seed in range(20):
        found = settle(sample_scene(seed, VARIETY))
        if len(found.objects) >= 3:
            return found
    raise AssertionError("no scene with three objects")


def cast(scene: Scene, seed: int = 0) -> Cast:
    return Cast(np.random.default_rng(seed), VARIETY, BUILT_IN, FRAMES, tuple(range(len(scene.objects))))


def places(scenes: list[Scene]) -> np.ndarray:
    """(frames, objects, 3) metres."""
    return np.array([[spec.pose.position for spec in each.objects] for each in scenes])


@pytest.mark.parametrize("motion", list(MOTIONS))
def test_an_object_is_the_same_in_every_frame_and_noise_is_not(motion: str, scene: Scene) -> None:
    frames = film(scene, motion, cast(scene))
    assert len(frames) == FRAMES
    shapes = {tuple((spec.family, spec.seed, spec.surfaces) for spec in each.objects) for each in frames}
    assert len(shapes) == 1
    assert len({each.camera.noise_seed for each in frames}) == FRAMES
    assert film(scene, motion, cast(scene)) == frames
    assert all(Scene.from_json(each.to_json()) == each for each in frames)


def test_nothing_moves_in_a_still_video(scene: Scene) -> None:
    frames = film(scene, "still", cast(scene))
    assert np.ptp(places(frames), axis=0).max() == 0
    assert len({(each.camera.position, each.camera.target) for each in frames}) == 1


def test_a_pushed_object_goes_centimetres_over_the_support_and_the_camera_stands(scene: Scene) -> None:
    frames = film(scene, "pushed", replace(cast(scene), frames=30))
    travelled = np.linalg.norm(np.ptp(places(frames), axis=0), axis=1)
    assert 0.02 < travelled.max() < 1.0
    assert frames[0].objects == scene.objects
    assert {each.camera.position for each in frames} == {scene.camera.position}
    steps = np.linalg.norm(np.diff(places(frames), axis=0), axis=2)
    assert steps.max() < 0.06  # nothing jumps


def test_the_camera_swings_around_objects_that_stay(scene: Scene) -> None:
    frames = film(scene, "camera", cast(scene))
    assert np.ptp(places(frames), axis=0).max() == 0
    ways = np.array([np.subtract(each.camera.position, each.camera.target) for each in frames])
    headings = np.unwrap(np.arctan2(ways[:, 1], ways[:, 0]))
    assert np.deg2rad(8) < abs(headings[-1] - headings[0]) < np.deg2rad(30)


def test_something_is_carried_between_the_camera_and_an_object_and_away(scene: Scene) -> None:
    frames = film(scene, "covered", replace(cast(scene), frames=21))
    assert [len(each.objects) for each in frames] == [len(scene.objects) + 1] * 21
    assert np.ptp(places(frames)[:, :-1], axis=0).max() == 0
    eye, hidden = np.array(scene.camera.position), np.array(scene.objects[0].pose.position)
    line = (hidden - eye) / np.linalg.norm(hidden - eye)
    way = places(frames)[:, -1] - eye
    off = np.linalg.norm(way - (way @ line)[:, None] * line, axis=1)
    assert off[10] < 0.25 < min(off[0], off[-1]) or off[10] < 0.5 * min(off[0], off[-1])
    assert 0 < way[10] @ line < np.linalg.norm(hidden - eye)


def test_motions_take_turns() -> None:
    assert [motion_of(index) for index in range(5)] == ["still", "pushed", "camera", "covered", "still"]

"""Scenes are plain data: saved and read back unchanged, the same for the same seed, at rest after physics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.assets.families import mesh_points
from uois_sam.synth.physics import settle
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import ObjectSpec, Pose, Scene, Surface


def heights(spec: ObjectSpec) -> np.ndarray:
    rotation = Rotation.from_quat(spec.pose.quaternion, scalar_first=True).as_matrix()
    return (mesh_points(BUILT_IN.parts(spec.family, spec.seed)) @ rotation.T + spec.pose.position)[:, 2]


@pytest.mark.parametrize("seed", range(6))
def test_a_scene_survives_json(seed: int) -> None:
    scene = settle(sample_scene(seed))
    assert Scene.from_json(scene.to_json()) == scene


def test_the_same_seed_gives_the_same_settled_scene() -> None:
    assert settle(sample_scene(3)).to_json() == settle(sample_scene(3)).to_json()
    assert sample_scene(3) != sample_scene(4)


def test_scenes_vary_in_number_of_objects_and_place() -> None:
    scenes = [sample_scene(seed) for seed in range(60)]
    counts = [len(scene.objects) for scene in scenes]
    assert max(counts) <= Variety().most_objects
    assert len(set(counts)) > 8
    assert {scene.place for scene in scenes} >= {"table", "floor", "bin", "tray"}


def test_a_dropped_carton_rests_on_the_support() -> None:
    scene = next(s for s in map(sample_scene, range(50)) if s.place == "floor")
    spec = ObjectSpec("carton", 5, (Surface("plain", 0),), Pose((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)))
    settled = settle(scene.with_objects((spec,))).objects[0]
    assert heights(settled).min() == pytest.approx(0.0, abs=2e-3)


def test_objects_do_not_start_inside_each_other() -> None:
    scene = next(s for s in map(sample_scene, range(50)) if s.place == "floor")
    spec = ObjectSpec("carton", 5, (Surface("plain", 0),), Pose())
    settled = settle(scene.with_objects((spec, spec))).objects
    tops = sorted(heights(o).max() for o in settled)
    assert len(settled) == 2
    centres = [np.array(o.pose.position) for o in settled]
    assert np.linalg.norm(centres[0] - centres[1]) > 0.01, "two cartons share one place"
    assert tops[1] > 0


def test_an_object_beside_the_table_is_taken_out() -> None:
    scene = next(s for s in map(sample_scene, range(50)) if s.place == "table")
    spec = ObjectSpec("block", 5, (Surface("plain", 0),), Pose((3.0, 3.0, 0.0)))
    assert settle(scene.with_objects((spec,))).objects == ()


def test_an_empty_scene_stays_empty() -> None:
    scene = replace(sample_scene(1), objects=())
    assert settle(scene) == scene

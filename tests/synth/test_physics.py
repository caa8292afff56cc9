"""Settled scenes: things lie in, on and around each other as they do on a table, and the same way every time."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uois_sam.synth import physics
from uois_sam.synth.assets.collection import Assets
from uois_sam.synth.assets.families import FAMILIES, Family, Part, mesh_points
from uois_sam.synth.assets.meshes import lathe, superquadric
from uois_sam.synth.assets.shapes.pieces import disc, walls
from uois_sam.synth.physics import settle
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import ObjectSpec, Pose, Prop, Scene, Surface

PLAIN = Surface("plain", 0)
FLOOR = Prop("box", (4.0, 4.0, 0.1), PLAIN, Pose((0.0, 0.0, -0.05)))
UPRIGHT = (1.0, 0.0, 0.0, 0.0)


def bowl(radius: float, height: float) -> list[Part]:
    """A conical bowl with 3 mm walls, standing on z = 0."""
    outer = np.array([[radius * 0.6, 0.0], [radius, height]])
    inner = np.array([[radius * 0.6 - 0.003, 0.003], [radius - 0.003, height]])
    mesh = lathe([(0, 0), *map(tuple, outer), *map(tuple, inner[::-1]), (0, 0.003)])
    return [Part(mesh, "ceramic", (*walls(outer, inner), disc(radius * 0.6, 0, 0.003)))]


def hoop() -> list[Part]:
    outer, inner = np.array([[0.06, 0.0], [0.06, 0.01]]), np.array([[0.045, 0.0], [0.045, 0.01]])
    mesh = lathe([(0.045, 0), (0.06, 0), (0.06, 0.01), (0.045, 0.01), (0.045, 0)])
    return [Part(mesh, "rubber", walls(outer, inner))]


def rod() -> list[Part]:
    return [Part(lathe([(0, 0), (0.1, 0), (0.1, 0.02), (0.012, 0.02), (0.012, 0.1), (0, 0.1)]), "wood",
                 (disc(0.1, 0, 0.02), disc(0.012, 0.02, 0.1)))]  # fmt: skip


SHAPES = {
    "test_ball": Family(lambda rng: [Part(superquadric((0.02, 0.02, 0.02), 1, 1), "body")], "test"),
    "test_bowl": Family(lambda rng: bowl(0.08, 0.06), "test"),
    "test_cup": Family(lambda rng: bowl(0.04, 0.08), "test"),
    "test_hoop": Family(lambda rng: hoop(), "test"),
    "test_rod": Family(lambda rng: rod(), "test"),
}
ASSETS = Assets(families={**FAMILIES, **SHAPES})


def thing(
    family: str, x: float = 0.0, y: float = 0.0, seed: int = 0, quaternion: tuple[float, ...] = UPRIGHT
) -> ObjectSpec:
    return ObjectSpec(family, seed, (PLAIN,) * len(ASSETS.parts(family, seed)), Pose((x, y, 0.0), quaternion))


def on_the_floor(*objects: ObjectSpec, props: tuple[Prop, ...] = (FLOOR,)) -> Scene:
    return replace(sample_scene(0), objects=objects, props=props)


def points(spec: ObjectSpec) -> np.ndarray:
    rotation = Rotation.from_quat(spec.pose.quaternion, scalar_first=True).as_matrix()
    return mesh_points(ASSETS.parts(spec.family, spec.seed)) @ rotation.T + spec.pose.position


def test_a_ball_dropped_into_a_bowl_stays_inside_it() -> None:
    bowl_, ball = settle(on_the_floor(thing("test_bowl"), thing("test_ball", 0.02)), ASSETS).objects
    away = np.linalg.norm(np.subtract(ball.pose.position, bowl_.pose.position)[:2])
    assert away < 0.048 - 0.02 + 0.005
    assert 0.02 < ball.pose.position[2] < 0.03, "it lies on the bottom of the bowl, not on its hull"


def test_a_cup_stacks_into_a_cup() -> None:
    below, above = settle(on_the_floor(thing("test_cup"), thing("test_cup")), ASSETS).objects
    assert points(below)[:, 2].min() == pytest.approx(0.0, abs=0.002)
    risen = above.pose.position[2] - below.pose.position[2]
    assert 0.005 < risen < 0.03, "two cups of 8 cm stand in each other"


def test_a_ring_lies_around_a_rod() -> None:
    stand, ring = settle(on_the_floor(thing("test_rod"), thing("test_hoop")), ASSETS).objects
    assert np.linalg.norm(np.subtract(ring.pose.position, stand.pose.position)[:2]) < 0.045
    assert points(ring)[:, 2].min() == pytest.approx(0.02, abs=0.002)
    assert points(ring)[:, 2].max() < 0.05, "it lies flat on the foot"


def test_a_cylinder_prop_is_round() -> None:
    pillar = Prop("cylinder", (0.1, 0.1, 0.2), PLAIN, Pose((0.0, 0.0, 0.1)))
    beside = 0.052  # its ball touches the box around the pillar, but not the pillar
    (ball,) = settle(on_the_floor(thing("test_ball", beside, beside), props=(FLOOR, pillar)), ASSETS).objects
    assert ball.pose.position == pytest.approx((beside, beside, 0.02), abs=0.003)


@pytest.mark.parametrize("family", ["card", "spoon", "scissors", "book", "eyeglasses", "fork"])
def test_thin_things_pile_up_instead_of_slipping_through(family: str) -> None:
    seeds = (0, 1, 2, 3)
    settled = settle(on_the_floor(*(thing(family, seed=seed) for seed in seeds)), ASSETS).objects
    assert len(settled) >= len(seeds) - 2, "only what got stuck is taken out"
    for spec in settled:
        assert points(spec)[:, 2].min() > -0.004


def test_the_same_scene_settles_to_the_same_poses() -> None:
    scene = on_the_floor(*(thing(family, 0.03 * k) for k, family in enumerate(["mug", "vessel", "pliers", "bag"])))
    assert settle(scene, ASSETS).to_json() == settle(scene, ASSETS).to_json()


def deepest_overlap(scene: Scene) -> float:
    """How far (m) objects of a settled scene reach into each other or into what they stand on."""
    shapes = [physics.pieces_of(spec, ASSETS) for spec in scene.objects]
    model, data = physics._build_model(scene, shapes, [spec.pose for spec in scene.objects])
    mujoco.mj_forward(model, data)
    return -min([contact.dist for contact in data.contact], default=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_objects_do_not_reach_into_each_other(seed: int) -> None:
    assert deepest_overlap(settle(sample_scene(seed), ASSETS)) < 0.004

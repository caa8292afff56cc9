"""The arm: its inverse kinematics against MuJoCo's forward kinematics, and a pick by it."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uois_sam.grasping.arm import BASE_M, HOME, ArmWorld, Reach, arm_spec
from uois_sam.grasping.grasp import HAND, Grasp
from uois_sam.synth.physics import settle
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import ObjectSpec, Pose, Prop, Surface

DOWN = Rotation.from_euler("x", np.pi)


@pytest.mark.parametrize("place", [(0.68, 0.0, 0.02), (0.55, 0.12, 0.05), (0.75, -0.1, 0.15)])
@pytest.mark.parametrize("yaw", [0.0, 70.0, 140.0])
def test_joint_angles_bring_the_hand_there(place: tuple[float, float, float], yaw: float) -> None:
    turn = Rotation.from_euler("z", yaw, degrees=True) * DOWN
    joints = Reach(HAND).solve(np.array(place), turn, None)
    assert joints is not None
    model = arm_spec(HAND).compile()
    data = mujoco.MjData(model)
    data.qpos[:6] = joints
    mujoco.mj_kinematics(model, data)
    np.testing.assert_allclose(data.body("hand").xpos, place, atol=2e-3)
    turned = Rotation.from_matrix(data.body("hand").xmat.reshape(3, 3))
    assert (turned.inv() * turn).magnitude() < 0.01


def test_what_is_too_far_is_not_reached() -> None:
    assert Reach(HAND).solve(np.array([1.2, 0.0, 0.1]), DOWN, HOME) is None


def test_only_a_small_step_is_near() -> None:
    reach = Reach(HAND)
    first = reach.solve(np.array([0.6, 0.0, 0.1]), DOWN, None)
    assert first is not None
    step = reach.solve(np.array([0.6025, 0.0, 0.1]), DOWN, first, only_near=True)
    assert step is not None and np.abs(step - first).max() < 0.02
    assert reach.solve(np.array([0.75, 0.1, 0.1]), DOWN, first, only_near=True) is None
    assert reach.solve(np.array([0.75, 0.1, 0.1]), DOWN, first) is not None


@pytest.mark.slow
def test_the_arm_takes_a_carton_to_its_bin() -> None:
    drawn = sample_scene(5, Variety(places=("table",), most_objects=1, surroundings=0, empty_share=0))
    top = Prop("box", (1.0, 1.0, 0.02), Surface("plain", 1), Pose((0, 0, -0.01)))
    carton = ObjectSpec("carton", 6, drawn.objects[0].surfaces, Pose((0.0, 0.0, 0.08)))  # 8.5 x 5.4 x 14.1 cm
    above = replace(drawn.camera, position=(-0.3, 0.0, 0.45), target=(0.0, 0.0, 0.0), roll_deg=0.0)
    scene = settle(replace(drawn, objects=(carton,), props=(top,), camera=above))
    x, y, _ = scene.objects[0].pose.position
    grasp = Grasp((x, y, 0.111), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0), 0.054, 1.0, 0)
    frames: list[float] = []
    world = ArmWorld(scene, film=lambda model, data: frames.append(float(data.time)))
    assert world.reaches(grasp)
    assert not world.reaches(replace(grasp, centre=(x + BASE_M, y, 0.111)))
    places: list[np.ndarray] = []
    close = world._close

    def noted(metres: float) -> None:
        places.append(world._data.body("hand").xpos.copy())
        close(metres)

    world._close = noted  # type: ignore[method-assign]
    pick = world.pick(grasp)
    assert (pick.outcome, pick.lifted) == ("lifted", (0,))
    np.testing.assert_allclose(places[1], grasp.centre, atol=1e-3)  # it does not lag behind when the fingers close
    assert world.present == []
    in_bin = world._data.body("object0").xpos - world._bin_at
    assert np.hypot(*in_bin[:2]) < 0.2 and 0 < in_bin[2] < 0.2
    assert np.diff(frames) == pytest.approx(0.1, abs=0.003)

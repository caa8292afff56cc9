"""The two-finger hand as bodies of MuJoCo, floating or at the end of an arm."""

from __future__ import annotations

import mujoco
import numpy as np

from uois_sam.grasping.grasp import Hand

FORCE_N = 20.0
"""Of a finger."""
FRICTION = 1.0
DAMPING = 100.0
"""Newtons for a metre a second: with less, fingers slam and knock over what they are to hold."""
ARMATURE_KG = 0.1
"""Inertia of a finger's drive: contacts of a finger of 20 g alone are so soft that it sinks into things."""
CONTACT_S = 0.006
"""Time constant of contacts with the hand: by MuJoCo's 0.02 s fingers of 1 cm sink up to 1.4 cm into what they hold."""
AWAY = np.array([0.0, 0.0, 1.5])
"""Where the floating hand waits, and lets nothing fall from."""


def add_floating_hand(spec: mujoco.MjSpec, hand: Hand) -> None:
    """Add a hand that a mocap body carries by a stiff constraint."""
    spec.worldbody.add_body(name="carrier", mocap=True, pos=AWAY)
    body = spec.worldbody.add_body(name="hand", pos=AWAY, gravcomp=1.0)
    body.add_freejoint(name="hand")
    fill_hand(spec, body, hand)
    weld = spec.add_equality(type=mujoco.mjtEq.mjEQ_WELD, name1="carrier", name2="hand",
                             objtype=mujoco.mjtObj.mjOBJ_BODY, solref=[0.01, 1.0])  # fmt: skip
    weld.data[:11] = [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]  # both frames coincide; the last is the share of torque


def fill_hand(spec: mujoco.MjSpec, body: mujoco.MjsBody, hand: Hand) -> None:
    """Give a body ``hand``, whose frame's origin is between the finger tips, its palm and two fingers that slide."""
    (thick, broad, long), palm = hand.finger_m, hand.palm_m
    touch = {"type": mujoco.mjtGeom.mjGEOM_BOX, "friction": [FRICTION, 0.02, 0.001], "condim": 4, "density": 2000.0,
             "solref": [CONTACT_S, 1.0], "priority": 1}  # fmt: skip
    body.add_geom(size=[side / 2 for side in palm], pos=[0, 0, -long - palm[2] / 2], **touch)
    for name, side in (("left", -1.0), ("right", 1.0)):
        finger = body.add_body(name=name, pos=[side * (hand.opening_m + thick) / 2, 0, -long / 2], gravcomp=1.0)
        finger.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[-side, 0, 0], range=[0, hand.opening_m / 2],
                         limited=True, damping=[DAMPING, 0.0, 0.0], armature=ARMATURE_KG)  # fmt: skip
        finger.add_geom(size=[thick / 2, broad / 2, long / 2], **touch)
        spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT,
                          gaintype=mujoco.mjtGain.mjGAIN_FIXED, biastype=mujoco.mjtBias.mjBIAS_AFFINE,
                          gainprm=[1500.0, *[0.0] * 9], biasprm=[0.0, -1500.0, *[0.0] * 8],
                          forcelimited=True, forcerange=[-FORCE_N, FORCE_N])  # fmt: skip
    for finger in ("left", "right"):
        spec.add_exclude(bodyname1="hand", bodyname2=finger)

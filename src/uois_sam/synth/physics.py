"""MuJoCo drops the objects of a scene onto its support and reports where they come to rest."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from uois_sam.synth.families import collision_points, make_parts
from uois_sam.synth.meshes import Array
from uois_sam.synth.scene import ObjectSpec, Pose, Prop, Scene

TIME_STEP_S = 0.004
SETTLE_S = 1.6
"""Simulated time between looks at whether all has come to rest."""
MAX_SETTLE_S = 6.4
REST_SPEED = 0.02
"""Metres a second (and 10x radians a second) below which an object counts as resting."""
LOWEST_Z_M = -0.02
"""Objects whose hull ends up below this on average fell off the support and are taken out."""


class UnsettledError(RuntimeError):
    """The simulation of a scene blew up: contacts that MuJoCo could not resolve."""


def settle(scene: Scene) -> Scene:
    """The scene with every object at rest; those that fell off the support are removed.

    Collisions use the convex hull of each object. The same scene gives the same result on the same MuJoCo build.

    Raises:
        UnsettledError: the simulation became unstable; draw another scene.
    """
    if not scene.objects:
        return scene
    hulls = [_hull(spec) for spec in scene.objects]
    starts = _stack_above_each_other(scene, hulls)
    mujoco.set_mju_user_warning(lambda message: None)  # else it writes MUJOCO_LOG.TXT into the current folder
    spec = mujoco.MjSpec()
    spec.option.timestep = TIME_STEP_S
    for index, prop in enumerate(p for p in scene.props if p.solid):
        _add_prop(spec, f"prop{index}", prop)
    for index, (hull, start) in enumerate(zip(hulls, starts, strict=True)):
        _add_object(spec, f"object{index}", hull, start)
    model = spec.compile()
    data = mujoco.MjData(model)
    elapsed = 0.0
    while elapsed < MAX_SETTLE_S:
        mujoco.mj_step(model, data, nstep=int(SETTLE_S / TIME_STEP_S))
        elapsed += SETTLE_S
        if any(warning.number for warning in data.warning):
            raise UnsettledError(f"scene {scene.seed}: unstable after {elapsed:.1f} s")
        speed = data.qvel.reshape(-1, 6)
        if np.abs(speed[:, :3]).max() < REST_SPEED and np.abs(speed[:, 3:]).max() < 10 * REST_SPEED:
            break
    settled = []
    for index, (spec_, hull) in enumerate(zip(scene.objects, hulls, strict=True)):
        body = data.body(f"object{index}")
        pose = Pose(tuple(body.xpos.tolist()), tuple(body.xquat.tolist()))
        if np.isfinite(body.xpos).all() and _placed(hull, pose)[:, 2].mean() > LOWEST_Z_M:
            settled.append(replace(spec_, pose=pose))
    return scene.with_objects(tuple(settled))


def _hull(spec: ObjectSpec) -> Array:
    points = collision_points(make_parts(spec.family, spec.seed))
    return points[ConvexHull(points).vertices]


def _placed(points: Array, pose: Pose) -> Array:
    rotation = Rotation.from_quat(pose.quaternion, scalar_first=True).as_matrix()
    return points @ rotation.T + np.array(pose.position)


def _stack_above_each_other(scene: Scene, hulls: list[Array]) -> list[Pose]:
    """Lift every object just above whatever was placed below it, so that nothing starts inside anything."""
    poses: list[Pose] = []
    boxes: list[tuple[Array, Array]] = []
    ground = max((p.pose.position[2] + p.size[2] / 2 for p in scene.props if p.solid and max(p.size[:2]) > 0.1
                  and p.size[2] < 0.01), default=0.0)  # fmt: skip
    for spec, hull in zip(scene.objects, hulls, strict=True):
        points = _placed(hull, spec.pose)
        low, high = points.min(axis=0), points.max(axis=0)
        below = [b[1][2] for b in boxes if (b[0][:2] < high[:2]).all() and (low[:2] < b[1][:2]).all()]
        lift = max([ground, *below]) + 0.004 - low[2]
        boxes.append((low + [0, 0, lift], high + [0, 0, lift]))
        x, y, z = spec.pose.position
        poses.append(Pose((x, y, z + lift), spec.pose.quaternion))
    return poses


def _add_prop(spec: mujoco.MjSpec, name: str, prop: Prop) -> None:
    body = spec.worldbody.add_body(name=name, pos=prop.pose.position, quat=prop.pose.quaternion)
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[s / 2 for s in prop.size], friction=[0.8, 0.01, 0.001])


def _add_object(spec: mujoco.MjSpec, name: str, hull: Array, pose: Pose) -> None:
    spec.add_mesh(
        name=name, uservert=hull.astype(np.float32).ravel(), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
    )
    body = spec.worldbody.add_body(name=name, pos=pose.position, quat=pose.quaternion)
    body.add_freejoint()
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, density=400, friction=[0.8, 0.01, 0.002], condim=4)

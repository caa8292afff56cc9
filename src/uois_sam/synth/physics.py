"""Physics by MuJoCo: objects of a scene fall onto their support until they rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.assets.families import collision_pieces
from uois_sam.synth.assets.meshes import Array
from uois_sam.synth.assets.shapes.pieces import brick
from uois_sam.synth.scene import ObjectSpec, Pose, Prop, Scene

TIME_STEP_S = 0.004
CHECK_INTERVAL_S = 0.12
"""Simulated time between checks for rest."""
CALM_CHECKS = 2
"""Checks in a row that must find everything at rest."""
MAX_SETTLE_S = 4.0
LOW_WALL_M = 0.25
"""Height of tray and bin walls up to which objects that would cut into them start above."""
REST_SPEED = 0.02
"""Metres a second (and 10x radians a second) below which an object counts as resting."""
DEEP_M = 0.003
"""Depth of penetration from which on an object counts as jammed ..."""
JAMMED_CHECKS = 4
"""... and is removed if it stays so for this many checks."""
MASS_KG = (0.08, 0.6)
"""Bounds of the mass of objects: a carton of a kilogram would press a paper clip through the table."""
DRAG_PER_S = (0.6, 2.5)
"""Share of linear and angular speed lost each second, so that rolling objects stop."""
LOWEST_Z_M = -0.02
"""Mean height of the hull below which an object fell off the support and is removed."""
PARKED_Z_M = -100.0
MOST_POINTS = 160
"""Rounder pieces are reduced to their outermost points in this many directions (0.7 % of a radius is lost)."""


class UnsettledError(RuntimeError):
    """The simulation of a scene diverged: MuJoCo could not resolve its contacts."""


def settle(scene: Scene, assets: Assets = BUILT_IN) -> Scene:
    """Return the scene with every object at rest; objects that fell off the support are removed.

    Objects collide as unions of their convex pieces, so that things lie in bowls and lean into handles; one that
    stays stuck inside another is removed. The same scene gives the same result on the same MuJoCo build.

    Raises:
        UnsettledError: if the simulation becomes unstable; draw another scene.
    """
    if not scene.objects:
        return scene
    shapes = [pieces_of(spec, assets) for spec in scene.objects]
    clouds = [np.concatenate(pieces) for pieces in shapes]
    starts = _stack_above_each_other(scene, clouds)
    model, data = _build_model(scene, shapes, starts)
    _run_until_calm(model, data, scene.seed)
    _park(data, jammed_objects(model, data))
    mujoco.mj_kinematics(model, data)
    settled = []
    for index, (spec, cloud) in enumerate(zip(scene.objects, clouds, strict=True)):
        body = data.body(f"object{index}")
        pose = Pose(tuple(body.xpos.tolist()), tuple(body.xquat.tolist()))
        if np.isfinite(body.xpos).all() and _placed(cloud, pose)[:, 2].mean() > LOWEST_Z_M:
            settled.append(replace(spec, pose=pose))
    return scene.with_objects(tuple(settled))


@dataclass(frozen=True)
class Push:
    """A hand that moves an object over its support, at a constant speed."""

    index: int
    """Of the object in ``Scene.objects``."""
    begin_s: float
    end_s: float
    velocity: tuple[float, float]
    """Metres a second along x and y."""


def simulate(
    scene: Scene, pushes: Sequence[Push], frames: int, frame_s: float, assets: Assets = BUILT_IN
) -> list[Scene]:
    """Return a settled scene frame by frame while objects are pushed; what they meet gives way.

    No object is removed: one that falls off the support is where it fell.

    Raises:
        UnsettledError: if the simulation becomes unstable.
    """
    shapes = [pieces_of(spec, assets) for spec in scene.objects]
    model, data = _build_model(scene, shapes, [spec.pose for spec in scene.objects])
    mujoco.mj_kinematics(model, data)
    found = []
    for _ in range(frames):
        bodies = [data.body(f"object{index}") for index in range(len(shapes))]
        poses = [Pose(tuple(body.xpos.tolist()), tuple(body.xquat.tolist())) for body in bodies]
        moved = (replace(spec, pose=pose) for spec, pose in zip(scene.objects, poses, strict=True))
        found.append(scene.with_objects(tuple(moved)))
        for _ in range(round(frame_s / TIME_STEP_S)):
            for push in pushes:
                if push.begin_s <= data.time < push.end_s:
                    data.qvel[6 * push.index : 6 * push.index + 2] = push.velocity
            mujoco.mj_step(model, data)
        if any(warning.number for warning in data.warning):
            raise UnsettledError(f"scene {scene.seed}: unstable after {data.time:.1f} s")
    return found


def _build_model(scene: Scene, shapes: list[list[Array]], starts: list[Pose]) -> tuple[mujoco.MjModel, mujoco.MjData]:
    mujoco.set_mju_user_warning(lambda message: None)  # else it writes MUJOCO_LOG.TXT into the current folder
    spec = mujoco.MjSpec()
    spec.option.timestep = TIME_STEP_S
    # several contacts a pair, so that stacks stand still; the default since MuJoCo 4
    spec.option.enableflags |= int(getattr(mujoco.mjtEnableBit, "mjENBL_MULTICCD", 0))
    for index, prop in enumerate(p for p in scene.props if p.solid):
        add_prop(spec, f"prop{index}", prop)
    for index, (pieces, start) in enumerate(zip(shapes, starts, strict=True)):
        add_object(spec, f"object{index}", pieces, start)
    model = spec.compile()
    limit_masses(model, len(shapes))
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    return model, data


def limit_masses(model: mujoco.MjModel, objects: int) -> None:
    """Give the bodies ``object0`` and so on masses of household things, and drag."""
    for index in range(objects):
        body = model.body(f"object{index}")
        scale = np.clip(body.mass[0], *MASS_KG) / body.mass[0]
        model.body_mass[body.id] *= scale
        model.body_inertia[body.id] *= scale
        dof = int(body.dofadr[0])
        model.dof_damping[dof : dof + 3] = DRAG_PER_S[0] * body.mass[0]
        model.dof_damping[dof + 3 : dof + 6] = DRAG_PER_S[1] * body.inertia.mean()


def _run_until_calm(model: mujoco.MjModel, data: mujoco.MjData, seed: int) -> None:
    steps, calm = round(CHECK_INTERVAL_S / TIME_STEP_S), 0
    stuck: dict[int, int] = {}
    while data.time < MAX_SETTLE_S and calm < CALM_CHECKS:
        mujoco.mj_step(model, data, nstep=steps)
        if any(warning.number for warning in data.warning):
            raise UnsettledError(f"scene {seed}: unstable after {data.time:.1f} s")
        stuck = {index: stuck.get(index, 0) + 1 for index in jammed_objects(model, data)}
        _park(data, [index for index, checks in stuck.items() if checks >= JAMMED_CHECKS])
        present = data.qpos.reshape(-1, 7)[:, 2] > LOWEST_Z_M
        speed = np.abs(data.qvel.reshape(-1, 6)[present])
        resting = speed[:, :3].max(initial=0) < REST_SPEED and speed[:, 3:].max(initial=0) < 10 * REST_SPEED
        calm = calm + 1 if resting and not stuck else 0
    mujoco.mj_forward(model, data)


def jammed_objects(model: mujoco.MjModel, data: mujoco.MjData) -> list[int]:
    """Return indices of objects that reach deep into a prop, or into a heavier object."""
    jammed = set()
    for geoms in data.contact.geom[data.contact.dist < -DEEP_M]:
        bodies = model.geom_bodyid[geoms]
        movable = [body for body in bodies.tolist() if model.body_dofnum[body]]
        if movable:
            jammed.add(min(movable, key=lambda body: float(model.body_mass[body])))
    return sorted(int(model.body_dofadr[body]) // 6 for body in jammed)


def _park(data: mujoco.MjData, objects: list[int]) -> None:
    """Move objects far below the floor, where they count as fallen off."""
    for index in objects:
        data.qpos[7 * index + 2] = PARKED_Z_M * (1 + index)
        data.qvel[6 * index : 6 * index + 6] = 0


def pieces_of(spec: ObjectSpec, assets: Assets = BUILT_IN) -> list[Array]:
    """Return the convex point sets, (P, 3) metres each, that an object collides as."""
    return [_outermost(piece) for piece in collision_pieces(assets.parts(spec.family, spec.seed))]


def _outermost(points: Array) -> Array:
    """Return the points, or those farthest out in ``MOST_POINTS`` directions spread evenly over the sphere."""
    if len(points) <= MOST_POINTS:
        return points
    index = np.arange(MOST_POINTS) + 0.5
    height, angle = 1 - 2 * index / MOST_POINTS, np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    directions = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])
    scale = np.maximum(np.ptp(points, axis=0), 1e-6)  # scaled, so that flat pieces keep points all around
    return points[np.unique((points / scale @ directions.T).argmax(axis=0))]


def _placed(points: Array, pose: Pose) -> Array:
    rotation = Rotation.from_quat(pose.quaternion, scalar_first=True).as_matrix()
    return points @ rotation.T + np.array(pose.position)


def _stack_above_each_other(scene: Scene, hulls: list[Array]) -> list[Pose]:
    """Lift every object just above whatever was placed below it, so that nothing starts inside anything."""
    poses: list[Pose] = []
    boxes: list[tuple[Array, Array]] = []  # low and high corners of props and objects so far
    ground = max((p.pose.position[2] + p.size[2] / 2 for p in scene.props if p.solid and max(p.size[:2]) > 0.1
                  and p.size[2] < 0.01), default=0.0)  # fmt: skip
    boxes += [
        b for b in map(_bounds, scene.props) if ground < b[1][2] < ground + LOW_WALL_M and b[0][2] < ground + 0.02
    ]
    for spec, hull in zip(scene.objects, hulls, strict=True):
        points = _placed(hull, spec.pose)
        low, high = points.min(axis=0), points.max(axis=0)
        below = [b[1][2] for b in boxes if (b[0][:2] < high[:2]).all() and (low[:2] < b[1][:2]).all()]
        lift = max([ground, *below]) + 0.004 - low[2]
        boxes.append((low + [0, 0, lift], high + [0, 0, lift]))
        x, y, z = spec.pose.position
        poses.append(Pose((x, y, z + lift), spec.pose.quaternion))
    return poses


def _bounds(prop: Prop) -> tuple[Array, Array]:
    """Return the low and high corner of a prop; both infinite if nothing collides with it."""
    if not prop.solid:
        return np.full(3, np.inf), np.full(3, np.inf)
    corners = _placed(brick(prop.size), prop.pose)
    return corners.min(axis=0), corners.max(axis=0)


def add_prop(spec: mujoco.MjSpec, name: str, prop: Prop) -> None:
    """Add a piece of the surroundings to a world; it never moves."""
    body = spec.worldbody.add_body(name=name, pos=prop.pose.position, quat=prop.pose.quaternion)
    half = [s / 2 for s in prop.size]
    if prop.kind == "cylinder":
        shape = {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "size": [half[0], half[2], 0.0]}
    else:
        shape = {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": half}
    body.add_geom(friction=[0.8, 0.01, 0.001], **shape)


def add_object(spec: mujoco.MjSpec, name: str, pieces: list[Array], pose: Pose) -> None:
    """Add an object that moves freely to a world."""
    body = spec.worldbody.add_body(name=name, pos=pose.position, quat=pose.quaternion)
    body.add_freejoint()
    touch = {"density": 400.0, "friction": [0.8, 0.01, 0.002], "condim": 4}
    for index, points in enumerate(pieces):
        low, high = points.min(axis=0), points.max(axis=0)
        if len(points) == 8 and (np.isclose(points, low) | np.isclose(points, high)).all():  # boxes collide fastest
            body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=(low + high) / 2, size=(high - low) / 2, **touch)
            continue
        mesh = f"{name}_{index}"
        spec.add_mesh(
            name=mesh,
            uservert=points.astype(np.float32).ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
        )
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh, **touch)

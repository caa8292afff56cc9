"""Videos: a settled scene, frame by frame, while objects are pushed, carried past each other, or the camera moves.

Each frame is a :class:`~uois_sam.synth.scene.Scene`, so that the renderer knows nothing of time. Object i is object i
in all of them, whatever is seen of it: labels are ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.collection import Assets
from uois_sam.synth.assets.families import mesh_points
from uois_sam.synth.physics import Push, simulate
from uois_sam.synth.rendering.pinhole import world_from_camera
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.scenes import sample_object
from uois_sam.synth.scene import Camera, Pose, Scene

Rng = np.random.Generator
FRAME_S = 1 / 15
"""Seconds from frame to frame."""
PUSH_M_PER_S = (0.08, 0.22)
"""Bounds of the speed of a push."""
ORBIT_DEG = (10.0, 25.0)
"""Bounds of the angle by which a moving camera goes around what it looks at, to either side."""
CARRIED_AT = (0.3, 0.45)
"""Where a carried object passes, as a share of the way from what it covers to the camera."""


@dataclass(frozen=True)
class Cast:
    """What may be drawn for a video beside its scene."""

    rng: Rng
    variety: Variety
    assets: Assets
    frames: int
    seen: tuple[int, ...]
    """Indices of the objects that are in sight in the first frame, largest first."""


def still(scene: Scene, cast: Cast) -> list[Scene]:
    """Nothing moves; the pictures differ in noise alone."""
    return [scene] * cast.frames


def pushed(scene: Scene, cast: Cast) -> list[Scene]:
    """One to three objects are pushed over the support, one after another, by physics; others give way."""
    number = int(cast.rng.integers(1, 4))
    chosen = cast.rng.permutation(cast.seen)[:number].tolist()
    seconds = cast.frames * FRAME_S
    pushes = []
    for turn, index in enumerate(chosen):
        begin = (0.1 + 0.8 * turn / len(chosen)) * seconds
        heading, speed = cast.rng.uniform(0, 2 * np.pi), cast.rng.uniform(*PUSH_M_PER_S)
        velocity = (float(speed * np.cos(heading)), float(speed * np.sin(heading)))
        pushes.append(Push(index, begin, begin + 0.7 * seconds / len(chosen), velocity))
    return simulate(scene, pushes, cast.frames, FRAME_S, cast.assets)


def camera(scene: Scene, cast: Cast) -> list[Scene]:
    """The camera swings around what it looks at, comes nearer and goes back, and is never quite steady."""
    side = np.deg2rad(cast.rng.uniform(*ORBIT_DEG)) * cast.rng.choice([-1, 1])
    nearer, lift = cast.rng.uniform(-0.12, 0.12), cast.rng.uniform(-0.08, 0.08)
    start, middle = np.array(scene.camera.position), np.array(scene.camera.target)
    found = []
    for t in np.linspace(0, 1, cast.frames):
        swing = np.sin(np.pi * t / 2) ** 2  # starts and stops gently
        turn = Rotation.from_rotvec([0, 0, side * swing]).as_matrix()
        arm = turn @ (start - middle) * (1 + nearer * np.sin(np.pi * t)) + [0, 0, lift * swing]
        shake = cast.rng.normal(0, 0.0015, 3)
        found.append(replace(scene, camera=_moved(scene.camera, middle + arm + shake, middle + shake)))
    return found


def covered(scene: Scene, cast: Cast) -> list[Scene]:
    """Something is carried in, held between the camera and an object, and carried out again."""
    hidden = np.array(scene.objects[cast.seen[0]].pose.position)
    carried = sample_object(cast.rng, cast.variety, cast.assets)
    points = mesh_points(cast.assets.parts(carried.family, carried.seed))
    to_world = world_from_camera(scene.camera)
    eye, right = to_world[:3, 3], to_world[:3, 0]
    place = hidden + cast.rng.uniform(*CARRIED_AT) * (eye - hidden)
    depth = float((place - eye) @ to_world[:3, 2])
    reach = 1.15 * depth * np.tan(np.deg2rad(scene.camera.fov_deg) / 2) + float(np.ptp(points, axis=0).max()) / 2
    reach += abs(float((place - eye) @ right))
    side, spin = cast.rng.choice([-1, 1]), cast.rng.uniform(-40, 40, 3)
    turned = Rotation.random(random_state=int(cast.rng.integers(2**31)))
    found = []
    for t in np.linspace(0, 1, cast.frames):
        along = side * reach * (np.interp(t, (0.1, 0.4, 0.6, 0.9), (-1, 0, 0, 1)))
        pose = Rotation.from_euler("xyz", spin * t, degrees=True) * turned
        there = place + along * right - pose.apply(points.mean(axis=0))
        held = Pose(tuple(there.tolist()), tuple(pose.as_quat(scalar_first=True).tolist()))
        found.append(scene.with_objects((*scene.objects, replace(carried, pose=held))))
    return found


MOTIONS: dict[str, Callable[[Scene, Cast], list[Scene]]] = {
    "still": still,
    "pushed": pushed,
    "camera": camera,
    "covered": covered,
}
"""What happens in videos, by name; video i has the motion i modulo their number."""


def motion_of(index: int) -> str:
    """Name of the motion of a video."""
    return list(MOTIONS)[index % len(MOTIONS)]


def film(scene: Scene, motion: str, cast: Cast) -> list[Scene]:
    """Describe every frame of a video; noise of light and sensor is another one in each."""
    frames = MOTIONS[motion](scene, cast)
    return [
        replace(
            each,
            seed=(scene.seed + number) % 2**63,
            camera=replace(each.camera, noise_seed=(scene.camera.noise_seed + number) % 2**31),
        )
        for number, each in enumerate(frames)
    ]


def _moved(like: Camera, position: np.ndarray, target: np.ndarray) -> Camera:
    return replace(like, position=tuple(position.tolist()), target=tuple(target.tolist()))

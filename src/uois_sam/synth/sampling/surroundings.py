"""Rooms behind and below the support, and loose things in them that are not to be found. Unit: metres.

What a network learns of scenes without a room is which shapes are objects. Here boxes, bags and bottles of the very
kinds that lie on the support also lie on the floor beyond it and on furniture behind it, without a label, so that only
where a thing stands tells. Cameras stand a little farther off and lower than elsewhere and have the room in view.

All of it comes from a generator of its own: a scene without surroundings is the same whatever this module does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.assets.families import mesh_points
from uois_sam.synth.sampling.cameras import sample_camera
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.furniture import WALL_SIDE_M, box_prop, sample_piece, sample_robot, sample_wall
from uois_sam.synth.sampling.materials import FURNITURE, sample_furnishing
from uois_sam.synth.sampling.office import sample_office_piece
from uois_sam.synth.sampling.places import GROUND_SIDE_M, Place
from uois_sam.synth.scene import Camera, ObjectSpec, Pose, Prop, Vector

Rng = np.random.Generator
Array = npt.NDArray[np.float64]
STREAM = 1
"""Tells this module's generator from the scene's own, which has the same seed."""
ROOMS = {"table": (20.0, 55.0), "tray": (25.0, 60.0), "seat": (25.0, 60.0), "floor": (22.0, 55.0), "bin": (48.0, 78.0)}
"""Places that get a room, and the range of the camera's height above the horizon there, in degrees."""
FRAMING = (0.9, 2.1)
"""As ``Variety.framing``, where there is a room."""
HOUSEHOLD = ("carton", "carton", "can", "container", "book", "bottle", "vessel", "mug", "jar", "plate", "jug", "bag")
"""What kitchens and shops are full of; a share of the scenes with a room holds nothing else."""
HOUSEHOLD_SHARE = 0.45
CRISP_SHARE = 0.6
"""Share of the pictures that are as bright and crisp as those of most cameras in bright rooms."""
MOST_LOOSE = 10
SPOTS_TRIED = 4
"""Places that a loose thing is tried at before it is left out."""


@dataclass(frozen=True)
class Spot:
    """An upright face that loose things may stand on."""

    centre: Vector
    """xyz of its middle."""
    half: float
    """Things stand within this far from the middle along x and y."""


def has_surroundings(seed: int, variety: Variety) -> bool:
    """Return whether this scene gets a room, if its place is one that can have it."""
    return variety.distractors and bool(_generator(seed).random() < variety.surroundings)


def household(seed: int, variety: Variety) -> Variety:
    """The knobs for the objects of a scene with a room: often packages and dishes only, close to each other, often
    all alike."""
    rng = np.random.default_rng([seed, STREAM, 1])
    if variety.families or variety.split == "val" or rng.random() > HOUSEHOLD_SHARE:
        return variety
    close = tuple(name for name in variety.arrangements if name not in ("nested", "scattered"))
    return replace(
        variety, families=HOUSEHOLD, arrangements=close if close and rng.random() < 0.6 else variety.arrangements,
        twins_share=min(1.0, 2 * variety.twins_share), most_objects=min(variety.most_objects, 12),
    )  # fmt: skip


def surround(
    seed: int, place: Place, variety: Variety, loose: tuple[ObjectSpec, ...], assets: Assets = BUILT_IN
) -> tuple[Camera, tuple[Prop, ...], tuple[ObjectSpec, ...]] | None:
    """A room around a place: the camera, all props and the loose things where they lie; None where none fits.

    Args:
        seed: of the scene.
        place: where the objects are.
        variety: the knobs.
        loose: things to lay out, anywhere; those without room are left out.
        assets: what their shapes come from.
    """
    if place.name not in ROOMS:
        return None
    rng = _generator(seed)
    rng.random()  # the draw of has_surroundings
    camera = _camera(rng, place, variety)
    towards = np.subtract(camera.position, camera.target)[:2]
    ahead = float(np.arctan2(-towards[1], -towards[0]))
    floor_z = _floor_of(place)
    props = [prop for prop in place.props if not _in_the_way(prop, place, ahead)]
    spots = _beside(place, ahead) if place.name == "bin" and rng.random() < 0.5 else []
    for _ in range(int(rng.integers(1, 5))):
        angle = ahead + rng.normal(0, 0.55)
        pieces, tops = _piece(rng, angle, edge(place, angle) + rng.uniform(0.05, 1.1), floor_z, variety)
        props, spots = props + pieces, spots + tops
    if rng.random() < 0.6:
        props += sample_wall(rng, edge(place, ahead) + rng.uniform(0.3, 1.8), variety, ahead + rng.normal(0, 0.2))
    if place.name == "table" and rng.random() < 0.3:  # the table stands at a wall
        side = ahead + rng.choice([-1.0, 1.0]) * rng.uniform(1.2, 1.6)
        near = max(place.half_xy) + 0.12
        props += sample_wall(rng, max(near, edge(place, side) + rng.uniform(-0.3, 0.05)), variety, side)
    if place.name != "seat" and rng.random() < 0.2:
        props += sample_robot(rng, variety)
    if place.name != "floor":  # things on the floor that the objects stand on are objects
        spots += [_on_floor(rng, place, ahead, floor_z) for _ in range(int(rng.integers(0, 5)))]
    return camera, tuple(props), _laid_out(rng, loose, spots, assets)


def edge(place: Place, angle: float) -> float:
    """Distance in metres that the support reaches from the centre in a direction (radians about z)."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    far = max(place.half_xy)
    for prop in place.props:
        if prop.solid and prop.size[0] < GROUND_SIDE_M:
            corners = np.array(prop.pose.position[:2]) + _corners(prop)
            far = max(far, float((corners @ direction).max()))
    return far


def _generator(seed: int) -> Rng:
    return np.random.default_rng([seed, STREAM])


def _camera(rng: Rng, place: Place, variety: Variety) -> Camera:
    """Farther off and lower than elsewhere, and often as bright and crisp as real ones."""
    seen = replace(place, elevation_deg=ROOMS[place.name])
    camera = sample_camera(rng, seen, replace(variety, framing=FRAMING))
    crisp = rng.random() < CRISP_SHARE
    sharper, brighter, slope = rng.uniform(0.3, 1.5), rng.uniform(0.42, 0.68), rng.uniform(1.05, 1.4)
    if crisp and variety.optics:
        camera = replace(camera, blur=0.0, aperture_m=0.0, motion=(0.0, 0.0), exposure=float(brighter),
                         contrast=float(slope))  # fmt: skip
    if crisp and variety.noise:
        camera = replace(camera, sharpen=float(sharper), noise=min(camera.noise, 0.015))
    return camera


def _floor_of(place: Place) -> float:
    """Height of the floor: the top of the widest prop."""
    grounds = [p.pose.position[2] + p.size[2] / 2 for p in place.props if p.size[0] >= GROUND_SIDE_M]
    return min(grounds, default=0.0)


def _in_the_way(prop: Prop, place: Place, ahead: float) -> bool:
    """Return whether a piece of furniture stands between camera and support or behind the camera, or is a wall: with
    another one or two the room would be dark."""
    back = -np.array([np.cos(ahead), np.sin(ahead)])
    behind = float(np.dot(prop.pose.position[:2], back)) > edge(place, ahead + np.pi)
    return not prop.solid and (behind or max(prop.size) >= WALL_SIDE_M)


def _corners(prop: Prop) -> Array:
    """(4, 2): corners of an upright box about its centre, turned as it is."""
    half = np.array(prop.size[:2]) / 2
    flat = np.array([[a, b, 0.0] for a in (-half[0], half[0]) for b in (-half[1], half[1])])
    turned = Rotation.from_quat(prop.pose.quaternion, scalar_first=True).apply(flat)
    return np.asarray(turned[:, :2], dtype=float)


def _piece(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> tuple[list[Prop], list[Spot]]:
    """Furniture, ``near`` metres from the centre, and where things may stand on it."""
    kind = rng.random()
    if kind < 0.35:
        return sample_piece(rng, angle, near, z, variety), []
    if kind < 0.7:
        return sample_office_piece(rng, angle, near, z, variety), []
    return _sideboard(rng, angle, near + 0.25, z, variety)


def _sideboard(rng: Rng, angle: float, near: float, z: float, variety: Variety) -> tuple[list[Prop], list[Spot]]:
    """A low board on two sides, perhaps with another board below: things stand on both."""
    depth, width, height = rng.uniform([0.25, 0.5, 0.2], [0.5, 1.3, max(0.25, -z + 0.25)]).tolist()
    look = sample_furnishing(rng, FURNITURE, variety)
    out, aside = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
    middle = out * (near + depth / 2) + [0, 0, z]
    props = [box_prop((depth, 0.025, height), middle + s * aside * width / 2 + [0, 0, height / 2], look, angle,
                      solid=False) for s in (-1, 1)]  # fmt: skip
    levels = [height, height / 2] if rng.random() < 0.5 and height > 0.45 else [height]
    props += [box_prop((depth, width, 0.025), middle + [0, 0, level], look, angle, solid=False) for level in levels]
    spots = [Spot(tuple((middle + place * aside + [0, 0, level + 0.0125]).tolist()), depth / 4)
             for level in levels for place in (-0.3 * width, 0.0, 0.3 * width)]  # fmt: skip
    return props, spots


def _on_floor(rng: Rng, place: Place, ahead: float, z: float) -> Spot:
    """Somewhere on the floor beyond the support."""
    angle = ahead + rng.normal(0, 0.6)
    distance = edge(place, angle) + rng.uniform(0.15, 0.9)
    return Spot((float(distance * np.cos(angle)), float(distance * np.sin(angle)), z), 0.12)


def _beside(place: Place, ahead: float) -> list[Spot]:
    """On what a bin stands on, around it: what lies outside the bin is not to be found."""
    reach = max(place.half_xy) / 0.72 + 0.14
    return [Spot((float(reach * np.cos(a)), float(reach * np.sin(a)), 0.0), 0.04)
            for a in (ahead, ahead + 1.2, ahead - 1.2)]  # fmt: skip


def _laid_out(rng: Rng, things: tuple[ObjectSpec, ...], spots: list[Spot], assets: Assets) -> tuple[ObjectSpec, ...]:
    """Things standing or lying on spots, clear of each other."""
    placed: list[ObjectSpec] = []
    taken: list[tuple[Array, float]] = []
    for thing in things if spots else ():
        tilt = Rotation.from_euler("x", float(rng.choice([0.0, 0.0, np.pi / 2])))
        turn = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi)) * tilt
        points = turn.apply(mesh_points(assets.parts(thing.family, thing.seed)))
        radius, low = float(np.linalg.norm(points[:, :2], axis=1).max()), points[:, 2].min()
        for _ in range(SPOTS_TRIED):
            spot = spots[int(rng.integers(len(spots)))]
            centre = np.array(spot.centre) + [*rng.uniform(-spot.half, spot.half, 2), -low]
            if all(np.linalg.norm(centre - other) > radius + room for other, room in taken):
                taken.append((centre, radius))
                quaternion = turn.as_quat(scalar_first=True)
                placed.append(replace(thing, pose=Pose(tuple(centre.tolist()), tuple(quaternion.tolist()))))
                break
    return tuple(placed)

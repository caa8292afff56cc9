"""A scene as plain data: what stands where, how it looks, who lights and who sees it. Unit: metres; z up.

The support's top is z = 0. Meshes and textures are named by kind and seed, so a scene is a few kilobytes of JSON
that any later run can render again. :mod:`~uois_sam.synth.physics` moves the objects, :mod:`~uois_sam.synth.render`
draws them; neither changes anything else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from uois_sam.synth.families import FAMILIES, FREQUENCIES, UPRIGHT_FAMILIES, make_parts

Rng = np.random.Generator
Vector = tuple[float, ...]

MAX_OBJECTS = 20
EMPTY_SHARE = 0.04


@dataclass(frozen=True)
class Surface:
    """How a surface looks."""

    texture: str
    """Texture kind, a key of ``textures.PAINTERS``."""
    seed: int
    roughness: float = 0.5
    """0 mirror to 1 chalk."""
    metallic: float = 0.0
    saturation: float = 1.0
    """Colourfulness of the texture: 1 as painted, 0 grey."""


@dataclass(frozen=True)
class Pose:
    """Object frame to world frame."""

    position: Vector = (0.0, 0.0, 0.0)
    """xyz in metres."""
    quaternion: Vector = (1.0, 0.0, 0.0, 0.0)
    """wxyz, unit length."""


@dataclass(frozen=True)
class ObjectSpec:
    """One object to be found."""

    family: str
    seed: int
    surfaces: tuple[Surface, ...]
    """One per part of the family's mesh."""
    pose: Pose


@dataclass(frozen=True)
class Prop:
    """A box, tube or soft block that is part of the surroundings: never labelled."""

    kind: str
    """``box``, ``cylinder`` or ``soft``."""
    size: Vector
    """Extent along x, y, z in metres."""
    surface: Surface
    pose: Pose
    texture_metres: float = 0.6
    """Side of the texture in metres."""
    solid: bool = True
    """Whether objects collide with it."""


@dataclass(frozen=True)
class Lamp:
    """A square area light that looks at the support's centre."""

    position: Vector
    side: float
    radiance: Vector


@dataclass(frozen=True)
class Camera:
    """A pinhole camera."""

    position: Vector
    target: Vector
    fov_deg: float
    """Horizontal field of view."""
    roll_deg: float
    exposure: float
    """Mean brightness (0 to 1, sRGB) that the picture is exposed for."""
    white_balance: Vector
    """Gains of red, green and blue."""


@dataclass(frozen=True)
class Scene:
    """Everything that physics and renderer need."""

    seed: int
    place: str
    """``table``, ``floor`` or ``bin``."""
    objects: tuple[ObjectSpec, ...]
    props: tuple[Prop, ...]
    lamps: tuple[Lamp, ...]
    sky_seed: int
    sky_strength: float
    camera: Camera

    def with_objects(self, objects: tuple[ObjectSpec, ...]) -> Scene:
        """The same scene around other (or moved) objects."""
        return replace(self, objects=objects)

    def to_json(self) -> str:
        """One line of JSON; :meth:`from_json` reads it back unchanged."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Scene:
        """Rebuild a scene from :meth:`to_json`'s line."""
        d = json.loads(line)
        return cls(
            seed=d["seed"], place=d["place"], sky_seed=d["sky_seed"], sky_strength=d["sky_strength"],
            objects=tuple(
                ObjectSpec(o["family"], o["seed"], tuple(Surface(**s) for s in o["surfaces"]), _pose(o["pose"]))
                for o in d["objects"]
            ),
            props=tuple(
                Prop(**{**p, "size": tuple(p["size"]), "surface": Surface(**p["surface"]), "pose": _pose(p["pose"])})
                for p in d["props"]
            ),
            lamps=tuple(Lamp(tuple(m["position"]), m["side"], tuple(m["radiance"])) for m in d["lamps"]),
            camera=_camera(d["camera"]),
        )  # fmt: skip


def sample_scene(seed: int) -> Scene:
    """Draw a whole scene; objects float above the support until physics settles them."""
    from uois_sam.synth.surroundings import sample_camera, sample_lamps, sample_place

    rng = np.random.default_rng(seed)
    place, props, reach = sample_place(rng)
    count = 0 if rng.random() < EMPTY_SHARE else int(rng.integers(1, MAX_OBJECTS + 1))
    objects = tuple(sample_object(rng, reach, spread=rng.uniform(0.35, 1.0)) for _ in range(count))
    if count > 2 and rng.random() < 0.06:  # a heap of one kind: nothing but the edges tells them apart
        twin = objects[0]
        objects = tuple(replace(o, family=twin.family, seed=twin.seed, surfaces=twin.surfaces) for o in objects)
    return Scene(
        seed=seed, place=place, objects=objects, props=props, lamps=sample_lamps(rng),
        sky_seed=int(rng.integers(2**31)), sky_strength=float(rng.uniform(0.15, 1.2)),
        camera=sample_camera(rng, place, reach),
    )  # fmt: skip


def sample_object(rng: Rng, reach: float, spread: float) -> ObjectSpec:
    """Draw one object above the support, within ``reach * spread`` metres of the centre."""
    names = list(FAMILIES)
    weights = np.array([FREQUENCIES[name] for name in names])
    family = str(rng.choice(names, p=weights / weights.sum()))
    seed = int(rng.integers(2**31))
    surfaces = tuple(sample_surface(rng, part.role) for part in make_parts(family, seed))
    radius, angle = reach * spread * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    upright = family in UPRIGHT_FAMILIES and rng.random() < 0.65
    turn = rng.uniform(0, 2 * np.pi)
    quaternion = np.array([np.cos(turn / 2), 0, 0, np.sin(turn / 2)]) if upright else rng.normal(size=4)
    quaternion /= np.linalg.norm(quaternion)
    position = (float(radius * np.cos(angle)), float(radius * np.sin(angle)), 0.0)
    return ObjectSpec(family, seed, surfaces, Pose(position, tuple(quaternion.tolist())))


def sample_surface(rng: Rng, role: str) -> Surface:
    """Draw the look of a part from its role (see ``families.Part``)."""
    kinds, weights = {
        "carton": (["atlas", "plain", "wood"], [0.88, 0.09, 0.03]),
        "label": (["label", "plain", "picture", "stripes", "gradient"], [0.62, 0.16, 0.08, 0.07, 0.07]),
        "body": (
            ["plain", "gradient", "speckle", "marble", "wood", "stripes", "label", "weave"],
            [0.52, 0.12, 0.08, 0.05, 0.07, 0.05, 0.06, 0.05],
        ),
        "accent": (["plain", "speckle", "stripes"], [0.94, 0.03, 0.03]),
        "paper": (["weave"], [1.0]),
    }[role]
    metallic = rng.random() < {"body": 0.1, "accent": 0.2}.get(role, 0.02)
    return Surface(
        texture=str(rng.choice(kinds, p=weights)),
        seed=int(rng.integers(2**31)),
        roughness=float(rng.uniform(0.15, 0.5) if metallic else rng.uniform(0.12, 0.9)),
        metallic=float(metallic),
    )


def _pose(d: dict[str, list[float]]) -> Pose:
    return Pose(tuple(d["position"]), tuple(d["quaternion"]))


def _camera(d: dict[str, Any]) -> Camera:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in d.items()}
    return Camera(**values)

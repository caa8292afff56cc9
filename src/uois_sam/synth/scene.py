"""Scenes as plain data: objects, surroundings, surfaces, lights and camera. Unit: metres; z up.

The support's top is z = 0. Meshes and textures are named by kind and seed, so a scene is a few kilobytes of JSON
that any later run can render again. :mod:`~uois_sam.synth.sampling.scenes` draws scenes,
:mod:`~uois_sam.synth.physics` moves the objects, :mod:`~uois_sam.synth.rendering.render` renders them; none of
them changes anything else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from msgspec import Meta

from uois_sam.errors import DatasetError
from uois_sam.io.json_files import parse_json
from uois_sam.validation import validated

Vector = tuple[float, ...]
Pair = Annotated[Vector, Meta(min_length=2, max_length=2)]
Triple = Annotated[Vector, Meta(min_length=3, max_length=3)]
Quaternion = Annotated[Vector, Meta(min_length=4, max_length=4)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Generators of random numbers take no others."""


@dataclass(frozen=True)
class Surface:
    """Appearance of a surface."""

    texture: str
    """Texture kind, a key of ``textures.TEXTURES`` or a user's own ``file/...``."""
    seed: Seed
    roughness: float = 0.5
    """0 mirror to 1 chalk."""
    metallic: float = 0.0
    saturation: float = 1.0
    """Colourfulness of the texture: 1 as painted, 0 grey."""
    brightness: float = 1.0
    """Factor on the texture's reflectance."""
    wear: float = 0.0
    """Traces of use: 0 new, 1 worn out."""
    clear: float = 0.0
    """Share of light that passes through, 0 to 1: glass and clear plastic."""


@dataclass(frozen=True)
class Pose:
    """Object frame to world frame."""

    position: Triple = (0.0, 0.0, 0.0)
    """xyz in metres."""
    quaternion: Quaternion = (1.0, 0.0, 0.0, 0.0)
    """wxyz, unit length."""


@dataclass(frozen=True)
class ObjectSpec:
    """An object to find."""

    family: str
    seed: Seed
    surfaces: tuple[Surface, ...]
    """One per part of the family's mesh."""
    pose: Pose


@dataclass(frozen=True)
class Prop:
    """A piece of the surroundings: never labelled."""

    kind: str
    """``box``, ``cylinder``, ``soft``, ``turned``, ``cable``, or ``family:<name>``; see ``furniture.prop_mesh``."""
    size: Triple
    """Extent along x, y, z in metres."""
    surface: Surface
    pose: Pose
    texture_metres: float = 0.6
    """Side of the texture in metres."""
    solid: bool = True
    """True if objects collide with it."""
    seed: Seed = 0
    """Shape, for kinds that vary."""


@dataclass(frozen=True)
class Lamp:
    """A square area light that shines towards the support's centre."""

    position: Triple
    side: Annotated[float, Meta(gt=0)]
    radiance: Triple


@dataclass(frozen=True)
class Sky:
    """Light from all around, beside the lamps."""

    kind: str = "room"
    """``room``, ``outdoors`` or a user's own ``file/...`` (an equirectangular HDR picture)."""
    seed: Seed = 0
    strength: float = 1.0


@dataclass(frozen=True)
class Camera:
    """A camera with a thin lens, and how its picture is developed."""

    position: Triple
    target: Triple
    fov_deg: Annotated[float, Meta(gt=0, le=179)]
    """Horizontal field of view."""
    roll_deg: float
    exposure: float = 0.45
    """Mean brightness (0 to 1, sRGB) that the picture is exposed for."""
    white_balance: Triple = (1.0, 1.0, 1.0)
    """Gains of red, green and blue."""
    aperture_m: float = 0.0
    """Radius of the lens opening; 0 is a pinhole and all is sharp."""
    focus_m: float = 1.0
    """Distance along the optical axis that is sharp."""
    vignetting: float = 0.0
    """Loss of light in the corners, 0 to 1."""
    contrast: float = 1.0
    """Slope of the tone curve in the middle."""
    motion: Pair = (0.0, 0.0)
    """Motion blur, xy as shares of the picture's width."""
    blur: float = 0.0
    """Deviation of the lens' blur, as a share of the picture's width."""
    noise: float = 0.0
    """Deviation of sensor noise at middle grey, 0 to 1 (shot noise; dark pixels get a quarter as read noise)."""
    sharpen: float = 0.0
    """Strength of the camera's own edge sharpening."""
    jpeg: Annotated[int, Meta(ge=1, le=100)] = 100
    """JPEG quality of the camera; 100 skips the compression."""
    noise_seed: Seed = 0


@dataclass(frozen=True)
class Scene:
    """All that physics and renderer need."""

    seed: Seed
    place: str
    """A key of ``config.PLACES``."""
    arrangement: str
    """A key of ``config.ARRANGEMENTS``."""
    rig: str
    """Light rig, a key of ``lights.RIGS``."""
    objects: tuple[ObjectSpec, ...]
    props: tuple[Prop, ...]
    lamps: tuple[Lamp, ...]
    sky: Sky
    camera: Camera
    loose: tuple[ObjectSpec, ...] = ()
    """Things of the objects' kinds that are not to be found: they lie beyond or below the support, never moved."""

    def with_objects(self, objects: tuple[ObjectSpec, ...]) -> Scene:
        """Return the scene with other (or moved) objects."""
        return replace(self, objects=objects)

    def to_json(self) -> str:
        """Return one line of JSON, which names loose things only if there are some; :meth:`from_json` reads it back."""
        values = {key: value for key, value in asdict(self).items() if key != "loose" or value}
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Scene:
        """Rebuild a scene from :meth:`to_json`'s line.

        Raises:
            DatasetError: if the line is no scene, or one of another version.
        """
        return scene_from(parse_json(line, where="a scene's line", error=DatasetError))


def scene_from(values: Any, where: str = "scene") -> Scene:
    """Rebuild a scene from what its JSON holds; ``where`` names it in messages.

    Raises:
        DatasetError: if it is no scene, or one of another version.
    """
    validated(values, Scene, where, DatasetError)
    try:
        return _scene(values)
    except (TypeError, KeyError) as error:  # a field of another version inside
        raise DatasetError(f"{where}: expected a scene of this version, found {error!s:.100}") from error


def _scene(d: dict[str, Any]) -> Scene:
    return Scene(
        **{key: d[key] for key in ("seed", "place", "arrangement", "rig")},
        objects=_objects(d["objects"]),
        loose=_objects(d.get("loose", [])),
        props=tuple(
            _plain(Prop, {**p, "surface": Surface(**p["surface"]), "pose": _plain(Pose, p["pose"])}) for p in d["props"]
        ),
        lamps=tuple(_plain(Lamp, lamp) for lamp in d["lamps"]),
        sky=Sky(**d["sky"]),
        camera=_plain(Camera, d["camera"]),
    )


def _objects(values: list[Any]) -> tuple[ObjectSpec, ...]:
    return tuple(
        ObjectSpec(o["family"], o["seed"], tuple(Surface(**s) for s in o["surfaces"]), _plain(Pose, o["pose"]))
        for o in values
    )


def _plain(kind: Any, values: dict[str, Any]) -> Any:
    """Rebuild a dataclass of numbers, texts and vectors: JSON has lists where it has tuples."""
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

"""The configuration of a data set of rendered scenes, its plain-data form, and the presets."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from uois_sam.errors import DatasetError
from uois_sam.synth.sampling.config import Variety

PNG_LEVEL = 4
"""zlib level of the PNG files: faster than the default, and hardly larger."""


@dataclass(frozen=True)
class GenerateConfig:
    """Settings that decide what a data set holds; two runs with equal values write the same scenes.

    Raises:
        DatasetError: if a number is too small.
    """

    scenes: int = 100
    """Number of scenes."""
    seed: int = 0
    """Every scene of another seed is another draw of the same kinds of shapes, textures and places."""
    height: int = 480
    """Rows of each picture."""
    width: int = 640
    """Columns of each picture."""
    samples: int = 8
    """Light paths a pixel before denoising."""
    variant: Literal["auto", "llvm", "scalar", "cuda"] = "auto"
    """Mitsuba back end; auto takes LLVM where a libLLVM that works is installed (Debian: libllvm19), else scalar."""
    depth_sensor: Literal["none", "structured-light", "stereo", "time-of-flight", "mixed"] = "none"
    """Camera that depth/ is seen by, with its noise and holes; mixed draws one a scene, none writes exact depth."""
    amodal: bool = False
    """Also write amodal/: the whole shape of every object, hidden parts included, as COCO RLE in JSON."""
    variety: Variety = field(default_factory=Variety)
    """Variation from scene to scene, and the switches that turn each kind of it off."""
    from_scenes: Path | None = None
    """Render the descriptions in this file (the scenes.jsonl of a data set) again instead of drawing new scenes, for
    example with another --height, --width or --samples."""
    meshes: Path | None = None
    """Folder of your own meshes (OBJ, PLY, GLB, STL), searched with the folders in it: half of the objects are drawn
    from them."""
    mesh_scale: float = 1.0
    """Metres that one unit of your meshes stands for: 0.001 for millimetres. At 1, files too large for any tabletop are
    taken as millimetres, centimetres or inches, whichever fits, and the choice is logged."""
    textures: Path | None = None
    """Folder of your own pictures for surfaces, used beside the built-in textures; folders in it are not searched."""
    hdris: Path | None = None
    """Folder of your own HDR panoramas (.hdr, .exr) for light and mirrors, used beside the built-in skies; folders in
    it are not searched."""

    def __post_init__(self) -> None:
        for name, least in (("scenes", 1), ("seed", 0), ("height", 1), ("width", 1), ("samples", 1)):
            if (value := getattr(self, name)) < least:
                raise DatasetError(f"{name}: expected {least} or more, got {value}")
        if self.seed >= 1 << 63:  # the record of the data set could not be read again
            raise DatasetError(f"seed: expected at most {(1 << 63) - 1}, got {self.seed}")


PRESETS = {
    "tabletop-val": GenerateConfig(
        scenes=300, seed=20_260_101, variety=Variety(split="val", framing=(0.7, 1.6), surroundings=0.0)
    )
}
"""Data sets that are the same for everybody, by name. Never change their scenes: scores of years compare."""


def with_preset(config: GenerateConfig, name: str) -> GenerateConfig:
    """Return the configuration of a preset, with the variant and labels of ``config``.

    Raises:
        DatasetError: if ``config`` has another value that is no default: the preset would silently drop it.
    """
    preset = replace(PRESETS[name], variant=config.variant, amodal=config.amodal)
    usual = replace(GenerateConfig(), variant=config.variant, amodal=config.amodal)
    dropped = {option: value for option, _, value in differences(config_json(usual), config_json(config))}
    fixed = {option for option, _, _ in differences(config_json(preset), config_json(config))}
    settings = ", ".join(f"{option} {value!r}" for option, value in dropped.items() if option in fixed)
    if settings:
        raise DatasetError(
            f"preset {name} is the same for everybody: expected no setting of yours besides, got {settings}"
        )
    return preset


def config_json(config: GenerateConfig) -> dict[str, Any]:
    """Return the configuration in plain JSON types."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return values


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return name, our and their value of every setting in which two configurations in plain JSON types differ.

    Settings in a group are named as options are: ``variety.most_objects``.
    """
    ours, theirs = _flat(ours), _flat(theirs)
    names = {**ours, **theirs}
    return [(name, ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)]


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat.update({f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value})
    return flat


def with_defaults(found: dict[str, Any]) -> dict[str, Any]:
    """Return a saved configuration with the defaults of options that it does not know yet, one level deep."""
    defaults = config_json(GenerateConfig())
    defaults["variety"]["surroundings"] = 0.0  # as scenes were before the option existed
    nested = {key: {**value, **found.get(key, {})} for key, value in defaults.items() if isinstance(value, dict)}
    return {**defaults, **found, **nested}

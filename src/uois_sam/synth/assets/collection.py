"""The shapes, textures and skies that scenes are made of, by name: the built-in ones and a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from uois_sam.errors import DatasetError
from uois_sam.synth.assets.families import FAMILIES, Family, Part, make_parts
from uois_sam.synth.assets.skies import SKIES, FloatImage, SkyPainter, load_skies
from uois_sam.synth.assets.textures import TEXTURES, Texture, load_textures, paint
from uois_sam.synth.assets.textures.fields import Picture
from uois_sam.synth.assets.user_meshes import load_meshes
from uois_sam.synth.scene import Sky


@dataclass(frozen=True)
class Assets:
    """Everything that a scene description refers to by name."""

    textures: Mapping[str, Texture] = field(default_factory=lambda: TEXTURES)
    """A user's own are named ``file/...``."""
    skies: Mapping[str, SkyPainter] = field(default_factory=lambda: SKIES)
    """A user's own are named ``file/...``."""
    families: Mapping[str, Family] = field(default_factory=lambda: FAMILIES)
    """A user's own meshes are named ``mesh/...``."""

    @classmethod
    def load(
        cls,
        *,
        textures: Path | None = None,
        hdris: Path | None = None,
        meshes: Path | None = None,
        mesh_scale: float = 1.0,
    ) -> Assets:
        """Return the built-in assets and those found in a user's folders.

        Args:
            textures: folder of pictures.
            hdris: folder of .hdr and .exr panoramas.
            meshes: folder of OBJ, PLY, GLB and STL files.
            mesh_scale: metres that one unit of the meshes stands for.

        Raises:
            DatasetError: if a folder holds no file that can be used.
            MissingExtraError: if trimesh or coacd is needed and not installed.
        """
        return cls(
            families=FAMILIES if meshes is None else {**FAMILIES, **load_meshes(meshes, mesh_scale)},
            textures=TEXTURES if textures is None else {**TEXTURES, **load_textures(textures)},
            skies=SKIES if hdris is None else {**SKIES, **load_skies(hdris)},
        )

    @property
    def own_textures(self) -> list[str]:
        """Names of the user's own textures."""
        return [name for name in self.textures if name not in TEXTURES]

    @property
    def own_skies(self) -> list[str]:
        """Names of the user's own skies."""
        return [name for name in self.skies if name not in SKIES]

    @property
    def own_families(self) -> list[str]:
        """Names of the user's own shape families."""
        return [name for name in self.families if name not in FAMILIES]

    def parts(self, family: str, seed: int) -> tuple[Part, ...]:
        """Return the parts of one object: the same family and seed give the same meshes."""
        return make_parts(self.families[family], seed)

    def paint(self, texture: str, seed: int, size: int, wear: float = 0.0) -> Picture:
        """Paint the texture of one surface, (S, S, 3) uint8: the same arguments give the same pixels.

        Raises:
            DatasetError: if there is no texture of this name.
        """
        if texture not in self.textures:
            raise DatasetError(f"unknown texture {texture!r}; pictures of your own need --textures")
        return paint(self.textures[texture], seed, size, wear)

    def paint_sky(self, sky: Sky) -> FloatImage:
        """Paint the light from all around, (64, 128, 3) float32 linear radiance; the first row is straight up.

        Raises:
            DatasetError: if there is no sky of this kind.
        """
        if sky.kind not in self.skies:
            raise DatasetError(f"unknown sky {sky.kind!r}; HDR pictures of your own need --hdris")
        return self.skies[sky.kind](np.random.default_rng(sky.seed)) * np.float32(sky.strength)


BUILT_IN = Assets()

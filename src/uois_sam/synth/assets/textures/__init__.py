"""Textures by name and split: a scene description stores name and seed, not pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.io.files import read_bounded
from uois_sam.io.formats import open_picture
from uois_sam.synth.assets.textures import materials, patterns, prints
from uois_sam.synth.assets.textures.fields import Picture, Rng, to_uint8
from uois_sam.synth.assets.textures.wear import wear_down
from uois_sam.synth.assets.user_files import read_usable

Painter = Callable[[Rng, int], Picture]


LARGEST_TEXTURE = 1 << 28
"""Bytes of a picture file that is taken for a texture."""


@dataclass(frozen=True)
class Texture:
    """One kind of texture."""

    paint: Painter
    """Draw (S, S, 3) uint8 sRGB; the textures of supports tile."""
    group: str
    """``plain``, ``material``, ``pattern``, ``print`` (which the switches of ``Variety`` turn off) or ``file``."""
    heldout: bool = False
    """Kept for validation scenes: no training scene shows it."""


TEXTURES: dict[str, Texture] = {
    "plain": Texture(materials.plain, "plain"),
    "gradient": Texture(materials.gradient, "material"),
    "speckle": Texture(materials.speckle, "material"),
    "marble": Texture(materials.marble, "material"),
    "wood": Texture(materials.wood, "material"),
    "parquet": Texture(materials.parquet, "material", heldout=True),
    "brushed": Texture(materials.brushed, "material"),
    "hammered": Texture(materials.hammered, "material", heldout=True),
    "concrete": Texture(materials.concrete, "material"),
    "terrazzo": Texture(materials.terrazzo, "material", heldout=True),
    "leather": Texture(materials.leather, "material"),
    "cork": Texture(materials.cork, "material", heldout=True),
    "cardboard": Texture(materials.cardboard, "material"),
    "peel": Texture(materials.peel, "material"),
    "mottled": Texture(materials.mottled, "material", heldout=True),
    "perforated": Texture(materials.perforated, "pattern"),
    "stripes": Texture(patterns.stripes, "pattern"),
    "checker": Texture(patterns.checker, "pattern"),
    "plaid": Texture(patterns.plaid, "pattern", heldout=True),
    "weave": Texture(patterns.weave, "pattern"),
    "knit": Texture(patterns.knit, "pattern", heldout=True),
    "carpet": Texture(patterns.carpet, "pattern"),
    "jute": Texture(patterns.jute, "pattern"),
    "rug": Texture(patterns.rug, "pattern", heldout=True),
    "herringbone": Texture(patterns.herringbone, "pattern"),
    "hexagons": Texture(patterns.hexagons, "pattern", heldout=True),
    "dots": Texture(patterns.dots, "pattern"),
    "floral": Texture(patterns.floral, "pattern", heldout=True),
    "picture": Texture(prints.picture, "print"),
    "scenery": Texture(prints.scenery, "print", heldout=True),
    "label": Texture(prints.label, "print"),
    "badge": Texture(prints.badge, "print", heldout=True),
    "atlas": Texture(prints.atlas, "print"),
    "crate": Texture(prints.crate, "print", heldout=True),
    "page": Texture(prints.page, "print"),
    "screen": Texture(prints.screen, "print"),
}
"""Built-in kinds. ``plain`` is the only kind that training and validation share (see :func:`in_split`)."""


def in_split(kind: str, split: str) -> bool:
    """Return True if scenes of ``split`` (train, val or all) may show this kind."""
    texture = TEXTURES[kind]
    return split == "all" or texture.group == "plain" or texture.heldout == (split == "val")


def load_textures(folder: Path) -> dict[str, Texture]:
    """Return the pictures of a folder as textures ``file/<name>``.

    Those that cannot be read are logged and left out; folders in it are not searched.

    Raises:
        DatasetError: if it holds no readable picture.
    """
    suffixes = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
    found = read_usable(folder, suffixes, _checked)
    if not found:
        raise DatasetError(f"{folder}: expected a folder with pictures for --textures, found none that can be read")
    return {name: Texture(partial(_resized_file, path), "file") for name, path in found.items()}


def _resized_file(path: Path, rng: Rng, size: int) -> Picture:
    with open_picture(read_bounded(path, LARGEST_TEXTURE)) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))


def _checked(path: Path) -> Path:
    """Return the path of a file that can be decoded to its end; raise for any other."""
    with open_picture(read_bounded(path, LARGEST_TEXTURE)) as image:
        image.draft("RGB", (64, 64))  # a truncated JPEG fails at an eighth of its size as well
        image.load()
    return path


def paint(texture: Texture, seed: int, size: int, wear: float = 0.0) -> Picture:
    """Paint the texture of one surface, (S, S, 3) uint8: the same arguments give the same pixels."""
    return _painted(texture, seed, size, wear).copy()  # writable, as Mitsuba requires


@lru_cache(maxsize=48)  # the frames of a video show the same surfaces; 21 MB at the side that scenes have
def _painted(texture: Texture, seed: int, size: int, wear: float) -> Picture:
    rng = np.random.default_rng(seed)
    pixels = texture.paint(rng, size)
    if wear > 0:
        pixels = wear_down(pixels, rng, wear)
    return np.ascontiguousarray(pixels)


def desaturate(pixels: Picture, saturation: float) -> Picture:
    """Blend towards grey: 1 leaves the colours, 0 removes them."""
    if saturation == 1.0:
        return pixels
    grey = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return to_uint8(pixels * np.float32(saturation) + grey[..., None] * np.float32(1 - saturation))

"""Names written into pictures, in whatever script: with the fonts that are there, and never as question marks."""

from __future__ import annotations

import os
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from uois_sam.types import ImageArray

CAPTION_PX = 26
_SIZE_PX = 14
_MARGIN_PX = 4
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")
"""Of the system, in the order in which they are tried; with Latin, Greek and Cyrillic letters. Pillow's own font has
little more than ASCII."""
_MISSING = "\U0010fffe"
"""No font has a shape for this: what is drawn for it stands for any letter that a font lacks."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=1)
def caption_font() -> Font:
    """matplotlib's DejaVu where the extra ``plot`` is installed, else one of the system's, else Pillow's."""
    found = find_spec("matplotlib")
    own = [] if found is None or found.origin is None else [
        os.fspath(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / _FONTS[0])
    ]  # fmt: skip
    for name in (*own, *_FONTS):
        try:
            return ImageFont.truetype(name, _SIZE_PX)
        except OSError:
            continue
    return ImageFont.load_default(size=_SIZE_PX)


def drawable(text: str, font: Font | None = None) -> str | None:
    """Return a text as the font can draw it, without accents that it lacks; None where it lacks a letter."""
    font = font or caption_font()
    drawn = []
    for letter in unicodedata.normalize("NFC", text):
        for shown in (letter, _plain(letter)):
            if shown and all(_has(font, each) for each in shown):
                drawn.append(shown)
                break
        else:
            if not unicodedata.combining(letter):
                return None
    return "".join(drawn)


def captioned(picture: ImageArray, text: str, font: Font | None = None) -> ImageArray:
    """Return an (H, W, 3) uint8 RGB picture below a white line with a text, whose end is kept where it is too long.

    Letters that the font lacks are written as their numbers, in the manner of Python: ``\\u4e2d``.
    """
    font = font or caption_font()
    shown = drawable(text, font)
    if shown is None:
        shown = "".join(drawable(each, font) or ascii(each)[1:-1] for each in unicodedata.normalize("NFC", text))
    while len(shown) > 1 and font.getlength(shown) > picture.shape[1] - 2 * _MARGIN_PX:
        shown = shown[1:]
    line = Image.new("RGB", (picture.shape[1], CAPTION_PX), "white")
    ImageDraw.Draw(line).text((_MARGIN_PX, CAPTION_PX / 2), shown, "black", font, anchor="lm")
    return np.concatenate([np.asarray(line), picture])


def _plain(letter: str) -> str:
    """A letter without its accents; nothing for one that is all accent."""
    return "".join(each for each in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(each))


def _has(font: Font, letter: str) -> bool:
    if letter.isspace():
        return letter == " "
    return letter.isprintable() and _shape(font, letter) != _shape(font, _MISSING)


@lru_cache(maxsize=4096)
def _shape(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)

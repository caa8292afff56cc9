"""Parts of a photo that a user names: a box, a polygon, or a mask from an array or a file."""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from uois_sam.errors import ImageError, UOISError
from uois_sam.io.files import read_bounded
from uois_sam.io.formats import LARGEST_FILE, open_picture
from uois_sam.types import BoolArray
from uois_sam.validation import given_array

RegionSource: TypeAlias = (
    "str | os.PathLike[str] | tuple[float, ...] | list[Any] | tuple[Any, ...] | npt.NDArray[Any] | Region"
)
"""What :meth:`Region.of` takes."""

MOST_CORNERS = 10_000
_NUMBERS = re.compile(r"([-+0-9.%]|nan|inf(inity)?)+([,; \t]+([-+0-9.%]|nan|inf(inity)?)*)*", re.IGNORECASE)


@dataclass(frozen=True)
class Region:
    """A part of a photo, not drawn yet: the photo's size decides where it lies.

    Coordinates are pixels of the photo, or, where all of them are from 0 to 1, shares of its width and height.
    """

    said: str
    """How it was given, for messages and records; of a mask the size and a hash of the pixels as well."""
    corners: tuple[tuple[float, float], ...] = ()
    """(x, y) of a polygon's corners, or of a box's first and last; empty for a mask."""
    mask: BoolArray | None = field(default=None, compare=False, repr=False)
    """(H, W) bool; None for a box or polygon."""

    @classmethod
    def of(cls, given: RegionSource, name: str) -> Region:
        """Take a region as users give it.

        Args:
            given: four numbers (a box: x0, y0, x1, y1, upper ends exclusive), three or more (x, y) corners (a
                polygon), an (H, W) mask of the photo's size (bool, or numbers of which 0 is outside), or the path of a
                picture that is one. As text: ``"x0,y0,x1,y1"``, ``"x,y x,y x,y"`` or a path; ``%`` marks shares.
            name: of the option, for messages.

        Raises:
            UOISError: it is none of these; a box is turned inside out; a mask is empty or cannot be read.
        """
        if isinstance(given, Region):
            return given
        if isinstance(given, str) and not _is_numbers(given):
            return cls._of_file(Path(given), name)
        if isinstance(given, os.PathLike):
            return cls._of_file(Path(given), name)
        if isinstance(given, np.ndarray) and given.ndim == 2 and (given.dtype == np.bool_ or given.shape[1] != 2):
            return cls._of_mask(given, "mask", name)
        rows = _rows_of_text(given, name) if isinstance(given, str) else _rows(given, name)
        said = " ".join(",".join(f"{value:g}" for value in row) for row in rows)
        if len(rows) == 1 and len(rows[0]) == 4:
            left, top, right, bottom = rows[0]
            if not (left < right and top < bottom):
                raise UOISError(f"{name}: expected a box as x0,y0,x1,y1 with x0 < x1 and y0 < y1, found {said}")
            return cls(said, ((left, top), (right, bottom)))
        if len(rows) < 3 or len(rows) > MOST_CORNERS or any(len(row) != 2 for row in rows):
            raise UOISError(f"{name}: {_EXPECTED}, found {said[:60]}")
        return cls(said, tuple((row[0], row[1]) for row in rows))

    @classmethod
    def _of_file(cls, path: Path, name: str) -> Region:
        try:
            with open_picture(read_bounded(path, LARGEST_FILE)) as picture:
                channels = np.asarray(picture.convert("RGB") if picture.mode in ("P", "RGBA", "PA") else picture)
        except (OSError, ValueError, SyntaxError, UOISError) as error:
            found = str(path)[:200]
            if reason := getattr(error, "strerror", None):
                raise UOISError(f"{name}: {_EXPECTED}, found {found!a} ({reason})") from error
            raise UOISError(f"{name}: expected a mask as a picture, found {found!a}, which is none") from error
        if channels.ndim == 3:  # of colours any counts; a second channel of grey is its transparency
            channels = channels[..., : 1 if channels.shape[2] == 2 else 3].max(axis=2)
        return cls._of_mask(channels, str(path), name)

    @classmethod
    def _of_mask(cls, given: npt.NDArray[Any], source: str, name: str) -> Region:
        if given.dtype.kind not in "buif":
            raise UOISError(f"{name}: expected a mask of numbers, found {given.dtype} {given.shape}")
        if not np.isfinite(given).all():
            raise UOISError(f"{name}: expected a mask of numbers, found {source} with values that are not finite")
        mask = np.array(given != 0, dtype=np.bool_)
        if not mask.any():
            raise UOISError(f"{name}: expected a mask with pixels inside, found {source} with none")
        digest = hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:16]
        return cls(f"{source} ({mask.shape[1]}x{mask.shape[0]}, {digest})", mask=mask)

    def pixels(self, image_hw: tuple[int, int], name: str) -> BoolArray:
        """(H, W) bool: the photo's pixels inside.

        Args:
            image_hw: size of the photo.
            name: of the option, for messages.

        Raises:
            ImageError: the region reaches out of the photo or holds none of its pixels; a mask has another size.
        """
        height, width = image_hw
        if self.mask is not None:
            if self.mask.shape != image_hw:
                found = f"{self.mask.shape[1]} x {self.mask.shape[0]}"
                raise ImageError(f"{name}: expected a mask of the photo's size, {width} x {height}, found {found}")
            return self.mask
        corners = np.array(self.corners)
        if (corners >= 0).all() and (corners <= 1).all():
            corners = corners * (width, height)
        if (corners < -0.5).any() or (corners > (width, height)).any():
            raise ImageError(f"{name}: expected it inside a photo {width} wide and {height} high, found {self.said}")
        inside = np.zeros(image_hw, dtype=np.uint8)
        if len(corners) == 2:
            (left, top), (right, bottom) = corners.round().astype(int).clip(0)
            inside[top:bottom, left:right] = 1
        else:
            import cv2  # here, because it adds to the command's start

            cv2.fillPoly(inside, [(corners * 16).round().astype(np.int32)], 1, shift=4)
        if not inside.any():
            raise ImageError(f"{name}: expected a region that holds a pixel of the photo, found {self.said}")
        return inside.astype(np.bool_)


_EXPECTED = "expected a box x0,y0,x1,y1, a polygon x,y x,y x,y ..., or a mask of the photo's size"


def _is_numbers(text: str) -> bool:
    """Whether text is meant as numbers, well written or not, and not as the path of a file."""
    return bool(_NUMBERS.fullmatch(text) and re.search(r"\d|[,;]", text))


def numbers_of(text: str, name: str, expected: str) -> list[float]:
    """Numbers separated by commas; with % at the end, shares.

    Raises:
        UOISError: something is no finite number.
    """
    try:
        values = [float(part.rstrip("%")) / (100 if part.endswith("%") else 1) for part in text.split(",")]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise UOISError(f"{name}: expected {expected}, found {text[:60]!a}")
    return values


def _rows_of_text(text: str, name: str) -> list[list[float]]:
    return [numbers_of(part, name, _EXPECTED.removeprefix("expected ")) for part in text.replace(";", " ").split()]


def _rows(given: Any, name: str) -> list[list[float]]:
    """Four numbers as one row, corners as rows of two."""
    try:
        array = given_array(given, np.float64)
    except ValueError as error:
        raise UOISError(f"{name}: {_EXPECTED}, found {str(given)[:60]!a}") from error
    if array.ndim not in (1, 2) or not np.isfinite(array).all() or array.size > 2 * MOST_CORNERS:
        raise UOISError(f"{name}: {_EXPECTED}, found {str(given)[:60]!a}")
    return [[float(value) for value in row] for row in np.atleast_2d(array)]

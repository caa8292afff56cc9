"""Masks as COCO run-length encodings and polygons; whatever comes from a file is checked before native code sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from uois_sam.errors import UOISError
from uois_sam.types import BoolArray

FEWEST_POINTS = 3
FARTHEST = 4.0
"""Polygon points may lie so many frames outside of the frame: native code walks along every edge, pixel by pixel."""
_LONGEST_RUN = 7
"""Characters of a run in compressed RLE; five bits each."""


class MaskError(UOISError):
    """A mask in RLE or polygons is damaged, or of another size than its image."""


@dataclass(frozen=True)
class DecodedMask:
    """A mask, and what was left out of it."""

    mask: BoolArray
    """(H, W) bool."""
    dropped: int = 0
    """Polygons of fewer than three points, which have no area."""


def encode_mask(mask: BoolArray) -> dict[str, Any]:
    """Encode one (H, W) bool mask as compressed RLE: ``{"size": [H, W], "counts": str}``."""
    height, width = mask.shape
    changes = _changes(mask)
    counts = np.diff(changes, prepend=0, append=height * width)
    runs = counts[:-1] if changes.size and changes[-1] == height * width else counts
    encoded = coco_mask.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def _changes(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Where a mask changes, column after column; only its box is looked at, which is small beside the photo."""
    import cv2

    rows = mask.shape[0]
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask, np.bool_).view(np.uint8))
    padded = np.zeros((width, height + 1), np.bool_)  # columns that end, one below the other
    padded[:, :height] = mask[top : top + height, left : left + width].T
    pixels = padded.ravel()
    changes = np.flatnonzero(np.concatenate([pixels[:1], pixels[1:] != pixels[:-1]]))
    column, row = np.divmod(changes, height + 1)
    found = (left + column) * rows + top + row
    # A column that reaches the last row ends where one that begins in the first row starts: no change.
    apart = np.ones(found.size, np.bool_)
    same = np.flatnonzero(found[1:] == found[:-1])
    apart[same] = apart[same + 1] = False
    return found[apart]


def decode_mask(segmentation: object, image_hw: tuple[int, int] | None = None) -> BoolArray:
    """Decode RLE, compressed or not, to an (H, W) bool mask.

    Args:
        segmentation: ``{"size": [H, W], "counts": ...}``, compressed as :func:`encode_mask` makes it, or run lengths.
        image_hw: rows and columns that it has to have; None for whatever it says.

    Raises:
        MaskError: damaged, or of another size.
    """
    if not isinstance(segmentation, Mapping) or "counts" not in segmentation:
        raise MaskError(f"expected RLE with size and counts, found {_brief(segmentation)}")
    size_hw = _size(segmentation.get("size"))
    if image_hw is not None and size_hw != image_hw:
        raise MaskError(f"expected a mask of {image_hw[1]}x{image_hw[0]}, found {size_hw[1]}x{size_hw[0]}")
    counts = segmentation["counts"]
    runs = _runs(counts) if isinstance(counts, (str, bytes)) else _run_lengths(counts)
    height, width = size_hw
    if runs.size and runs.min() < 0:
        raise MaskError(f"expected runs of 0 or more pixels, found {runs.min()}")
    if (covered := int(runs.sum())) != height * width:
        raise MaskError(f"expected runs of {height * width} pixels for {width}x{height}, found {covered}")
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(pixels.reshape(width, height).T)


def decode_segmentation(segmentation: object, image_hw: tuple[int, int]) -> DecodedMask:
    """Decode COCO's ``segmentation``: RLE, compressed or not, or polygons.

    Args:
        segmentation: of one annotation.
        image_hw: rows and columns of its image.

    Raises:
        MaskError: damaged, of another size, or without any polygon that has an area.
    """
    if not isinstance(segmentation, list):
        return DecodedMask(decode_mask(segmentation, image_hw))
    pieces = [_polygon(piece, image_hw) for piece in segmentation]
    whole = [piece for piece in pieces if len(piece) >= 2 * FEWEST_POINTS]
    if not whole:
        raise MaskError(f"expected a polygon of {FEWEST_POINTS} points or more, found {_brief(segmentation)}")
    height, width = image_hw
    outline = sum(_perimeter(piece) for piece in whole)
    if outline > 2 * height * width + 64 * (height + width):  # native code takes time and memory for every pixel of it
        raise MaskError(
            f"expected outlines that fit a frame of {width}x{height}, found {outline:.0f} pixels of outline"
        )
    encoded = coco_mask.merge([coco_mask.frPyObjects([piece], height, width)[0] for piece in whole])
    return DecodedMask(np.asarray(coco_mask.decode(encoded), dtype=np.bool_), len(pieces) - len(whole))


def _size(size: object) -> tuple[int, int]:
    if not isinstance(size, Sequence) or len(size) != 2 or any(type(side) is not int or side < 1 for side in size):
        raise MaskError(f"expected size as height and width in pixels, found {_brief(size)}")
    if size[0] * size[1] >= 2**31:
        raise MaskError(f"expected a mask of less than 2^31 pixels, found {size[1]}x{size[0]}")
    return size[0], size[1]


def _run_lengths(counts: object) -> npt.NDArray[np.int64]:
    if not isinstance(counts, list) or any(type(run) is not int or abs(run) >= 2**31 for run in counts):
        raise MaskError(f"expected counts as text or whole numbers below 2^31, found {_brief(counts)}")
    return np.array(counts, np.int64)


def _runs(counts: str | bytes) -> npt.NDArray[np.int64]:
    """Run lengths of compressed RLE: five bits a character, low ones first, from the third on as differences."""
    text = counts.encode("latin-1", "replace") if isinstance(counts, str) else counts
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if codes.size and (codes.min() < 0 or codes.max() > 63):
        raise MaskError("expected counts of compressed RLE, found other characters")
    ends = np.flatnonzero((codes & 32) == 0)
    if codes.size and (not ends.size or ends[-1] != codes.size - 1):
        raise MaskError("expected whole counts of compressed RLE, found them cut short")
    starts = np.concatenate([np.zeros(min(1, ends.size), np.int64), ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.size and lengths.max() > _LONGEST_RUN:
        raise MaskError("expected counts of compressed RLE, found a run of more than 32 bits")
    if not codes.size:
        return np.zeros(0, np.int64)
    shifts = 5 * (np.arange(codes.size) - np.repeat(starts, lengths))
    runs = np.add.reduceat((codes & 31) << shifts, starts)
    runs -= np.where(codes[ends] & 16, np.int64(1) << (5 * lengths), 0)  # the last bit is the sign
    for first in (1, 2):
        runs[first::2] = np.cumsum(runs[first::2])
    return np.asarray(runs, np.int64)


def _polygon(piece: object, image_hw: tuple[int, int]) -> list[float]:
    """The coordinates of one polygon, x and y by turns."""
    if not isinstance(piece, list) or any(type(value) not in (int, float) for value in piece) or len(piece) % 2:
        raise MaskError(f"expected polygons as lists of x and y by turns, found {_brief(piece)}")
    farthest = FARTHEST * max(image_hw)
    for value in piece:
        if not abs(value) <= farthest:  # NaN neither
            raise MaskError(
                f"expected polygon points within {FARTHEST:g} times the frame, {image_hw[1]}x{image_hw[0]}, "
                f"found {_brief(value)}"
            )
    return [float(value) for value in piece]


def _perimeter(piece: list[float]) -> float:
    points = np.array(piece).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).sum())


def _brief(value: object) -> str:
    text = repr(value) if not isinstance(value, (list, dict)) or len(value) < 20 else type(value).__name__
    return text if len(text) <= 60 else f"{text[:50]}..."

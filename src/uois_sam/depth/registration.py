"""Whether depth lies where the photo shows things: the shift at which edges of both agree best."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from uois_sam.depth.planes import Array, tolerance
from uois_sam.errors import count
from uois_sam.types import FloatArray, ImageArray

COLUMNS = 320
"""Cells across the photo on which edges are compared."""
REACH = 0.05
"""Largest shift that is looked for, as a share of the photo's width."""
LEAST_SHIFT = 0.0075
"""Smaller ones, as a share of its width, are not told from the ragged edges of depth."""
LEAST_EDGES = 0.002
"""Share of the cells with an edge in depth below which nothing is said."""
LEAST_PEAK = 3.0
"""Agreement at the best shift, in deviations over all shifts, for it to be believed, ..."""
LEAST_LEAD = 0.4
"""... how many more than at any that is not beside it, ..."""
LEAST_GAIN = 1.0
"""... and than where depth lies now."""
BESIDE = 6
"""Cells within which shifts are beside each other."""
TEXTURE = 15
"""Cells across a neighbourhood whose edges count alike, be it full of print or plain."""


@dataclass(frozen=True)
class Shift:
    """How far depth lies beside its photo, in the photo's pixels; positive to the right and down."""

    right: int
    down: int

    @property
    def note(self) -> str:
        """What to say of it."""
        across = (
            f"{count(abs(self.right), 'pixel')} too far {'right' if self.right > 0 else 'left'}" if self.right else ""
        )
        along = f"{count(abs(self.down), 'pixel')} too {'low' if self.down > 0 else 'high'}" if self.down else ""
        said = " and ".join(part for part in (across, along) if part)
        return (
            f"depth seems to be shifted: its edges lie about {said} for those of the photo; "
            "it is used as it is, and judges masks by what lies beside them; register depth to the photo"
        )


def find_shift(image: ImageArray, metres: FloatArray) -> Shift | None:
    """Compare the edges of depth with those of its photo.

    Where depth steps colour mostly changes as well, along the same direction: over all shifts, the edges agree best
    at the one that registers them.

    Args:
        image: (H, W, 3) uint8 RGB photo.
        metres: (H, W) float32 depth; 0 where unknown.

    Returns:
        None where depth lies right, or has too few edges to tell.
    """
    width = min(image.shape[1], COLUMNS)
    unit = image.shape[1] / width
    height = max(1, round(image.shape[0] / unit))
    agreement = _agreement(_edges_of_photo(image, (height, width)), _edges_of_depth(metres, (height, width)))
    if agreement is None:
        return None
    reach = agreement.shape[0] // 2
    row, column = (int(index) for index in np.unravel_index(agreement.argmax(), agreement.shape))
    down, right = reach - row, reach - column
    if max(abs(down), abs(right)) < LEAST_SHIFT * width:
        return None
    best, here = float(agreement[row, column]), float(_around(agreement, reach, reach, 1).max())
    elsewhere = agreement.copy()
    _around(elsewhere, row, column, BESIDE)[:] = -np.inf
    if best < LEAST_PEAK or best - float(elsewhere.max()) < LEAST_LEAD or best - here < LEAST_GAIN:
        return None
    return Shift(round(right * unit), round(down * unit))


def _around(values: Array, row: int, column: int, reach: int) -> Array:
    """A view of the cells within a distance of one."""
    return values[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]


def _edges_of_photo(image: ImageArray, hw: tuple[int, int]) -> Array:
    """(2, h, w) float32 in 0..1: strength of edges across columns and across rows, beside those around."""
    grey = cv2.cvtColor(cv2.resize(image, hw[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    slopes = np.abs(np.stack([cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)]))
    around = cv2.blur(slopes.sum(axis=0), (TEXTURE, TEXTURE))
    slopes /= around + 0.5 * around.mean() + 1e-3
    return np.asarray(np.minimum(slopes / max(1e-3, float(np.percentile(slopes, 95))), 1), dtype=np.float32)


def _edges_of_depth(metres: FloatArray, hw: tuple[int, int]) -> Array:
    """(2, h, w) float32, 1 where depth steps between neighbours that are both known."""
    depth = cv2.resize(metres, hw[::-1], interpolation=cv2.INTER_NEAREST)
    found = np.zeros((2, *hw), dtype=np.float32)
    for axis, edges in ((1, found[0]), (0, found[1])):
        near, far = (np.take(depth, range(a, depth.shape[axis] - 2 + a), axis=axis) for a in (0, 2))
        step = (near > 0) & (far > 0) & (np.abs(near - far) > 2.5 * tolerance(np.minimum(near, far)))
        edges[(slice(None), slice(1, -1)) if axis == 1 else (slice(1, -1), slice(None))] = step
    return found


def _agreement(photo: Array, depth: Array) -> Array | None:
    """(2 r + 1, 2 r + 1) float32 agreement by shift of depth against the photo, in deviations over all shifts."""
    if depth.sum() < LEAST_EDGES * depth.size:
        return None
    reach = max(1, round(REACH * depth.shape[2]))
    total = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    for colour, steps in zip(photo, depth, strict=True):
        padded = cv2.copyMakeBorder(colour - colour.mean(), reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
        total += cv2.matchTemplate(padded, steps, cv2.TM_CCORR)
    return np.asarray((total - total.mean()) / max(1e-6, float(total.std())), dtype=np.float32)

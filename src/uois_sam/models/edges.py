"""Outlines moved to the photo's own edges. Goes beyond the paper.

The decoder draws on a grid of every fourth pixel of its input, sure of what an object is and less of where it ends. The
guided filter (He, Sun and Tang, TPAMI 2013) fits, around every pixel, a mask as a linear function of the photo's
colours, so that an outline slides to where the colours change; its fast form fits on a small copy and applies the
result to the photo in full, however large. Where colours do not change an outline stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.geometry import mask_bounds
from uois_sam.models.postprocess import small_regions
from uois_sam.types import BoolArray, FloatArray, ImageArray

Maps = npt.NDArray[np.float32]

LONGEST = 320
"""Longest side of the copy that the filter is fitted on, in pixels; a smaller photo is its own."""
RADIUS = 3
"""Of the filter's windows, in pixels of the copy: one and a half cells of the mask grid."""
FLATTEST = 1e-3
"""Variance of a colour, of 1, below which it counts as flat: a standard deviation of 8 of 255."""
LEAST_AGREEMENT = 0.75
"""IoU with the mask as drawn that a moved one keeps, or it stays as drawn: windows eat what is thinner than them."""


def follow_edges(masks: BoolArray, image: ImageArray, region_fraction: float = 0.0) -> FloatArray:
    """Move the outlines of masks to edges of the photo nearby, in place.

    Args:
        masks: (K, H, W) bool.
        image: (H, W, 3) uint8 RGB.
        region_fraction: islands and holes below this share of a mask's largest region, which moving may cut off or
            leave, are turned.

    Returns:
        (K, 4) float32 xyxy boxes of what the masks are now, upper ends exclusive; zeros of an empty mask.
    """
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    guide = _Guide.of(image) if len(masks) else None
    for mask, box in zip(masks, boxes, strict=True):
        if guide is not None and mask.any():
            guide.move(mask, region_fraction)
            box[:] = mask_bounds(mask)
    return boxes


@dataclass(frozen=True)
class _Guide:
    """What the filter needs of a photo, whatever the mask."""

    image: ImageArray
    """(H, W, 3) uint8."""
    small: Maps
    """(h, w, 3) float32 in [0, 1]: the copy."""
    mean: Maps
    """(h, w, 3): over the window around each pixel."""
    inverse: Maps
    """(h, w, 6): of the covariance of colours in it, the upper triangle by rows."""

    @classmethod
    def of(cls, image: ImageArray) -> _Guide:
        import cv2  # here, because it adds to the command's start

        height, width = image.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small: Any = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        pairs = [(row, column) for row in range(3) for column in range(row, 3)]
        mean = _means(small)
        squares = np.stack([small[..., row] * small[..., column] for row, column in pairs], axis=-1)
        products = np.stack([mean[..., row] * mean[..., column] for row, column in pairs], axis=-1)
        spread = np.concatenate([_means(squares[..., :3]), _means(squares[..., 3:])], axis=-1) - products
        spread[..., [0, 3, 5]] += FLATTEST
        return cls(image, small, mean, _inverted(spread))

    def move(self, mask: BoolArray, region_fraction: float) -> None:
        """Move the outline of one (H, W) mask that is not empty, in place."""
        import cv2

        left, top, right, bottom = mask_bounds(mask)
        scale = self.small.shape[0] / mask.shape[0], self.small.shape[1] / mask.shape[1]
        ends = [
            _around(low * ratio, high * ratio, size)
            for (low, high), ratio, size in zip(
                ((top, bottom), (left, right)), scale, self.small.shape[:2], strict=True
            )
        ]
        window = slice(*ends[0]), slice(*ends[1])
        full = tuple(
            slice(round(low / ratio), round(high / ratio)) for (low, high), ratio in zip(ends, scale, strict=True)
        )
        drawn, image = mask[full], self.image[full]
        fit: Any = cv2.resize(
            self._fit(drawn, window), (drawn.shape[1], drawn.shape[0]), interpolation=cv2.INTER_LINEAR
        )
        moved = np.einsum("hwc,hwc->hw", fit[..., 1:], image.astype(np.float32) / 255) + fit[..., 0] > 0.5
        moved ^= small_regions(moved, region_fraction)
        both, either = np.count_nonzero(moved & drawn), np.count_nonzero(moved | drawn)
        if both >= LEAST_AGREEMENT * either:
            drawn[:] = moved

    def _fit(self, drawn: BoolArray, window: tuple[slice, slice]) -> Maps:
        """(h', w', 4) float32: constant and factors of red, green and blue in the window."""
        import cv2

        small, mean, inverse = self.small[window], self.mean[window], self.inverse[window]
        size = small.shape[1], small.shape[0]
        inside: Any = cv2.resize(drawn.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        means = _means(np.dstack([inside, small * inside[..., None]]))
        shared = means[..., 1:] - mean * means[..., :1]
        a, b, c, d, e, f = np.moveaxis(inverse, -1, 0)
        red, green, blue = np.moveaxis(shared, -1, 0)
        factors = np.stack(
            [a * red + b * green + c * blue, b * red + d * green + e * blue, c * red + e * green + f * blue], axis=-1
        )
        constant = means[..., 0] - (factors * mean).sum(axis=-1)
        return _means(np.dstack([constant, factors]))


def _means(maps: Maps) -> Maps:
    """(h, w, C), C up to 4, averaged over the window around each pixel."""
    import cv2

    side = 2 * RADIUS + 1
    return np.asarray(cv2.boxFilter(maps, -1, (side, side), borderType=cv2.BORDER_REPLICATE), dtype=np.float32)


def _inverted(spread: Maps) -> Maps:
    """Inverse of symmetric 3x3 matrices, both as upper triangles (..., 6)."""
    a, b, c, d, e, f = np.moveaxis(spread, -1, 0)
    cofactors = np.stack(
        [d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b], axis=-1
    )
    determinant = a * cofactors[..., 0] + b * cofactors[..., 1] + c * cofactors[..., 2]
    return np.asarray(cofactors / determinant[..., None], dtype=np.float32)


def _around(low: float, high: float, size: int) -> tuple[int, int]:
    """First and last + 1 pixel of the copy that matter to a mask between low and high."""
    margin = 2 * RADIUS + 1
    return max(0, int(low) - margin), min(size, int(np.ceil(high)) + margin)

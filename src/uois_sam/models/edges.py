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
Box = tuple[int, int, int, int]

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
        drawn = mask_bounds(mask)
        if guide is not None and drawn[2]:
            box[:] = guide.move(mask, drawn, region_fraction)
    return boxes


@dataclass(frozen=True)
class _Guide:
    """What the filter needs of a photo, whatever the mask. Plane by plane, over which sums of products are fastest."""

    image: npt.NDArray[np.uint8]
    """(3, H, W): the photo."""
    small: Maps
    """(3, h, w): the copy."""
    mean: Maps
    """(3, h, w): over the window around each pixel."""
    inverse: Maps
    """(3, 3, h, w): of the covariance of colours in it."""

    @classmethod
    def of(cls, image: ImageArray) -> _Guide:
        import cv2  # here, because it adds to the command's start

        height, width = image.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = _in_units(_by_plane(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)))
        pairs = [(row, column) for row in range(3) for column in range(row, 3)]
        mean = _means(small)
        spread = _means(np.stack([small[row] * small[column] for row, column in pairs]))
        for plane, (row, column) in zip(spread, pairs, strict=True):
            plane -= mean[row] * mean[column]
        spread[[0, 3, 5]] += FLATTEST
        return cls(_by_plane(image), small, mean, _inverted(spread))

    def move(self, mask: BoolArray, box_xyxy: Box, region_fraction: float) -> Box:
        """Move the outline of one (H, W) mask, in place, from the box that it has to the one that is returned."""
        import cv2

        left, top, right, bottom = box_xyxy
        scale = self.small.shape[1] / mask.shape[0], self.small.shape[2] / mask.shape[1]
        ends = [
            _around(low * ratio, high * ratio, size)
            for (low, high), ratio, size in zip(
                ((top, bottom), (left, right)), scale, self.small.shape[1:], strict=True
            )
        ]
        window = slice(*ends[0]), slice(*ends[1])
        full = tuple(
            slice(round(low / ratio), round(high / ratio)) for (low, high), ratio in zip(ends, scale, strict=True)
        )
        drawn, size = mask[full], (full[1].stop - full[1].start, full[0].stop - full[0].start)
        fit = self._fit(drawn, window)
        constant, *factors = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in fit)
        for factor, plane in zip(factors, self.image, strict=True):
            factor *= _in_units(plane[full])
        likely: Any = factors[0]
        for part in (*factors[1:], constant):
            likely += part
        moved = likely > 0.5
        moved ^= small_regions(moved, region_fraction)
        both, either = np.count_nonzero(moved & drawn), np.count_nonzero(moved | drawn)
        if both < LEAST_AGREEMENT * either:
            return box_xyxy
        drawn[:] = moved
        left, top, right, bottom = mask_bounds(moved)
        return left + full[1].start, top + full[0].start, right + full[1].start, bottom + full[0].start

    def _fit(self, drawn: BoolArray, window: tuple[slice, slice]) -> Maps:
        """(4, h', w') float32: constant and factors of red, green and blue in the window."""
        import cv2

        small, mean, inverse = (each[..., window[0], window[1]] for each in (self.small, self.mean, self.inverse))
        size = small.shape[2], small.shape[1]
        inside: Any = cv2.resize(drawn.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        means = _means(np.concatenate([inside[None], small * inside]))
        share, fit = means[0], np.empty_like(means)
        covariance = means[1:] - mean * share
        factors = (inverse * covariance).sum(axis=1, out=fit[1:])
        np.subtract(share, (factors * mean).sum(axis=0), out=fit[0])
        return _means(fit)


def _by_plane(image: ImageArray) -> npt.NDArray[np.uint8]:
    """(H, W, 3) to (3, H, W)."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _in_units(pixels: npt.NDArray[np.uint8]) -> Maps:
    """0 to 255 as float32 in [0, 1]."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _means(maps: Maps) -> Maps:
    """(C, h, w), averaged over the window around each pixel."""
    import cv2

    side, means = 2 * RADIUS + 1, np.empty_like(maps)
    for plane, mean in zip(maps, means, strict=True):
        cv2.boxFilter(plane, -1, (side, side), dst=mean, borderType=cv2.BORDER_REPLICATE)
    return means


def _inverted(spread: Maps) -> Maps:
    """(3, 3, ...) inverse of symmetric matrices, given as (6, ...) upper triangles by rows."""
    a, b, c, d, e, f = spread
    cofactors = np.stack([d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b])
    cofactors /= a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    return cofactors[np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])]


def _around(low: float, high: float, size: int) -> tuple[int, int]:
    """First and last + 1 pixel of the copy that matter to a mask between low and high."""
    margin = 2 * RADIUS + 1
    return max(0, int(low) - margin), min(size, int(np.ceil(high)) + margin)

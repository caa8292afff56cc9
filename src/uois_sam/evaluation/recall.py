"""Recall (%75) by the apparent size of an object and by its visible share.

Sizes are shares of the frame and hence independent of resolution: at 640x480, 0.1 % is a square of 18 pixels, 1 % one
of 55, and 10 % one of 175.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SIZE_EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)
"""Bins of an object's visible area as a share of the frame; a bin holds its lower edge."""
VISIBLE_EDGES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Bins of the visible share of an object's silhouette; the last bin holds 1."""


@dataclass(frozen=True)
class TrueObject:
    """One true object and how well it was found."""

    area_fraction: float
    """Visible pixels as a share of the frame, in (0, 1]."""
    visible_fraction: float | None
    """Visible share of its silhouette, in [0, 1]; None if the data set does not provide it."""
    found: bool
    """True if it counts for %75."""


@dataclass(frozen=True)
class RecallBin:
    """Objects with a value in [lower, upper); the last bin includes ``upper``."""

    lower: float
    upper: float
    objects: int
    found: int

    @property
    def recall(self) -> float | None:
        """Share of the objects found, in [0, 1]; None without objects."""
        return self.found / self.objects if self.objects else None


def recall_by_size(objects: Iterable[TrueObject]) -> tuple[RecallBin, ...]:
    """%75 of objects binned by :data:`SIZE_EDGES`."""
    return _binned(((each.area_fraction, each.found) for each in objects), SIZE_EDGES)


def recall_by_visibility(objects: Iterable[TrueObject]) -> tuple[RecallBin, ...]:
    """%75 of objects binned by :data:`VISIBLE_EDGES`; objects of unknown visibility are left out."""
    known = ((each.visible_fraction, each.found) for each in objects if each.visible_fraction is not None)
    return _binned(known, VISIBLE_EDGES)


def sum_bins(parts: Iterable[Sequence[RecallBin]]) -> tuple[RecallBin, ...]:
    """Sum the counts of several images, bin by bin; all must have the same edges."""
    return tuple(
        RecallBin(bins[0].lower, bins[0].upper, sum(b.objects for b in bins), sum(b.found for b in bins))
        for bins in zip(*parts, strict=True)
    )


def _binned(values: Iterable[tuple[float, bool]], edges: Sequence[float]) -> tuple[RecallBin, ...]:
    counts = [[0, 0] for _ in edges[1:]]
    for value, found in values:
        index = sum(math.isfinite(value) and value >= edge for edge in edges[1:-1])
        counts[index][0] += 1
        counts[index][1] += found
    return tuple(
        RecallBin(lower, upper, objects, found)
        for lower, upper, (objects, found) in zip(edges[:-1], edges[1:], counts, strict=True)
    )

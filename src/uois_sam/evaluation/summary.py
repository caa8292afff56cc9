"""Scores of a data set from those of its images: the published plain mean, and pooled ratios.

The formula in the paper's text reads as if pixels were pooled over the whole data set, but the published code averages
per-image ratios, F included. Tables II to V hold the mean; reports give pooled ratios beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from uois_sam.evaluation.boundaries import PixelCounts
from uois_sam.evaluation.metrics import ImageScores, PrecisionRecallF, ratios
from uois_sam.evaluation.overlaps import LabelMapError


@dataclass(frozen=True)
class MeanScores:
    """Mean of the :class:`ImageScores` of several images; ratios in [0, 1]."""

    frames: int
    overlap: PrecisionRecallF
    boundary: PrecisionRecallF
    over_75: float

    def percentages(self) -> tuple[float, ...]:
        """Overlap P, R, F, boundary P, R, F and %75 in percent: a row of the paper's tables."""
        return tuple(100 * value for value in (*astuple(self.overlap), *astuple(self.boundary), self.over_75))


@dataclass(frozen=True)
class DatasetScores:
    """Scores of one method on one data set."""

    all_frames: MeanScores
    """Plain means over images, as published. F is the mean of F, not the F of the means."""
    non_empty_frames: MeanScores | None
    """Means over the images with at least one true object; None without such images."""
    pooled: MeanScores
    """Ratios of the counts summed over all images: large objects and full frames weigh more."""
    frames: int
    empty_frames: int
    """Images without a true object."""
    empty_predicted_empty: float | None
    """Share of the empty images in which nothing was predicted, in [0, 1]; None without such images."""
    true_objects: int
    predicted_objects: int
    sizes_hw: tuple[tuple[int, int], ...]
    """Distinct image sizes, ascending."""
    boundary_radii_px: tuple[int, ...]
    """Boundary tolerances at these sizes, ascending."""
    strict_75: bool


class ScoreAccumulator:
    """Average of image scores; every image has the same weight."""

    def __init__(self) -> None:
        self._scores: list[ImageScores] = []

    def update(self, scores: ImageScores) -> None:
        """Add one image.

        Raises:
            LabelMapError: if the image was scored by another protocol than those before.
        """
        if self._scores and scores.protocol != self._scores[0].protocol:
            raise LabelMapError(
                f"expected scores by the protocol of the images before, {self._scores[0].protocol}, "
                f"found {scores.protocol}"
            )
        self._scores.append(scores)

    def compute(self) -> DatasetScores:
        """Return the scores over all images so far.

        Raises:
            LabelMapError: if no image was added.
        """
        if not self._scores:
            raise LabelMapError("expected at least one scored image, found 0")
        non_empty = [scores for scores in self._scores if scores.true_objects > 0]
        empty = [scores for scores in self._scores if scores.true_objects == 0]
        return DatasetScores(
            all_frames=mean_scores(self._scores),
            non_empty_frames=mean_scores(non_empty) if non_empty else None,
            pooled=pooled_scores(self._scores),
            frames=len(self._scores),
            empty_frames=len(empty),
            empty_predicted_empty=sum(s.predicted_objects == 0 for s in empty) / len(empty) if empty else None,
            true_objects=sum(s.true_objects for s in self._scores),
            predicted_objects=sum(s.predicted_objects for s in self._scores),
            sizes_hw=tuple(sorted({scores.image_hw for scores in self._scores})),
            boundary_radii_px=tuple(sorted({scores.boundary_radius_px for scores in self._scores})),
            strict_75=self._scores[0].protocol.strict_75,
        )


def mean_scores(scores: Sequence[ImageScores]) -> MeanScores:
    """Return the published average, in which every image has the same weight."""
    return MeanScores(
        frames=len(scores),
        overlap=_mean_ratios([s.overlap for s in scores]),
        boundary=_mean_ratios([s.boundary for s in scores]),
        over_75=math.fsum(s.over_75 for s in scores) / len(scores),
    )


def pooled_scores(scores: Sequence[ImageScores]) -> MeanScores:
    """Return ratios of the counts summed over images; %75 is per true object. Empty sides count as in one image."""
    objects_p, objects_t = sum(s.predicted_objects for s in scores), sum(s.true_objects for s in scores)
    return MeanScores(
        frames=len(scores),
        overlap=ratios(_sum_counts(s.overlap_pixels for s in scores), objects_p, objects_t),
        boundary=ratios(_sum_counts(s.boundary_pixels for s in scores), objects_p, objects_t),
        over_75=sum(s.objects_over_75 for s in scores) / objects_t if objects_t else float(objects_p == 0),
    )


def _mean_ratios(values: Sequence[PrecisionRecallF]) -> PrecisionRecallF:
    precision, recall, f_measure = (
        math.fsum(column) / len(values) for column in zip(*map(astuple, values), strict=True)
    )
    return PrecisionRecallF(precision, recall, f_measure)


def _sum_counts(counts: Iterable[PixelCounts]) -> PixelCounts:
    predicted, true, matched_p, matched_t = (sum(column) for column in zip(*map(astuple, counts), strict=True))
    return PixelCounts(predicted, true, matched_p, matched_t)

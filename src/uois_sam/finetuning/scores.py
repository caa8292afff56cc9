"""Scores before and after on the same photos, and how certain their difference is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from uois_sam.errors import count
from uois_sam.evaluation.error_kinds import ErrorKind, sum_counts
from uois_sam.evaluation.frame_scores import FrameResult
from uois_sam.evaluation.report.markdown import table
from uois_sam.evaluation.summary import mean_scores

RESAMPLES = 10_000
CONFIDENCE = 0.95
"""Of the interval of a difference: its lower end is above 0 where 97.5 % of the resamples are better."""
FEWEST_TO_TELL = 5
"""Resamples of fewer photos make an interval that says nothing."""
COUNTED: tuple[ErrorKind, ...] = ("missed", "merged", "split", "background")
Verdict = Literal["better", "worse", "within noise", "too few to tell"]


@dataclass(frozen=True)
class Figures:
    """Scores of one model on the held-out photos."""

    photos: int
    objects: int
    """Labelled objects in them."""
    overlap_f: float
    """Mean over photos of the overlap F, in percent; so are the next two."""
    boundary_f: float
    over_75: float
    missed: int
    """Objects not found."""
    merged: int
    """Objects that share a mask with another one."""
    split: int
    """Objects found in pieces."""
    background: int
    """Masks on no object."""


@dataclass(frozen=True)
class Difference:
    """After minus before, in percentage points, with its interval over resamples of the photos."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


@dataclass(frozen=True)
class Comparison:
    """One model before and after, on the same photos."""

    before: Figures
    after: Figures
    overlap_f: Difference
    boundary_f: Difference
    over_75: Difference

    @property
    def verdict(self) -> Verdict:
        """By the interval of the overlap F: better above 0, worse below 0, else within noise; of few photos, none."""
        if self.before.photos < FEWEST_TO_TELL:
            return "too few to tell"
        if self.overlap_f.low > 0:
            return "better"
        return "worse" if self.overlap_f.high < 0 else "within noise"

    def markdown(self, before: str, after: str) -> str:
        """Format the one table: a line before, a line after, and the difference."""
        header = ["", "overlap F", "boundary F", "%75", *COUNTED]
        rows = [[name, *_cells(figures)] for name, figures in ((before, self.before), (after, self.after))]
        counts = [f"{getattr(self.after, kind) - getattr(self.before, kind):+d}" for kind in COUNTED]
        rows.append(["difference", *map(str, (self.overlap_f, self.boundary_f, self.over_75)), *counts])
        return table(header, rows)

    def words(self) -> str:
        """What the table is about, below it."""
        return (
            f"Means over {count(self.before.photos, 'photo')} with {count(self.before.objects, 'object')}, in percent; "
            f"counts of objects, and of masks on background; in brackets {CONFIDENCE:.0%} intervals over "
            f"{RESAMPLES} resamples of the photos. They had no part in the training."
        )


def compare(before: Sequence[FrameResult], after: Sequence[FrameResult]) -> Comparison:
    """Compare two models by their results on the same photos, in the same order."""
    columns = [_column(before), _column(after)]
    gain = columns[1] - columns[0]
    drawn = np.random.default_rng(0).integers(0, len(gain), (RESAMPLES, len(gain)))
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(gain[drawn].mean(axis=1), [edge, 1 - edge], axis=0)
    differences = [
        Difference(float(m), float(a), float(b)) for m, a, b in zip(gain.mean(axis=0), low, high, strict=True)
    ]
    return Comparison(figures(before), figures(after), *differences)


def figures(results: Sequence[FrameResult]) -> Figures:
    """Average the results of one model."""
    mean, errors = mean_scores([result.scores for result in results]), sum_counts(result.errors for result in results)
    return Figures(
        len(results), sum(result.scores.true_objects for result in results),
        100 * mean.overlap.f_measure, 100 * mean.boundary.f_measure, 100 * mean.over_75,
        *(errors.of(kind) for kind in COUNTED),
    )  # fmt: skip


def _column(results: Sequence[FrameResult]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(photos, 3) overlap F, boundary F and %75 in percent."""
    return np.array(
        [[100 * r.scores.overlap.f_measure, 100 * r.scores.boundary.f_measure, 100 * r.scores.over_75] for r in results]
    )


def _cells(figures: Figures) -> list[str]:
    ratios = [f"{value:.1f}" for value in (figures.overlap_f, figures.boundary_f, figures.over_75)]
    return ratios + [str(getattr(figures, kind)) for kind in COUNTED]

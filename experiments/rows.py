"""Helpers of the experiments: score several predictions of the same photos, and format their scores."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from uois_sam.datasets import Dataset
from uois_sam.evaluation import DatasetScores, ScoreAccumulator
from uois_sam.evaluation.frame_scores import FrameResult, Prediction, score_frame
from uois_sam.evaluation.report.markdown import numbers, table
from uois_sam.evaluation.report.published import COLUMNS
from uois_sam.runtime.progress import progress, tracked
from uois_sam.types import LabelMap, Sample

Results = Mapping[str, Sequence[FrameResult]]
"""Scored frames by row of a table."""


def score_rows(data: Dataset, predict: Callable[[Sample], Mapping[str, LabelMap]]) -> dict[str, list[FrameResult]]:
    """Score several label maps of every photo.

    Args:
        data: labelled photos.
        predict: returns the label map of each row for one photo, so that rows can share expensive work.
    """
    found: dict[str, list[FrameResult]] = defaultdict(list)
    with progress(Console(file=sys.stderr)) as watch:
        for index in tracked(range(len(data)), watch, "scoring", len(data)):
            sample = data[index]
            for row, labels in predict(sample).items():
                found[row].append(score_frame(sample, Prediction(labels)))
    return dict(found)


def summarise(results: Iterable[FrameResult]) -> DatasetScores:
    """Average the scores of one row."""
    accumulator = ScoreAccumulator()
    for result in results:
        accumulator.update(result.scores)
    return accumulator.compute()


def by_column(percentages: Iterable[float]) -> dict[str, float]:
    """Return the seven figures of a row by column name."""
    return dict(zip(COLUMNS, percentages, strict=True))


def scores_table(header: Sequence[str], rows: Iterable[tuple[Sequence[str], Iterable[float]]]) -> str:
    """Format a markdown table: leading cells, then the seven figures in percent."""
    return table([*header, *COLUMNS], [[*cells, *numbers(list(values))] for cells, values in rows])


def percent_of(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the seven figures of a report in percent, by column name."""
    from uois_sam.evaluation.report.report import percentages

    return by_column(percentages(report["scores"]["all_frames"]))

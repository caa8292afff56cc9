"""Evaluate a method on a data set: predict what is missing, score every frame, write the report."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from uois_sam.datasets.base import Dataset, FrameDataset
from uois_sam.datasets.registry import DATASETS
from uois_sam.errors import count
from uois_sam.evaluation.frame_scores import FrameResult
from uois_sam.evaluation.predictions import PredictionError, PredictionFolder
from uois_sam.evaluation.report import html, markdown
from uois_sam.evaluation.report.gallery import choose, draw
from uois_sam.evaluation.report.per_image import to_csv
from uois_sam.evaluation.report.report import REPORT_FILE, MethodInfo, Report, ScoredDataset, make_report
from uois_sam.evaluation.run import (
    FrameFailure,
    FrameOutcome,
    Predictor,
    Scoring,
    evenly_spaced,
    predict_missing,
    read_pair,
    score_all,
)
from uois_sam.io.files import make_output_folder, write_together
from uois_sam.runtime.progress import SILENT, ProgressCallback, tracked

_DEFAULT_SCORING = Scoring()
_MANY_SETS = ("folder", "bop")
"""Layouts shared by many data sets: the folder's name says which one it is."""


def evaluate(
    dataset: Dataset,
    predictor: Predictor | PredictionFolder,
    out: str | os.PathLike[str],
    scoring: Scoring = _DEFAULT_SCORING,
    *,
    limit: int | None = None,
    name: str | None = None,
    title: str | None = None,
    pictures: int = 8,
    workers: int = 1,
    overwrite: bool = False,
    progress: ProgressCallback = SILENT,
) -> Report:
    """Evaluate a method on a data set and write the report files.

    Writes ``predictions/`` (label PNGs and scores), ``report.json``, ``per_image.csv``, ``report.md`` and
    ``report.html`` below ``out``. An interrupted run continues with the predictions it has. A frame that cannot be
    read, predicted or scored is listed in the report and left out of the scores.

    Args:
        dataset: labelled photos.
        predictor: a method, for instance :class:`~uois_sam.evaluation.predictors.ModelPredictor`, or a folder of
            predictions that exist already. Of a model that is asked for a region only what stands in it is scored.
        out: folder of the results; created if missing.
        scoring: protocol, size, and what to do about missing predictions.
        limit: score at most this many frames, drawn evenly from the whole data set.
        name: name of the method in tables; by default the predictor's.
        title: name of the data set in tables; by default its usual name, or its folder's.
        pictures: number of worst, median and best frames on the page, and of frames for each kind of error.
        workers: number of scoring processes.
        overwrite: predict every frame again, even where another method's predictions are in ``out``.
        progress: receiver of progress, as :func:`uois_sam.runtime.progress.progress` gives it.

    Raises:
        PredictionError: if predictions are missing, or ``out`` holds those of another method.
        ReportError: if no frame could be scored, or no scored frame has a true object.
        OutputError: if a file cannot be written.

    Examples:
        >>> from uois_sam import UOISSAM
        >>> from uois_sam.datasets import open_dataset
        >>> from uois_sam.evaluation import ModelPredictor, evaluate
        >>> model = ModelPredictor(UOISSAM.from_pretrained("compact"))
        >>> report = evaluate(open_dataset("osd", "OSD-0.2-depth"), model, "runs/osd")  # doctest: +SKIP
        >>> report["scores"]["all_frames"]["overlap"]["f_measure"]  # doctest: +SKIP
    """
    out, indices = Path(out), evenly_spaced(len(dataset), limit)
    make_output_folder(out)
    failures: dict[str, FrameFailure] = {}
    if isinstance(predictor, PredictionFolder):
        folder, details = predictor, _given(predictor, dataset, indices, scoring)
    else:
        scoring = replace(scoring, request=getattr(predictor, "request", scoring.request))
        folder = PredictionFolder(out / "predictions")
        details = claimed_by(predictor, scoring.size_hw)
        folder.claim(details, replace=overwrite)
        predicted = predict_missing(dataset, indices, predictor, folder, scoring.size_hw, anew=overwrite)
        for failure in tracked(predicted, progress, "predicting", len(indices)):
            if failure is not None:
                failures[failure.name] = failure
    start, outcomes = time.perf_counter(), list[FrameOutcome]()
    scored = tracked(score_all(dataset, indices, folder, scoring, workers), progress, "scoring", len(indices))
    for index, outcome in zip(indices, scored, strict=True):
        outcomes.append(failures.get(dataset.names[index], outcome))
    method = MethodInfo(name or details["name"], details)
    report = make_report(outcomes, method, _scored(dataset, title), scoring, time.perf_counter() - start)
    results = [outcome for outcome in outcomes if isinstance(outcome, FrameResult)]
    rows = {dataset.names[index]: index for index in indices}
    shown = [
        (choice, draw(*read_pair(dataset, folder, scoring, rows[choice.result.name])))
        for choice in choose(results, pictures)
    ]
    write_together(
        {
            out / "per_image.csv": to_csv(results),
            out / "report.md": markdown.report_page(report).encode(),
            out / "report.html": html.render(report, results, shown).encode(),
            out / REPORT_FILE: (json.dumps(report, indent=1) + "\n").encode(),
        }
    )
    return report


def claimed_by(predictor: Predictor, size_hw: tuple[int, int] | None) -> dict[str, Any]:
    """Return what a folder of predictions notes of the method that fills it."""
    return {"name": predictor.name, **predictor.description, "size": size_hw}


def _given(folder: PredictionFolder, dataset: Dataset, indices: Sequence[int], scoring: Scoring) -> dict[str, Any]:
    """Check a folder of existing predictions and return what made them."""
    names = [dataset.names[index] for index in indices]
    if scoring.missing == "error":
        folder.check_complete(names)
    elif not os.path.isdir(folder.root):
        raise PredictionError(f"{folder.root}: expected a folder of label PNGs, found no folder")
    details = folder.method() or {"name": folder.root.resolve().name, "kind": "predictions"}
    if missing := folder.missing(names):
        what = "counted as nothing found" if scoring.missing == "empty" else "left out"
        note = f"{len(missing)} of {count(len(names), 'frame')} without a prediction {what}, first {missing[0]}"
        details = {**details, "notes": [*details.get("notes", ()), note]}
    return details


def _scored(dataset: Dataset, title: str | None) -> ScoredDataset:
    if not isinstance(dataset, FrameDataset):
        return ScoredDataset("other", title or type(dataset).__name__, len(dataset))
    name = next((name for name, kind in DATASETS.items() if type(dataset) is kind), "other")
    own = dataset.root.resolve().name if name in _MANY_SETS else dataset.info.title
    return ScoredDataset(name, title or own, len(dataset), dataset.notes)

"""Reports: every figure of one method on one data set, as JSON-ready data.

Pages and tables (``markdown.py``, ``html.py``) need nothing else, so they can be made from saved reports.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from uois_sam._version import __version__
from uois_sam.datasets.notes import sum_notes
from uois_sam.errors import UOISError, count
from uois_sam.evaluation import coco_scores
from uois_sam.evaluation.error_kinds import sum_counts
from uois_sam.evaluation.frame_scores import FrameResult
from uois_sam.evaluation.metrics import Protocol
from uois_sam.evaluation.recall import sum_bins
from uois_sam.evaluation.run import FrameFailure, FrameOutcome, Scoring, Skipped
from uois_sam.evaluation.summary import ScoreAccumulator
from uois_sam.io.json_files import read_json
from uois_sam.runtime.notes import LimitNotes
from uois_sam.runtime.provenance import package_versions
from uois_sam.validation import validated

REPORT_FILE = "report.json"
FORMAT = 1
_PACKAGES = ("numpy", "opencv-python-headless", "scipy", "pycocotools", "torch")


class Report(TypedDict):
    """Every figure of one method on one data set, as plain data: ``report.json`` holds the same."""

    format: int
    method: dict[str, Any]
    """``name``, ``kind`` (model, components, predictions), the method's weights and settings, and, where limits left
    something out, ``notes``."""
    dataset: dict[str, Any]
    """``name``, ``title``, number of ``frames``, of frames ``asked`` for and ``scored``, and ``notes``."""
    protocol: dict[str, Any]
    """Fields of :class:`~uois_sam.evaluation.metrics.Protocol`, sizes, boundary radii, and all of it in ``words``."""
    scores: dict[str, Any]
    """Fields of :class:`~uois_sam.evaluation.summary.DatasetScores`; ratios in [0, 1]."""
    errors: dict[str, Any]
    """Fields of :class:`~uois_sam.evaluation.error_kinds.ErrorCounts`."""
    recall_by_size: list[dict[str, Any]]
    """Fields of :class:`~uois_sam.evaluation.recall.RecallBin`."""
    recall_by_visibility: list[dict[str, Any]]
    coco: dict[str, Any]
    """Fields of :class:`~uois_sam.evaluation.coco_scores.CocoScores`."""
    seconds: dict[str, Any]
    """``predicting_median`` of one photo, and ``scoring`` of all frames."""
    failures: list[dict[str, Any]]
    """``name`` and ``reason`` of each frame that failed."""
    left_out: list[str]
    """Frames without prediction that were skipped on request."""
    missing_predictions: str
    versions: dict[str, Any]


class ReportError(UOISError):
    """A saved report cannot be read, or no frame could be scored."""


@dataclass(frozen=True)
class MethodInfo:
    """The method that was scored."""

    name: str
    """Name in tables."""
    details: Mapping[str, Any]
    """JSON-ready: kind (model, components, predictions), weights, settings."""


@dataclass(frozen=True)
class ScoredDataset:
    """The data set that it was scored on."""

    name: str
    """Name for ``uois-sam evaluate``: ocid, folder, ..."""
    title: str
    """Name in tables."""
    frames: int
    """Number of frames after the data set's own sampling."""
    notes: Sequence[str] = ()
    """Remarks for readers of the figures: sampling, missing frames, known faults of the labels."""


def make_report(
    outcomes: Iterable[FrameOutcome], method: MethodInfo, dataset: ScoredDataset, scoring: Scoring, seconds: float
) -> Report:
    """Make the report of all frames.

    Args:
        outcomes: outcome of every requested frame.
        method: method that was scored.
        dataset: data set that it was scored on.
        scoring: settings of scoring.
        seconds: run time of scoring.

    Raises:
        ReportError: if no frame could be scored, or no scored frame has a true object.
    """
    outcomes = list(outcomes)
    results = [outcome for outcome in outcomes if isinstance(outcome, FrameResult)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, FrameFailure)]
    if not results:
        reason = f": {failures[0].name}: {failures[0].reason}" if failures else ""
        raise ReportError(f"expected frames to score, found none of {len(outcomes)} that could be{reason}")
    if not any(result.scores.true_objects for result in results):
        raise ReportError(
            f"expected true objects to score against, found none in {count(len(results), 'frame')}; "
            "is the ground truth of this split published?"
        )
    found = sum_notes((result.name, result.notes) for result in results)
    said = [note for note in dataset.notes if not any(line.startswith(f"{note}: ") for line in found)]
    limits = LimitNotes()
    for result in results:
        limits.add(result.name, result.limits)
    notes = [*method.details.get("notes", ()), *limits.lines()]
    accumulator = ScoreAccumulator()
    for result in results:
        accumulator.update(result.scores)
    scores = accumulator.compute()
    return {
        "format": FORMAT,
        "method": {**method.details, "name": method.name, **({"notes": notes} if notes else {})},
        "dataset": asdict(replace(dataset, notes=(*said, *found))) | {"asked": len(outcomes), "scored": len(results)},
        "protocol": protocol_json(scoring.protocol, scores.sizes_hw, scores.boundary_radii_px),
        "scores": asdict(scores),
        "errors": asdict(sum_counts(result.errors for result in results)),
        "recall_by_size": _bins([result.by_size for result in results]),
        "recall_by_visibility": _bins([result.by_visibility for result in results]),
        "coco": asdict(coco_scores.average([result.coco for result in results])),
        "seconds": {"predicting_median": _median([r.seconds for r in results]), "scoring": seconds},
        "failures": [asdict(failure) for failure in failures],
        "left_out": [outcome.name for outcome in outcomes if isinstance(outcome, Skipped)],
        "missing_predictions": scoring.missing,
        "versions": {"uois-sam": __version__, **package_versions(_PACKAGES)},
    }


def protocol_json(protocol: Protocol, sizes_hw: Sequence[tuple[int, int]], radii_px: Sequence[int]) -> dict[str, Any]:
    """Return the protocol as data and in words."""
    sizes = ", ".join(f"{width}x{height}" for height, width in sizes_hw[:3])
    more = f" and {len(sizes_hw) - 3} more sizes" if len(sizes_hw) > 3 else ""
    sign = ">" if protocol.strict_75 else ">="
    boundary = {"transitions": "between unlike pixels", "contours": "outer contours of the masks"}[protocol.boundary]
    return {
        **asdict(protocol.without_label_rule()),
        "sizes_hw": [list(hw) for hw in sizes_hw],
        "boundary_radii_px": list(radii_px),
        "words": (
            f"{protocol.name.upper()} protocol, scored at {sizes}{more}; %75 counts F {sign} 0.75; "
            f"boundaries {boundary}, tolerance {', '.join(map(str, radii_px))} px; "
            "plain mean over frames of every metric, F included"
        ),
    }


def read_report(path: Path) -> Report:
    """Read a saved report.

    Raises:
        ReportError: if the file is missing, is not JSON, or is not a report.
    """
    report = read_json(path, what="a report in JSON", error=ReportError)
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        found = report.get("format") if isinstance(report, dict) else type(report).__name__
        raise ReportError(f"{path}: expected a report of format {FORMAT} by uois-sam evaluate, found {found!s:.60}")
    whole = validated(report, Report, f"{path}: expected a report by uois-sam evaluate", ReportError)
    try:
        percentages(whole["scores"]["all_frames"])
    except (KeyError, TypeError) as error:
        raise ReportError(f"{path}: expected scores of all_frames in a report, found {error!r:.60}") from error
    return whole


def percentages(mean: Mapping[str, Any]) -> tuple[float, ...]:
    """Return overlap P, R, F, boundary P, R, F and %75 in percent, from :class:`MeanScores` as JSON."""
    ratios = [mean[part][key] for part in ("overlap", "boundary") for key in ("precision", "recall", "f_measure")]
    return tuple(100 * value for value in (*ratios, mean["over_75"]))


def _bins(parts: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [asdict(each) | {"recall": each.recall} for each in sum_bins(parts)]


def _median(values: Sequence[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None and math.isfinite(value))
    return known[len(known) // 2] if known else None

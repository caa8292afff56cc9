"""``report.html``: one self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from uois_sam.evaluation.error_kinds import ERROR_KINDS, ERROR_MEANINGS, OBJECT_KINDS
from uois_sam.evaluation.frame_scores import FrameResult
from uois_sam.evaluation.report.gallery import KIND_COLOURS, Choice, Pictures
from uois_sam.evaluation.report.markdown import coverage, error_count, percent, result_table
from uois_sam.evaluation.report.report import Report

_BINS = 20


@dataclass(frozen=True)
class Bar:
    """One bar of a chart."""

    label: str
    """Label of the bar."""
    share: float
    """Length as a share of the longest possible bar, in [0, 1]."""
    value: str
    """Value in words."""


def render(report: Report, results: Sequence[FrameResult], shown: Iterable[tuple[Choice, Pictures]]) -> str:
    """Render the page.

    Args:
        report: the figures.
        results: every scored frame, for the distributions.
        shown: the frames to show, with their pictures.
    """
    templates = environment()
    templates.globals.update(percent=percent, kind_colours=KIND_COLOURS)
    return templates.get_template("report.html.jinja").render(
        report=report,
        coverage=coverage(report),
        table=result_table(report),
        errors=[(kind, error_count(report, kind), ERROR_MEANINGS[kind]) for kind in ERROR_KINDS],
        object_kinds=_object_kinds(report),
        histograms=_histograms(results),
        recalls=_recalls(report),
        cards=[_card(choice, pictures) for choice, pictures in shown],
        frames=len(results),
    )


def environment(*packages: str) -> Environment:
    """Return the templates of reports, and of packages whose pages have the same style (``style.css``)."""
    loaders = [PackageLoader(package) for package in ("uois_sam.evaluation", *packages)]
    return Environment(loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined)


def _object_kinds(report: Report) -> list[tuple[str, int, float]]:
    """Kind, count and share of all true objects, for kinds that occur."""
    total = max(1, report["scores"]["true_objects"])
    counts = [(kind, int(report["errors"][kind])) for kind in ("good", *(k for k in OBJECT_KINDS if k != "good"))]
    return [(kind, count, count / total) for kind, count in counts if count]


def _histograms(results: Sequence[FrameResult]) -> list[tuple[str, list[Bar]]]:
    scores = [result.scores for result in results]
    return [
        ("overlap F, frames", _histogram([s.overlap.f_measure for s in scores])),
        ("boundary F, frames", _histogram([s.boundary.f_measure for s in scores])),
        ("%75, frames", _histogram([s.over_75 for s in scores])),
    ]


def _histogram(values: Sequence[float]) -> list[Bar]:
    """Count frames in each twentieth of [0, 1]; the last bin includes 1."""
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int(value * _BINS))] += 1
    highest = max(1, *counts)
    labels = [f"{5 * index} to {5 * index + 5} %" for index in range(_BINS)]
    return [
        Bar(label, count / highest, f"{count} frame{'s' * (count != 1)}")
        for label, count in zip(labels, counts, strict=True)
    ]


def _recalls(report: Report) -> list[tuple[str, list[Bar]]]:
    charts = [
        ("%75 by visible area (share of the frame)", report["recall_by_size"]),
        ("%75 by visible share of the object", report["recall_by_visibility"]),
    ]
    return [(title, _recall_bars(bins)) for title, bins in charts if any(each["objects"] for each in bins)]


def _recall_bars(bins: Sequence[dict[str, Any]]) -> list[Bar]:
    return [
        Bar(
            f"{100 * each['lower']:g}–{100 * each['upper']:g} %",
            each["recall"] or 0.0,
            f"{percent(each['recall'])} % of {each['objects']}" if each["objects"] else "no objects",
        )
        for each in bins
    ]


def _card(choice: Choice, pictures: Pictures) -> dict[str, Any]:
    result = choice.result
    return {
        "name": result.name,
        "rank": choice.rank,
        "groups": choice.groups,
        "overlap_f": result.scores.overlap.f_measure,
        "boundary_f": result.scores.boundary.f_measure,
        "over_75": result.scores.over_75,
        "true": result.scores.true_objects,
        "predicted": result.scores.predicted_objects,
        "errors": [(kind, count) for kind in ERROR_KINDS if (count := result.errors.of(kind))],
        "truth_uri": _data_uri(pictures.truth),
        "prediction_uri": _data_uri(pictures.prediction),
    }


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"

"""Markdown tables: one report beside the paper's rows, and Tables II to V with many reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from uois_sam.errors import count
from uois_sam.evaluation.error_kinds import ERROR_KINDS, ERROR_MEANINGS
from uois_sam.evaluation.report.published import (
    COLUMN_NAMES,
    COLUMNS,
    OURS_IN_PAPER,
    TABLE_2,
    TABLE_3,
    TABLE_4,
    TABLE_5,
    TITLES,
    AblationRow,
    PublishedRow,
    elsewhere_for,
    flag_notes,
    flagged,
    published_for,
)
from uois_sam.evaluation.report.report import Report, percentages


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table; the first column is left aligned, the others right."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(plain(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def plain(text: str) -> str:
    """A name or message of foreign files as one line of markdown without HTML."""
    return " ".join(text.splitlines()).replace("<", "&lt;")


def numbers(values: Sequence[float | None]) -> list[str]:
    """Format percentages as the paper does; what is not published is a dash."""
    return ["–" if value is None else f"{value:.1f}" for value in values]


def percent(ratio: float | None) -> str:
    """Format a ratio in percent, or as a dash if it is undefined."""
    return "–" if ratio is None else f"{100 * ratio:.1f}"


@dataclass(frozen=True)
class ResultTable:
    """One report beside the published rows for the same data set, as text cells."""

    header: list[str]
    own: list[list[str]]
    published: list[list[str]]
    notes: list[str]
    """What to know of the published rows."""


def result_table(report: Report) -> ResultTable:
    """Return a report's rows and the published ones: method, seven figures and, beside published rows, training data
    and input."""
    scores, name, dataset = report["scores"], report["method"]["name"], report["dataset"]["name"]
    own = [(name, scores["all_frames"])]
    if scores["empty_frames"] and scores["non_empty_frames"]:
        own.append((f"{name}, {scores['non_empty_frames']['frames']} non-empty frames", scores["non_empty_frames"]))
    own.append((f"{name}, pooled", scores["pooled"]))
    rows = published_for(dataset)
    blank = ["", ""] if rows else []
    reference = []
    if dataset == "ocid" and report["method"].get("kind") == "peer":
        reference = [[f"SAM's automatic scheme ({OURS_IN_PAPER}, Table IV)", "", "RGB", *numbers(TABLE_4[0].result)]]
    return ResultTable(
        header=["method", *(["training", "input"] if rows else []), *COLUMN_NAMES],
        own=[[label, *blank, *numbers(percentages(mean))] for label, mean in own],
        published=[
            *reference,
            *(
                [flagged(row.name, row.method), row.training, row.inputs, *numbers(row.results[dataset])]
                for row in (*rows, *elsewhere_for(dataset))
            ),
        ],
        notes=flag_notes(rows) if rows else [],
    )


def report_page(report: Report) -> str:
    """Return ``report.md``: the figures of a report that are commonly compared."""
    data, scores, coco = report["dataset"], report["scores"], report["coco"]
    results = result_table(report)
    first, *rest = results.own
    parts = [
        plain(f"# {report['method']['name']} on {data['title']}"),
        plain(coverage(report)),
        table(results.header, [[f"**{first[0]}**", *first[1:]], *rest, *results.published]),
        *results.notes,
        f"{report['protocol']['words']}.",
        "## What went wrong",
        table(
            ["kind", "count", "meaning"],
            [[kind, str(error_count(report, kind)), ERROR_MEANINGS[kind]] for kind in ERROR_KINDS],
        ),
        (
            f"{report['errors']['good']} of {scores['true_objects']} objects are as they should be (F > 0.85). "
            f"Over-segmentation: {report['errors']['surplus_masks']} surplus masks on split objects; "
            f"under-segmentation: {count(report['errors']['merging_masks'], 'mask')} of several objects. "
            f"Nothing was predicted on {percent(scores['empty_predicted_empty'])} % of {scores['empty_frames']} "
            "empty frames."
        ),
        "## Which objects are found (%75)",
        _bin_table("visible area, share of the frame", report["recall_by_size"]),
    ]
    if any(each["objects"] for each in report["recall_by_visibility"]):
        parts.append(_bin_table("visible share of the object", report["recall_by_visibility"]))
    parts += [
        "## COCO, without classes",
        table(
            ["AP", "AP50", "AP75", "AP small", "AP medium", "AP large", "AR", "AR small", "AR medium", "AR large"],
            [[percent(value) for value in coco.values()]],
        ),
    ]
    if coco["ap"] is None:
        parts.append("AP needs scores, and these predictions have none.")
    if report["failures"]:
        parts += ["## Frames that failed", *(plain(f"- {f['name']}: {f['reason']}") for f in report["failures"])]
    return "\n\n".join(parts) + "\n"


def coverage(report: Report) -> str:
    """Describe in one paragraph which frames a report covers."""
    data, scores = report["dataset"], report["scores"]
    said = [
        f"{count(data['scored'], 'frame')}, {scores['empty_frames']} without objects, "
        f"{count(scores['true_objects'], 'object')} "
        f"({scores['predicted_objects']} predicted)"
    ]
    if data["asked"] < data["frames"]:
        said.append(f"a sample of {count(data['asked'], 'frame')}, drawn from all over {data['frames']}")
    if report["failures"]:
        said.append(f"left out because they failed: {count(len(report['failures']), 'frame')}")
    if report["left_out"]:
        said.append(f"left out for lack of a prediction: {count(len(report['left_out']), 'frame')}")
    return "; ".join([*said, *data["notes"], *report["method"].get("notes", ())]) + "."


def error_count(report: Report, kind: str) -> int:
    """Count of an error kind over all frames."""
    return int(report["errors"]["background_masks" if kind == "background" else kind])


def _bin_table(title: str, bins: Sequence[dict[str, Any]]) -> str:
    rows = [[f"{100 * b['lower']:g}–{100 * b['upper']:g} %", str(b["objects"]), percent(b["recall"])] for b in bins]
    return table([title, "objects", "%75"], rows)


def paper_tables(reports: Sequence[Report]) -> str:
    """Return Tables II to V of the paper with a row for each matching report, and tables of the other reports."""
    known = [report for report in reports if report["dataset"]["name"] in TITLES]
    others = [report for report in reports if report["dataset"]["name"] not in TITLES]
    parts = [
        _comparison("Table II: OCID and OSD", TABLE_2, ("ocid", "osd"), known),
        _comparison("Table III: PhoCAL and HouseCat6D", TABLE_3, ("phocal", "housecat6d"), known),
        _ablation("Table IV: components, on OCID", TABLE_4, known),
        _ablation("Table V: share of the training data, on OCID", TABLE_5, known),
    ]
    for title in dict.fromkeys(report["dataset"]["title"] for report in others):
        parts.append(_other(title, [report for report in others if report["dataset"]["title"] == title]))
    return "\n\n".join(parts) + "\n"


def _comparison(
    title: str, published: Sequence[PublishedRow], datasets: tuple[str, str], reports: Sequence[Report]
) -> str:
    header = ["method", "training", "input", *(f"{TITLES[name]} {column}" for name in datasets for column in COLUMNS)]
    rows = [
        [
            flagged(row.name, row.method),
            row.training,
            row.inputs,
            *(n for name in datasets for n in numbers(row.results[name])),
        ]
        for row in (*published, *elsewhere_for(datasets[0]))
    ]
    mine = [report for report in reports if report["dataset"]["name"] in datasets]
    for method in dict.fromkeys(report["method"]["name"] for report in mine):
        by_set = {r["dataset"]["name"]: r for r in mine if r["method"]["name"] == method}
        cells = [cell for name in datasets for cell in _cells(by_set.get(name))]
        rows.append([f"**{method}**", "", "", *cells])
    return "\n\n".join([f"## {title}", table(header, rows), *flag_notes(published), *_footnotes(mine)])


def _ablation(title: str, published: Sequence[AblationRow], reports: Sequence[Report]) -> str:
    rows = []
    used = []
    for row in published:
        rows.append([row.name, OURS_IN_PAPER, *numbers(row.result)])
        for report in reports:
            if report["dataset"]["name"] == "ocid" and _made_with(report, row):
                rows.append([row.name, f"**{report['method']['name']}**", *_cells(report)])
                used.append(report)
    return "\n\n".join([f"## {title}", table(["variant", "made by", *COLUMN_NAMES], rows), *_footnotes(used)])


def _other(title: str, reports: Sequence[Report]) -> str:
    rows = [[report["method"]["name"], *_cells(report)] for report in reports]
    return "\n\n".join([f"## {title}", table(["method", *COLUMN_NAMES], rows), *_footnotes(reports)])


def _made_with(report: Report, row: AblationRow) -> bool:
    """Return whether a report's model has the settings and training of a row of Table IV or V."""
    method = report["method"]
    settings = {**method.get("training", {}).get("recipe", {}), **method.get("selection", {})}
    return all(settings.get(key) == value for key, value in row.settings.items())


def _cells(report: Report | None) -> list[str]:
    return ["–"] * len(COLUMNS) if report is None else numbers(percentages(report["scores"]["all_frames"]))


def _footnotes(reports: Sequence[Report]) -> list[str]:
    """Footnotes on the frames behind each row."""
    return [f"{r['method']['name']} on {r['dataset']['title']}: {coverage(r)}" for r in reports]

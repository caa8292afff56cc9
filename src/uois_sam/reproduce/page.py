"""The page of a reproduction: the paper's Tables II to V and times with this run's rows beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from uois_sam._version import __version__
from uois_sam.benchmark.stages import PAPER_SECONDS
from uois_sam.checkpoints.bases import RANDOM
from uois_sam.errors import count
from uois_sam.evaluation.components import PAPER_VARIANTS
from uois_sam.evaluation.report.html import environment
from uois_sam.evaluation.report.markdown import coverage, numbers
from uois_sam.evaluation.report.published import (
    COLUMNS,
    OURS_IN_PAPER,
    TABLE_2,
    TABLE_4,
    TABLE_5,
    TITLES,
    flag_notes,
    flagged,
    published_for,
)
from uois_sam.evaluation.report.report import REPORT_FILE, Report, percentages, read_report
from uois_sam.io.files import write_atomically
from uois_sam.reproduce.config import PAPER_IMAGES, PAPER_SHARES
from uois_sam.reproduce.inventory import Inventory
from uois_sam.reproduce.ledger import Entry, Ledger
from uois_sam.reproduce.stages import Reproduction, row_name
from uois_sam.runtime.provenance import describe_machine, summary

PAGE_FILE = "reproduce.html"
DASH = "–"
_STAGES = {"hpg": "HPG", "features": "SAM's features", "masks": "masks", "total": "total"}


@dataclass(frozen=True)
class PageTable:
    """One table; cells are text."""

    title: str
    header: list[str]
    rows: list[list[str]]
    own: frozenset[int] = frozenset()
    """Numbers of this run's rows."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """One figure beside the paper's."""

    what: str
    ours: str
    paper: str


def write_page(work: Reproduction, ledger: Ledger, inventory: Inventory, entries: Sequence[Entry]) -> None:
    """Write the page of what is done so far.

    Raises:
        ReportError: if a report cannot be read.
        OutputError: if it cannot be written.
    """
    names = [*work.config.benchmarks]
    main = {name: report for name in names if (report := report_of(work, name)) is not None}
    page = environment("uois_sam.reproduce").get_template("reproduce.html.jinja").render(
        title=f"UOIS-SAM on {work.config.base}, beside the paper",
        lead=_lead(work, ledger),
        figures=[figure for name in main for figure in _figures(name, main[name])],
        tables=[
            *(_comparison(work, main.get(name), name) for name in TITLES),
            _components(work),
            _shares(work, ledger),
            _times(ledger),
        ],
        inventory=inventory.items,
        stages=[(entry.title, timedelta(seconds=round(entry.seconds))) for entry in entries],
        made_by=f"uois-sam {__version__}; {summary(describe_machine())}",
    )  # fmt: skip
    write_atomically(work.out / PAGE_FILE, page.encode())


def report_of(work: Reproduction, name: str, row: int = len(PAPER_VARIANTS) - 1, percent: float | None = None) -> (
    Report | None
):  # fmt: skip
    """Return the report of a row of Table IV on a test set; None if it is not there yet."""
    path = work.scores(name, PAPER_VARIANTS[row], percent) / REPORT_FILE
    return read_report(path) if path.is_file() else None


def _lead(work: Reproduction, ledger: Ledger) -> list[str]:
    """What was trained on what, in sentences."""
    config, entry = work.config, ledger.entry(work.heads(work.config.main_percent).name)
    if entry is None or not entry.done:
        return ["The heads are not trained yet."]
    facts, data = entry.facts, entry.inputs["data"]
    source = "rendered scenes" if config.data is None else work.training.data.info.title
    held_out = "the same share of its validation split" if work.training.validation else "held out of them at random"
    said = [
        f"HPG and HDNet were trained by the recipe of Sec. IV-A ({config.epochs} epochs) on "
        f"{count(facts['images'], 'image')}, {config.main_percent:g} % of {data['images']} {source}; "
        f"{count(facts['validation'], 'image')} chose the epoch ({held_out})."
    ]
    if config.data is None:
        said.append("The paper trained on UOAIS-Sim; differences to its rows are also those of the data.")
    if config.base.endswith(RANDOM):
        said.append("This is a rehearsal: the base has RANDOM weights, and no score means anything.")
    if config.base != "sam-vit-l":
        said.append(f"The paper's base is sam-vit-l, this run's is {config.base}.")
    if config.epochs != 30:
        said.append("The paper trained for up to 30 epochs.")
    if facts["left_out"]:
        said.append(f"{count(facts['left_out'], 'image')} left out that could not be read.")
    return said


def _figures(name: str, report: Report) -> list[Figure]:
    ours = numbers(percentages(report["scores"]["all_frames"]))
    paper = numbers(next(row for row in published_for(name) if row.method == OURS_IN_PAPER).results[name])
    columns = {"F": "overlap F", "bF": "boundary F", "%75": "%75"}
    return [
        Figure(f"{TITLES[name]} {what}", ours[COLUMNS.index(key)], paper[COLUMNS.index(key)])
        for key, what in columns.items()
    ]


def _comparison(work: Reproduction, report: Report | None, name: str) -> PageTable:
    """Return a test set's half of Table II or III."""
    title = f"Table {'II' if name in TABLE_2[0].results else 'III'}: {TITLES[name]}"
    header = ["method", "training", "input", *COLUMNS]
    rows = [
        [flagged(row.name, row.method), row.training, row.inputs, *numbers(row.results[name])]
        for row in published_for(name)
    ]
    if report is None:
        given = "is not scored yet" if name in work.config.benchmarks else "was not given"
        return PageTable(title, header, rows, notes=[f"{TITLES[name]} {given}."])
    flags = flag_notes(published_for(name))[0]
    trained = "scenes" if work.config.data is None else "U-S" if work.config.kind == "uoais-sim" else "yours"
    rows.append([row_name(work.config.base, work.config.main_percent), trained, "RGB", *_cells(report)])
    return PageTable(title, header, rows, frozenset({len(rows) - 1}), [_note(report), flags])


def _components(work: Reproduction) -> PageTable:
    name, title, header = work.config.test_set_of_ablations, "Table IV: components", ["variant", "by", *COLUMNS]
    rows, own, notes = [], set(), []
    for number, published in enumerate(TABLE_4):
        rows.append([published.name, "paper, OCID", *numbers(published.result)])
        if name is not None and (report := report_of(work, name, number)) is not None:
            own.add(len(rows))
            rows.append([published.name, f"this run, {TITLES[name]}", *_cells(report)])
            notes = [_note(report)]
    return PageTable(title, header, rows, frozenset(own), _without_ocid(name, bool(own)) or notes)


def _shares(work: Reproduction, ledger: Ledger) -> PageTable:
    name, rows, own = work.config.test_set_of_ablations, [], set()
    published = {float(row.settings["percent"]): row for row in TABLE_5}
    header = ["share of the training data", "by", "images", *COLUMNS]
    for percent in sorted({*PAPER_SHARES, *work.config.shares, work.config.main_percent}):
        if percent in published:
            images = str(round(PAPER_IMAGES * percent / 100))
            rows.append([f"{percent:g} %", "paper, OCID", images, *numbers(published[percent].result)])
        entry = ledger.entry(work.heads(percent).name)
        report = None if name is None or entry is None else report_of(work, name, percent=percent)
        if name is not None and entry is not None and report is not None:
            own.add(len(rows))
            images = str(entry.facts["images"])
            rows.append([f"{percent:g} %", f"this run, {TITLES[name]}", images, *_cells(report)])
    notes = ["Images without those that chose the epoch. A smaller share is part of every larger one."]
    return PageTable("Table V: training data", header, rows, frozenset(own), _without_ocid(name, bool(own)) + notes)


def _without_ocid(name: str | None, scored: bool) -> list[str]:
    if name is None:
        return ["No test set was given: nothing is scored."]
    if name != "ocid":
        return [f"The paper's rows are on OCID, which was not given; this run's are on {TITLES[name]}: compare only "
                "the differences between rows."]  # fmt: skip
    return [] if scored else ["Not scored yet."]


def _times(ledger: Ledger) -> PageTable:
    entry, header = ledger.entry("times"), ["stage", "paper (TITAN RTX), ms", "this run, median ms", "IQR, ms"]
    taken: dict[str, Any] = {} if entry is None or not entry.done else entry.facts["stages_seconds"]
    rows = [
        [title, f"{1e3 * PAPER_SECONDS[stage]:.0f}", *_milliseconds(taken.get(stage))] for stage, title in
        _STAGES.items()
    ]  # fmt: skip
    notes = ["The paper's parts sum to 608 ms, more than its total."]
    if entry is not None and taken:
        facts = entry.facts
        width, height = facts["image_wh"]
        notes.insert(0, f"One photo of {width}x{height}, {facts['prompts']} prompts, {facts['precision']} on "
                        f"{facts['device']}: {summary(facts['machine'])}.")  # fmt: skip
    return PageTable("Time of a photo", header, rows, frozenset(), notes)


def _milliseconds(spread: dict[str, float] | None) -> list[str]:
    if spread is None:
        return [DASH, DASH]
    return [f"{1e3 * spread['median']:.0f}", f"{1e3 * (spread['q75'] - spread['q25']):.0f}"]


def _cells(report: Report | None) -> list[str]:
    if report is None:
        return [DASH] * len(COLUMNS)
    values = percentages(report["scores"]["all_frames"])
    return [f"{value:.1f}" if math.isfinite(value) else DASH for value in values]


def _note(report: Report) -> str:
    """Say which frames and which protocol are behind a row."""
    return f"{report['dataset']['title']}: {coverage(report)} {report['protocol']['words']}."

"""``uois-sam tables``: the tables of the paper with a row for every saved report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from uois_sam.errors import UOISError, count
from uois_sam.io.files import real_path
from uois_sam.runtime.progress import print_line

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.evaluation import Report


@dataclass(frozen=True)
class Tables:
    """Print Tables II to V of the paper with the rows of saved reports beside the published ones, as markdown.

        uois-sam tables runs --out tables.md

    Reports on OCID and OSD join Table II, on PhoCAL and HouseCat6D Table III; those on OCID also join the row of Table
    IV that they were made like, and of Table V if their model's card tells its share of training data. Reports on
    other data sets get a table each. Without reports, the published tables are printed.

    Exit status: 0 success; 2 a report cannot be read.
    """

    reports: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[REPORT...]")] = ()
    """report.json files of uois-sam evaluate, or folders that are searched for them."""
    out: Path | None = None
    """Write the tables into this file instead of printing them."""

    def run(self, console: Console) -> int:
        """Print the tables and return the exit status.

        Raises:
            ReportError: if a file is no report, a folder has none, or two reports are of one method and data set.
            OutputError: if --out cannot be written.
        """
        from uois_sam.evaluation.report.markdown import paper_tables
        from uois_sam.evaluation.report.report import read_report
        from uois_sam.io.files import write_atomically

        found = {path: read_report(path) for path in find_reports(self.reports)}
        _check_different(found)
        text = paper_tables(list(found.values()))
        if self.out is None:
            sys.stdout.write(text)
        else:
            write_atomically(self.out, text.encode())
            print_line(console, f"tables of {count(len(found), 'report')} in {self.out}")
        return 0


def find_reports(given: Sequence[Path]) -> list[Path]:
    """Return the given files, and the report.json files in the given folders, each once, in order.

    Raises:
        UOISError: if a path does not exist, or a folder has no reports.
    """
    from uois_sam.evaluation.report.report import REPORT_FILE

    found: dict[Path, Path] = {}
    for path in given:
        if not os.path.exists(path):
            raise UOISError(f"{path}: expected a report or a folder of reports, found neither: it does not exist")
        inside = sorted(path.rglob(REPORT_FILE)) if path.is_dir() else [path]
        if not inside:
            raise UOISError(f"{path}: expected a report or a folder with {REPORT_FILE} somewhere in it, found none")
        found |= {real_path(each): each for each in inside}
    return list(found.values())


def _check_different(reports: dict[Path, Report]) -> None:
    seen: dict[tuple[str, str, str], Path] = {}
    for path, report in reports.items():
        key = (report["method"]["name"], report["dataset"]["name"], report["dataset"]["title"])
        if key in seen:
            raise UOISError(
                f"expected one report of {key[0]} on {key[2]}, found {seen[key]} and {path}; "
                "uois-sam evaluate --name or --title tells them apart"
            )
        seen[key] = path

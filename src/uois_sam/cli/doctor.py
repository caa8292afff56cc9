"""``uois-sam doctor``: what is installed, what it runs on, and whether it works."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.benchmark.diagnosis import Finding

_SIGNS = {"ok": "[green]ok    [/]", "note": "[yellow]note  [/]", "absent": "[dim]absent[/]", "broken": "[red]BROKEN[/]"}


@dataclass(frozen=True)
class Doctor:
    """Say what is installed, what it runs on, what is missing and how to get it, and whether a photo can be segmented.

        uois-sam doctor
        uois-sam doctor --json

    The report goes to standard output; in a file or pipe, one line a finding. It names versions, threads, devices,
    processor limits, extras with the command that installs them, caches and their sizes, the renderer, and the time
    that the bundled weights take for a drawn photo. "note" is worth reading, "absent" is optional and not installed.
    Nothing is downloaded or changed.

    Exit status: 0 everything that is needed works; 1 something that is needed is broken; 130 interrupted.
    """

    json: bool = False
    """Print the report as JSON, for bug reports and scripts."""

    def run(self, console: Console) -> int:
        """Print the report and return the exit status."""
        from uois_sam.benchmark.diagnosis import examine
        from uois_sam.runtime.progress import progress

        with progress(console) as watch:
            findings = examine(watch)
        works = all(finding.status != "broken" for finding in findings)
        if self.json:
            sys.stdout.write(json.dumps({"works": works, "findings": [asdict(each) for each in findings]}, indent=1))
            sys.stdout.write("\n")
        else:
            _print(findings)
        return 0 if works else 1


def _print(findings: Sequence[Finding]) -> None:
    from rich.console import Console as Output
    from rich.markup import escape
    from rich.table import Table

    from uois_sam.runtime.progress import print_table

    output = Output(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    for overflow in ("ellipsis", "ellipsis", "fold"):
        table.add_column(overflow=overflow)  # a long path is broken, not cut
    for finding in findings:
        table.add_row(_SIGNS[finding.status], finding.what, escape(finding.text.replace("\n", " ")))
    print_table(output, table)

"""Counts of a run of ``uois-sam segment``, and the lines about them at its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.errors import UOISError, count
from uois_sam.runtime.notes import LimitNotes
from uois_sam.runtime.progress import print_line

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class Tally:
    """Counts of the work done so far."""

    photos: int = 0
    objects: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    notes: LimitNotes = field(default_factory=LimitNotes)
    """What limits left out."""
    format_notes: dict[str, int] = field(default_factory=dict)
    """Kind of note of a format to how many times."""
    unread: int = 0
    """Frames of videos that could not be decoded."""
    open_ended: list[str] = field(default_factory=list)
    """Videos of which a missing end cannot be told."""
    sheets: list[Path] = field(default_factory=list)
    """Contact sheets."""
    started: float = field(default_factory=time.perf_counter)

    def lose(self) -> None:
        """Count a frame that could not be decoded."""
        self.unread += 1


def nothing_done(console: Console, failures: Sequence[str]) -> int:
    """Print the failures and return the exit status; raise a single failure as the error."""
    if len(failures) == 1:
        raise UOISError(failures[0])
    print_line(console, f"error: nothing could be segmented, {count(len(failures), 'input')} failed:")
    _print_failures(console, failures)
    return 2


def print_summary(console: Console, tally: Tally, out: Path, *, left: int | None = 0) -> None:
    """Print what was done, what was left out or skipped, what is to be noted, and what failed.

    Args:
        console: takes the lines.
        tally: of the run.
        out: folder of the results.
        left: photos left out because the run was interrupted; None for an unknown number.
    """
    seconds = time.perf_counter() - tally.started
    rate = f" ({tally.photos / seconds:.1f} photos/s)" if tally.photos else ""
    done = f"{count(tally.photos, 'photo')}, {count(tally.objects, 'object')}"
    print_line(console, f"{done} in {seconds:.1f} s{rate}, results in {out}")
    if left != 0:
        photos = "an unknown number of photos" if left is None else count(left, "photo")
        print_line(console, f"{photos} left for another time")
    if tally.sheets:
        more = f", and {len(tally.sheets) - 1} more" if len(tally.sheets) > 1 else ""
        print_line(console, f"at a glance in {tally.sheets[0]}{more}")
    if tally.skipped:
        print_line(console, f"{count(tally.skipped, 'photo')} skipped, whose results were there (--no-overwrite)")
    if tally.unread:
        print_line(console, f"note: {count(tally.unread, 'frame')} of videos left out that cannot be decoded")
    if tally.open_ended:
        from uois_sam.io.video_ends import OPEN_ENDED

        videos = count(len(tally.open_ended), "video")
        print_line(console, f"note: {videos} whose end was not checked, first {tally.open_ended[0]}: {OPEN_ENDED}")
    for line in tally.notes.lines():
        print_line(console, f"note: {line}")
    for kind, number in tally.format_notes.items():
        print_line(console, f"note: {kind}: {number}")
    if tally.failures:
        print_line(console, f"{count(len(tally.failures), 'input')} failed:")
        _print_failures(console, tally.failures)


def _print_failures(console: Console, failures: Sequence[str]) -> None:
    for failure in failures:
        print_line(console, f"  {failure}")

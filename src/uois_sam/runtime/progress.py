"""Progress of long work: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.table import Table

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 10.0
SECONDS_OF_SPEED = float("inf")
"""Time over which speed is estimated: all of it, or the last thousand steps. Rich's half minute forgets slow ones."""
_BOUNDLESS = 1_000_000
"""Columns: more than any row has."""


@dataclass(frozen=True)
class ProgressCallback:
    """Receiver of progress: call ``stage(name, total)`` once a stage, then ``advance(done, note)``.

    ``total`` is None where it is not known.
    """

    stage: Callable[[str, int | None], None]
    advance: Callable[[int, str], None]


_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
SILENT = ProgressCallback(lambda name, total: None, lambda done, note: None)
"""Ignores progress."""


def tracked(items: Iterable[T], watch: ProgressCallback, stage: str, total: int) -> Iterator[T]:
    """Yield items, each of which is a step of a stage."""
    watch.stage(stage, total)
    for done, item in enumerate(items, start=1):
        yield item
        watch.advance(done, "")


def print_line(console: Console, text: str) -> None:
    """Print text verbatim and on one line, however long: no markup, no wrapping, no colouring of numbers.

    Names of foreign files may hold what steers a terminal, or bytes that are no text: those are shown as escapes.
    """
    plain = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text.replace("\n", " "))
    plain = plain.encode("utf-8", "backslashreplace").decode()
    console.print(plain, markup=False, highlight=False, soft_wrap=True)


def print_table(output: Console, table: Table) -> None:
    """Print a table: within the width of a terminal, and into a file or pipe one line a row, however long."""
    if output.is_terminal:
        output.print(table)
        return
    from rich.measure import Measurement

    boundless = Console(width=_BOUNDLESS)
    width = Measurement.get(boundless, boundless.options, table).maximum
    rows = io.StringIO()
    Console(file=rows, width=width, force_terminal=False, color_system=None, highlight=False).print(table)
    for row in rows.getvalue().splitlines():
        print_line(output, row.rstrip())


@contextmanager
def progress(console: Console, *, bars: bool = True) -> Iterator[ProgressCallback]:
    """Show the progress of work in one or several stages.

    On a terminal every stage has a bar; the bars vanish at the end. Elsewhere (a log file) a line every
    ``SECONDS_BETWEEN_LINES`` tells the state of the current stage, also while nothing advances. With ``bars=False``
    there are lines on a terminal too: drawing bars takes time from work that is being measured.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.fields[note]}", markup=False))  # fmt: skip
    live = bars and console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not live,
                  speed_estimate_period=SECONDS_OF_SPEED) as shown:  # fmt: skip

        def stage(name: str, total: int | None) -> None:
            shown.add_task(name, total=total, note="")

        def advance(done: int, note: str) -> None:
            shown.update(shown.task_ids[-1], completed=done, note=note)

        if live:
            yield ProgressCallback(stage, advance)
        else:
            with _lines(console, shown):
                yield ProgressCallback(stage, advance)


@contextmanager
def _lines(console: Console, bars: Progress) -> Iterator[None]:
    finished = threading.Event()

    def print_lines() -> None:
        while not finished.wait(SECONDS_BETWEEN_LINES):
            if tasks := bars.tasks:
                print_line(console, _line(tasks[-1]))

    thread = threading.Thread(target=print_lines, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _line(task: Task) -> str:
    done = f"{task.completed:.0f}" if task.total is None else f"{task.completed:.0f} of {task.total:.0f}"
    # What is done has no time left, and says nothing of what comes before the next stage.
    left = "" if task.time_remaining is None or task.finished else f"{timedelta(seconds=int(task.time_remaining))} left"
    return ", ".join(filter(None, (f"{task.description}: {done}", task.fields["note"], left)))

"""How long work goes on: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

SECONDS_BETWEEN_LINES = 30.0


def print_line(console: Console, text: str) -> None:
    """Print text as it is and on one line, however long: no markup, no wrapping, no colouring of numbers."""
    console.print(text.replace("\n", " "), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show that work goes on.

    Args:
        console: where to.
        what: the work, e.g. "scoring".
        total: number of steps.

    Yields:
        What to call after each step.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if console.is_terminal:
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)
        return
    done, last = 0, time.monotonic()

    def advance() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print_line(console, f"{what}: {done} of {total}")

    yield advance

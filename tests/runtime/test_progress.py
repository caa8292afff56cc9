"""Progress: a bar on a terminal, lines elsewhere, also while a long step has not ended."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from rich.console import Console
from rich.table import Table

from uois_sam.runtime import progress as module
from uois_sam.runtime.progress import print_line, print_table, progress


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def test_a_log_has_lines_about_the_current_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    file = io.StringIO()
    with progress(Console(file=file)) as watch:
        watch.stage("cache", 40)
        wait_for(lambda: "cache: 0 of 40\n" in file.getvalue())
        watch.advance(2, "views [2]")
        wait_for(lambda: "cache: 2 of 40, views [2]" in file.getvalue())
        watch.stage("search", None)
        watch.advance(3, "")
        wait_for(lambda: "search: 3\n" in file.getvalue())
    length = len(file.getvalue())
    time.sleep(0.03)
    assert len(file.getvalue()) == length


def test_a_stage_that_is_done_has_no_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    file = io.StringIO()
    with progress(Console(file=file)) as watch:
        watch.stage("photos", 3)
        for done in (1, 2):
            watch.advance(done, "")
        wait_for(lambda: " left\n" in file.getvalue())
        watch.advance(3, "")
        wait_for(lambda: "photos: 3 of 3" in file.getvalue())
    assert "photos: 3 of 3," not in file.getvalue()


def test_short_work_leaves_no_line() -> None:
    file = io.StringIO()
    with progress(Console(file=file)) as watch:
        watch.stage("cache", 1)
        watch.advance(1, "")
    assert file.getvalue() == ""


def test_the_time_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    file = io.StringIO()
    with progress(Console(file=file)) as watch:
        watch.stage("steps", 1000)
        for done in range(4):
            watch.advance(done, "loss 0.5")
            time.sleep(0.01)
        wait_for(lambda: "steps: 3 of 1000, loss 0.5, 0:00:" in file.getvalue())
    assert file.getvalue().splitlines()[-1].endswith(" left")


def test_steps_slower_than_a_minute_have_their_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps, of 100, 10 and 100 s, leave two of 55 s each; half a minute's window saw one of them, or none."""
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    now = 0.0
    file = io.StringIO()
    with progress(Console(file=file, get_time=lambda: now)) as watch:
        watch.stage("scenes", 5)
        for done, seconds in enumerate((100.0, 10.0, 100.0), start=1):
            now += seconds
            watch.advance(done, "")
        wait_for(lambda: "scenes: 3 of 5" in file.getvalue())
    assert "scenes: 3 of 5, 0:01:50 left" in file.getvalue()


def test_a_terminal_has_a_bar_for_every_stage() -> None:
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=True, width=100)) as watch:
        for name in ("cache", "fit"):
            watch.stage(name, 2)
            watch.advance(1, f"{name}ing")
    assert all(text in file.getvalue() for text in ("cache", "fit", "fiting", "1/2"))


def test_lines_instead_of_bars_can_be_asked_for_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars are drawn ten times a second, which work that is being timed would feel."""
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=True, width=100), bars=False) as watch:
        watch.stage("measuring", 2)
        watch.advance(1, "peers")
        wait_for(lambda: "measuring: 1 of 2, peers" in file.getvalue())
    assert "1/2" not in file.getvalue()


def test_a_failure_ends_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    file = io.StringIO()
    with suppress(ZeroDivisionError), progress(Console(file=file)) as watch:
        watch.stage("cache", 1)
        raise ZeroDivisionError
    length = len(file.getvalue())
    time.sleep(0.03)
    assert len(file.getvalue()) == length


def test_a_line_stays_one_line_and_verbatim() -> None:
    file = io.StringIO()
    print_line(Console(file=file, width=20), "a [red]long[/red]\nline " + "x" * 40)
    assert file.getvalue() == "a [red]long[/red] line " + "x" * 40 + "\n"


def test_tracked_items_count_once_they_are_dealt_with() -> None:
    calls: list[object] = []
    watch = module.ProgressCallback(lambda *stage: calls.append(stage), lambda done, note: calls.append(done))
    for item in module.tracked("ab", watch, "letters", 2):
        calls.append(item.upper())
    assert calls == [("letters", 2), "A", 1, "B", 2]


def test_names_cannot_steer_the_terminal() -> None:
    file = io.StringIO()
    print_line(Console(file=file, force_terminal=True), "a\x1b[31mred\x07\r\tb\u2028c\udcff[bold]d\ne")
    assert file.getvalue() == "a\\x1b[31mred\\x07\\r\\tb\\u2028c\\udcff[bold]d e\n"


def test_a_table_has_one_line_a_row_but_on_a_terminal() -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    table.add_row("[red]BROKEN[/]", "word " * 60 + "end")
    table.add_row("ok", "short")
    piped, terminal = io.StringIO(), io.StringIO()
    print_table(Console(file=piped, width=80), table)
    assert piped.getvalue() == f"BROKEN  {'word ' * 60}end\nok      short\n"
    print_table(Console(file=terminal, width=80, force_terminal=True, color_system=None), table)
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 4 and max(map(len, lines)) <= 80

"""Ctrl+C: the first finishes what is in hand and says so, the second stops at once."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cli.test_segment import FakeModel, asked, photo, results, segment, written
from uois_sam import __main__ as program
from uois_sam.cli.segment.command import segment_inputs
from uois_sam.cli.segment.formats import FormatChoice
from uois_sam.io.video_writer import VideoWriter
from uois_sam.runtime.interrupts import aside, ends_softly

SLOW = Path(__file__).parents[1] / "helpers" / "slow_model.py"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """The signal is as it was after a test that changes it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupting(FakeModel):
    """Ctrl+C comes while a photo of a given height is in the model."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self.height = height

    def encode_image(self, image, **depth):
        if len(image) == self.height:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        return super().encode_image(image, **depth)


def test_the_first_finishes_the_photos_in_hand_and_says_how_many(tmp_path: Path) -> None:
    names = [f"{index:02d}" for index in range(20)]
    for index, name in enumerate(names):
        photo(tmp_path / "in" / f"{name}.png", height=12 + index)
    console = Console(file=io.StringIO(), width=200)
    options = asked(tmp_path / "in", out=tmp_path / "out", workers=1, formats=FormatChoice("native,coco"))
    with pytest.raises(KeyboardInterrupt):
        segment_inputs(options, console, lambda: Interrupting(12 + 5))
    said = console.file.getvalue()
    told = re.search(r"finishing (\d) photos in hand; Ctrl\+C again stops at once", said)
    assert told, said
    done = [path for path in written(tmp_path / "out") if path.endswith("_label.png")]
    assert 6 <= len(done) <= 6 + int(told[1]), "the one in the model, and those that were begun"
    assert f"{len(done)} photos, {2 * len(done)} objects" in said
    assert f"\n{20 - len(done)} photos left for another time\n" in said
    assert written(tmp_path / "out") == results(*names[: len(done)]), (
        "no file over all photos, which holds some of them"
    )
    status, said = segment(tmp_path / "in", out=tmp_path / "out", overwrite=False)
    assert status == 0 and f"{len(done)} photos skipped" in said


def test_frames_of_videos_are_among_those_that_are_left(tmp_path: Path) -> None:
    photo(tmp_path / "in/a.png", height=12)
    with VideoWriter(tmp_path / "in/b.mp4", 10) as writer:
        for value in range(30):
            writer.add(np.full((48, 64, 3), value, np.uint8), value / 10)
    photo(tmp_path / "in/c.png", height=13)
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(KeyboardInterrupt):
        segment_inputs(asked(tmp_path / "in", out=tmp_path / "out", workers=1), console, lambda: Interrupting(12))
    done = [path for path in written(tmp_path / "out") if path.endswith("_label.png")]
    assert f"\n{32 - len(done)} photos left for another time\n" in console.file.getvalue()


def test_it_is_no_interruption_where_nothing_is_left_to_do(tmp_path: Path) -> None:
    photo(tmp_path / "in/a.png", height=12)
    status, said = segment(
        tmp_path / "in", out=tmp_path / "out", model=Interrupting(12), formats=FormatChoice("native,coco")
    )
    assert status == 0 and "finishing 1 photo in hand" in said and "left" not in said
    assert (tmp_path / "out/coco/annotations/instances_default.json").exists()


def test_the_second_stops_at_once(tmp_path: Path) -> None:
    for index in range(6):
        photo(tmp_path / f"in/{index}.png")
    command = [sys.executable, str(SLOW), "60", str(tmp_path / "in"), str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        until = time.monotonic() + 60
        while not (tmp_path / "inside").exists():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        rest = process.stderr.read()
        assert process.wait(20) == 130
    assert time.monotonic() - began < 15, "the photos in hand take a minute"
    assert re.fullmatch(r"finishing \d photos? in hand; Ctrl\+C again stops at once\n", first)
    assert rest == "interrupted\n"
    assert written(tmp_path / "out") == []


def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told: list[str] = []
    with ends_softly(lambda: told.append("ask"), lambda: told.append("tell")):
        os.kill(os.getpid(), signal.SIGINT)
    assert not told


def test_handlers_are_as_before_whatever_came() -> None:
    told: list[str] = []
    for times in (0, 1):
        with ends_softly(lambda: told.append("ask"), lambda: told.append("tell")):
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert told == ["ask", "tell"]
    with ends_softly(lambda: None, lambda: None):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_a_handler_says_is_told_on_another_thread_and_all_of_it() -> None:
    told: list[tuple[int, bool]] = []

    def tell(number: int) -> None:
        time.sleep(0.05)
        told.append((number, threading.current_thread() is threading.main_thread()))

    with aside(tell) as say:
        say(1)
        say(2)
        assert not told, "who says it does not wait"
    assert told == [(1, False), (2, False)]


def test_other_threads_work_without_signals() -> None:
    done: list[int] = []

    def work() -> None:
        with ends_softly(lambda: None, lambda: None):
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_the_installed_program_is_the_one_that_ends_at_once() -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    if not pyproject.exists():
        pytest.skip("no repository around the tests")
    for path in (pyproject, pyproject.parent / "light" / "pyproject.toml"):
        assert 'uois-sam = "uois_sam.__main__:run"' in path.read_text(encoding="utf-8")


def test_the_program_ends_with_the_status_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (0, 1, 2, 141):
        monkeypatch.setattr("uois_sam.cli.main.main", lambda status=status: status)
        with pytest.raises(SystemExit) as ended:
            program.run()
        assert ended.value.code == status

"""The reader's promises: newest wins, nothing lost without being counted, lost sources come back, it ends."""

from __future__ import annotations

import threading
import time

import pytest

from streams_by_hand import Numbered
from uois_sam.errors import UOISError
from uois_sam.streams import reader as reader_module
from uois_sam.streams.frames import StreamLostError
from uois_sam.streams.reader import Reader, ReaderConfig


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "FIRST_WAIT_S", 0.01)


def numbers(source: Numbered, config: ReaderConfig | None = None, pause_s: float = 0.0) -> tuple[list[int], Reader]:
    found = []
    with Reader(source, config) as reader:
        for frame in reader:
            found.append(int(frame.image[0, 0, 0]))
            time.sleep(pause_s)
    return found, reader


def test_who_is_slow_gets_the_newest_frame_and_the_rest_is_counted() -> None:
    found, reader = numbers(Numbered(200, live=True, pause_s=0.002), pause_s=0.04)
    assert found[-1] == 199
    assert found == sorted(found)
    assert len(found) + reader.dropped == reader.read == 200
    assert reader.dropped > 100


def test_the_delay_does_not_grow() -> None:
    source, late = Numbered(100, live=True, pause_s=0.003), []
    with Reader(source) as reader:
        for frame in reader:
            late.append(reader.read - 1 - frame.index)
            time.sleep(0.03)
    assert sorted(late)[len(late) // 2] <= 5  # the median: a busy processor holds either side up now and then


def test_a_source_that_is_not_live_waits() -> None:
    found, reader = numbers(Numbered(12), pause_s=0.005)
    assert found == list(range(12))
    assert reader.dropped == 0


def test_a_live_source_waits_where_all_frames_are_asked_for() -> None:
    found, reader = numbers(Numbered(12, live=True), ReaderConfig(keep_all=True), pause_s=0.005)
    assert (found, reader.dropped) == (list(range(12)), 0)


def test_stride_takes_every_third_frame() -> None:
    found, reader = numbers(Numbered(10), ReaderConfig(stride=3))
    assert (found, reader.read, reader.dropped) == ([0, 3, 6, 9], 10, 0)


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(5.0, [0, 2, 4, 6, 8]), (10.0, list(range(10))), (1000.0, list(range(10))), (4.0, [0, 3, 5, 8])],
)
def test_fps_takes_frames_by_the_time_of_the_source(fps: float, expected: list[int]) -> None:
    assert numbers(Numbered(10), ReaderConfig(fps=fps))[0] == expected


def test_a_lost_source_is_opened_again_and_frames_are_numbered_on() -> None:
    lost = StreamLostError("camera 0: expected a frame, found none")
    source = Numbered(3, live=True, reopens=True, fails={0: lost, 1: lost, 2: lost, 3: lost})
    lines: list[str] = []
    indices = []
    with Reader(source, ReaderConfig(keep_all=True, retry_s=5), lines.append) as reader:
        for frame in reader:
            indices.append(frame.index)
            if len(indices) == 6:
                break
    assert indices == list(range(6))
    assert reader.reconnects == 1
    assert lines[0] == "lost: camera 0: expected a frame, found none; trying again for 5 s"
    assert lines[1].startswith("numbers: back after ")


def test_a_source_that_stays_lost_is_an_error_after_its_last_frame() -> None:
    source = Numbered(2, live=True, reopens=True, fails={n: StreamLostError("it is gone") for n in (0, 1, 3, 5, 7, 9)})
    source.count = 2
    taken = []
    with Reader(source, ReaderConfig(keep_all=True, retry_s=0)) as reader, pytest.raises(StreamLostError) as error:
        taken += [frame.index for frame in reader]
    assert str(error.value) == "it is gone (tried again for 0 s)"
    assert reader.read == 2


def test_a_source_that_never_opens_is_an_error_at_once() -> None:
    class Nothing(Numbered):
        def frames(self, stop: threading.Event):  # type: ignore[no-untyped-def]
            raise UOISError("camera 7: expected a camera, found none")

    started = time.monotonic()
    with Reader(Nothing(reopens=True)) as reader, pytest.raises(UOISError, match="^camera 7: expected a camera"):
        next(iter(reader))
    assert time.monotonic() - started < 5


def test_a_fault_in_the_thread_is_raised_and_not_swallowed() -> None:
    with Reader(Numbered(1, fails={0: ZeroDivisionError("a bug")})) as reader, pytest.raises(ZeroDivisionError):
        list(reader)


def test_stop_ends_it_while_it_waits_for_a_frame() -> None:
    source = Numbered(2, live=True, pause_s=0.5)
    with Reader(source) as reader:
        threading.Timer(0.05, reader.stop.set).start()
        started = time.monotonic()
        list(reader)
    assert time.monotonic() - started < 3
    assert not reader._thread.is_alive()


@pytest.mark.parametrize(("name", "value"), [("stride", 0), ("fps", 0.0), ("retry_s", -1.0), ("fps", float("nan"))])
def test_settings_out_of_bounds_are_refused(name: str, value: float) -> None:
    with pytest.raises(UOISError, match=name):
        ReaderConfig(**{name: value})

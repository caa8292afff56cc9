"""The loop: a frame, what is in it, and where that goes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from uois_sam.errors import ImageError
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.notes import LimitNotes
from uois_sam.streams.outputs import Output, Watched
from uois_sam.streams.reader import Reader
from uois_sam.tracking import Tracker


@dataclass
class Tally:
    """Counts of a stream watched so far."""

    frames: int = 0
    objects: int = 0
    busy_s: float = 0.0
    """Seconds that frames were in the model."""
    notes: LimitNotes = field(default_factory=lambda: LimitNotes("frame"))
    """What limits left out, and what the tracker says."""
    lines: list[str] = field(default_factory=list)
    """What outputs say at the end."""


def watch(
    reader: Reader,
    model: UOISSAM,
    outputs: Sequence[Output],
    tracker: Tracker | None = None,
    going_on: Callable[[], bool] = lambda: True,
) -> Iterator[Tally]:
    """Segment the frames of a reader and hand the results on; outputs are closed whatever ends it.

    Args:
        reader: entered already.
        model: segments.
        outputs: each gets every result.
        tracker: gives ids; None for none.
        going_on: asked after each frame; False ends the stream.

    Yields:
        The counts after each frame, and a last time when outputs are closed; always the same object.

    Raises:
        UOISError: the source fails, a frame cannot be segmented as asked, or a result cannot be written.
    """
    tally = Tally()
    with ExitStack() as stack:
        for output in reversed(outputs):
            stack.callback(partial(_close, output, tally))
        for frame in reader:
            begun = time.perf_counter()
            try:
                encoded = model.encode_image(frame.image)
                found = encoded.predict()
            except ImageError as error:
                raise ImageError(f"frame {frame.index}: {error}") from error
            if tracker is not None:
                found = tracker.update(found, encoded)
            seconds = time.perf_counter() - begun
            watched = Watched(frame, replace(found, image=None), seconds, reader.dropped)
            for output in outputs:
                output.write(watched)
            _count(tally, watched)
            yield tally
            if not going_on():
                break
    yield tally


def _close(output: Output, tally: Tally) -> None:
    tally.lines += output.close()


def _count(tally: Tally, watched: Watched) -> None:
    tally.frames += 1
    tally.objects += len(watched.found)
    tally.busy_s += watched.seconds
    tally.notes.add(f"frame {watched.frame.index}", watched.found.notes)


@contextmanager
def signals_end(stop: threading.Event) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM set an event; the second does what it usually does."""
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)

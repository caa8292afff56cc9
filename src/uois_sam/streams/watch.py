"""The loop: a frame, what is in it, and where that goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from uois_sam.errors import ImageError
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.notes import LimitNotes
from uois_sam.streams.frames import StreamFrame
from uois_sam.streams.outputs import Output, Watched
from uois_sam.streams.reader import Reader
from uois_sam.tracking import Tracker
from uois_sam.tracking.tracker import same_view

MOST_TOLD = 5
"""Lines of a kind: a folder may hold photos of every size."""


@dataclass
class Tally:
    """Counts of a stream watched so far."""

    frames: int = 0
    objects: int = 0
    busy_s: float = 0.0
    """Seconds that frames were in the model."""
    left_out: int = 0
    """Frames after the first that could not be segmented as asked: a region may lie outside of a smaller one."""
    resized: int = 0
    """Frames that had another size than the one before."""
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
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Tally]:
    """Segment the frames of a reader and hand the results on; outputs are closed whatever ends it.

    Args:
        reader: entered already.
        model: segments.
        outputs: each gets every result.
        tracker: gives ids; None for none.
        going_on: asked after each frame; False ends the stream.
        tell: takes a line where frames change their size, and about each that is left out, up to ``MOST_TOLD``.

    Yields:
        The counts after each frame, and a last time when outputs are closed; always the same object.

    Raises:
        UOISError: the source fails, the first frame cannot be segmented as asked, or a result cannot be written.
    """
    tally, size_hw = Tally(), (0, 0)
    with ExitStack() as stack:
        for output in reversed(outputs):
            stack.callback(partial(_close, output, tally))
        for frame in reader:
            size_hw, before_hw = frame.image.shape[:2], size_hw
            if before_hw not in (size_hw, (0, 0)):
                tally.resized += 1
                if tally.resized <= MOST_TOLD:
                    tell(f"{reader.source.name}: {_change(frame, before_hw, tracker)}")
            begun = time.perf_counter()
            try:
                encoded = model.encode_image(frame.image)
                found = encoded.predict()
            except ImageError as error:
                if not tally.frames:
                    raise ImageError(f"frame {frame.index}: {error}") from error
                tally.left_out += 1
                if tally.left_out <= MOST_TOLD:
                    tell(f"frame {frame.index} left out: {error}")
                continue
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


def _change(frame: StreamFrame, before_hw: tuple[int, int], tracker: Tracker | None) -> str:
    """What is said of a frame of another size than the one before."""
    (height, width), (height_before, width_before) = frame.image.shape[:2], before_hw
    ids = "ids go on" if same_view(before_hw, (height, width)) else "ids begin anew, the proportions have changed"
    said = f"frames are {width}x{height} from frame {frame.index} on, {width_before}x{height_before} before"
    return said if tracker is None else f"{said}; {ids}"


def _close(output: Output, tally: Tally) -> None:
    tally.lines += output.close()


def _count(tally: Tally, watched: Watched) -> None:
    tally.frames += 1
    tally.objects += len(watched.found)
    tally.busy_s += watched.seconds
    tally.notes.add(f"frame {watched.frame.index}", watched.found.notes)

"""Reads a source in a thread of its own, so that who is slow gets the newest frame and not the oldest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Annotated

from msgspec import Meta

from uois_sam.errors import UOISError
from uois_sam.streams.frames import FrameSource, StreamFrame, StreamLostError
from uois_sam.validation import check_fields

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
"""Bounds of the time before a lost source is opened again; it doubles with each try."""
_NAP_S = 0.1
"""How long a signal may go unnoticed."""


@dataclass(frozen=True)
class ReaderConfig:
    """Which frames of a source are taken.

    Raises:
        UOISError: a value of another type or out of bounds.
    """

    keep_all: bool | None = None
    """Wait for who is slow instead of dropping frames; None: wait where the source is not live."""
    stride: Annotated[int, Meta(ge=1)] = 1
    """Take every frame whose number is a multiple of this."""
    fps: Annotated[float, Meta(gt=0)] | None = None
    """Take at most so many frames a second of the source's time."""
    retry_s: Annotated[float, Meta(ge=0)] = 60.0
    """How long a lost source is tried again before that is an error."""

    def __post_init__(self) -> None:
        check_fields(self)


class Reader:
    """Iterate over it once for the frames of a source; a context manager that ends its thread.

    At most one frame waits. A lost source is opened again with growing pauses.
    """

    def __init__(
        self, source: FrameSource, config: ReaderConfig | None = None, tell: Callable[[str], None] = lambda line: None
    ) -> None:
        self.source = source
        self.config = config or ReaderConfig()
        self.stop = threading.Event()
        """Set it to end the iteration."""
        self.read = 0
        """Frames that came from the source."""
        self.dropped = 0
        """Frames that were replaced by a newer one before anybody took them."""
        self.reconnects = 0
        """Times that a lost source came back."""
        self._tell = tell
        self._waits = not source.live if self.config.keep_all is None else self.config.keep_all
        self._slot: StreamFrame | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._due_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="uois-sam-reader", daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop.set()
        with self._changed:
            self._changed.notify_all()
        if kind is not KeyboardInterrupt:
            self._thread.join(timeout=5)  # a driver may hang in a read; the thread is a daemon then

    def __iter__(self) -> Iterator[StreamFrame]:
        """Yield frames until the source ends or :attr:`stop` is set.

        Raises:
            UOISError: the source cannot be opened, or was lost for too long.
        """
        while not self.stop.is_set():
            with self._changed:
                while self._slot is None and not self._ended and not self.stop.is_set():
                    self._changed.wait(_NAP_S)
                frame, self._slot = self._slot, None
                self._changed.notify_all()
            if self.stop.is_set():
                return
            if frame is not None:
                yield frame
            elif self._error is not None:
                raise self._error
            else:
                return

    def _run(self) -> None:
        try:
            self._read_and_reopen()
        except BaseException as error:  # it is raised where frames are taken
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_and_reopen(self) -> None:
        lost_since: float | None = None
        wait_s = FIRST_WAIT_S
        while not self.stop.is_set():
            reason = "it ended"
            try:
                with closing(self.source.frames(self.stop)) as frames:  # type: ignore[type-var]
                    for frame in frames:
                        if self.stop.is_set():
                            return
                        if lost_since is not None:
                            self.reconnects += 1
                            self._tell(f"{self.source.name}: back after {time.monotonic() - lost_since:.1f} s")
                            lost_since, wait_s = None, FIRST_WAIT_S
                        self._offer(replace(frame, index=self.read))
            except UOISError as error:
                if not (self.read and self.source.reopens):
                    raise
                reason = str(error)
            if not self.source.reopens or self.stop.is_set():
                return
            if lost_since is None:
                lost_since = time.monotonic()
                self._tell(f"lost: {reason}; trying again for {self.config.retry_s:g} s")
            left_s = lost_since + self.config.retry_s - time.monotonic()
            if left_s <= 0:
                raise StreamLostError(f"{reason} (tried again for {self.config.retry_s:g} s)")
            self.stop.wait(min(wait_s, left_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _offer(self, frame: StreamFrame) -> None:
        self.read += 1
        if frame.index % self.config.stride or not self._is_due(frame.stamp_s):
            return
        with self._changed:
            while self._waits and self._slot is not None and not self.stop.is_set():
                self._changed.wait(_NAP_S)
            self.dropped += self._slot is not None and not self.stop.is_set()
            self._slot = frame
            self._changed.notify_all()

    def _is_due(self, stamp_s: float) -> bool:
        if self.config.fps is None:
            return True
        step = 1 / self.config.fps
        if self._due_s is not None and self._due_s - 2 * step < stamp_s < self._due_s - 1e-6:
            return False
        # In step with the source where it keeps up; anew after a gap, or where its clock was set back.
        on_time = self._due_s is not None and 0 <= stamp_s - self._due_s < step
        self._due_s = (self._due_s if on_time and self._due_s is not None else stamp_s) + step
        return True

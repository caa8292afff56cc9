"""Ctrl+C in two steps: the first lets what is in hand be finished, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

AGAIN = "Ctrl+C again stops at once"
"""Part of every line about what is being finished."""


@contextmanager
def aside(tell: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """Give a function that may be called in a signal's handler, and have ``tell`` called on a thread of its own.

    A handler runs between any two steps of the main thread: what prints there may wait for a lock that this very
    thread holds, or break into a line that it was writing.

    Args:
        tell: called with what the function was given, in order; all of it is told at the end.
    """
    given: SimpleQueue[tuple[T] | None] = SimpleQueue()  # the one queue that a signal's handler may put into

    def speak() -> None:
        while (each := given.get()) is not None:
            tell(*each)

    speaker = threading.Thread(target=speak, name="uois-sam-interrupts", daemon=True)
    speaker.start()
    try:
        yield lambda each: given.put((each,))
    finally:
        given.put(None)
        speaker.join()


@contextmanager
def ends_softly(
    ask: Callable[[], object], tell: Callable[[], object], numbers: Sequence[signal.Signals] = (signal.SIGINT,)
) -> Iterator[None]:
    """Let the first signal ask for an end; the second does what it usually does, which for Ctrl+C is to raise.

    Signals that are ignored, as the shell has it for jobs in the background, stay so. Outside of the main thread, to
    which signals never come, nothing changes.

    Args:
        ask: called when the first signal comes, between any two steps of the main thread: it may set an attribute or
            an event, and no more.
        tell: called right after it on a thread of its own; it may print.
        numbers: the signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {each: handler for each in numbers if (handler := signal.getsignal(each)) != signal.SIG_IGN}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    with aside(lambda _: tell()) as say:

        def end(number: int, _: object) -> None:
            restore()
            ask()
            say(number)

        for number in usual:
            signal.signal(number, end)
        try:
            yield
        finally:
            restore()

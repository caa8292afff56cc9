"""Where the time of a scene goes: named stages around the steps, summed where somebody asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SECONDS: ContextVar[dict[str, float] | None] = ContextVar("seconds", default=None)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time spent inside towards a stage; costs nothing to speak of when nobody measures."""
    seconds = _SECONDS.get()
    started = time.perf_counter()
    try:
        yield
    finally:
        if seconds is not None:
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Collect the seconds of every stage that runs inside; nested stages count towards both."""
    seconds: dict[str, float] = {}
    token = _SECONDS.set(seconds)
    try:
        yield seconds
    finally:
        _SECONDS.reset(token)

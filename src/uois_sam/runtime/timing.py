"""Clocks, timers of calls and of stages, and quartiles of many readings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

WARM_UP = 3
"""Number of runs that are not counted, in which memory is allocated, kernels are chosen and clock rates rise."""


@dataclass(frozen=True)
class Quartiles:
    """Median and quartiles of the seconds of several runs."""

    median: float
    q25: float
    q75: float
    n: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Quartiles:
        """Return the quartiles of at least one reading."""
        low, middle, high = (float(value) for value in np.percentile(seconds, [25, 50, 75]))
        return cls(middle, low, high, len(seconds))

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


Clock = Literal["wall", "cpu"]
_clock: ContextVar[Clock] = ContextVar("clock", default="wall")


@contextmanager
def reading(clock: Clock) -> Iterator[None]:
    """Let :func:`now` read wall-clock time, or processor time of this process (all its threads)."""
    before = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(before)


def now(device: torch.device | None = None) -> float:
    """Return seconds on a monotonic clock, once the device (if given) has finished its work."""
    kind = "cpu" if device is None else device.type
    if kind == "cuda":
        import torch

        torch.cuda.synchronize(device)
    elif kind == "mps":
        import torch

        torch.mps.synchronize()
    return time.perf_counter() if _clock.get() == "wall" else time.process_time()


def time_in_turn(
    calls: Mapping[str, Callable[[], object]], device: torch.device, repeats: int, warm_up: int = WARM_UP
) -> dict[str, Quartiles]:
    """Time several calls in turn, one of each in every round, so that a slow spell of the machine hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(warm_up + repeats):
        for name, call in calls.items():
            began = now(device)
            call()
            ended = now(device)
            if run >= warm_up:
                seconds[name].append(ended - began)
    return {name: Quartiles.of(taken) for name, taken in seconds.items()}


_SECONDS: ContextVar[dict[str, float] | None] = ContextVar("seconds", default=None)


@contextmanager
def stage(name: str, device: torch.device | None = None) -> Iterator[None]:
    """Count the time spent inside towards a stage; does nothing outside of :func:`measured`.

    Args:
        name: of the stage.
        device: whose work is waited for; None where all of it is the processor's.
    """
    seconds = _SECONDS.get()
    if seconds is None:
        yield
        return
    began = now(device)
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + now(device) - began


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Collect the seconds of every stage that runs inside; a nested stage counts towards its outer one, too."""
    seconds: dict[str, float] = {}
    token = _SECONDS.set(seconds)
    try:
        yield seconds
    finally:
        _SECONDS.reset(token)

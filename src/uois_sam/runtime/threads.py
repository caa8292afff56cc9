"""Threads of a photo: how many there are, and how they wait. torch reads both once, when it is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from uois_sam.runtime.cores import allowed_cores, usable_cores

WAIT_POLICY = "OMP_WAIT_POLICY"
"""Environment variable of OpenMP that torch's thread pool reads when it is loaded."""
WAITING = {WAIT_POLICY: "PASSIVE", "GOMP_SPINCOUNT": "300"}
"""How torch's threads wait unless the user says otherwise: they look 300 times before they sleep. Alone that saves a
tenth of a photo's time; a thousand times saves more alone and loses it beside busy processes
(``benchmarks/neighbours.py``)."""
THREADS = "OMP_NUM_THREADS"
"""Likewise, for the number of threads."""
_ARENA_MAX = -8
"""M_ARENA_MAX of malloc.h."""


def prepare_threads() -> None:
    """Let torch's threads look a few times and then sleep while they wait, no more of them than the quota has cores.

    Does nothing once torch is loaded, and leaves what the user has set. By default the threads spin. Alone on a machine
    that saves up to a third; beside one busy process a spinning thread takes processor time from the one it waits
    for, and a photo takes ten times as long. Nor does torch know the quota of a container: it starts a thread for every
    core of the machine.
    """
    if "torch" in sys.modules:
        return
    if WAIT_POLICY not in os.environ:  # a count would go before the user's own policy
        for name, value in WAITING.items():
            os.environ.setdefault(name, value)
    if usable_cores() < allowed_cores():
        os.environ.setdefault(THREADS, str(usable_cores()))


def share_one_heap() -> None:
    """Let threads that start from now on take memory from the heap of the main one.

    glibc gives each thread a heap that hands its pages back to the system after every photo, to be zeroed and mapped
    again for the next one; the main heap keeps them. Does nothing with another libc, or where the user has set
    MALLOC_ARENA_MAX.
    """
    import ctypes

    if sys.platform.startswith("linux") and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_ARENA_MAX, 1)


def thread_count() -> int:
    """Return how many threads a photo may use: torch's where it is loaded, else as OMP_NUM_THREADS says, or all."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    given = os.environ.get(THREADS, "")
    return max(1, int(given)) if given.isdecimal() else usable_cores()


@contextmanager
def photos_at_once(workers: int) -> Iterator[None]:
    """Let each of several photos, in the model on threads, use its share of the cores; all threads share a heap."""
    share_one_heap()
    with threads_of(None if workers == 1 else max(1, thread_count() // workers)):
        yield


@contextmanager
def threads_of(count: int | None) -> Iterator[None]:
    """Let operators use this many threads of the processor; None changes nothing."""
    torch = sys.modules.get("torch")
    usual = os.environ.get(THREADS) if torch is None else torch.get_num_threads()
    if torch is None:
        os.environ[THREADS] = str(count or thread_count())
    else:
        torch.set_num_threads(count or usual)
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(usual)
        elif usual is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = usual

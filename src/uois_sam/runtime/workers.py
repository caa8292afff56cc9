"""Worker processes that survive each other: a dead one is replaced and its job tried again; none outlives its parent.

``concurrent.futures`` gives up on everything when one process dies, and cannot tell which job killed it. Renderers do
die: the system ends the largest process when memory runs out, and some versions of LLVM abort.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from uois_sam.errors import DatasetError, UOISError

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

_LOG = logging.getLogger(__name__)

MAX_DEATHS = 2
"""A job during which this many processes died is given up, and the run with it."""


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """A finished job."""

    result: ResultT
    deaths: int
    """Processes that died over it before."""


@dataclass(frozen=True)
class Failure:
    """An exception in a worker, as text: not every exception survives pickling."""

    message: str
    trace: str
    """Empty for errors that are told in one line."""


@dataclass
class _Worker(Generic[JobT]):
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    job: JobT


def run_jobs(
    make: Callable[[JobT], ResultT], jobs: Sequence[JobT], workers: int, start: Callable[[], None]
) -> Iterator[Done[ResultT]]:
    """Do jobs in ``workers`` fresh processes and yield their results in the order they finish.

    Args:
        make: does one job; pickled, as are jobs and results.
        jobs: what to do.
        workers: number of processes.
        start: called before every job, so it should remember that it was; pickled.

    Raises:
        DatasetError: processes died over the same job ``MAX_DEATHS`` times.
        UOISError: a job raised one (the message is the same) or anything else (the message names the job and the
            exception; its traceback is logged at debug level).
    """
    waiting = list(reversed(jobs))
    deaths: dict[JobT, int] = {}
    crew = [_hire(make, start, waiting.pop()) for _ in range(min(workers, len(waiting)))]
    try:
        while crew:
            ready = wait([worker.pipe for worker in crew])
            for worker in [worker for worker in crew if worker.pipe in ready]:
                job = worker.job
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    deaths[job] = deaths.get(job, 0) + 1
                    crew.remove(worker)
                    _mourn(worker, deaths[job])
                    crew.append(_hire(make, start, job))
                    continue
                if isinstance(answer, Failure):
                    raise as_error(answer, job)
                if waiting:
                    worker.job = waiting.pop()
                    worker.pipe.send(worker.job)
                else:
                    crew.remove(worker)
                    worker.pipe.close()
                yield Done(answer, deaths.get(job, 0))
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.join()


def _hire(make: Callable[[JobT], ResultT], start: Callable[[], None], job: JobT) -> _Worker[JobT]:
    context = multiprocessing.get_context("spawn")  # a forked renderer hangs
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, make, start), daemon=True)
    process.start()
    theirs.close()  # so that reading ends when the process does
    ours.send(job)
    return _Worker(process, ours, job)


def _mourn(worker: _Worker[JobT], deaths: int) -> None:
    worker.process.join()
    if deaths >= MAX_DEATHS:
        raise DatasetError(f"{worker.job}: {deaths} processes died over it, the last one {_cause(worker.process)}")


def _cause(process: multiprocessing.process.BaseProcess) -> str:
    code = process.exitcode or 0
    if code >= 0:
        return f"with exit status {code}"
    name = signal.Signals(-code).name
    hint = {"SIGKILL": " (out of memory? try fewer --workers)", "SIGABRT": " (try --variant scalar)"}.get(name, "")
    return f"by {name}{hint}"


def attempt(make: Callable[[JobT], ResultT], start: Callable[[], None], job: JobT) -> ResultT | Failure:
    """Do one job in this process; ``start`` must be harmless when called again."""
    try:
        start()
        return make(job)
    except UOISError as error:
        return Failure(str(error), "")
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return Failure(told, traceback.format_exc())


def as_error(failure: Failure, job: object) -> UOISError:
    """The exception to raise in the parent for a job that failed."""
    if not failure.trace:
        return UOISError(failure.message)
    _LOG.debug("%s failed:\n%s", job, failure.trace)
    return UOISError(f"{job} failed: {failure.message}")


def _work(pipe: Connection, make: Callable[[JobT], ResultT], start: Callable[[], None]) -> None:
    """Body of a worker: do jobs from the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted as well and ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has no more jobs, or is gone
        job = pipe.recv()
        while True:
            pipe.send(attempt(make, start, job))
            job = pipe.recv()


def _end_with_parent() -> None:
    """Exit at once when the parent dies, even in the middle of a scene."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

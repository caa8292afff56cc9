"""Several jobs at the same time: on threads, in processes that survive each other, or on a Ray cluster.

Every executor consists of threads in this process, each of which sees one job through: it does the job itself, has a
worker process do it, or waits for the cluster. Results are futures, taken in the order of the jobs (:func:`in_order`)
or as they finish (:func:`as_finished`); either way only ``capacity`` of them are under way, whatever the number of
jobs.

``concurrent.futures`` and loky give up all jobs when one process dies, and cannot tell which job killed it. Renderers
do die: the system ends the largest process when memory runs out, and some versions of LLVM abort. So each worker
process has a thread and a pipe of its own here; a dead one is replaced and its job tried again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from uois_sam.errors import UOISError, WorkerError

T = TypeVar("T")
JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

_LOG = logging.getLogger(__name__)

MAX_DEATHS = 2
"""Give a job up after this many processes have died over it."""
LONGEST_JOB = 6 * 3600.0
"""Seconds after which a job in another process, or on a cluster, counts as hung; most take seconds."""


@dataclass(frozen=True)
class Executor(Generic[JobT, ResultT]):
    """Does jobs, several at the same time."""

    submit: Callable[[JobT], Future[ResultT]]
    """Begin a job; jobs begin in the order in which they are submitted."""
    capacity: int
    """Jobs to submit before the first result is taken; memory grows with it, not with the number of jobs."""


def in_order(begun: Iterable[T], capacity: int) -> Iterator[T]:
    """Yield items in their order, the iterable being ``capacity`` items ahead: items that submit a job as they come."""
    waiting: deque[T] = deque()
    for item in begun:
        waiting.append(item)
        if len(waiting) >= capacity:
            yield waiting.popleft()
    yield from waiting


def as_finished(executor: Executor[JobT, ResultT], jobs: Iterable[JobT]) -> Iterator[tuple[JobT, Future[ResultT]]]:
    """Submit jobs as capacity permits, and yield each with its future once that is done."""
    remaining = iter(jobs)
    running: dict[Future[ResultT], JobT] = {}
    while True:
        for job in islice(remaining, executor.capacity - len(running)):
            running[executor.submit(job)] = job
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        future = next(future for future in running if future in done)
        yield running.pop(future), future


@contextmanager
def threads_of_a_run(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for at the end, unless the run is interrupted: that ends at once, as its process does."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def on_threads(
    function: Callable[[JobT], ResultT], threads: int, capacity: int | None = None
) -> Iterator[Executor[JobT, ResultT]]:
    """Do jobs on threads of this process.

    Args:
        function: does one job.
        threads: number of jobs done at the same time.
        capacity: of the executor; the number of threads if left out.
    """
    with threads_of_a_run(threads) as pool:
        yield Executor(lambda job: pool.submit(function, job), capacity or threads)


@contextmanager
def on_processes(
    function: Callable[[JobT], ResultT], workers: int, on_death: Callable[[JobT], object] = lambda job: None
) -> Iterator[Executor[JobT, ResultT]]:
    """Do jobs in fresh processes, none of which outlives this one.

    Futures raise what the job raised (a :class:`UOISError` or RuntimeError in its place if that cannot be pickled; the
    traceback of unexpected errors is logged at debug level), or :class:`WorkerError` if ``MAX_DEATHS`` processes died
    over the job.

    Args:
        function: does one job; pickled, as are jobs and results.
        workers: number of processes; started when they are first needed.
        on_death: called with the job when a process died over it, on any thread.
    """
    processes = _Processes(function)

    def run(job: JobT) -> ResultT:
        for _ in range(MAX_DEATHS):
            process = processes.take()
            try:
                answer = process.run(job)
            except (EOFError, OSError):
                processes.discard(process)
                on_death(job)
            else:
                processes.put_back(process)
                return unwrap(answer, job)
        raise WorkerError(f"{job}: {MAX_DEATHS} processes died over it, the last one {process.cause_of_death()}")

    with on_threads(run, workers, 2 * workers) as executor:
        try:
            yield executor
        finally:
            processes.kill()


class _Processes(Generic[JobT, ResultT]):
    """Worker processes, started on demand."""

    def __init__(self, function: Callable[[JobT], ResultT]) -> None:
        self._function = function
        self._all: list[_Process[JobT, ResultT]] = []
        self._idle: list[_Process[JobT, ResultT]] = []
        self._killed = False
        self._lock = threading.Lock()

    def take(self) -> _Process[JobT, ResultT]:
        with self._lock:
            self._expect_alive()
            if self._idle:
                return self._idle.pop()
            process = _Process(self._function)
            self._all.append(process)
            return process

    def _expect_alive(self) -> None:
        if self._killed:
            raise WorkerError("the processes were ended with the run")

    def put_back(self, process: _Process[JobT, ResultT]) -> None:
        self._idle.append(process)

    def discard(self, process: _Process[JobT, ResultT]) -> None:
        """Forget a process that died by itself; raise WorkerError if it was :meth:`kill`."""
        process.end()
        with self._lock:
            self._expect_alive()
            self._all.remove(process)

    def kill(self) -> None:
        """End all processes, which lets their threads end, too."""
        with self._lock:
            self._killed = True
            processes = list(self._all)
        for process in processes:
            process.end(kill=True)


class _Process(Generic[JobT, ResultT]):
    """One worker process and the pipe to it."""

    def __init__(self, function: Callable[[JobT], ResultT]) -> None:
        context = multiprocessing.get_context("spawn")  # forked renderers hang, and so do forked threads of a model
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, function), daemon=True)
        with _interrupts_blocked():
            self._process.start()
        theirs.close()  # so that reading ends when the process does

    def run(self, job: JobT) -> ResultT | Failure:
        """Have a job done; raise EOFError or OSError if the process dies, or hangs and is ended for it."""
        self._pipe.send(job)
        if not self._pipe.poll(LONGEST_JOB):
            self._process.kill()
        answer: ResultT | Failure = self._pipe.recv()
        return answer

    def end(self, *, kill: bool = False) -> None:
        if kill:
            self._process.kill()
        self._process.join()

    def cause_of_death(self) -> str:
        code = self._process.exitcode or 0
        if code >= 0:
            return f"with exit status {code}"
        hint = " (out of memory? try fewer --workers)" if code == -signal.SIGKILL else ""
        return f"by {signal.Signals(-code).name}{hint}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let a process that is started inherit that Ctrl+C, which the terminal sends to it too, is not for it.

    It could ignore the signal only once it has loaded its modules, and would show a traceback before.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class Failure:
    """An exception on its way between processes."""

    error: Exception
    trace: str


def attempt(function: Callable[[JobT], ResultT], job: JobT) -> ResultT | Failure:
    """Return the result of a job, or its exception in a form that survives pickling."""
    try:
        return function(job)
    except Exception as error:
        return Failure(_portable(error), traceback.format_exc())


def unwrap(answer: ResultT | Failure, job: object) -> ResultT:
    """Return the result, or raise the exception that :func:`attempt` caught."""
    if not isinstance(answer, Failure):
        return answer
    if not isinstance(answer.error, UOISError):
        _LOG.debug("%s failed:\n%s", job, answer.trace)
    raise answer.error


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return (
            UOISError(str(error)) if isinstance(error, UOISError) else RuntimeError(f"{type(error).__name__}: {error}")
        )
    return error


def _work(pipe: Connection, function: Callable[[JobT], ResultT]) -> None:
    """Body of a worker process: do jobs from the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted as well and ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has no more jobs, or is gone
        while True:
            pipe.send(attempt(function, pipe.recv()))


def _end_with_parent() -> None:
    """Exit at once when the parent dies, even in the middle of a job."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

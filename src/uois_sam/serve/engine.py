"""The queue before the model: bounded, with a deadline, and emptied before the server ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from uois_sam.serve.config import ServerConfig
from uois_sam.serve.metrics import Metrics
from uois_sam.serve.problems import BusyError, LateError

T = TypeVar("T")


class Engine:
    """Threads that do jobs in the order in which they came.

    Photos that arrive together are in the model together, each on its share of the cores. One forward pass over
    several would be slower on a processor, whose caches it overflows: four photos take the compact encoder 0.60 s of
    processor time as one batch, and 0.43 s one after the other.
    """

    def __init__(self, config: ServerConfig, metrics: Metrics) -> None:
        self.config = config
        self.metrics = metrics
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="uois-sam-model")
        self._taken: set[Future[Any]] = set()
        self._places = threading.Semaphore(config.workers + config.queue)

    async def run(self, job: Callable[[], T]) -> T:
        """Do a job on one of the threads and return its result.

        Raises:
            BusyError: as many jobs are taken as the queue holds.
            LateError: the deadline passed. A job that waits is dropped; one that has begun goes on and keeps its place.
        """
        seconds = self.config.deadline_s
        if not self._places.acquire(blocking=False):
            self.metrics.refused.labels("busy").inc()
            most = self.config.workers + self.config.queue
            raise BusyError(f"expected at most {most} photos at a time, found more: try again")
        self.metrics.waiting.inc()
        future = self._threads.submit(self._do, job, time.monotonic() + seconds)
        self._taken.add(future)
        future.add_done_callback(self._free)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except asyncio.TimeoutError:
            raise self._late() from None

    async def close(self) -> None:
        """Finish what was taken."""
        self._threads.shutdown(wait=False)
        await asyncio.gather(*map(asyncio.wrap_future, list(self._taken)), return_exceptions=True)

    def _do(self, job: Callable[[], T], until: float) -> T:
        if time.monotonic() > until:
            raise self._late()
        with self.metrics.working.track_inprogress():
            return job()

    def _free(self, future: Future[Any]) -> None:
        self._taken.discard(future)
        self.metrics.waiting.dec()
        self._places.release()

    def _late(self) -> LateError:
        self.metrics.refused.labels("late").inc()
        return LateError(f"expected an answer within {self.config.deadline_s:g} s, found none: try again later")

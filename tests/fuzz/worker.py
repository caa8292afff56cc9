"""Cases in a process of its own, with limits on memory and time, and what became of each."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

SECONDS = 20.0
"""A case that takes longer hangs; the slowest that is meant to end takes a tenth of it."""
MEMORY_BYTES = 2 << 30
"""What a case may take beyond what the libraries have taken before it."""
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Outcome:
    """What became of one case."""

    kind: str
    number: int
    what: str
    """``read``, ``refused``, ``foreign``, ``crash`` or ``hang``."""
    detail: str = ""


def run_cases(cases: Iterator[tuple[str, int]] | list[tuple[str, int]], seconds: float = SECONDS) -> Iterator[Outcome]:
    """Run cases by class and number, one after the other; a process that dies or hangs is replaced."""
    worker: _Worker | None = None
    try:
        for kind, number in cases:
            worker = worker or _Worker()
            outcome = worker.run(kind, number, seconds)
            if outcome.what in ("crash", "hang"):
                worker.end()
                worker = None
            yield outcome
    finally:
        if worker is not None:
            worker.end()


class _Worker:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()
        if not self.pipe.poll(_START_SECONDS):
            raise RuntimeError("the worker did not start")
        self.pipe.recv()

    def run(self, kind: str, number: int, seconds: float) -> Outcome:
        self.pipe.send((kind, number))
        try:
            if not self.pipe.poll(seconds):
                return Outcome(kind, number, "hang", f"more than {seconds:g} s")
            what, detail = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join(5)
            return Outcome(kind, number, "crash", f"exit code {self.process.exitcode}")
        return Outcome(kind, number, what, detail)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection) -> None:
    import logging

    from fuzz.cases import CLASSES
    from uois_sam.errors import UOISError

    logging.getLogger("uois_sam").setLevel(logging.CRITICAL)
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    _warm_up()
    _limit_memory()
    pipe.send("ready")
    while True:
        kind, number = pipe.recv()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                CLASSES[kind](random.Random(f"{kind} {number}"), Path(folder))
                pipe.send(("read", ""))
            except UOISError as error:
                told = str(error)
                pipe.send(("refused", told) if "\n" not in told else ("foreign", f"more than a line: {told!r}"))
            except BaseException:
                pipe.send(("foreign", traceback.format_exc(limit=-6)))


def _warm_up() -> None:
    """Load what takes memory by itself."""
    import cv2
    import torch

    import uois_sam.pipeline  # noqa: F401

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _limit_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

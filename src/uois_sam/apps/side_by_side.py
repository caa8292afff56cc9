"""Several photos under way at the same time on this machine; their answers come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from uois_sam.apps.results import Found, Result, Segmenter, segment_photo
from uois_sam.apps.sources import Photo

AHEAD = 2
"""Photos that are read, encoded or waiting to be written beside those in the model."""
MOST_WORKERS = 16
"""Of one process, where cores are many: each has activations of its own, about 0.1 GB."""

ItemT = TypeVar("ItemT")
Answer = Callable[[], Result]
"""Waits for a photo's result and returns it, or raises what went wrong."""
Submit = Callable[[Photo], Answer]


@dataclass(frozen=True)
class Crew:
    """Those who segment photos."""

    submit: Submit
    """Begin with a photo."""
    under_way: int
    """Photos to begin before the first is waited for; memory grows with it, not with the number of photos."""


def in_order(crew: Crew, items: Iterable[tuple[ItemT, Photo | Exception]]) -> Iterator[tuple[ItemT, Answer]]:
    """Begin with photos ahead of time and hand out their answers in the order they came; exceptions pass as answers."""
    waiting: deque[tuple[ItemT, Answer]] = deque()
    for key, item in items:
        waiting.append((key, partial(_fail, item) if isinstance(item, Exception) else crew.submit(item)))
        if len(waiting) >= crew.under_way:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _fail(error: Exception) -> Result:
    raise error


@contextmanager
def on_threads(model: Segmenter, workers: int, debug: bool) -> Iterator[Crew]:
    """Segment on this machine.

    Reading, decoding, drawing and compressing happen beside the model. Where several photos are in the model at the
    same time, each has its share of the cores, since the threads of one photo wait for each other at every operator.

    Args:
        model: shared by all threads.
        workers: photos in the model at the same time.
        debug: as :func:`segment_photo`.
    """
    # The model has threads of its own: each that ever runs it keeps some 0.1 GB of freed memory to itself.
    pool, computing = ThreadPoolExecutor(workers + AHEAD), ThreadPoolExecutor(workers)

    def call(function: Callable[[], Found]) -> Found:
        return computing.submit(function).result()

    with _threads_each(workers):
        try:
            yield Crew(lambda photo: pool.submit(segment_photo, photo, model, debug, call).result, workers + AHEAD)
        finally:
            pool.shutdown(cancel_futures=True)
            computing.shutdown()


@contextmanager
def _threads_each(workers: int) -> Iterator[None]:
    """Let operators use an equal share of the threads that one photo would have."""
    if workers == 1:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def choose_workers(asked: int | None, model: Segmenter) -> int:
    """Photos in the model at the same time; a core each if the model is the compact one on a processor, else one.

    Larger models use all cores well by themselves, and their activations would fill the memory.
    """
    if asked is not None:
        return asked
    device = getattr(getattr(model, "device", None), "type", None)
    if device != "cpu" or model.card.architecture.get("kind") != "compact":
        return 1
    import torch

    return min(torch.get_num_threads(), MOST_WORKERS)

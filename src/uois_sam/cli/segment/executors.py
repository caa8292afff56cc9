"""Several photos under way at the same time on this machine; their answers come in order."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from uois_sam.cli.segment.inputs import Photo
from uois_sam.cli.segment.outputs import Found, Result, Segmenter, segment_photo
from uois_sam.errors import ImageError, UOISError
from uois_sam.runtime.ray import ray_cluster

if TYPE_CHECKING:
    from uois_sam.cli.segment.command import Segment
    from uois_sam.types import ImageArray

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


QUEUED_PER_PLACE = 2
"""Photos handed to the cluster for each of its GPUs, or cores: enough that none waits, few enough that results do not
pile up."""
MAX_DEATHS = 2
"""A photo over which this many processes died has failed."""


@contextmanager
def on_ray(options: Segment) -> Iterator[Crew]:
    """Segment on a Ray cluster: photos travel there and files travel back, so no shared disk is needed.

    The nodes need the package, and the model under the same name or path.

    Raises:
        MissingExtraError: Ray is not installed.
        UOISError: there is no cluster at the address.
    """
    assert options.ray is not None
    with ray_cluster(options.ray, "segment") as ray:
        resources: dict[str, float] = ray.cluster_resources()
        places = int(resources.get("GPU", 0)) or max(1, int(resources.get("CPU", 1)))
        share: dict[str, Any] = {"num_gpus": 1} if resources.get("GPU") else {"num_cpus": 1}
        remote = ray.remote(max_retries=MAX_DEATHS - 1, **share)(_segment_sent)
        shared = ray.put(replace(options, inputs=(), out=Path()))
        running: dict[Any, None] = {}

        def submit(photo: Photo) -> Answer:
            reference = remote.remote(shared, _packed(photo))
            running[reference] = None
            return partial(_answer, ray, reference, running)

        try:
            yield Crew(submit, QUEUED_PER_PLACE * places)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


@dataclass(frozen=True)
class _Sent:
    """A photo as it travels: its file's bytes, or a video's frame."""

    photo: Photo
    """Its ``read`` is that of the frame; for a file it is replaced on arrival."""
    path: Path | None
    content: bytes | None


def _packed(photo: Photo) -> _Sent:
    if photo.path is None:
        return _Sent(photo, None, None)
    try:
        return _Sent(photo, photo.path, photo.path.read_bytes())
    except OSError:
        return _Sent(photo, photo.path, None)  # told when it is read


def _answer(ray: Any, reference: Any, running: dict[Any, None]) -> Result:
    try:
        result: Result = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise UOISError(f"{MAX_DEATHS} processes died over it ({type(error).__name__})") from error
    finally:
        running.pop(reference, None)
    return result


def _segment_sent(options: Segment, sent: _Sent) -> Result:
    """Body of a task."""
    photo = sent.photo if sent.path is None else replace(sent.photo, read=partial(_read_sent, sent))
    return segment_photo(photo, _loaded(options), options.debug_heatmap)


@lru_cache(maxsize=1)
def _loaded(options: Segment) -> Segmenter:
    """The model, once in every process."""
    return options.model.load()


def _read_sent(sent: _Sent) -> ImageArray:
    from uois_sam.io.images import read_image

    assert sent.path is not None
    if sent.content is None:
        raise ImageError(f"{sent.path}: expected a photo, found a file that cannot be read")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / f"photo{sent.path.suffix}"
        here.write_bytes(sent.content)
        try:
            return read_image(here)
        except ImageError as error:
            raise ImageError(str(error).replace(os.fspath(here), os.fspath(sent.path))) from error

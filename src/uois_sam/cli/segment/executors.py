"""Several photos under way at the same time: in the model on this machine, or on a Ray cluster."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.cli.segment.formats import NATIVE_ONLY, FormatPlan
from uois_sam.cli.segment.inputs import Photo
from uois_sam.cli.segment.outputs import PictureOptions, Result, Segmenter, made_by, predict, segment_photo
from uois_sam.errors import ImageError
from uois_sam.runtime.executors import Executor, on_threads, threads_of_a_run
from uois_sam.runtime.ray import on_ray
from uois_sam.runtime.threads import photos_at_once, thread_count

if TYPE_CHECKING:
    from uois_sam.types import ImageArray

AHEAD = 2
"""Photos that are read, encoded or waiting to be written beside those in the model."""
MOST_WORKERS = 16
"""Of one process, where cores are many: each has activations of its own, about 0.1 GB."""


@contextmanager
def segment_here(
    model: Segmenter, workers: int, pictures: PictureOptions, plan: FormatPlan = NATIVE_ONLY
) -> Iterator[Executor[Photo, Result]]:
    """Segment on this machine.

    Reading, decoding, drawing and compressing happen beside the model. Where several photos are in the model at the
    same time, each has its share of the cores, since the threads of one photo wait for each other at every operator.

    Args:
        model: shared by all threads.
        workers: photos in the model at the same time.
        pictures: what to draw.
        plan: formats of the results.
    """
    # The model has threads of its own: each that ever runs it keeps some 0.1 GB of freed memory to itself.
    with photos_at_once(workers), threads_of_a_run(workers) as computing:

        def segment(photo: Photo) -> Result:
            compute = lambda *of: computing.submit(predict, model, pictures.debug_heatmap, *of).result()  # noqa: E731
            return segment_photo(photo, compute, record, plan, pictures)

        record = made_by(model, plan)
        with on_threads(segment, workers + AHEAD) as executor:
            yield executor


def choose_workers(asked: int | None, model: Segmenter) -> int:
    """Return the number of photos in the model at the same time, by default one.

    For the compact model on a processor the default is one a core. Larger models use all cores well by themselves, and
    their activations would fill the memory.
    """
    if asked is not None:
        return asked
    device = getattr(getattr(model, "device", None), "type", None)
    if device != "cpu" or model.card.architecture.get("kind") != "compact":
        return 1
    return min(thread_count(), MOST_WORKERS)


@contextmanager
def segment_on_ray(
    load_model: Callable[[], Segmenter], address: str, pictures: PictureOptions, plan: FormatPlan = NATIVE_ONLY
) -> Iterator[Executor[Photo, Result]]:
    """Segment on a Ray cluster: photos travel there and files travel back, so no shared disk is needed.

    Args:
        load_model: loads the model on a node, which needs it under the same name or path; pickled.
        address: as :func:`~uois_sam.runtime.ray.on_ray`.
        pictures: what to draw.
        plan: formats of the results.

    Raises:
        MissingExtraError: if Ray is not installed.
        UOISError: if there is no cluster at the address.
    """
    with on_ray(partial(_segment_sent, pickle.dumps(load_model), pictures, plan), address, "segment") as executor:
        yield Executor(lambda photo: executor.submit(_packed(photo)), executor.capacity)


@dataclass(frozen=True)
class _Sent:
    """A photo on its way to a node: the bytes of its file, or a video's frame."""

    photo: Photo
    """Its ``read`` is that of the frame; for a file it is replaced on arrival."""
    content: bytes | None = None
    """Of the file; None for a frame, and for a file that cannot be read."""

    def __str__(self) -> str:
        return str(self.photo.path or self.photo.name)


def _packed(photo: Photo) -> _Sent:
    if photo.member is not None:  # the node may not see the archive
        from uois_sam.io.images import read_image

        try:
            return _Sent(replace(photo, read=partial(read_image, photo.member.read()), member=None))
        except ImageError:
            return _Sent(photo)  # the error is raised when it is read
    if photo.path is None:
        return _Sent(photo)
    try:
        return _Sent(photo, photo.path.read_bytes())
    except OSError:
        return _Sent(photo)  # the error is raised when it is read


def _segment_sent(load_model: bytes, pictures: PictureOptions, plan: FormatPlan, sent: _Sent) -> Result:
    """Segment a photo on a node."""
    photo = sent.photo
    if photo.path is not None:
        photo = replace(photo, read=partial(_read_sent, sent), content=sent.content)
    model = _loaded(load_model)
    return segment_photo(photo, partial(predict, model, pictures.debug_heatmap), made_by(model), plan, pictures)


@lru_cache(maxsize=1)
def _loaded(load_model: bytes) -> Segmenter:
    """Load the model, once a process: the same callable is the same bytes in every job."""
    model: Segmenter = pickle.loads(load_model)()
    return model


def _read_sent(sent: _Sent) -> ImageArray:
    from uois_sam.io.images import read_image

    path = sent.photo.path
    assert path is not None
    if sent.content is None:
        raise ImageError(f"{path}: expected a photo, found a file that cannot be read")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / f"photo{path.suffix}"
        here.write_bytes(sent.content)
        try:
            return read_image(here)
        except ImageError as error:
            raise ImageError(str(error).replace(os.fspath(here), os.fspath(path))) from error

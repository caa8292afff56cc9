"""`uois-sam segment --ray`: the same per-photo function on a cluster. Photos travel there, files travel back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uois_sam.apps.results import Result, Segmenter, segment_photo
from uois_sam.apps.side_by_side import Answer, Crew
from uois_sam.apps.sources import Photo
from uois_sam.errors import ImageError, UOISError
from uois_sam.ray_cluster import ray_cluster

if TYPE_CHECKING:
    from uois_sam.apps.segment import Segment
    from uois_sam.types import ImageArray

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
    return options.load_model()


def _read_sent(sent: _Sent) -> ImageArray:
    from uois_sam.images import read_image

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

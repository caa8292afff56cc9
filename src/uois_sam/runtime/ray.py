"""Jobs on a Ray cluster, for every command that has ``--ray``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from uois_sam.errors import MissingExtraError, UOISError, WorkerError
from uois_sam.runtime.executors import LONGEST_JOB, MAX_DEATHS, Executor, JobT, ResultT, attempt, on_threads, unwrap

QUEUED_PER_PLACE = 2
"""Jobs handed to the cluster for each of its GPUs, or cores: enough that none waits, few enough that results do not
pile up."""


@contextmanager
def on_ray(
    function: Callable[[JobT], ResultT], address: str, command: str, *, gpu: bool | None = None
) -> Iterator[Executor[JobT, ResultT]]:
    """Do jobs on a cluster, whose nodes need the package; jobs travel there and results back to this process.

    Futures raise as those of :func:`~uois_sam.runtime.executors.on_processes`.

    Args:
        function: does one job; pickled, as are jobs and results.
        address: of the cluster, as ``ray.init`` takes it (``auto``, ``ray://host:10001``); ``local`` starts one on
            this machine. Where Ray is initialised already, that is used and stays up.
        command: name of the command that asks, for the error.
        gpu: give every job a GPU, or a core; None: a GPU if the cluster has any.

    Raises:
        MissingExtraError: if Ray is not installed.
        UOISError: if there is no cluster at the address.
    """
    with _ray_cluster(address, command) as ray:
        resources: dict[str, float] = ray.cluster_resources()
        kind = "GPU" if gpu or (gpu is None and resources.get("GPU")) else "CPU"
        remote = ray.remote(max_retries=MAX_DEATHS - 1, **{f"num_{kind.lower()}s": 1})(attempt)
        shared = ray.put(function)
        running: set[Any] = set()
        errors = ray.exceptions
        lost = (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError, errors.ObjectLostError)

        def run(job: JobT) -> ResultT:
            reference = remote.remote(shared, job)
            running.add(reference)
            try:
                answer = ray.get(reference, timeout=LONGEST_JOB)
            except ray.exceptions.GetTimeoutError as error:
                ray.cancel(reference, force=True)
                raise WorkerError(f"{job}: no answer of the cluster within {LONGEST_JOB / 3600:g} h") from error
            except lost as error:
                raise WorkerError(f"{job}: {MAX_DEATHS} processes died over it ({type(error).__name__})") from error
            finally:
                running.discard(reference)
            return unwrap(answer, job)

        with on_threads(run, QUEUED_PER_PLACE * max(1, int(resources.get(kind, 1)))) as executor:
            try:
                yield executor
            finally:
                for reference in list(running):
                    ray.cancel(reference, force=True)


@contextmanager
def _ray_cluster(address: str, command: str) -> Iterator[Any]:
    """Yield the ``ray`` module, connected."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(f"uois-sam {command} --ray", "ray", "ray") from error
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level="error", **options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise UOISError(f"no Ray cluster at {address!r}: {' '.join(str(error).split())}") from error

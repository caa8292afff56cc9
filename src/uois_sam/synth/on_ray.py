"""The same scenes on a Ray cluster. The nodes need the package with its extra ``synth``, but no shared disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from uois_sam.errors import DatasetError
from uois_sam.ray_cluster import ray_cluster
from uois_sam.synth.crew import MAX_DEATHS, Done, Failure, as_error, attempt
from uois_sam.synth.making import GenerateConfig, Job, MadeScene, make_scene, start

QUEUED_PER_CPU = 2
"""Jobs handed to the cluster at a time: enough that no core waits, few enough that finished scenes do not pile up."""


def run_on_ray(config: GenerateConfig, jobs: Sequence[Job], address: str) -> Iterator[Done[MadeScene]]:
    """Make scenes on a cluster and yield them in the order they finish; their bytes come back to this process.

    Args:
        config: what the scenes are made from.
        jobs: the scenes to make.
        address: of the cluster, as ``ray.init`` takes it (``auto``, ``ray://host:10001``); ``local`` starts one on
            this machine. Where Ray is initialised already, that is used.

    Raises:
        MissingExtraError: Ray is not installed.
        DatasetError: processes died over the same scene ``MAX_DEATHS`` times.
        UOISError: there is no cluster at the address, and as :func:`uois_sam.synth.crew.run_jobs`.
    """
    with ray_cluster(address, "generate") as ray:
        yield from _run(ray, config, jobs)


def _run(ray: Any, config: GenerateConfig, jobs: Sequence[Job]) -> Iterator[Done[MadeScene]]:
    resources = {"num_gpus": 1} if config.variant == "cuda" else {"num_cpus": 1}
    remote = ray.remote(max_retries=MAX_DEATHS - 1, **resources)(_make)
    shared = ray.put(config)
    limit = QUEUED_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = list(reversed(jobs))
    running: dict[Any, Job] = {}
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                job = waiting.pop()
                running[remote.remote(shared, job)] = job
            (finished, *_), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(finished)
            yield Done(_answer(ray, finished, job), deaths=0)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _answer(ray: Any, reference: Any, job: Job) -> MadeScene:
    try:
        answer = ray.get(reference)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise DatasetError(f"{job}: {MAX_DEATHS} processes died over it ({type(error).__name__})") from error
    if isinstance(answer, Failure):
        raise as_error(answer, job)
    made: MadeScene = answer
    return made


def _make(config: GenerateConfig, job: Job) -> MadeScene | Failure:
    """Body of a task."""
    return attempt(partial(make_scene, config), partial(start, config, 1), job)

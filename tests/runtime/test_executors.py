"""Executors: every job done once, order and capacity kept, errors raised, dead processes replaced."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from uois_sam.errors import MissingExtraError, UOISError, WorkerError
from uois_sam.runtime.executors import as_finished, in_order, on_processes, on_threads


def square(job: int) -> int:
    return job * job


def fail_at_three(job: int) -> int:
    if job == 3:
        raise ValueError("three is\ntoo many")
    return job


def refuse(job: int) -> int:
    raise UOISError(f"expected no job, got {job}")


def refuse_unpicklably(job: int) -> int:
    raise MissingExtraError("job", "extra", "package")


def die_once(folder: Path, job: int) -> int:
    marker = folder / str(job)
    if job == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def die(job: int) -> int:
    os.abort()


def exit_early(job: int) -> int:
    os._exit(3)


def results(function, jobs: Iterable[int], workers: int, **options) -> list[int]:
    with on_processes(function, workers, **options) as executor:
        return [future.result() for _, future in as_finished(executor, jobs)]


def test_every_job_is_done_once() -> None:
    assert sorted(results(square, range(7), 2)) == [k * k for k in range(7)]


def test_results_come_in_order_when_asked_for() -> None:
    with on_processes(square, 2) as executor:
        found = [future.result() for future in in_order(map(executor.submit, range(7)), executor.capacity)]
    assert found == [k * k for k in range(7)]


def test_no_jobs_need_no_processes() -> None:
    assert results(square, [], 2) == []


def test_an_exception_is_raised_and_its_traceback_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "uois_sam")
    with pytest.raises(ValueError, match=r"^three is\ntoo many$"):
        results(fail_at_three, range(5), 2)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert "in fail_at_three" in caplog.text


@pytest.mark.parametrize(
    ("function", "told"), [(refuse, "^expected no job, got 0$"), (refuse_unpicklably, "^job needs the package")]
)
def test_an_error_of_ours_keeps_its_message_and_is_not_logged(function, told, caplog) -> None:
    caplog.set_level(logging.DEBUG, "uois_sam")
    with pytest.raises(UOISError, match=told):
        results(function, [0], 1)
    assert caplog.records == []


def test_a_failed_job_leaves_the_others_alone() -> None:
    with on_processes(fail_at_three, 1) as executor:
        futures = {job: future for job, future in as_finished(executor, range(5))}
    assert isinstance(futures[3].exception(), ValueError)
    assert [futures[job].result() for job in (0, 1, 2, 4)] == [0, 1, 2, 4]


def test_a_killed_process_is_replaced_and_its_job_done(tmp_path: Path) -> None:
    deaths: list[int] = []
    assert results(partial(die_once, tmp_path), range(4), 1, on_death=deaths.append) == [0, 1, 2, 3]
    assert deaths == [1]


def test_a_job_that_keeps_killing_is_named() -> None:
    with pytest.raises(WorkerError, match=r"^5: 2 processes died over it, the last one by SIGABRT$"):
        results(die, [5], 1)


def test_an_exit_status_is_told() -> None:
    with pytest.raises(WorkerError, match="with exit status 3"):
        results(exit_early, [5], 2)


def wait_for_a_minute(folder: Path, job: int) -> None:
    (folder / str(os.getpid())).touch()
    threading.Event().wait(60)


def test_leaving_early_ends_the_processes_and_counts_no_deaths(tmp_path: Path) -> None:
    deaths: list[int] = []
    with on_processes(partial(wait_for_a_minute, tmp_path), 2, deaths.append) as executor:
        futures = [executor.submit(job) for job in range(4)]
        while len(list(tmp_path.iterdir())) < 2:
            assert deaths == []
            threading.Event().wait(0.01)
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)
    assert all(future.done() for future in futures) and deaths == []


@pytest.mark.parametrize("ordered", [True, False])
def test_no_more_jobs_are_begun_than_capacity_permits(ordered: bool) -> None:
    begun = 0

    def jobs() -> Iterator[int]:
        nonlocal begun
        while begun < 20:
            begun += 1
            yield begun

    with on_threads(square, 2, capacity=3) as executor:
        done = (
            in_order(map(executor.submit, jobs()), executor.capacity)
            if ordered
            else (future for _, future in as_finished(executor, jobs()))
        )
        found = []
        for future in done:
            found.append(future.result())
            assert begun <= len(found) + executor.capacity
    assert sorted(found) == [k * k for k in range(1, 21)]


def test_a_job_that_hangs_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uois_sam.runtime.executors.LONGEST_JOB", 3.0)
    with pytest.raises(WorkerError, match="2 processes died over it, the last one by SIGKILL"):
        results(partial(wait_for_a_minute, tmp_path), [0], 1)

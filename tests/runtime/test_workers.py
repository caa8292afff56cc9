"""Worker processes: all jobs done, errors told, the dead replaced."""

from __future__ import annotations

import logging
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from uois_sam.errors import DatasetError, UOISError
from uois_sam.runtime.workers import run_jobs


def nothing() -> None:
    """Start-up of a worker that needs none."""


def square(job: int) -> int:
    return job * job


def fail_at_three(job: int) -> int:
    if job == 3:
        raise ValueError("three is\ntoo many")
    return job


def refuse(job: int) -> int:
    raise UOISError(f"expected no job, got {job}")


def die_once(folder: Path, job: int) -> int:
    marker = folder / str(job)
    if job == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def die(job: int) -> int:
    os.abort()


def die_at_start() -> None:
    os._exit(3)


def test_every_job_is_done_once() -> None:
    done = list(run_jobs(square, range(7), 2, nothing))
    assert sorted(d.result for d in done) == [k * k for k in range(7)]
    assert all(d.deaths == 0 for d in done)


def test_no_jobs_need_no_processes() -> None:
    assert list(run_jobs(square, [], 2, nothing)) == []


def test_an_exception_ends_the_run_in_one_line_and_its_traceback_is_for_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "uois_sam")
    with pytest.raises(UOISError, match=r"^3 failed: ValueError: three is too many$"):
        list(run_jobs(fail_at_three, range(5), 2, nothing))
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert "in fail_at_three" in caplog.text


def test_an_error_of_ours_stays_one_line() -> None:
    with pytest.raises(UOISError, match=r"^expected no job, got 0$"):
        list(run_jobs(refuse, [0], 1, nothing))


def test_a_killed_process_is_replaced_and_its_job_done(tmp_path: Path) -> None:
    done = list(run_jobs(partial(die_once, tmp_path), range(4), 1, nothing))
    assert [d.result for d in done] == [0, 1, 2, 3]
    assert [d.deaths for d in done] == [0, 1, 0, 0]


def test_a_job_that_keeps_killing_is_named() -> None:
    with pytest.raises(DatasetError, match=r"^5: 2 processes died over it, the last one by SIGABRT"):
        list(run_jobs(die, [5], 1, nothing))


def test_processes_that_cannot_start_are_told() -> None:
    with pytest.raises(DatasetError, match="with exit status 3"):
        list(run_jobs(square, [5], 2, die_at_start))

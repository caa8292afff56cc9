"""Threads that wait asleep: set before torch is loaded, never against the user."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest


def policy_after(code: str, given: str | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
    code += "; import os; print(os.environ.get('OMP_WAIT_POLICY', 'unset'))"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        ("import uois_sam", None, "PASSIVE"),
        ("import uois_sam", "ACTIVE", "ACTIVE"),  # the user's choice
        ("import uois_sam.cli.main", None, "PASSIVE"),
        ("import torch, uois_sam", None, "unset"),  # too late: torch has read it
    ],
)
def test_the_policy_is_set_where_it_still_counts(code: str, given: str | None, expected: str) -> None:
    assert policy_after(code, given) == expected


@pytest.mark.parametrize(("given", "expected"), [(None, "300"), ("ACTIVE", "unset"), ("PASSIVE", "unset")])
def test_threads_look_a_while_before_they_sleep_unless_the_user_has_a_policy(given: str | None, expected: str) -> None:
    code = "import uois_sam, os; print(os.environ.get('GOMP_SPINCOUNT', 'unset'), end=' ')"
    assert policy_after(code, given).split()[0] == expected


@pytest.mark.parametrize(("quota", "given", "expected"), [("0.5", None, "1"), ("64", None, "unset"), ("0.5", "3", "3")])
def test_no_more_threads_than_the_quota_has_cores(quota: str, given: str | None, expected: str) -> None:
    code = (
        "import os, uois_sam.runtime.cores as c; os.environ.pop('OMP_NUM_THREADS', None); "
        "c.allowed_cores = lambda: 8; "
        f"c.cpu_quota = lambda: {quota}; given = {given!r}; given and os.environ.update(OMP_NUM_THREADS=given); "
        "import importlib, uois_sam.runtime.threads as t; importlib.reload(t).prepare_threads(); "
        "print(os.environ.get('OMP_NUM_THREADS', 'unset'), end=' ')"
    )
    assert policy_after(code).split()[0] == expected


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="no glibc")
@pytest.mark.parametrize(
    ("before", "given", "one"),
    [("", {}, False), ("t.share_one_heap()", {}, True), ("t.share_one_heap()", {"MALLOC_ARENA_MAX": "4"}, False)],
)
def test_threads_share_one_heap(before: str, given: dict[str, str], one: bool) -> None:
    code = f"""
import ctypes, threading
import uois_sam.runtime.threads as t
{before}
threads = [threading.Thread(target=lambda: [bytearray(100_000), barrier.wait()]) for _ in range(2)]
barrier = threading.Barrier(2)
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | given
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (result.stdout.count("<heap ") == 1) == one, result.stdout

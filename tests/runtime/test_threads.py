"""Threads that wait asleep: set before torch is loaded, never against the user."""

from __future__ import annotations

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


def test_the_answer_says_what_holds() -> None:
    ask = "from uois_sam.runtime.threads import wait_passively as w; print(w(), end=' ')"
    assert policy_after(ask) == "True PASSIVE"
    assert policy_after("import torch; " + ask) == "False unset"

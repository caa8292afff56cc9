"""Facts about machine and run: what numbers are compared by, and nothing that identifies anyone."""

from __future__ import annotations

import json
import platform
import sys

import numpy as np
import pytest
import torch

from uois_sam import __version__
from uois_sam.runtime.provenance import describe_machine, describe_run, package_versions, peak_memory_mib, summary

CPU = torch.device("cpu")


def test_versions_of_what_is_installed_and_none_for_the_rest() -> None:
    found = package_versions(("numpy", "no-such-distribution"))
    assert found == {"numpy": np.__version__, "no-such-distribution": None}


@pytest.mark.parametrize("facts", [describe_machine, lambda: describe_run(CPU, 2)])
def test_facts_are_json_without_the_name_of_the_host(facts) -> None:
    text = json.dumps(facts())
    assert platform.python_version() in text and torch.__version__ in text
    assert f'"{platform.node()}"' not in text


def test_a_run_tells_device_processes_and_version() -> None:
    run = describe_run(CPU, 2)
    assert (run["device"], run["processes"], run["uois_sam"]) == ("cpu", 2, __version__)
    assert None not in run["packages"].values()


def test_the_summary_is_one_line() -> None:
    line = summary(describe_machine())
    assert "\n" not in line and f"torch {torch.__version__}" in line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no peak")
def test_peak_memory_is_in_mib() -> None:
    """Between what Python with torch takes at least and 50 GB: another unit would be off by a thousand."""
    peak = peak_memory_mib()
    assert peak is not None and 50 < peak < 50_000

"""Cores that this process may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from uois_sam.runtime import cores
from uois_sam.runtime.cores import cpu_quota, usable_cores


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "400000 100000\n", "jobs/one/cpu.max": "max 100000\n"}, 4.0),
        ({"jobs/cpu.max": "50000 100000\n", "jobs/one/cpu.max": "100000 100000\n"}, 0.5),
        ({"cpu.max": "nonsense\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_the_tightest_limit_of_the_groups_above_counts(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "own").write_text("0::/jobs/one\n")
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "own") == quota


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (0.5, 1), (1.5, 2), (64.0, 8)])
def test_whole_cores_within_quota_and_affinity(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(cores, "allowed_cores", lambda: 8)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert usable_cores() == expected

"""Cores that this process may use: those of the machine, of its affinity, and of its control group's quota.

A container with a quota of two cores on a machine of 64 is the usual case on clusters. Whoever starts 64 threads or
processes there gets two cores' worth of them, and the rest of their time in waiting for each other.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores that threads and processes are worth starting for, at least 1."""
    quota = cpu_quota()
    allowed = allowed_cores()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def allowed_cores() -> int:
    """Return the number of cores that this process may run on, whatever its quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota(root: Path = _CGROUP, own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores' worth of time that control groups allow this process; None without a limit.

    Args:
        root: where control groups are mounted.
        own: file that names this process's group.
    """
    quotas = []
    try:
        group = next((line.split("::", 1)[1] for line in own.read_text().splitlines() if line.startswith("0::")), "/")
    except OSError:
        group = "/"
    inside = root / group.strip().lstrip("/")
    for folder in (inside, *inside.parents):  # a limit of any group above counts as well
        if not folder.is_relative_to(root):
            break
        with_limit = _quota_of(folder)
        quotas += [] if with_limit is None else [with_limit]
    return min(quotas, default=None)


def _quota_of(folder: Path) -> float | None:
    """The limit of one group, by version 2 of control groups or version 1."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = int((folder / "cpu" / "cpu.cfs_quota_us").read_text())
        return limit / int((folder / "cpu" / "cpu.cfs_period_us").read_text()) if limit > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None

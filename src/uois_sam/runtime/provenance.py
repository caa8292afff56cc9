"""What a measurement ran on and with, so that numbers can be compared."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uois_sam._version import __version__

if TYPE_CHECKING:
    import torch

PACKAGES = (
    "uois-sam",
    "accelerate",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "safetensors",
    "scipy",
    "torch",
    "transformers",
)
"""Distributions whose versions can change scores or times."""


def describe_machine() -> dict[str, Any]:
    """JSON-ready facts: processor, memory, system, accelerator, Python, package versions, torch threads.

    Anything that cannot be found out is None. No names of hosts, users or folders.
    """
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        **_torch_facts(),
    }


def summary(machine: dict[str, Any]) -> str:
    """One line for a table's foot."""
    where = f"{machine['cpu'] or 'unknown CPU'}, {machine['cores_usable']} cores"
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    return f"{where}{gpu}, Python {machine['python']}, torch {machine['packages']['torch']}"


def _cpu_name() -> str | None:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None
    return platform.processor() or None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _torch_facts() -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        return {"gpu": None, "torch_threads": None}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"gpu": gpu, "torch_threads": torch.get_num_threads()}


def describe_run(device: torch.device, processes: int) -> dict[str, Any]:
    """JSON-ready: versions, machine, device, processes, threads, peak memory. No names of hosts, users or folders."""
    import torch

    return {
        "uois_sam": __version__,
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
        "machine": platform.processor() or platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "peak_memory_mib": peak_memory_mib(),
    }


def peak_memory_mib() -> int | None:
    """Most memory that this process has held so far; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    # Linux counts in KiB, macOS in bytes.
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))

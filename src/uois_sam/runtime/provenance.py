"""Machine and package versions of a result, so that numbers can be compared."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uois_sam._version import __version__
from uois_sam.runtime.cores import allowed_cores
from uois_sam.runtime.threads import thread_count

if TYPE_CHECKING:
    import torch

PACKAGES = (
    "uois-sam",
    "accelerate",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pillow",
    "safetensors",
    "scipy",
    "torch",
    "transformers",
)
"""Distributions whose versions can change scores or times."""


def describe_machine() -> dict[str, Any]:
    """Return processor, memory, system, accelerator, Python, package versions and torch threads, ready for JSON.

    What cannot be found out is None, and so is the GPU where torch is not loaded. Names of
    hosts, users and folders are left out.
    """
    torch = sys.modules.get("torch")
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "cores_usable": allowed_cores(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": package_versions(PACKAGES),
        "gpu": torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None,
        "torch_threads": thread_count(),
    }


def summary(machine: dict[str, Any]) -> str:
    """Return the facts of :func:`describe_machine` that matter most, in one line below a table."""
    where = f"{machine['cpu'] or 'unknown CPU'}, {machine['cores_usable']} cores"
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    return f"{where}{gpu}, Python {machine['python']}, {_computes_with(machine['packages'])}"


def _computes_with(packages: dict[str, str | None]) -> str:
    name = "torch" if packages["torch"] else "onnxruntime"
    return f"{name} {packages.get(name)}"


def _cpu_name() -> str | None:
    cpuinfo = Path("/proc/cpuinfo")
    if os.path.isfile(cpuinfo):
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
            return done.stdout.strip() or None
    return platform.processor() or None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def package_versions(distributions: Iterable[str]) -> dict[str, str | None]:
    """Return the version of each installed distribution, and None for each that is not installed."""
    versions: dict[str, str | None] = dict.fromkeys(distributions)
    for name in versions:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def describe_run(device: torch.device, processes: int) -> dict[str, Any]:
    """Return versions, machine, device, processes, threads and peak memory of a training, ready for JSON.

    Packages that are not installed are left out, and so are names of hosts, users and folders.
    """
    import torch

    return {
        "uois_sam": __version__,
        "python": platform.python_version(),
        "packages": {name: version for name, version in package_versions(PACKAGES).items() if version is not None},
        "machine": platform.processor() or platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "peak_memory_mib": peak_memory_mib(),
    }


def peak_memory_mib() -> int | None:
    """Return the most resident memory that this process has held so far, in MiB; None on Windows, which keeps none."""
    try:
        import resource
    except ImportError:
        return None
    # Linux counts in KiB, macOS in bytes.
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))

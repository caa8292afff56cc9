"""What a training ran on and with: goes into the run record and the model card."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any

import torch

from uois_sam import __version__

PACKAGES = ("accelerate", "numpy", "opencv-python-headless", "torch", "transformers")
"""Distributions whose version can change the result."""


def describe_run(device: torch.device, processes: int) -> dict[str, Any]:
    """JSON-ready: versions, machine, device, processes, threads, peak memory. No names of hosts, users or folders."""
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


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None

"""Where networks run and in which arithmetic: names from users, checked against this machine."""

from __future__ import annotations

import re

import torch

from uois_sam.errors import UOISError

_DEVICE = re.compile(r"cuda(:\d+)?|mps")
"""Devices that other machines have."""


def choose_device(name: str) -> torch.device:
    """``auto`` prefers a CUDA GPU; anything else must exist on this machine.

    Raises:
        UOISError: no such device here.
    """
    available = ["cpu"]
    available += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    available += ["mps"] if torch.backends.mps.is_available() else []
    if name == "auto":
        return torch.device(available[1] if len(available) > 1 and available[1].startswith("cuda") else "cpu")
    if name not in available and not (name == "cuda" and "cuda:0" in available):
        problem = "no such device here:" if _DEVICE.fullmatch(name) else "unknown device"
        raise UOISError(f"{problem} {name!r}; this machine has: auto, {', '.join(available)}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` takes bfloat16 where it is computed in hardware, else float32.

    Raises:
        UOISError: another name.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name == "auto":
        return torch.bfloat16 if _has_bfloat16(device) else torch.float32
    if name not in known:
        raise UOISError(f"unknown precision {name!r}: expected auto, {', '.join(known)}")
    return known[name]


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # Private names, hence guarded: without them float32 is a safe, slower answer.
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check is not None)

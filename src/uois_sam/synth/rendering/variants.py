"""Variants (back ends) of Mitsuba: choose one that works on this machine, and limit its threads."""

from __future__ import annotations

import os
from pathlib import Path

from uois_sam.errors import MissingExtraError, UOISError

LLVM_CANDIDATES = ("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1", "/usr/lib/aarch64-linux-gnu/libLLVM.so.19.1")
"""Where Debian and Ubuntu put a libLLVM that is known to work; versions 15 and 16 abort on AVX-512 machines."""


def choose_variant(wanted: str = "auto") -> str:
    """Pick and activate a Mitsuba variant: ``llvm`` where a good libLLVM is found, else ``scalar``.

    Args:
        wanted: ``auto``, ``llvm``, ``scalar`` or ``cuda``.

    Raises:
        MissingExtraError: Mitsuba is not installed.
        UOISError: the variant does not work on this machine.
    """
    try:
        import mitsuba as mi
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", "mitsuba") from error
    wanted = _resolve(wanted)
    check_variant(wanted)
    name = {"llvm": "llvm_ad_rgb", "scalar": "scalar_rgb", "cuda": "cuda_ad_rgb"}[wanted]
    mi.set_variant(name)
    return name


def check_variant(wanted: str) -> None:
    """Find out cheaply, without Mitsuba, whether a variant works on this machine; ``auto`` is taken to.

    Raises:
        MissingExtraError: Dr.Jit, which comes with Mitsuba, is not installed.
        UOISError: it does not.
    """
    if wanted not in _NEEDS:
        return
    _resolve(wanted)
    try:
        import drjit
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", "drjit") from error
    backend = {"llvm": drjit.JitBackend.LLVM, "cuda": drjit.JitBackend.CUDA}[wanted]
    if not drjit.has_backend(backend):
        raise UOISError(f"--variant {wanted}: expected {_NEEDS[wanted]}, found none that works")


_NEEDS = {
    "llvm": "a libLLVM (Debian: apt install libllvm19, or its path in DRJIT_LIBLLVM_PATH; --variant scalar needs none)",
    "cuda": "an NVIDIA GPU with its driver (--variant auto needs none)",
}


def limit_threads(count: int) -> None:
    """Let renderer and denoiser use so many threads of this process; before the first picture."""
    import drjit

    drjit.set_thread_count(count)
    if count < (os.cpu_count() or 1):
        os.environ.setdefault("OIDN_NUM_THREADS", str(count))
        # Pinned threads would all sit on the same first cores, whatever the number of processes.
        os.environ.setdefault("OIDN_SET_AFFINITY", "0")


def _resolve(wanted: str) -> str:
    """``scalar`` in place of ``auto`` where no libLLVM is found; where one is, Dr.Jit learns of it."""
    if wanted in ("auto", "llvm") and "DRJIT_LIBLLVM_PATH" not in os.environ:
        found = [path for path in LLVM_CANDIDATES if Path(path).exists()]
        if found:
            os.environ["DRJIT_LIBLLVM_PATH"] = found[0]
        elif wanted == "auto":
            wanted = "scalar"
    return "llvm" if wanted == "auto" else wanted

"""Variants (back ends) of Mitsuba: choose one that works on this machine, and limit its threads."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from uois_sam.errors import MissingExtraError, UOISError

_logger = logging.getLogger("uois_sam")

LLVM_CANDIDATES = ("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1", "/usr/lib/aarch64-linux-gnu/libLLVM.so.19.1")
"""Paths on Debian and Ubuntu of a libLLVM that is known to work; versions 15 and 16 abort on AVX-512 machines."""


def choose_variant(variant: str = "auto") -> str:
    """Choose and activate a Mitsuba variant; return its full name.

    Args:
        variant: ``llvm``, ``scalar``, ``cuda`` or ``auto``: ``llvm`` if a libLLVM that works is found, else ``scalar``.

    Raises:
        MissingExtraError: if Mitsuba is not installed.
        UOISError: if the variant does not work on this machine.
    """
    try:
        import mitsuba as mi
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", "mitsuba") from error
    asked, variant = variant, _resolve(variant)
    try:
        check_variant(variant)
    except MissingExtraError:
        raise
    except UOISError as error:
        if asked != "auto":
            raise
        _logger.warning("%s; rendering by the slower scalar variant", error)
        variant = "scalar"
    full_name = {"llvm": "llvm_ad_rgb", "scalar": "scalar_rgb", "cuda": "cuda_ad_rgb"}[variant]
    mi.set_variant(full_name)
    return full_name


def check_variant(variant: str) -> None:
    """Check without loading Mitsuba that a variant works on this machine; ``auto`` is assumed to.

    Raises:
        MissingExtraError: if Dr.Jit, which comes with Mitsuba, is not installed.
        UOISError: if it does not.
    """
    if variant not in _NEEDS:
        return
    _resolve(variant)
    try:
        import drjit
    except ImportError as error:
        raise MissingExtraError("rendering scenes", "synth", "drjit") from error
    backend = {"llvm": drjit.JitBackend.LLVM, "cuda": drjit.JitBackend.CUDA}[variant]
    if not drjit.has_backend(backend):
        raise UOISError(f"--variant {variant}: expected {_NEEDS[variant]}, found none that works")


_NEEDS = {
    "llvm": "a libLLVM (Debian: apt install libllvm19, or its path in DRJIT_LIBLLVM_PATH; --variant scalar needs none)",
    "cuda": "an NVIDIA GPU with its driver (--variant auto needs none)",
}


def limit_threads(count: int) -> None:
    """Limit the threads of renderer and denoiser in this process; call it before the first picture."""
    import drjit

    drjit.set_thread_count(count)
    if count < (os.cpu_count() or 1):
        os.environ.setdefault("OIDN_NUM_THREADS", str(count))
        # Pinned threads would all sit on the same first cores, whatever the number of processes.
        os.environ.setdefault("OIDN_SET_AFFINITY", "0")


def _resolve(variant: str) -> str:
    """Resolve ``auto`` to ``llvm`` or ``scalar``; tell Dr.Jit where libLLVM is."""
    named = os.environ.get("DRJIT_LIBLLVM_PATH")
    # A name without a folder is looked up by the system's loader.
    stale = variant == "auto" and named is not None and Path(named).name != named and not Path(named).exists()
    if stale:
        _logger.warning("DRJIT_LIBLLVM_PATH names %s, which is not there: looking for another libLLVM", named)
    if variant in ("auto", "llvm") and (named is None or stale):
        found = [path for path in LLVM_CANDIDATES if Path(path).exists()]
        if found:
            os.environ["DRJIT_LIBLLVM_PATH"] = found[0]
        elif variant == "auto":
            variant = "scalar"
    return "llvm" if variant == "auto" else variant

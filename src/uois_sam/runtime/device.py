"""Device and arithmetic of the networks: names given by users, checked against the machine."""

from __future__ import annotations

import copy
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from uois_sam.errors import UOISError

_log = logging.getLogger(__name__)

# A forked process has none of torch's threads, and would wait for them for ever; one thread waits for no other.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

_DEVICE = re.compile(r"cuda(:\d+)?|mps")
"""Names of devices that exist on some machines."""


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is the first CUDA GPU, or else the processor.

    Raises:
        UOISError: if this machine has no such device.
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


@dataclass(frozen=True)
class Capability:
    """Support of a kind of device for bfloat16; float32 works everywhere."""

    computes_bfloat16: bool
    """Its kernels take bfloat16. A processor without AVX-512 (or ARM's BF16 instructions) has no such convolutions."""
    fast_bfloat16: bool
    """It has instructions for bfloat16, so that lower precision saves time."""


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the arithmetic that a name stands for on a device.

    ``auto`` is bfloat16 where the device has instructions for it, else float32. If the name is bfloat16 and the device
    cannot compute in it, the result is float32 and a warning is logged.

    Raises:
        UOISError: if the name is unknown.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    able = capability(device.type)
    if name == "auto":
        return torch.bfloat16 if able.fast_bfloat16 else torch.float32
    if name not in known:
        raise UOISError(f"unknown precision {name!r}: expected auto, {', '.join(known)}")
    if name == "bfloat16" and not able.computes_bfloat16:
        _log.warning("this device (%s) does not compute in bfloat16: float32 is used instead", device.type)
        return torch.float32
    return known[name]


@cache
def capability(device_type: str) -> Capability:
    """Ask a type of device ("cpu", "cuda", "mps") of this machine once for its support of bfloat16."""
    if device_type == "cuda":
        return Capability(torch.cuda.is_bf16_supported(), torch.cuda.is_bf16_supported(including_emulation=False))
    if device_type != "cpu":
        return Capability(True, False)
    # Private names, hence guarded: without them float32 is a safe, slower answer.
    computes = _answer(getattr(torch.ops, "mkldnn", None), "_is_mkldnn_bf16_supported")
    instructions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    return Capability(computes, computes and any(_answer(torch.cpu, name) for name in instructions))


def _answer(module: Any, name: str) -> bool:
    """Call a function without arguments; return False where this build of PyTorch lacks it."""
    try:
        return bool(getattr(module, name)())
    except (AttributeError, RuntimeError):
        return False


Ready = TypeVar("Ready")


@contextmanager
def inference_precision(device: torch.device, precision: torch.dtype) -> Iterator[None]:
    """Compute without gradients, and matrix products and convolutions in ``precision``."""
    lower = precision != torch.float32
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=lower):
        yield


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Compute in float32 inside a forward pass of lower precision."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def current_precision(device: torch.device) -> torch.dtype:
    """Return the precision of the enclosing :func:`inference_precision`."""
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32


def in_small_blocks(device: torch.device) -> bool:
    """Return True where blocks that fit a cache are faster (a processor), False where few launches are (a GPU), and
    for graphs, which have to stay small."""
    return device.type == "cpu" and not is_traced()


def is_traced() -> bool:
    """Return whether a graph is being recorded for export, which knows neither views that are written through nor some
    operators."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


class Prepared(Generic[Ready]):
    """Cache of values derived from a frozen module's weights for one arithmetic (casts, tables).

    Autocast would cast frozen weights again in every call. The values are derived anew after a weight was moved,
    replaced or written to.

    Args:
        module: owner of the weights.
        make: derives the values from the module and a dtype.
    """

    def __init__(self, module: nn.Module, make: Callable[[nn.Module, torch.dtype], Ready]) -> None:
        self._module, self._make = module, make
        self._kept: tuple[object, Ready] | None = None

    def get(self, dtype: torch.dtype) -> Ready:
        """Return the values for this arithmetic; those for another one are dropped."""
        if is_traced():  # a graph has to refer to the weights themselves, not to what was once derived from them
            return self._make(self._module, dtype)
        key = (dtype, [_state(parameter) for parameter in self._module.parameters()])
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # before, not after: two would be held at once
            with torch.inference_mode(False), torch.no_grad():
                self._kept = (key, self._make(self._module, dtype))
        return self._kept[1]

    def __deepcopy__(self, memo: dict[int, object]) -> Prepared[Ready]:
        return Prepared(copy.deepcopy(self._module, memo), self._make)

    def __getstate__(self) -> dict[str, object]:
        return {"_module": self._module, "_make": self._make, "_kept": None}


def _state(tensor: Tensor) -> tuple[object, ...]:
    """Return a value that changes when a tensor is moved, replaced or written to."""
    return tensor.device, tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version

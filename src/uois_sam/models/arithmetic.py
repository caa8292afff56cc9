"""In which arithmetic a forward pass runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Ready = TypeVar("Ready")


@contextmanager
def frozen_arithmetic(device: torch.device, precision: torch.dtype) -> Iterator[None]:
    """No gradients, and matrix products and convolutions in ``precision``."""
    lower = precision != torch.float32
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=lower):
        yield


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Float32 inside a lower-precision forward pass."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def current_precision(device: torch.device) -> torch.dtype:
    """What :func:`frozen_arithmetic` was asked for, as seen from inside it."""
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32


def in_small_blocks(device: torch.device) -> bool:
    """Whether work is best done in blocks that fit a cache (a processor), or all at once (a GPU: fewer launches)."""
    return device.type == "cpu"


class Prepared(Generic[Ready]):
    """What is made of a frozen module's weights for one arithmetic (casts, tables), and kept while they stay.

    Autocast would cast frozen weights again in every call. Made anew when a weight was moved, replaced or written to.

    Args:
        module: whose weights.
        make: gives what is kept, from the module and a dtype.
    """

    def __init__(self, module: nn.Module, make: Callable[[nn.Module, torch.dtype], Ready]) -> None:
        self._module, self._make = module, make
        self._kept: tuple[object, Ready] | None = None

    def get(self, dtype: torch.dtype) -> Ready:
        """For this arithmetic; the one before is dropped."""
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
    """Differs once a tensor has been moved, replaced or written to."""
    return tensor.device, tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version

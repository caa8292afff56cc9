"""In which arithmetic a forward pass runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


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

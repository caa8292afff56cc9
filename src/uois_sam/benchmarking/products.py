"""The floor of any network: its own products, convolutions and attention calls, each repeated with nothing between."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from uois_sam.benchmarking.timing import now

COUNTED = frozenset({
    "mm", "addmm", "bmm", "baddbmm", "linear", "matmul", "einsum", "convolution", "conv2d", "_convolution",
    "conv_transpose2d", "_convolution_pointwise", "mkldnn_convolution", "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
})  # fmt: skip
"""Operators that do arithmetic worth the name; norms, sums, activations, copies and resizing are left out."""
REPEATS = 3


@dataclass
class Least:
    """What was counted so far."""

    seconds: float = 0.0
    calls: int = 0


@contextmanager
def least_seconds(device: torch.device) -> Iterator[Least]:
    """Count what runs inside: every operator of ``COUNTED`` is repeated at once on its own operands, which are in the
    cache then, and its median added up."""
    least = Least()
    with _Repeating(least, device):
        yield least


class _Repeating(TorchDispatchMode):
    def __init__(self, least: Least, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.least = least
        self.device = device

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        call: Callable[[], Any] = lambda: func(*args, **(kwargs or {}))  # noqa: E731
        result = call()
        if func.overloadpacket.__name__ in COUNTED:
            taken = []
            for _ in range(REPEATS):
                began = now(self.device)
                call()
                taken.append(now(self.device) - began)
            self.least.seconds += statistics.median(taken)
            self.least.calls += 1
        return result

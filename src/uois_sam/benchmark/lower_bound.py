"""Lower bound on the time of a forward pass: its matrix products and attention calls, timed alone on this machine.

The bound of SAM's encoder holds for code that uses the library's own kernels. Attention is timed without relative
positions, in one SDPA call per layer; all else in a forward pass (norms, GELU, windows, sums, the bias) is left out.
Code that replaces the library's attention by something faster may fall below the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from uois_sam.benchmark.roofline import Peaks, work_of
from uois_sam.models.sam.modules import SamSize
from uois_sam.runtime.timing import time_in_turn


@dataclass(frozen=True)
class Layer:
    """One kind of call, and its number in a forward pass."""

    name: str
    times: int
    make: Callable[[torch.dtype, torch.device], Callable[[], Tensor]]
    """Returns the call with its operands."""


def encoder_lower_bound(size: SamSize, dtype: torch.dtype, device: str = "cpu", repeats: int = 3) -> float:
    """Return seconds of the matrix products and attention calls of SAM's image encoder, each timed alone (median)."""
    return sum(lower_bound_by_part(size, dtype, device, repeats).values())


def lower_bound_by_part(size: SamSize, dtype: torch.dtype, device: str = "cpu", repeats: int = 3) -> dict[str, float]:
    """Return seconds of a forward pass by kind of call; see :func:`encoder_lower_bound`."""
    where = torch.device(device)
    with torch.inference_mode():
        return {part.name: part.times * _seconds(part.make(dtype, where), repeats, where) for part in _parts(size)}


def _parts(size: SamSize) -> list[Layer]:
    """All products and attention calls of one forward pass, with the padding that SAM's definition needs."""
    side, width = size.image_side // size.patch, size.width
    tokens, windows = side * side, (-(-side // size.window)) ** 2
    whole = len(size.global_layers)
    return [
        Layer("patch", 1, _product(tokens, 3 * size.patch**2, width)),
        Layer("qkv", size.layers, _product(tokens, width, 3 * width)),
        Layer("proj", size.layers, _product(tokens, width, width)),
        Layer("lin1", size.layers, _product(tokens, width, 4 * width)),
        Layer("lin2", size.layers, _product(tokens, 4 * width, width)),
        Layer("windows", size.layers - whole, _attention(windows, size.heads, size.window**2, width // size.heads)),
        Layer("whole image", whole, _attention(1, size.heads, tokens, width // size.heads)),
        Layer("neck 1x1", 1, _product(tokens, width, size.token_width)),
        Layer("neck 3x3", 1, _convolution(size.token_width, side)),
    ]


def _product(rows: int, inputs: int, outputs: int) -> Callable[[torch.dtype, torch.device], Callable[[], Tensor]]:
    def make(dtype: torch.dtype, device: torch.device) -> Callable[[], Tensor]:
        x, weight, bias = (
            torch.randn(shape, device=device).to(dtype) for shape in ((rows, inputs), (outputs, inputs), (outputs,))
        )
        return lambda: F.linear(x, weight, bias)

    return make


def _attention(
    batch: int, heads: int, tokens: int, width: int
) -> Callable[[torch.dtype, torch.device], Callable[[], Tensor]]:
    def make(dtype: torch.dtype, device: torch.device) -> Callable[[], Tensor]:
        q, k, v = torch.randn(3, batch, heads, tokens, width, device=device).to(dtype).unbind(0)
        return lambda: F.scaled_dot_product_attention(q, k, v)

    return make


def _convolution(channels: int, side: int) -> Callable[[torch.dtype, torch.device], Callable[[], Tensor]]:
    def make(dtype: torch.dtype, device: torch.device) -> Callable[[], Tensor]:
        x = torch.randn(1, channels, side, side, device=device).to(dtype)
        weight = torch.randn(channels, channels, 3, 3, device=device).to(dtype)
        return lambda: F.conv2d(x, weight, padding=1)

    return make


def _seconds(call: Callable[[], Tensor], repeats: int, device: torch.device) -> float:
    """Return the median of ``repeats`` calls after one that warms up."""
    return _alone(call, device, repeats, warm_up=1)


def _alone(call: Callable[[], Any], device: torch.device, repeats: int, warm_up: int) -> float:
    """Return the median seconds of a call. A GPU is given several before it is waited for, as in a network, which does
    not wait after every operator either."""
    at_once = 1 if device.type == "cpu" else CALLS_ON_GPU

    def some() -> None:
        for _ in range(at_once):
            call()

    return time_in_turn({"call": some}, device, repeats, warm_up)["call"].median / at_once


COUNTED = frozenset({
    "mm", "addmm", "bmm", "baddbmm", "linear", "matmul", "einsum", "convolution", "conv2d", "_convolution",
    "conv_transpose2d", "_convolution_pointwise", "mkldnn_convolution", "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
})  # fmt: skip
"""Operators that dominate arithmetic; norms, sums, activations, copies and resizing are left out."""
REPEATS = 3
CALLS_ON_GPU = 10


@dataclass
class LowerBound:
    """Time and number of the operators counted so far."""

    seconds: float = 0.0
    roofline_seconds: float = 0.0
    """Of the same operators, by what the machine can do at most; 0 where that was not measured."""
    calls: int = 0


@contextmanager
def counting_lower_bound(device: torch.device, peaks: Peaks | None = None) -> Iterator[LowerBound]:
    """Measure a lower bound on the code inside.

    Every operator of ``COUNTED`` is repeated immediately on its own operands, which are then in the cache, and the
    medians are summed.

    Args:
        device: that computes.
        peaks: of the machine, for the roofline.
    """
    bound = LowerBound()
    with _Repeating(bound, device, peaks):
        yield bound


class _Repeating(TorchDispatchMode):
    def __init__(self, bound: LowerBound, device: torch.device, peaks: Peaks | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bound = bound
        self.peaks = peaks
        self.device = device

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        call: Callable[[], Any] = lambda: func(*args, **(kwargs or {}))  # noqa: E731
        result = call()
        name = func.overloadpacket.__name__
        if name in COUNTED:
            if self.peaks is not None:
                self.bound.roofline_seconds += self.peaks.seconds(work_of(name, args, kwargs or {}, result))
            self.bound.seconds += _alone(call, self.device, REPEATS, warm_up=0)
            self.bound.calls += 1
        return result

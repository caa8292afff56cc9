"""The machine's own bound: measured peak of matrix products and of memory, and what a network needs of both.

The lower bound of :mod:`uois_sam.benchmark.lower_bound` repeats the library's own operators, so it cannot see that
another kernel is twice as fast. The roofline (Williams et al., CACM 2009) can: an operator takes at least its
arithmetic at the peak rate, and at least its operands' and result's way through memory once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from uois_sam.runtime.timing import now

SIDES = (512, 1024)
"""Matrices are products' best at different sizes on different machines; the fastest counts."""
SIDES_ON_GPU = (4096, 8192)
"""Smaller ones end before a GPU has started all of its cores."""
COPIED_BYTES = 1 << 27
"""Larger than caches."""
REPEATS = 7


@dataclass(frozen=True)
class Peaks:
    """What the machine can do at most, measured."""

    flops: float
    """Floating-point operations a second, a multiplication and an addition counting as two."""
    bandwidth: float
    """Bytes read and written a second."""

    def seconds(self, work: Work) -> float:
        """Least time of an operator's work."""
        return max(work.flops / self.flops, work.bytes / self.bandwidth)


@dataclass(frozen=True)
class Work:
    """What an operator has to do at least."""

    flops: int
    bytes: int
    """Of its operands and results, each moved once."""


def measure_peaks(device: torch.device, dtype: torch.dtype = torch.float32) -> Peaks:
    """Measure square matrix products and a copy with torch's current number of threads."""
    with torch.inference_mode():
        sides = SIDES if device.type == "cpu" else SIDES_ON_GPU
        return Peaks(max(_product_rate(side, device, dtype) for side in sides), _copy_rate(device))


def work_of(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Return the work of one call of an operator: a product, a convolution, or an attention call.

    Args:
        name: of the operator, without its overload.
        args, kwargs: its arguments.
        result: what it returned.
    """
    moved = sum(each.numel() * each.element_size() for each in _tensors((args, kwargs, result)))
    return Work(2 * _products(name, args, result), moved)


def _products(name: str, args: tuple[Any, ...], result: Any) -> int:
    """Number of multiplications that are summed."""
    if name == "einsum":
        terms, operands = args[0].split("->")[0].replace(" ", "").split(","), args[1]
        sizes = {index: size for term, each in zip(terms, operands, strict=True)
                 for index, size in zip(term, each.shape, strict=True)}  # fmt: skip
        return prod(sizes.values())
    if "attention" in name:
        query, key, value = args[:3]
        return int(query.numel() * key.shape[-2] + query.numel() // query.shape[-1] * key.shape[-2] * value.shape[-1])
    out = next(iter(_tensors(result)))
    if "transpose" in name:
        image, weight = args[:2]
        return int(image.numel() * weight[0].numel())
    if "conv" in name:
        weight = args[2] if args[1].shape == out.shape else args[1]  # a fused sum comes before the weight
        return int(out.numel() * weight[0].numel())
    summed = args[1] if name in ("addmm", "baddbmm") else args[0]
    return int(out.numel() * summed.shape[-1])


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor))


def _product_rate(side: int, device: torch.device, dtype: torch.dtype) -> float:
    one, other = torch.randn(2, side, side, device=device).to(dtype)
    return 2 * side**3 / _seconds(lambda: one @ other, device)


def _copy_rate(device: torch.device) -> float:
    source = torch.zeros(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / _seconds(lambda: target.copy_(source), device)


def _seconds(call: Callable[[], Tensor], device: torch.device) -> float:
    """Least of several readings: beside other work the middle one is no peak, and a bound by it is none either."""
    call()
    taken = []
    for _ in range(REPEATS):
        began = now(device)
        call()
        taken.append(now(device) - began)
    return min(taken)

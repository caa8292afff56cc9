"""What NumPy arrays and torch tensors do not have in common, so that one function serves both.

The pipeline between the networks is written once. A model in torch sends tensors through it, wherever they lie; an
exported one sends NumPy arrays, and torch is not imported. What both call alike (``sum(1)``, ``clip``, ``reshape``,
``@``, and functions of :func:`namespace` with axes by position) is called as it is; the rest is here. Of tensors every
function is the torch operator of that name, so that results do not depend on this module.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = Any
"""A NumPy array or a torch tensor; results are of the kind that was given."""


def is_numpy(x: Array) -> bool:
    """Whether it is an array or a number of NumPy."""
    return isinstance(x, (np.ndarray, np.generic))


def namespace(x: Array) -> Any:
    """The module with the functions for it: ``numpy`` or ``torch``."""
    return np if is_numpy(x) else sys.modules["torch"]


def exactly(x: Array) -> AbstractContextManager[object]:
    """Compute in float32 inside a forward pass of lower precision."""
    if is_numpy(x):
        return nullcontext()
    torch, kind = namespace(x), x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """As a NumPy array, on the processor."""
    return np.asarray(x) if is_numpy(x) else x.cpu().numpy()


def like(values: Array, reference: Array) -> Array:
    """The same values, of whatever kind, as an array of the kind and on the device of a reference."""
    if is_numpy(reference):
        return to_numpy(values)
    return namespace(reference).as_tensor(values, device=reference.device)


def of(values: Sequence[Any], reference: Array) -> Array:
    """Numbers as an array of the kind, dtype and device of a reference."""
    return np.array(values, dtype=reference.dtype) if is_numpy(reference) else reference.new_tensor(values)


def arange(count: int, reference: Array) -> Array:
    """(count,) int64: 0, 1, ..."""
    return np.arange(count) if is_numpy(reference) else namespace(reference).arange(count, device=reference.device)


def as_float(x: Array) -> Array:
    """As float32; itself where it is."""
    return x.astype(np.float32, copy=False) if is_numpy(x) else x.float()


def as_index(x: Array) -> Array:
    """As int64, towards zero."""
    return x.astype(np.int64) if is_numpy(x) else x.long()


def copied(x: Array) -> Array:
    """A copy."""
    return x.copy() if is_numpy(x) else x.clone()


def merged(x: Array) -> Array:
    """(A, B, ...) to (A B, ...)."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def in_rows(x: Array) -> Array:
    """(N, ...) to (N, number of cells)."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def repeated(x: Array, count: int) -> Array:
    """Every row ``count`` times, one after the other."""
    return np.repeat(x, count, axis=0) if is_numpy(x) else x.repeat_interleave(count, dim=0)


def indices(mask: Array) -> Array:
    """(K,) int64: where an (N,) bool is true."""
    return np.flatnonzero(mask) if is_numpy(mask) else namespace(mask).nonzero(mask)[:, 0]


def nonzero(mask: Array) -> tuple[Array, ...]:
    """Indices along every axis where a bool is true."""
    return np.nonzero(mask) if is_numpy(mask) else namespace(mask).nonzero(mask, as_tuple=True)


def descending(x: Array) -> Array:
    """(N,) int64: from the largest to the smallest; equal ones stay in order."""
    return np.argsort(-x, kind="stable") if is_numpy(x) else x.argsort(descending=True, stable=True)


def best_of_rows(x: Array) -> tuple[Array, Array]:
    """(N, K) to its (N,) largest values and their (N,) columns."""
    if not is_numpy(x):
        values, columns = x.max(dim=1)
        return values, columns
    columns = x.argmax(axis=1)
    return x[np.arange(len(x)), columns], columns


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    if not is_numpy(x):
        return x.sigmoid()
    y = np.tanh(0.5 * x)
    y *= 0.5  # in place: pages of another large map cost more than what is computed
    y += 0.5
    return y


def softmax_of_two(x: Array) -> Array:
    """(2, ...) logits to the (...) probability of the second."""
    return sigmoid(x[1] - x[0]) if is_numpy(x) else x.softmax(0)[1]


def lerp(first: Array, second: Array, share: float) -> Array:
    """From the first on the way to the second."""
    return first + share * (second - first) if is_numpy(first) else namespace(first).lerp(first, second, share)


def unit_vectors(x: Array) -> Array:
    """(C, ...) vectors with length 1."""
    if not is_numpy(x):
        return namespace(x).nn.functional.normalize(x, dim=0)
    return x / np.sqrt((x * x).sum(0)).clip(1e-12)


def cosines(first: Array, second: Array) -> Array:
    """(N,): cosines between the rows of two (N, C)."""
    if not is_numpy(first):
        return namespace(first).nn.functional.cosine_similarity(first, second)
    lengths = np.sqrt((first * first).sum(1) * (second * second).sum(1))
    return (first * second).sum(1) / lengths.clip(1e-8)


def padded(x: Array, right: int, below: int, value: float, left: int = 0, above: int = 0) -> Array:
    """(..., h, w) with columns and rows of one value around it."""
    if not is_numpy(x):
        return namespace(x).nn.functional.pad(x, (left, right, above, below), value=value)
    beyond = [(0, 0)] * (x.ndim - 2)
    return np.pad(x, [*beyond, (above, below), (left, right)], constant_values=value)


def max_around(x: Array) -> Array:
    """3x3 maximum filter of an (H, W) map: of rows, then of columns, which on a processor is ten times as fast as
    pooling one channel."""
    xp = namespace(x)
    around = padded(x, 1, 1, -math.inf, 1, 1)
    of_rows = xp.maximum(xp.maximum(around[:-2], around[1:-1]), around[2:])
    return xp.maximum(xp.maximum(of_rows[:, :-2], of_rows[:, 1:-1]), of_rows[:, 2:])


def halved(x: Array) -> Array:
    """(M, K, h, w) to means of 2x2 cells; an odd row or column at the end is left out."""
    if not is_numpy(x):
        return namespace(x).nn.functional.avg_pool2d(x, 2)
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    rows = x[:, :, :height:2] + x[:, :, 1:height:2]
    return (rows[..., :width:2] + rows[..., 1:width:2]) * np.float32(0.25)


def shrunk(x: Array, size_hw: tuple[int, int]) -> Array:
    """(..., h, w) to (..., *size_hw): means over the cells that each new one covers in part or as a whole."""
    if not is_numpy(x):
        return namespace(x).nn.functional.adaptive_avg_pool2d(x, size_hw)
    for axis, new in zip((-2, -1), size_hw, strict=True):
        cells = np.moveaxis(x, axis, 0)
        each, rest = divmod(len(cells), new)
        if rest:
            means = np.tensordot(_means(len(cells), new), cells, 1)
        else:  # blocks of as many cells each
            means = functools.reduce(np.add, (cells[first::each] for first in range(each))) / np.float32(each)
        x = np.moveaxis(means, 0, axis)
    return x


def _means(old: int, new: int) -> npt.NDArray[np.float32]:
    """(new, old): what each cell of one axis counts for each new one."""
    first = np.arange(new) * old // new
    last = -(-(np.arange(new) + 1) * old // new)
    cells = np.arange(old)
    held = (cells >= first[:, None]) & (cells < last[:, None])
    return (held / held.sum(axis=1, keepdims=True)).astype(np.float32)

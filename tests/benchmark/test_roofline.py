"""The machine's bound: work counted exactly on calls whose work is known, and peaks that are the machine's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from uois_sam.benchmark import roofline
from uois_sam.benchmark.lower_bound import counting_lower_bound
from uois_sam.benchmark.roofline import Peaks, Work, work_of

CPU = torch.device("cpu")
A, B, BIAS = torch.zeros(5, 7), torch.zeros(7, 3), torch.zeros(3)
IMAGE, FILTERS = torch.zeros(2, 4, 10, 12), torch.zeros(6, 4, 3, 3)
DEPTHWISE = torch.zeros(4, 1, 3, 3)
HEADS = torch.zeros(2, 3, 8, 16)


@pytest.mark.parametrize(("name", "args", "result", "products"), [
    ("mm", (A, B), A @ B, 5 * 3 * 7),
    ("addmm", (BIAS, A, B), A @ B, 5 * 3 * 7),
    ("linear", (A, B.T), A @ B, 5 * 3 * 7),
    ("bmm", (A[None].expand(4, 5, 7), B[None].expand(4, 7, 3)), torch.zeros(4, 5, 3), 4 * 5 * 3 * 7),
    ("einsum", ("ij,jk->ik", [A, B]), A @ B, 5 * 3 * 7),
    ("convolution", (IMAGE, FILTERS), F.conv2d(IMAGE, FILTERS), 2 * 6 * 8 * 10 * 4 * 9),
    ("convolution", (IMAGE, DEPTHWISE), F.conv2d(IMAGE, DEPTHWISE, groups=4), 2 * 4 * 8 * 10 * 9),
    ("_convolution_pointwise", (IMAGE, F.conv2d(IMAGE, FILTERS), FILTERS), F.conv2d(IMAGE, FILTERS),
     2 * 6 * 8 * 10 * 4 * 9),
    ("conv_transpose2d", (IMAGE, torch.zeros(4, 5, 2, 2)), torch.zeros(2, 5, 20, 24), 2 * 4 * 120 * 5 * 4),
    ("scaled_dot_product_attention", (HEADS, HEADS, HEADS), HEADS, 2 * 3 * 8 * 8 * (16 + 16)),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_work_of_known_calls(name: str, args: Any, result: torch.Tensor, products: int) -> None:
    assert work_of(name, args, {}, result).flops == 2 * products


def test_bytes_are_those_of_operands_and_result() -> None:
    assert work_of("mm", (A, B), {}, A @ B).bytes == 4 * (35 + 21 + 15)


def test_the_slower_of_arithmetic_and_memory_counts() -> None:
    peaks = Peaks(flops=100.0, bandwidth=10.0)
    assert peaks.seconds(Work(200, 10)) == 2.0
    assert peaks.seconds(Work(200, 50)) == 5.0


def test_a_block_of_code_has_the_sum_of_its_calls() -> None:
    peaks = Peaks(flops=1.0, bandwidth=1e12)
    with torch.inference_mode(), counting_lower_bound(CPU, peaks) as bound:
        _ = A @ B
        _ = F.relu(A)  # no product: left out
        _ = F.conv2d(IMAGE, FILTERS)
    assert bound.calls == 2
    assert bound.roofline_seconds == pytest.approx(2 * 5 * 3 * 7 + 2 * 2 * 6 * 8 * 10 * 36)


def test_a_peak_is_the_fastest_reading(monkeypatch):
    seconds = iter([4.0, 2.0, 4.0] * 2)  # of the products, then of the copies
    times = (time for taken in seconds for time in (0.0, taken))
    monkeypatch.setattr(roofline, "now", lambda device: next(times))
    for name, value in (("SIDES", (4,)), ("COPIED_BYTES", 64), ("REPEATS", 3)):
        monkeypatch.setattr(roofline, name, value)
    assert roofline.measure_peaks(torch.device("cpu")) == Peaks(flops=2 * 4**3 / 2.0, bandwidth=2 * 64 / 2.0)

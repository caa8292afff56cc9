"""Medians, quartiles and the clock."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
import torch

from uois_sam.benchmark.lower_bound import counting_lower_bound
from uois_sam.runtime.timing import Quartiles, measured, now, reading, stage, time_in_turn

CPU = torch.device("cpu")


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    spread = Quartiles.of([5.0, 1.0, 2.0, 3.0, 100.0])
    assert spread == Quartiles(median=3.0, q25=2.0, q75=5.0, n=5)
    assert spread.as_json() == {"median": 3.0, "q25": 2.0, "q75": 5.0, "n": 5}


def test_the_clock_waits_for_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[object] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    assert now(CPU) <= now(torch.device("cuda", 1)) <= now(torch.device("mps"))
    assert waited == [torch.device("cuda", 1), "mps"]


def test_calls_take_turns_and_warm_up_uncounted() -> None:
    order: list[str] = []
    calls = {"slow": lambda: (order.append("slow"), time.sleep(0.004)), "fast": lambda: order.append("fast")}
    times = time_in_turn(calls, CPU, repeats=3, warm_up=1)
    assert order == ["slow", "fast"] * 4
    assert times["slow"].n == 3 and times["slow"].median > 0.004 > times["fast"].median


def test_the_floor_counts_products_and_convolutions_only() -> None:
    x, image = torch.rand(64, 64), torch.rand(1, 4, 16, 16)
    with torch.inference_mode(), counting_lower_bound(CPU) as least:
        torch.nn.functional.linear(x, x)
        _ = x @ x
        torch.nn.functional.conv2d(image, torch.rand(4, 4, 3, 3))
        torch.nn.functional.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None])
        _ = (x + x).relu().softmax(0)
    assert least.calls == 4 and least.seconds > 0


def test_the_floor_changes_no_results() -> None:
    x = torch.rand(8, 8)
    with torch.inference_mode(), counting_lower_bound(CPU):
        found = x @ x
    torch.testing.assert_close(found, x @ x)


def test_processor_seconds_do_not_pass_while_others_work() -> None:
    with reading("cpu"):
        asleep = time_in_turn({"asleep": lambda: time.sleep(0.05)}, CPU, repeats=1, warm_up=0)["asleep"]
    assert asleep.median < 0.03
    assert time_in_turn({"asleep": lambda: time.sleep(0.05)}, CPU, repeats=1, warm_up=0)["asleep"].median > 0.04


def test_stages_add_up_and_inner_ones_count_towards_outer_ones() -> None:
    with measured() as seconds:
        for _ in range(2):
            with stage("outer"), stage("inner"):
                time.sleep(0.01)
    assert list(seconds) == ["inner", "outer"]
    assert 0.02 < seconds["inner"] <= seconds["outer"]


def test_a_stage_waits_for_its_device_when_somebody_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[object] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    gpu = torch.device("cuda", 0)
    with stage("encoder", gpu):
        pass
    assert waited == []
    with measured() as seconds, stage("encoder", gpu):
        pass
    assert waited == [gpu, gpu] and "encoder" in seconds


def test_a_failed_stage_counts_too() -> None:
    with measured() as seconds, suppress(ZeroDivisionError), stage("encoder"):
        raise ZeroDivisionError
    assert "encoder" in seconds

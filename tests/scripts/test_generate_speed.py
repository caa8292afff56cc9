"""The generator's benchmark computes rates from arrival times and prints a column a variant."""

from __future__ import annotations

import pytest

from scripts import load_script

generate_speed = load_script("benchmarks/generate_speed.py")
steady_rate, table = generate_speed.steady_rate, generate_speed.table


def test_the_steady_rate_leaves_out_the_start() -> None:
    assert steady_rate([30.0, 32.0, 34.0, 36.0], 1) == pytest.approx(1800.0)
    assert steady_rate([30.0, 40.0, 42.0, 44.0], 2) == pytest.approx(1800.0)


def test_too_few_scenes_have_no_rate() -> None:
    assert steady_rate([3.0], 1) is None
    assert steady_rate([], 6) is None


def test_the_table_has_a_column_a_variant() -> None:
    seconds = {"render": 3.0, "trace": 1.5, "labels": 0.5}
    rates = {"steady_scenes_an_hour": 900.0, "scenes_an_hour": 800, "peak_mb_a_worker": 700}
    result = {**rates, "seconds_a_scene": seconds}
    lines = table({"llvm": result, "scalar": {**result, "steady_scenes_an_hour": None}}).splitlines()
    assert lines[0] == "| | llvm | scalar |"
    assert "| scenes an hour, steady | 900 |  |" in lines
    assert "| trace, s a scene | 1.5 | 1.5 |" in lines
    assert "| meshes, s a scene | 1 | 1 |" in lines

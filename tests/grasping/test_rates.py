"""Rates and Wilson's interval, against published values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uois_sam.grasping.rates import Rate


@pytest.mark.parametrize(("successes", "trials", "low", "high"), [
    (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662),
])  # fmt: skip
def test_known_intervals(successes: int, trials: int, low: float, high: float) -> None:
    assert Rate(successes, trials).interval() == pytest.approx((low, high), abs=5e-5)


def test_without_trials_nothing_is_known() -> None:
    assert math.isnan(Rate(0, 0).value) and str(Rate(0, 0)) == "none tried"
    assert Rate(0, 0).interval() == (0.0, 1.0)


@given(trials=st.integers(1, 500), share=st.floats(0, 1))
def test_the_interval_holds_the_rate_and_narrows(trials: int, share: float) -> None:
    rate = Rate(round(share * trials), trials)
    low, high = rate.interval()
    assert 0 <= low <= rate.value + 1e-12 and rate.value - 1e-12 <= high <= 1
    wider = Rate(10 * rate.successes, 10 * trials).interval()
    assert wider[1] - wider[0] < high - low

"""Averages of weights: by hand, and what cannot be averaged."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from uois_sam.training.averaging import RunningAverage, average_weights


def network(value: float, steps: int = 0) -> nn.Module:
    """One weight and, as a batch norm has, one counter."""
    module = nn.Module()
    module.register_parameter("weight", nn.Parameter(torch.tensor([value])))
    module.register_buffer("steps", torch.tensor(steps))
    return module


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20))
def test_the_running_average_is_the_mean_of_the_steps(values: list[float]) -> None:
    average, result = RunningAverage(), network(1e9)
    for step, value in enumerate(values):
        average.add(network(value, step))
    average.load_into(result)
    assert result.weight.item() == pytest.approx(sum(values) / len(values), abs=1e-3)
    assert result.steps == len(values) - 1


def test_a_running_average_of_nothing_changes_nothing() -> None:
    model = network(3.0)
    RunningAverage().load_into(model)
    assert model.weight.item() == 3.0


def test_a_running_average_goes_on_from_its_state() -> None:
    first, second, result = RunningAverage(), RunningAverage(), network(0.0)
    first.add(network(1.0))
    first.add(network(2.0))
    second.load_state_dict(first.state_dict())
    second.add(network(6.0))
    second.load_into(result)
    assert result.weight.item() == pytest.approx(3.0)


def test_a_checkpoints_average_follows_the_model_to_its_device() -> None:
    first, second = RunningAverage(), RunningAverage()
    first.add(network(1.0))
    second.load_state_dict(first.state_dict())
    second.add(network(2.0).to("meta"))
    assert second.state_dict()["mean"]["weight"].device.type == "meta"


def test_what_is_averaged_does_not_change_with_the_model() -> None:
    average, model = RunningAverage(), network(1.0)
    average.add(model)
    with torch.no_grad():
        model.weight += 5
    average.load_into(model)
    assert model.weight.item() == 1.0


@pytest.mark.parametrize(
    ("shares", "expected"),
    [((), 10.0), ((0.0, 0.0), 10.0), ((1.0, 0.0), 14.0), ((0.5, 0.5), 16.0), ((0.25, 0.5), 15.0), ((1.0, 1.0), 22.0)],
)
def test_trainings_move_their_start_by_shares(shares: tuple[float, ...], expected: float) -> None:
    start, runs = network(10.0, steps=7).state_dict(), [network(14.0).state_dict(), network(18.0).state_dict()]
    result = average_weights(start, list(zip(runs, shares, strict=False)))
    assert result["weight"].item() == pytest.approx(expected)
    assert result["steps"] == 7
    assert start["weight"].item() == 10.0


@pytest.mark.parametrize("other", [{"weight": torch.zeros(2)}, {"bias": torch.zeros(1)}, {}])
def test_weights_of_another_network_are_refused(other: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="names and shapes"):
        average_weights({"weight": torch.zeros(1)}, [(other, 0.5)])

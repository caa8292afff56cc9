"""One process: the device that is asked for, each time."""

from __future__ import annotations

import pytest
import torch

from uois_sam.training.distributed import start_processes


@pytest.mark.parametrize("order", [("cpu", "cuda", "cpu"), ("cuda", "cpu", "cuda")])
def test_each_call_gets_the_device_that_it_asks_for(order: tuple[str, ...]) -> None:
    """accelerate would keep to the first one: scores were fitted on the processor after a check of the packages."""
    assert [start_processes(device).device for device in order] == [torch.device(device) for device in order]
    start_processes("cpu")

"""One process: the device that is asked for, each time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from uois_sam.errors import UOISError
from uois_sam.training.distributed import start_alone, start_processes


@pytest.mark.parametrize("order", [("cpu", "cuda", "cpu"), ("cuda", "cpu", "cuda")])
def test_each_call_gets_the_device_that_it_asks_for(order: tuple[str, ...]) -> None:
    """accelerate would keep to the first one: scores were fitted on the processor after a check of the packages."""
    assert [start_processes(device).device for device in order] == [torch.device(device) for device in order]
    start_processes("cpu")


def test_what_is_done_in_one_process_refuses_several(monkeypatch: pytest.MonkeyPatch) -> None:
    several = SimpleNamespace(num_processes=2)
    monkeypatch.setattr("uois_sam.training.distributed.start_processes", lambda device: several)
    with pytest.raises(UOISError, match="scores are fitted in one process, found 2"):
        start_alone("cpu", "scores are fitted")

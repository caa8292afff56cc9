"""One process or many (``accelerate launch``): the same code, the same batches, the same result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import nn

from uois_sam.errors import MissingExtraError

if TYPE_CHECKING:
    from accelerate import Accelerator

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")
PATIENCE = timedelta(days=7)
"""How long processes wait for each other: one may cache for hours while another has finished its share."""


def start_processes(device: str = "auto") -> Accelerator:
    """This process's place among those that ``accelerate launch`` started; one of one without it.

    Args:
        device: ``cpu`` keeps the fits off a GPU, ``cuda:1`` puts them on that one; the choice among others is
            accelerate's.

    Raises:
        MissingExtraError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
        from accelerate.utils import InitProcessGroupKwargs
    except ImportError as error:
        raise MissingExtraError("training heads", "train", "accelerate") from error
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    return Accelerator(cpu=device == "cpu", kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])


def distribute(head: M, processes: Accelerator) -> M:
    """The head on this process's device, its batch statistics shared with the other processes' where they can be."""
    if processes.num_processes > 1 and processes.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(head).to(processes.device)
    return head.to(processes.device)


def share_buffers(head: nn.Module, processes: Accelerator) -> None:
    """Give every process the first one's buffers (running statistics of batch norm), so that all validate the same."""
    if processes.num_processes > 1:
        for buffer in head.buffers():
            torch.distributed.broadcast(buffer, src=0)


def add_up(values: torch.Tensor, processes: Accelerator) -> torch.Tensor:
    """Element-wise sum over all processes, on the CPU."""
    if processes.num_processes == 1:
        return values
    total = processes.reduce(values.to(processes.device), reduction="sum")
    assert isinstance(total, torch.Tensor)
    return total.cpu()


def from_main(compute: Callable[[], T], processes: Accelerator) -> T:
    """What the main process computes, told to all."""
    if processes.num_processes == 1:
        return compute()
    told: list[T | None] = [compute() if processes.is_main_process else None]
    torch.distributed.broadcast_object_list(told, src=0)
    return cast("T", told[0])

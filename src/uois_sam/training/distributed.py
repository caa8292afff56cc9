"""One process or many (``accelerate launch``): the same code, the same batches, the same result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import nn

from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.runtime.executors import Failure, attempt, unwrap

if TYPE_CHECKING:
    from accelerate import Accelerator

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")
PATIENCE = timedelta(days=7)
"""Longest wait of a process for the others: one may cache for hours after another has finished its share."""


def start_processes(device: str = "auto") -> Accelerator:
    """Join the processes that ``accelerate launch`` started; without it this is the only one.

    Args:
        device: ``cpu`` keeps the fits off a GPU, ``cuda:1`` puts them on that one, whatever an earlier call in this
            process asked for; ``auto`` leaves the choice to accelerate.

    Raises:
        MissingExtraError: if accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
        from accelerate.state import is_initialized
        from accelerate.utils import InitProcessGroupKwargs
    except ImportError as error:
        raise MissingExtraError("training", "train", "accelerate") from error
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    cpu = device == "cpu" and not is_initialized()
    processes = Accelerator(cpu=cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
    if processes.num_processes == 1 and device != "auto":
        processes.state.device = torch.device(device)  # accelerate keeps to the device of the first call
    return processes


def start_alone(device: str, what: str) -> Accelerator:
    """:func:`start_processes` for what is done in one process.

    Raises:
        UOISError: if ``accelerate launch`` started several.
        MissingExtraError: if accelerate is not installed.
    """
    processes = start_processes(device)
    if processes.num_processes > 1:
        raise UOISError(f"{what} in one process, found {processes.num_processes}")
    return processes


def distribute(head: M, processes: Accelerator) -> M:
    """Move the head to this process's device; on several GPUs its batch norms share their statistics."""
    if processes.num_processes > 1 and processes.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(head).to(processes.device)
    return head.to(processes.device)


def share_buffers(head: nn.Module, processes: Accelerator) -> None:
    """Copy the first process's buffers (statistics of batch norm) to all, so that they validate the same head."""
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
    """Compute in the main process and broadcast the result to all processes, or raise its error in all of them."""
    if processes.num_processes == 1:
        return compute()
    told: list[T | Failure | None] = [
        attempt(lambda _: compute(), "computation of the main process") if processes.is_main_process else None
    ]
    torch.distributed.broadcast_object_list(told, src=0)
    return unwrap(cast("T | Failure", told[0]), "computation of the main process")

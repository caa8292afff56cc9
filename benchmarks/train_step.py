"""Time of a training step of the compact model, by stage.

    python benchmarks/train_step.py DATA [--images 4] [--device cpu] [--threads 1] [--out results.json]

DATA is a labelled folder, such as `uois-sam generate` writes. A step is one of `uois-sam train compact --start compact`
with its defaults, half of the views composites or with hard looks. Times are seconds of processor time (on a GPU, wall
clock after it has finished): what other processes do hardly changes them. The optimiser is timed a second time in
bfloat16, as `torch.optim.Muon` computes everywhere. Views are made by loader processes beside the step.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TypeVar
from unittest import mock

import torch
from torch import nn

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.compact import load_compact
from uois_sam.datasets.folder import FolderDataset
from uois_sam.models.compact.model import CompactModel
from uois_sam.runtime.device import Capability, choose_device
from uois_sam.runtime.provenance import summary
from uois_sam.training import compact_network
from uois_sam.training.compact_network import Batch, NetworkTrainingConfig, StepDataset, network_losses, step_precision
from uois_sam.training.train_compact import at_size

VIEW_HW = 336, 448
ROWS = {
    "views": "views of a step, in a loader", "encode_batch": "encoder", "hpg": "prompt generator",
    "decode_tokens": "tokens of prompts", "upscale": "masks drawn", "rest": "losses and the rest",
    "backward": "backward", "optimiser": "optimiser", "bfloat16": "(optimiser in bfloat16)",
}  # fmt: skip
"""Stage to what the table calls it, in the order of a step."""

T = TypeVar("T")


class Clock:
    """Seconds by stage."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def time(self, stage: str, compute: Callable[[], T]) -> T:
        """Compute, and note how long it took."""
        began = self._now()
        result = compute()
        self.seconds[stage].append(self._now() - began)
        return result

    def watch(self, owner: nn.Module, method: str, stage: str) -> None:
        """Time every call of a method from now on."""
        original = getattr(owner, method)
        setattr(owner, method, lambda *given, **named: self.time(stage, lambda: original(*given, **named)))

    def _now(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.monotonic()


def measure(data: Path, images: int, device: torch.device, repeats: int) -> dict[str, float]:
    """Return the median seconds of each stage of ``ROWS``, and those of a step in all."""
    config = NetworkTrainingConfig(images=images, composites=0.25, hard_looks=0.25)
    clock, model = Clock(device), _trainable(device)
    views = StepDataset(FolderDataset(data), config, VIEW_HW, 0)
    optimisers = {name: compact_network._optimiser(model, config) for name in ("optimiser", "bfloat16")}
    clock.watch(model.encoder, "encode_batch", "encode_batch")
    clock.watch(model.hpg, "forward", "hpg")
    for name in ("decode_tokens", "upscale"):
        clock.watch(model.decoder, name, name)

    def make(step: int) -> Batch:
        items = [views[step * images + item] for item in range(images)]
        return Batch(*(torch.stack(fields) for fields in zip(*items, strict=True)))

    for step in range(repeats + 1):
        if step == 1:
            clock.seconds.clear()  # the first step was to warm up
        batch = clock.time("views", lambda step=step: make(step))  # type: ignore[misc]
        with step_precision(device):
            losses = clock.time("forward", lambda batch=batch: network_losses(model, batch.to(device), config))  # type: ignore[misc]
        model.zero_grad(set_to_none=True)
        clock.time("backward", torch.stack(list(losses.values())).sum().backward)
        for optimiser in optimisers.values():
            optimiser.set_share(1e-6)  # the weights stay what they are
        clock.time("optimiser", optimisers["optimiser"].step)
        with mock.patch("uois_sam.training.muon.capability", return_value=Capability(True, True)):
            clock.time("bfloat16", optimisers["bfloat16"].step)
    found = {stage: median(seconds) for stage, seconds in clock.seconds.items()}
    parts = sum(found[stage] for stage in ("encode_batch", "hpg", "decode_tokens", "upscale"))
    found["rest"] = found["forward"] - parts
    found["step"] = found["forward"] + found["backward"] + found["optimiser"]
    return found


def _trainable(device: torch.device) -> CompactModel:
    """The bundled model as `train_network` sets it up."""
    model = at_size(load_compact("compact")[0], VIEW_HW).requires_grad_(True).to(device).train()
    model.encoder.backbone.eval()
    for layer in model.encoder.backbone.layers_up_to_stride(compact_network.FROZEN_STRIDE):
        layer.requires_grad_(False)
    return model


def table(found: dict[str, float]) -> str:
    """Format the stages as markdown."""
    rows = [f"| {words} | {found[stage]:.3f} |" for stage, words in ROWS.items()]
    return "\n".join(["| stage | seconds |", "|---|---|", *rows, f"| **a step** | **{found['step']:.3f}** |"])


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled folder")
    parser.add_argument("--images", type=int, default=4, help="images a step")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, help="file for the record")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = measure(options.data, options.images, choose_device(options.device), options.repeats)
    chosen: dict[str, Any] = {name: getattr(options, name) for name in ("images", "device", "threads", "repeats")}
    record = make_record("train_step", {"options": chosen, "seconds": {k: round(v, 4) for k, v in found.items()}})
    print(table(found))
    print(f"\n{summary(record['machine'])}")
    if options.out:
        write_record(options.out, record)


if __name__ == "__main__":
    main()

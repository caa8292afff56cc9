"""``uois-sam generate``: write rendered, labelled scenes to train on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Generate:
    """Make photorealistic, physically settled, labelled scenes (extra: pip install 'uois-sam[synth]').

    Writes rgb/, label/ (uint16, 0 = background), depth/ (uint16 millimetres), scenes.jsonl and dataset.json.
    A run that was stopped goes on where it was when started again with the same options.
    """

    out: Path
    """Folder to write into."""
    scenes: int = 100
    """Number of scenes."""
    seed: int = 0
    """Scenes of different seeds share no shape, texture or layout."""
    height: int = 480
    """Rows of each picture."""
    width: int = 640
    """Columns of each picture."""
    samples: int = 16
    """Light paths a pixel before denoising."""
    workers: int = os.cpu_count() or 1
    """Processes that render side by side."""
    variant: Literal["auto", "llvm", "scalar", "cuda"] = "auto"
    """Mitsuba back end; auto takes LLVM where a libLLVM that works is installed (Debian: libllvm19), else scalar."""

    def run(self, console: Console) -> int:
        """Render what is missing; returns the exit status."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from uois_sam.errors import MissingExtraError

        try:
            from uois_sam.synth.generate import GenerateConfig, generate
        except ImportError as error:
            raise MissingExtraError("uois-sam generate", "synth", str(error.name)) from error
        config = GenerateConfig(self.scenes, self.seed, self.height, self.width, self.samples, self.variant)
        started, made, redraws = time.monotonic(), 0, 0
        columns = (
            TextColumn("scenes"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("scenes", total=None, rate="")
            for record in generate(config, self.out, self.workers):
                made, redraws = made + 1, redraws + record.redraws
                rate = made / (time.monotonic() - started) * 3600
                progress.update(task, total=self.scenes, completed=record.index + 1, rate=f"{rate:.0f} an hour")
        failed = f"{redraws} draws that did not settle or hid the view were redrawn"
        console.print(f"{made} scenes made ({failed}), {self.scenes} in {self.out}")
        return 0

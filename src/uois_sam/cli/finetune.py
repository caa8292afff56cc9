"""``uois-sam finetune``: adapt the compact model to one's own labelled photos, judged on held-out ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from uois_sam.cli.find_elsewhere import FindHeldOutOptions
from uois_sam.cli.options import expect_seed, parse_option

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class FineTune:
    """Fine-tune the compact model on your own labelled photos, judged on photos that it does not learn from.

        uois-sam finetune data/bench --out runs/bench

    Twenty photos of the place where it will work are a start; 5 are the least. Some are held out (photos of one
    sequence together, if their names tell), and one table shows the scores on them before and after. OUT/model holds
    the trained weights unless they are worse beyond noise, or too few photos tell. A stopped run continues when started
    again with the same options (extra: train).
    """

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """Folder of labelled photos: rgb/ with label/, or NAME.jpg with NAME_label.png; see --kind for others."""
    out: Path
    """Folder for the weights, the table, and pictures before and after."""
    kind: str = "folder"
    """Layout of DATA: folder, or another data set that "uois-sam evaluate" reads."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Option of the data set, for example void=255; may be repeated."""
    start: str = "compact"
    """Compact model to start from: "compact" for the bundled one, or a folder."""
    steps: int | None = None
    """Optimiser steps; by the number of photos if left out."""
    rate: float = 3e-4
    """Highest learning rate, half of it for the encoder."""
    held_out: float = 0.25
    """Share of the photos held out to be judged by; at least 5 or half of them, at most 50."""
    keep: Literal["not-worse", "better", "trained"] = "not-worse"
    """When OUT/model holds the trained weights: unless they are worse beyond noise, only if they are better beyond
    it, or in any case. The trained ones are in OUT/trained either way."""
    seed: int = 0
    """Seed of the held-out photos, views and prompts."""
    name: str | None = None
    """Name of the trained model in results and tables; the name of the folder --out if left out."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda, cuda:1. A stopped run may continue on another one."""
    find: tyro.conf.OmitArgPrefixes[FindHeldOutOptions] = field(default_factory=FindHeldOutOptions)
    """What to find in the held-out photos, as it will be asked for later: it decides the scores before and after, not
    what is learned. Objects that do not stand in --region are not scored."""

    def run(self, console: Console) -> int:
        """Fine-tune, print the table, and return the exit status."""
        from uois_sam.datasets import open_dataset
        from uois_sam.finetuning import FineTuneConfig, finetune
        from uois_sam.runtime.progress import print_line, progress

        expect_seed(self.seed)
        what = self.find.words_for_many()
        self.find.expect_depth(False)
        config = FineTuneConfig(self.steps, self.rate, self.held_out, self.keep, self.seed)
        options = {"partial": True, **dict(parse_option(text) for text in self.set)}
        data = open_dataset(self.kind, self.data, **options)
        with progress(console) as watch:
            result = finetune(
                data, self.out, config, start=self.start, name=self.name, device=self.device, what=what, progress=watch
            )
        for line in (*result.table().splitlines(), result.comparison.words(), result.verdict()):
            print_line(console, line)
        print_line(console, f"pictures before and after: {self.out / 'before_after.jpg'}")
        return 0

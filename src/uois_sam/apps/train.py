"""``uois-sam train``: train the compact model from labelled images, in one resumable command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Train:
    """Train a model on labelled images: the compact one (extra: pip install 'uois-sam[train]').

    Base network first, then cached features, then HPG and HDNet on them. A run that was stopped goes on where it was
    when started again with the same options. The result is OUT/model, for --model of the other commands.
    """

    what: tyro.conf.Positional[Literal["compact"]]
    """What to train."""
    data: tuple[Path, ...]
    """Folders with rgb/ and label/, as "uois-sam generate" writes them."""
    out: Path
    """Folder for checkpoints, cached features and the trained model."""
    steps: int = 1500
    """Optimiser steps of the base network; 1500 take about 40 minutes on two cores."""
    seed: int = 0
    """Seed of initial weights, views and prompts."""

    def run(self, console: Console) -> int:
        """Train; returns the exit status."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from uois_sam.datasets.joined import open_folders
        from uois_sam.training.base import BaseConfig
        from uois_sam.training.compact import Recipe, Watch, train_compact

        data = open_folders(self.data)
        recipe = Recipe(base=BaseConfig(steps=self.steps, seed=self.seed), seed=self.seed)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   TextColumn("{task.fields[note]}"))  # fmt: skip
        with Progress(*columns, console=console) as progress:

            def stage(name: str, total: int) -> None:
                progress.add_task(name, total=total, note="")

            def advance(done: int, note: str) -> None:
                progress.update(progress.task_ids[-1], completed=done, note=note)

            folder = train_compact(data, recipe, self.out, Watch(stage, advance))
        console.print(f"trained on {len(data)} images; model in {folder}")
        return 0

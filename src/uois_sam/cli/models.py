"""``uois-sam models``: list known models, downloaded weights and trained heads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from rich.console import Console

_RUNS = Path("runs")
_COLUMNS = ("name", "parameters", "here", "heads", "licence", "what")


@dataclass(frozen=True)
class Models:
    """List the names that --model takes, their sizes, which of them are on this machine, and trained heads.

        uois-sam models runs

    The list goes to standard output. Weights that are not here are downloaded into the Hugging Face cache when a model
    is first used (HF_HOME moves the cache, HF_HUB_OFFLINE=1 forbids downloads), or given as files: --sam FILE
    --dinov2 FILE.
    """

    folders: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER...", help_behavior_hint="(default: runs)")
    ] = ()
    """Folders to search for trained models and heads."""

    def run(self, console: Console) -> int:
        """Print the list and return the exit status."""
        from rich.console import Console as Output
        from rich.markup import escape
        from rich.table import Table

        from uois_sam.checkpoints.catalogue import gated_repos, named_backbones, named_models, trained_models
        from uois_sam.errors import UOISError, install_command
        from uois_sam.runtime.progress import print_table

        if missing := [str(folder) for folder in self.folders if not os.path.isdir(folder)]:
            raise UOISError(f"expected folders, found none at {', '.join(missing)}")
        models, backbones = named_models(), named_backbones()
        output = Output(highlight=False)
        for title, listed in (("", models), ("backbones for prompts (train heads --prompts-backbone)", backbones)):
            table = Table(*_COLUMNS, box=None, pad_edge=False)
            for model in listed:
                size = f"{model.millions:.1f} M" if model.millions < 10 else f"{model.millions:.0f} M"
                cells = (model.name, size, model.here, model.heads, model.licence, model.note)
                table.add_row(*(escape(cell) for cell in cells))
            if title:
                output.print(f"\n{title}:")
            print_table(output, table)
        for repo in gated_repos():
            output.print(
                f"gated: accept the licence at https://huggingface.co/{repo}, then hf auth login", soft_wrap=True
            )
        if any(model.needs_full for model in models):
            output.print(f"\nthe extra full: {install_command('full')}", markup=False, soft_wrap=True)
        folders = self.folders or ((_RUNS,) if _RUNS.is_dir() else ())
        for index, trained in enumerate(trained_models(folders)):
            if index == 0:
                output.print("\ntrained models and heads:")
            output.print(f"  {trained.where}: {trained.what}", markup=False, soft_wrap=True)
        return 0

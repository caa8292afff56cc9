"""``uois-sam train``: one subcommand for each kind of training; each continues a stopped run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from uois_sam.cli.train_compact import TrainCompact
from uois_sam.cli.train_heads import TrainHeads
from uois_sam.cli.train_shipped import TrainShipped

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Train:
    """Train a model on labelled images (extras: train; for heads on SAM, full)."""

    what: tyro.conf.OmitSubcommandPrefixes[
        Annotated[TrainCompact, tyro.conf.subcommand("compact")]
        | Annotated[TrainHeads, tyro.conf.subcommand("heads")]
        | Annotated[TrainShipped, tyro.conf.subcommand("shipped")]
    ]

    def run(self, console: Console) -> int:
        """Train and return the exit status."""
        return self.what.run(console)

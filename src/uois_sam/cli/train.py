"""``uois-sam train``: one subcommand for each kind of training; each continues a stopped run."""

from __future__ import annotations

from uois_sam.cli.parsing import CommandGroup
from uois_sam.cli.train_average import TrainAverage
from uois_sam.cli.train_compact import TrainCompact
from uois_sam.cli.train_heads import TrainHeads
from uois_sam.cli.train_shipped import TrainShipped

TRAIN = CommandGroup(
    """Train a model on labelled images (extras: train; for heads on SAM, full).

    uois-sam train compact --data my_photos --start compact --out runs/mine
""",
    {"compact": TrainCompact, "average": TrainAverage, "heads": TrainHeads, "shipped": TrainShipped},
)

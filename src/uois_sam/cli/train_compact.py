"""``uois-sam train compact``: the compact model, from labelled images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.cli.options import expect_above_0, expect_at_least, expect_seed, open_datasets
from uois_sam.errors import UOISError, count

if TYPE_CHECKING:
    from rich.console import Console

SHARES = "rate_floor", "composites", "hard_looks", "random_textures", "mixed_styles", "average_from", "start_share"
"""Options that are shares."""
MOST_IMAGES = 1024
"""Images a step that no machine has the memory for are refused before anything is read."""


@dataclass(frozen=True)
class TrainCompact:
    """Train the compact model on rendered scenes, or continue on your own images: --start compact.

        uois-sam train compact --data my_photos --start compact --out runs/mine

    The base network is trained first, then HDNet and the mask scorer on its cached features. A stopped run continues
    when started again with the same options. The result is OUT/model, for --model of the other commands.
    """

    data: tuple[Path, ...]
    """Folders with rgb/ and label/, as "uois-sam generate" writes them."""
    out: Path
    """Folder for checkpoints, cached features and the trained model."""
    start: str | None = None
    """Compact model to start from: "compact" for the bundled one, or a folder; ImageNet's weights if left out."""
    steps: int = 3000
    """Optimiser steps of the base network; 3000 take about an hour on two cores, of 75 minutes in all."""
    rate: float = 6e-4
    """Initial learning rate, half of it for the encoder; falls to --rate-floor of it along a half cosine."""
    rate_floor: float = 0.0
    """Share, 0 to 1, of the learning rate that the last step has."""
    images: int = 4
    """Images a step; a GPU takes 32 and more."""
    seed: int = 0
    """Seed of initial weights, views and prompts."""
    context: int = 0
    """Channels of a branch that sees the photo as a whole, a multiple of 4, say 128; a model to start from that has
    none is given one. 0: none is added."""
    composites: float = 0.0
    """Share of views, 0 to 1, that another image lends objects or printed pictures."""
    hard_looks: float = 0.0
    """Share of views, 0 to 1, in which a neighbour takes another's colours or a shadow falls across objects."""
    random_textures: float = 0.0
    """Share of views, 0 to 1, whose textures a random convolution replaces (RandConv)."""
    mixed_styles: float = 0.0
    """Share of steps, 0 to 1, in which images take on each other's light and colour cast (MixStyle); needs 2 images a
    step."""
    average_from: float = 1.0
    """Share of the steps, 0 to 1, after which the weights are averaged; their mean is the result. 1: none are."""
    start_share: float = 0.0
    """Share, 0 to 1, that the weights of --start keep in the result: 0.25 holds on to what the new images do not
    show."""
    name: str | None = None
    """Name of the trained model in results and tables; the name of the folder --out if left out."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda, cuda:1. A stopped run may continue on another one."""

    def run(self, console: Console) -> int:
        """Train and return the exit status."""
        expect_at_least("steps", self.steps, 1)
        expect_at_least("images", self.images, 1)
        if self.images > MOST_IMAGES:
            raise UOISError(f"--images: expected at most {MOST_IMAGES}, found {self.images}")
        expect_above_0("rate", self.rate)
        expect_seed(self.seed)
        if self.context < 0 or self.context % 4:
            raise UOISError(f"--context: expected 0 or a multiple of 4, found {self.context}")
        for option in SHARES:
            if not 0 <= getattr(self, option) <= 1:
                raise UOISError(f"--{option.replace('_', '-')}: expected 0 to 1, found {getattr(self, option):g}")
        if self.mixed_styles and self.images < 2:
            raise UOISError("--mixed-styles: expected --images of 2 or more, whose styles to mix, found 1")
        if self.start_share and self.start is None:
            raise UOISError("--start-share: expected --start, whose weights it mixes in, found none")
        from uois_sam.checkpoints.folder import read_card
        from uois_sam.io.files import make_output_folder, only_run
        from uois_sam.runtime.progress import print_line, progress
        from uois_sam.training.compact_network import NetworkTrainingConfig
        from uois_sam.training.train_compact import CompactTrainingConfig, train_compact

        data = open_datasets("folder", self.data)
        base = NetworkTrainingConfig(
            steps=self.steps, images=self.images, rate=self.rate, encoder_rate=self.rate / 2,
            rate_floor=self.rate_floor, average_from=self.average_from, composites=self.composites,
            hard_looks=self.hard_looks, random_textures=self.random_textures, mixed_styles=self.mixed_styles,
            seed=self.seed,
        )  # fmt: skip
        architecture = replace(CompactTrainingConfig().architecture, context_width=self.context)
        recipe = CompactTrainingConfig(
            architecture=architecture, base=base, start_share=self.start_share, seed=self.seed
        )
        make_output_folder(self.out)
        with only_run(self.out), progress(console) as watch:
            folder = train_compact(data, recipe, self.out, watch, start=self.start, name=self.name, device=self.device)
        record = read_card(folder).training
        print_line(console, f"trained on {count(record['images'], 'image')}; model in {folder}")
        return 1 if "left_out" in record else 0

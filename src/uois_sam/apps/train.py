"""``uois-sam train``: the compact model, or heads for any frozen base, from labelled images, in resumable commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from uois_sam.apps.evaluate import parse_option
from uois_sam.apps.train_shipped import TrainShipped
from uois_sam.config import NmsMode
from uois_sam.errors import UOISError

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.datasets.protocol import Dataset
    from uois_sam.training.full import HeadsRecipe
    from uois_sam.training.stages import Watch


@dataclass(frozen=True)
class TrainCompact:
    """Train the compact model on rendered scenes, or go on training it on your own: --start compact.

    Base network first, then cached features, then on them HDNet and the scores that see masks. A run that was stopped
    goes on where it was when started again with the same options. The result is OUT/model, for --model of the other
    commands.
    """

    data: tuple[Path, ...]
    """Folders with rgb/ and label/, as "uois-sam generate" writes them."""
    out: Path
    """Folder for checkpoints, cached features and the trained model."""
    start: str | None = None
    """Compact model to go on from: "compact" for the bundled one, or a folder; ImageNet's weights if left out."""
    steps: int = 3000
    """Optimiser steps of the base network; 3000 take about an hour on two cores, of 75 minutes in all."""
    rate: float = 6e-4
    """Learning rate to begin with; half of it for the encoder. Falls to nothing along a half cosine."""
    seed: int = 0
    """Seed of initial weights, views and prompts."""
    context: int = 0
    """Channels of a branch that sees the picture as a whole, a multiple of 4, say 128; a model to go on from that has
    none is given one. 0: none is added."""

    def run(self, console: Console) -> int:
        """Train; returns the exit status."""
        _expect_positive("steps", self.steps)
        _expect_above_0("rate", self.rate)
        if self.context < 0 or self.context % 4:
            raise UOISError(f"context={self.context}: expected 0 or a multiple of 4")
        from uois_sam.training.base import BaseConfig
        from uois_sam.training.compact import Recipe, train_compact

        data = _open("folder", self.data)
        base = BaseConfig(steps=self.steps, rate=self.rate, encoder_rate=self.rate / 2, seed=self.seed)
        architecture = replace(Recipe().architecture, context_width=self.context)
        recipe = Recipe(architecture=architecture, base=base, seed=self.seed)
        with _progress(console) as watch:
            folder = train_compact(data, recipe, self.out, watch, start=self.start)
        console.print(f"trained on {len(data)} images; model in {folder}")
        return 0


@dataclass(frozen=True)
class TrainHeads:
    """Train the paper's prompt generator (HPG) and HDNet on a frozen base, from labelled images.

    First every image goes once through the frozen networks and their features are cached in OUT/cache (what that takes
    on disk is said before), then both heads are fitted on the cache. A run that was stopped goes on where it was when
    started again with the same options. The result is OUT/model: small, for --model of the other commands.

    Several GPUs: accelerate launch --multi_gpu -m uois_sam train heads ... (the same options; see docs/training.md).
    """

    data: tuple[Path, ...]
    """Folders with labelled images, of the kind that --dataset says."""
    out: Path
    """Folder for cached features, checkpoints, learning curves and the trained heads."""
    base: str = "sam-vit-l"
    """Frozen networks: sam-vit-b, sam-vit-l (the paper's), sam-vit-h, compact."""
    sam: str | None = None
    """SAM's weights: Meta's .pth file, or a Hugging Face folder or id; the published ones if left out."""
    dinov2: str | None = None
    """DINOv2's weights, likewise."""
    dataset: str = "folder"
    """Kind of the data: folder (rgb/ and label/ of your own), uoais-sim, tod, bop, ..."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """An option of the data set, for example subset=bin; may be given often. An unknown key lists them all."""
    val: tuple[Path, ...] = ()
    """Folders of the same kind to choose the best epoch by; if left out, a tenth of the images is held out for it."""
    val_set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """As --set for the validation images, for example split=val, which are then looked for in --data without --val."""
    percent: float = 100.0
    """Share of the images to train on, chosen by the seed; the paper takes 10 of UOAIS-Sim."""
    epochs: int = 30
    """Passes over the features; the learning rate falls to a tenth every ten."""
    rate: float = 1e-3
    """Learning rate to begin with."""
    at_once: int = 4
    """Images that go through HPG together, of the 32 of a step; each takes about 1 GB with the paper's HPG."""
    interior: bool = False
    """Move a centre that lies outside its own object (rings, occluded things) onto it, which the paper does not do."""
    sigma: float = 6.0
    """Standard deviation of the heatmap's Gaussians in pixels at 336x448. The paper gives none."""
    nms: NmsMode = "mask"
    """Overlap by which the trained model drops one of two masks: that of the masks or of their boxes."""
    seed: int = 0
    """Seed of the sampled images, the hold-out, the prompts and the heads' first weights."""
    device: str = "auto"
    """Where it computes: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the frozen networks; auto takes bfloat16 where the hardware computes in it."""
    tensorboard: bool = False
    """Also write TensorBoard files (extra: tensorboard)."""

    def run(self, console: Console) -> int:
        """Train; returns the exit status."""
        self._check()
        from uois_sam.hub import check_base, load_base
        from uois_sam.training.full import examine_images, train_heads
        from uois_sam.training.processes import start_processes

        weights = {"sam": self.sam, "dinov2": self.dinov2}
        check_base(self.base, **weights, device=self.device, precision=self.precision)
        (data, validation), recipe = self.images(), self.recipe()
        processes = start_processes(self.device)
        several_gpus = processes.num_processes > 1 and processes.device.type == "cuda"
        device = str(processes.device) if several_gpus else self.device
        console.quiet = not processes.is_main_process  # one of them talks, but an error may come from any
        try:
            with _progress(console) as watch:
                images = examine_images(data, recipe, watch, processes, validation=validation)
            # Not below a progress bar: it may download, which shows one of its own.
            base = load_base(self.base, **weights, device=device, precision=self.precision)
            with _progress(console) as watch:
                folder = train_heads(base, images, recipe, self.out, watch, processes, tensorboard=self.tensorboard)
            console.print(f"trained; heads in {folder}, learning curves and run record in {self.out}")
        finally:
            console.quiet = False
        return 0

    def images(self) -> tuple[Dataset, Dataset | None]:
        """Images to train on, and those to validate by if there are any of their own."""
        options = dict(parse_option(text) for text in self.set)
        data = _open(self.dataset, self.data, options)
        if not (self.val or self.val_set):
            return data, None
        options |= dict(parse_option(text) for text in self.val_set)
        return data, _open(self.dataset, self.val or self.data, options)

    def _check(self) -> None:
        """Raise UOISError for numbers that no training can have, a missing package, an --out that is no folder."""
        from uois_sam.files import make_output_folder

        _expect_positive("epochs", self.epochs)
        _expect_positive("at-once", self.at_once)
        _expect_above_0("rate", self.rate)
        _expect_above_0("sigma", self.sigma)
        make_output_folder(self.out)
        if self.tensorboard:
            from uois_sam.training.curves import tensorboard_writer

            tensorboard_writer()

    def recipe(self) -> HeadsRecipe:
        """The options as the training takes them."""
        from uois_sam.config import Selection
        from uois_sam.training.compact import TOKEN_SELECTION
        from uois_sam.training.features import FeatureConfig
        from uois_sam.training.full import HeadsRecipe
        from uois_sam.training.heads import HeadConfig
        from uois_sam.training.targets import HeatmapTarget

        return HeadsRecipe(
            features=FeatureConfig(seed=self.seed),
            target=HeatmapTarget(interior=self.interior, sigma_px=self.sigma),
            fit=HeadConfig(epochs=self.epochs, rate=self.rate, hpg_at_once=self.at_once, seed=self.seed),
            selection=replace(TOKEN_SELECTION if self.base == "compact" else Selection(), nms=self.nms),
            percent=self.percent,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Train:
    """Train a model on labelled images (extras: train; for heads on SAM, full)."""

    what: tyro.conf.OmitSubcommandPrefixes[
        Annotated[TrainCompact, tyro.conf.subcommand("compact")]
        | Annotated[TrainHeads, tyro.conf.subcommand("heads")]
        | Annotated[TrainShipped, tyro.conf.subcommand("shipped")]
    ]

    def run(self, console: Console) -> int:
        """Train; returns the exit status."""
        return self.what.run(console)


def _expect_positive(name: str, value: int) -> None:
    if value < 1:
        raise UOISError(f"{name}={value}: expected at least 1")


def _expect_above_0(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise UOISError(f"{name}={value:g}: expected above 0")


def _open(kind: str, roots: tuple[Path, ...], options: Mapping[str, Any] | None = None) -> Dataset:
    """One data set, or several of a kind joined."""
    from uois_sam.datasets import open_dataset
    from uois_sam.datasets.joined import JoinedDataset

    sets = [open_dataset(kind, root, **(options or {})) for root in roots]
    return sets[0] if len(sets) == 1 else JoinedDataset(sets)


@contextmanager
def _progress(console: Console) -> Iterator[Watch]:
    """Progress bars, one a stage."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from uois_sam.training.stages import Watch

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.fields[note]}"))  # fmt: skip
    with Progress(*columns, console=console) as progress:

        def stage(name: str, total: int) -> None:
            progress.add_task(name, total=total, note="")

        def advance(done: int, note: str) -> None:
            progress.update(progress.task_ids[-1], completed=done, note=note)

        yield Watch(stage, advance)

"""``uois-sam train heads``: the paper's prompt generator and HDNet on any frozen base, from labelled images."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from uois_sam.cli.options import BaseOptions, expect_above_0, expect_at_least, open_datasets, parse_option
from uois_sam.config import NmsMode

if TYPE_CHECKING:
    from accelerate import Accelerator
    from rich.console import Console

    from uois_sam.datasets.base import Dataset
    from uois_sam.training.train_heads import HeadTrainingConfig, Images


@dataclass(frozen=True)
class TrainHeads:
    """Train the paper's prompt generator (HPG) and HDNet on a frozen base, from labelled images.

        uois-sam train heads --base sam-vit-l --data scenes --out runs/heads

    First every image goes once through the frozen networks and their features are cached in OUT/cache (the space that
    takes is printed before), then both heads are fitted on the cache. A stopped run continues when started again with
    the same options. The result is OUT/model: small, for --model of the other commands.

    Images that cannot be read are named, left out and counted; more than half of them are an error.

    Several GPUs: accelerate launch --multi_gpu -m uois_sam train heads ... (the same options; see
    docs/how-to/train-heads.md).

    Exit status: 0 success; 1 trained, but some images were left out; 2 nothing could be done; 130 interrupted.
    """

    data: tuple[Path, ...]
    """Folders with labelled images of the kind --dataset."""
    out: Path
    """Folder for cached features, checkpoints, learning curves and the trained heads."""
    base: tyro.conf.OmitArgPrefixes[BaseOptions] = field(default_factory=BaseOptions)
    dataset: str = "folder"
    """Kind of the data: folder (rgb/ and label/ of your own), uoais-sim, tod, bop, ..."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Option of the data set, for example subset=bin; may be repeated. An unknown key lists all options."""
    val: tuple[Path, ...] = ()
    """Folders of the same kind for choosing the best epoch; if left out, a tenth of the images is held out."""
    val_set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """As --set, for the validation images, for example split=val; without --val these come from --data."""
    percent: float = 100.0
    """Percentage of the images to train on, chosen by the seed; the paper uses 10 of UOAIS-Sim."""
    epochs: int = 30
    """Passes over the features; the learning rate falls to a tenth every ten."""
    rate: float = 1e-3
    """Initial learning rate."""
    at_once: int = 4
    """Images that go through HPG together, of the 32 of a step; each takes about 1 GB with the paper's HPG."""
    interior: bool = False
    """Move a centre that lies outside its own object (rings, occluded objects) onto it, which the paper does not do."""
    sigma: float = 6.0
    """Standard deviation of the heatmap's Gaussians in pixels at 336x448. The paper gives none."""
    nms: NmsMode = "mask"
    """Overlap by which the trained model drops one of two masks: that of the masks or of their boxes."""
    seed: int = 0
    """Seed of the sampled images, the hold-out, the prompts and the heads' first weights."""
    tensorboard: bool = False
    """Also write TensorBoard files (extra: tensorboard)."""
    name: str | None = None
    """Name of the trained model in results and tables; the name of the folder --out if left out."""

    def run(self, console: Console) -> int:
        """Train and return the exit status."""
        self._check()
        from uois_sam.checkpoints.loading import check_base
        from uois_sam.io.files import only_run
        from uois_sam.runtime.progress import print_line
        from uois_sam.training.distributed import start_processes

        weights = self.base.keywords()
        check_base(self.base.name, **weights)
        processes = start_processes(self.base.device)
        if processes.num_processes > 1 and processes.device.type == "cuda":
            weights["device"] = str(processes.device)
        console.quiet = not processes.is_main_process  # one of them reports, but any of them may fail
        claim = only_run(self.out) if processes.is_main_process else nullcontext()
        try:
            with claim:
                images, folder = self._train(console, processes, weights)
            print_line(console, f"trained; heads in {folder}, learning curves and run record in {self.out}")
        finally:
            console.quiet = False
        return 1 if images.facts.left_out else 0

    def _train(self, console: Console, processes: Accelerator, weights: dict[str, Any]) -> tuple[Images, Path]:
        """Return the images used and the folder of the heads."""
        from uois_sam.checkpoints.loading import load_base
        from uois_sam.runtime.progress import progress
        from uois_sam.training.train_heads import examine_images, train_heads

        (data, validation), recipe = self.images(), self.recipe()
        with progress(console) as watch:
            images = examine_images(data, recipe, watch, processes, validation=validation)
        # Not below a progress bar: it may download, which shows its own.
        base = load_base(self.base.name, **weights)
        with progress(console) as watch:
            folder = train_heads(
                base, images, recipe, self.out, watch, processes, tensorboard=self.tensorboard, name=self.name
            )
        return images, folder

    def images(self) -> tuple[Dataset, Dataset | None]:
        """Return the images to train on, and the images to validate on if those are separate."""
        options = dict(parse_option(text) for text in self.set)
        data = open_datasets(self.dataset, self.data, options)
        if not (self.val or self.val_set):
            return data, None
        options |= dict(parse_option(text) for text in self.val_set)
        return data, open_datasets(self.dataset, self.val or self.data, options)

    def _check(self) -> None:
        """Raise UOISError for numbers out of range, a missing package, or an --out that is no folder."""
        from uois_sam.io.files import make_output_folder

        expect_at_least("epochs", self.epochs, 1)
        expect_at_least("at-once", self.at_once, 1)
        expect_above_0("rate", self.rate)
        expect_above_0("sigma", self.sigma)
        make_output_folder(self.out)
        if self.tensorboard:
            from uois_sam.training.learning_curves import tensorboard_writer

            tensorboard_writer()

    def recipe(self) -> HeadTrainingConfig:
        """Return the configuration of the training."""
        from uois_sam.config import InferenceConfig
        from uois_sam.training.feature_cache.features import FeatureConfig
        from uois_sam.training.fit_loop import FitConfig
        from uois_sam.training.targets import HeatmapTarget
        from uois_sam.training.train_compact import TOKEN_SETTINGS
        from uois_sam.training.train_heads import HeadTrainingConfig

        return HeadTrainingConfig(
            features=FeatureConfig(seed=self.seed),
            target=HeatmapTarget(interior=self.interior, sigma_px=self.sigma),
            fit=FitConfig(epochs=self.epochs, rate=self.rate, hpg_at_once=self.at_once, seed=self.seed),
            selection=replace(TOKEN_SETTINGS if self.base.model == "compact" else InferenceConfig(), nms=self.nms),
            percent=self.percent,
            seed=self.seed,
        )

"""Train HPG and HDNet on any frozen base (Sec. IV-A): data, cached features, both fits, a small heads folder."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from uois_sam.checkpoints.heads import save_heads
from uois_sam.config import InferenceConfig
from uois_sam.datasets.base import Dataset
from uois_sam.datasets.combine import JoinedDataset
from uois_sam.errors import DatasetError
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.models.networks import Networks
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.runtime.provenance import describe_run
from uois_sam.training.distributed import from_main
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.feature_cache.shards import CacheRequest
from uois_sam.training.fit_heads import fit_hdnet, fit_hpg
from uois_sam.training.fit_loop import FitConfig
from uois_sam.training.learning_curves import Curves
from uois_sam.training.splits import DataFacts, Split, look_through, sample_percent, split_data
from uois_sam.training.stages import HeadFit, cache_features, fit_heads
from uois_sam.training.targets import HeatmapTarget

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class HeadTrainingConfig:
    """Everything that decides the heads, besides base and data; the defaults are the paper's."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    target: HeatmapTarget = field(default_factory=HeatmapTarget)
    fit: FitConfig = field(default_factory=FitConfig)
    selection: InferenceConfig = field(default_factory=InferenceConfig)
    """How the trained model makes prompts and keeps masks."""
    percent: float = 100.0
    """Share of the images that is used; 10 in the paper, of UOAIS-Sim."""
    validation_share: float = 0.1
    """Share of the used images held out to choose the epoch, where there are no others for that."""
    seed: int = 0
    """Of the sampled images, the hold-out and the heads' first weights."""


@dataclass(frozen=True)
class Images:
    """Images that can be trained on."""

    split: Split
    facts: DataFacts


def examine_images(
    data: Dataset,
    recipe: HeadTrainingConfig,
    watch: ProgressCallback,
    processes: Accelerator,
    *,
    validation: Dataset | None = None,
) -> Images:
    """Choose the images and read each once, which takes no base: what is wrong with them is told before it is loaded.

    Args:
        data: labelled images to train on.
        recipe: the settings.
        watch: where progress goes.
        processes: this process among the others.
        validation: images to choose the epoch by; a share of ``data`` when left out.

    Raises:
        UOISError: an image cannot be read.
        DatasetError: a percentage that is none, too few images, or none with an object.
    """
    split = choose_images(data, validation, recipe)
    watch.stage("data", len(split.data))
    facts = from_main(lambda: look_through(split.data, lambda done: watch.advance(done, "images")), processes)
    return Images(split, facts)


def train_heads(
    base: Networks,
    images: Images,
    recipe: HeadTrainingConfig,
    out: Path,
    watch: ProgressCallback,
    processes: Accelerator,
    *,
    tensorboard: bool = False,
    name: str | None = None,
) -> Path:
    """Train heads for a base, going on from whatever ``out`` holds of an earlier run.

    Writes ``out/cache`` (features), ``out/hpg`` and ``out/hdnet`` (checkpoints), ``out/curves.csv`` and ``.png``,
    ``out/run.json`` (the run record) and ``out/model`` (the result).

    Args:
        base: the frozen networks, on this process's device.
        images: what :func:`examine_images` made of the labelled images, with the same recipe.
        recipe: the settings.
        out: folder for all results.
        watch: where progress goes.
        processes: this process among the others.
        tensorboard: write TensorBoard files into ``out/tensorboard`` too.
        name: what results call the model; the name of ``out`` if left out.

    Returns:
        The heads' folder, which names its base by SHA256.

    Raises:
        OutputError: the disk is too small or full; the same call goes on once there is room.
        MissingExtraError: TensorBoard is asked for and not installed.
    """
    make_output_folder(out)
    curves = Curves(out, tensorboard=tensorboard and processes.is_main_process)
    split, facts = images.split, images.facts
    request = CacheRequest(base, split.data, facts.sha256, recipe.features)
    began = time.monotonic()
    cache = cache_features(request, out / "cache", processes, watch)
    seconds = {"cache_of_last_run": round(time.monotonic() - began, 1)}
    torch.manual_seed(recipe.seed)
    hpg, hdnet = base.fresh_hpg(), base.fresh_hdnet()
    held_out = split.validation * recipe.features.views
    fit, target = recipe.fit, recipe.target
    fits = (
        HeadFit("hdnet", fit.epochs, lambda place: fit_hdnet(hdnet, cache.tokens(), held_out, fit, place)),
        HeadFit("hpg", fit.epochs, lambda place: fit_hpg(hpg, cache.maps(), held_out, target, fit, place)),
    )
    losses = fit_heads(fits, cache, out, processes, watch, curves)
    for head in losses:
        seconds[head] = round(sum(epoch.seconds for epoch in curves.epochs if epoch.head == head), 1)
    record = {
        "recipe": asdict(recipe), "base": {"name": base.name, "sha256": base.sha256}, "data": asdict(facts),
        "validation_images": split.validation, "losses": losses, "seconds": seconds,
        **describe_run(processes.device, processes.num_processes),
    }  # fmt: skip
    if processes.is_main_process:
        write_atomically(out / "run.json", (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
        called = name or out.resolve().name
        save_heads(base, hpg, hdnet, out / "model", training=record, selection=recipe.selection, name=called)
    processes.wait_for_everyone()
    return out / "model"


def choose_images(data: Dataset, validation: Dataset | None, recipe: HeadTrainingConfig) -> Split:
    """The share of the images that is used, and those that validate.

    Raises:
        DatasetError: too few images.
    """
    used = sample_percent(data, recipe.percent, recipe.seed)
    if validation is None:
        return split_data(used, recipe.validation_share, recipe.seed)
    if len(used) == 0 or len(validation) == 0:
        raise DatasetError(f"expected images to train on and to validate by, found {len(used)} and {len(validation)}")
    return Split(JoinedDataset([used, validation]), len(validation))

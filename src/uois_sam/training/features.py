"""What the frozen networks say about one labelled image: the features and targets that both heads learn from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from uois_sam.config import MASKS_PER_PROMPT, MAX_PROMPTS
from uois_sam.datasets.protocol import Dataset
from uois_sam.geometry import Frame, map_points
from uois_sam.models.frozen_base import FrozenBase
from uois_sam.models.hpg import HPG
from uois_sam.models.prompts import heatmap_peaks
from uois_sam.models.protocols import SceneFeatures, select_prompts
from uois_sam.training.base import covered_share
from uois_sam.training.losses import iou_targets
from uois_sam.training.rows import MapRows, TokenRows
from uois_sam.training.views import IntLabels, View, plain_view, random_view, sample_prompts

UPSCALE_CHUNK = 8
"""Prompts whose four masks are made at once."""


@dataclass(frozen=True)
class FeatureConfig:
    """What is computed of every image; the defaults are the paper's (Sec. III-B, IV-A)."""

    views: int = 1
    """Views an image: the first is the plain image, as in the paper; the others are augmented."""
    view_hw: tuple[int, int] | None = None
    """Rows and columns a view is stretched to before it is encoded; None keeps the image's own."""
    prompts: int = MAX_PROMPTS
    """Point prompts a view (M = 30 in the paper)."""
    own_peaks: int = 0
    """How many of them are peaks of a prompt generator that is there already: its false ones are what HDNet has to
    reject. The paper has none."""
    background_share: float = 0.35
    """Share of background points among the other prompts."""
    seed: int = 0


@dataclass(frozen=True)
class ViewRows:
    """One view: a row for each head."""

    maps: MapRows
    tokens: TokenRows


@torch.inference_mode()
def view_rows(base: FrozenBase, proposer: HPG | None, data: Dataset, config: FeatureConfig, item: int) -> ViewRows:
    """Features and targets of view ``item % views`` of image ``item // views``, on the CPU.

    The same arguments give the same rows, whatever was computed before.

    Args:
        base: the frozen networks.
        proposer: prompt generator whose peaks are among the prompts; needed if ``own_peaks`` is above 0.
        data: labelled images.
        config: what to compute.
        item: number of the view.
    """
    index, number = divmod(item, config.views)
    rng = np.random.default_rng([config.seed, index, number])
    sample = data[index]
    size_hw = config.view_hw or (sample.labels.shape[0], sample.labels.shape[1])
    view = plain_view(sample, size_hw) if number == 0 else random_view(sample, size_hw, rng)
    with base.computing():
        image = torch.from_numpy(np.ascontiguousarray(view.image)).permute(2, 0, 1).to(base.device)
        features = base.encoder(image)
        points, ids = _choose_prompts(proposer, features, view, config, rng)
        tokens = _token_rows(base, features, view, points, ids)
    labels = renumbered(_nearest(view.labels, base.heads.frame_hw))
    maps = features.prompt_features.half().cpu().contiguous()
    return ViewRows(MapRows(maps, torch.from_numpy(labels)[None]), tokens)


def renumbered(labels: IntLabels) -> np.ndarray:
    """The same map with objects numbered from 1 in the same order: uint8 if they are at most 255, else int16."""
    values, inverse = np.unique(labels, return_inverse=True)
    numbers = inverse.reshape(labels.shape) + (1 if values[0] != 0 else 0)
    return numbers.astype(np.uint8 if numbers.max() <= np.iinfo(np.uint8).max else np.int16)


def grid_truth(labels: IntLabels, ids: Tensor, frame: Frame) -> Tensor:
    """Share of every mask-grid cell that the object under each point covers.

    Args:
        labels: (H, W) int32, the view.
        ids: (M,) int32 labels under the points, 0 for background.
        frame: how the view lies in the mask frame.

    Returns:
        (M, h, w) float32 on the grid of a quarter of the frame; all 0 for points on background.
    """
    framed = np.zeros(frame.size_hw, dtype=np.int32)
    framed[: frame.content_hw[0], : frame.content_hw[1]] = _nearest(labels, frame.content_hw)
    different, which = torch.unique(ids, return_inverse=True)
    return covered_share(torch.from_numpy(framed), different)[which]


def _token_rows(base: FrozenBase, features: SceneFeatures, view: View, points: Tensor, ids: Tensor) -> TokenRows:
    """Decode the prompts and compare all four masks of each with the object under it (Eq. 6)."""
    frame, mask_features = features.mask_frame, features.mask_features
    hw = view.labels.shape[0], view.labels.shape[1]
    at = map_points(points, hw, frame.content_hw).to(base.device)
    predictions = base.decoder.decode_tokens(mask_features, at)
    truth = grid_truth(view.labels, ids, frame)
    true_iou = []
    for chunk in torch.arange(len(points)).split(UPSCALE_CHUNK):
        every = torch.arange(MASKS_PER_PROMPT, device=base.device).expand(len(chunk), -1)
        on_device = chunk.to(base.device)
        chosen = select_prompts(predictions, on_device)
        logits = base.decoder.upscale(mask_features, chosen, at[on_device], every)
        true_iou.append(iou_targets(logits, truth[chunk].to(base.device)))
    rows = (predictions.iou_token, predictions.mask_tokens, predictions.scores, torch.cat(true_iou))
    return TokenRows(*(value[None].half().cpu().contiguous() for value in rows))


def _choose_prompts(
    proposer: HPG | None, features: SceneFeatures, view: View, config: FeatureConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The proposer's peaks first, then random points: (M, 2) float32 xy in the view and (M,) int32 labels there."""
    peaks, under = np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.int32)
    if config.own_peaks and proposer is not None:
        maps = proposer.predict(features.prompt_features)
        found = heatmap_peaks(maps, foreground=0.5, height=0.05, most=config.own_peaks).points_xy.cpu()
        hw = view.labels.shape[0], view.labels.shape[1]
        peaks = map_points(found, proposer.frame_hw, hw).numpy()
        columns, rows = (np.clip(peaks.round().astype(int), 0, (hw[1] - 1, hw[0] - 1))).T
        under = view.labels[rows, columns]
    points, ids = sample_prompts(view.labels, config.prompts - len(peaks), config.background_share, rng)
    return torch.from_numpy(np.concatenate([peaks, points])), torch.from_numpy(np.concatenate([under, ids]))


def _nearest(labels: IntLabels, size_hw: tuple[int, int]) -> IntLabels:
    """Labels on another grid; INTER_NEAREST would shift them by half a pixel against the image."""
    if labels.shape == size_hw:
        return labels
    resized = cv2.resize(labels.astype(np.uint16), (size_hw[1], size_hw[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.int32)

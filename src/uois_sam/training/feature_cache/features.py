"""Features and targets of one labelled image, computed by the frozen networks for the fits of the heads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from uois_sam.config import FOREGROUND_THRESHOLD, HEATMAP_THRESHOLD, MASKS_PER_PROMPT, MAX_PROMPTS
from uois_sam.datasets.base import Dataset
from uois_sam.geometry import Frame, map_points
from uois_sam.models.compact.evidence import evidence_width, measure_masks
from uois_sam.models.decoding import UPSCALE_CHUNK
from uois_sam.models.hpg import HPG
from uois_sam.models.interfaces import SceneFeatures, select_prompts
from uois_sam.models.networks import Networks
from uois_sam.models.prompts import heatmap_peaks
from uois_sam.training.augmentation import IntLabels, View, plain_view, random_view, sample_prompts
from uois_sam.training.feature_cache.rows import EvidenceRows, MapRows, TokenRows
from uois_sam.training.losses import iou_targets
from uois_sam.training.targets import covered_share
from uois_sam.types import LabelMap, PromptMaps, Sample, TokenPredictions

IGNORED = 65535
"""Label of ignored pixels while a view is made."""


@dataclass(frozen=True)
class FeatureConfig:
    """Views and prompts of every image; the defaults are the paper's (Sec. III-B, IV-A)."""

    views: int = 1
    """Views of an image: the first is the plain image, as in the paper; the others are augmented."""
    view_hw: tuple[int, int] | None = None
    """Rows and columns a view is stretched to before it is encoded; None keeps the image's own."""
    prompts: int = MAX_PROMPTS
    """Point prompts a view (M = 30 in the paper)."""
    own_peaks: int = 0
    """At most so many of them are peaks of a trained prompt generator, whose false peaks the scores have to reject. The
    paper has none."""
    foreground_threshold: float = FOREGROUND_THRESHOLD
    """Least foreground probability of a peak; should be that of the finished model."""
    peak_threshold: float = HEATMAP_THRESHOLD
    """Least heatmap value of a peak; should be that of the finished model, because the agreement between masks depends
    on the number of prompts."""
    background_share: float = 0.35
    """Share of background points among the other prompts."""
    seed: int = 0


@dataclass(frozen=True)
class ViewRows:
    """One row of one view for each head."""

    maps: MapRows
    tokens: TokenRows
    evidence: EvidenceRows | None = None
    """Rows of the proposer's peaks alone, as in inference; None without a proposer."""


@torch.inference_mode()
def view_rows(
    base: Networks,
    proposer: HPG | None,
    data: Dataset,
    config: FeatureConfig,
    item: int,
    dtype: torch.dtype = torch.float16,
    *,
    evidence: bool = True,
) -> ViewRows:
    """Compute features and targets of view ``item % views`` of image ``item // views``, on the CPU.

    The result depends on the arguments alone.

    Args:
        base: the frozen networks.
        proposer: prompt generator whose peaks are among the prompts; required if ``own_peaks`` is above 0.
        data: labelled images.
        config: views and prompts.
        item: number of the view.
        dtype: dtype of features, tokens and scores; a cache keeps float16.
        evidence: measure the masks of the peaks, if there is a proposer.
    """
    index, number = divmod(item, config.views)
    rng = np.random.default_rng([config.seed, index, number])
    view = make_view(data[index], config.view_hw, None if number == 0 else rng)
    with base.computing():
        image = torch.from_numpy(np.ascontiguousarray(view.image)).permute(2, 0, 1).to(base.device)
        features = base.encoder(image)
        maps = proposer.predict(features.prompt_features) if config.own_peaks and proposer is not None else None
        prompts = _choose_prompts(maps, view, config, rng)
        decoded = _decode(base, features, view, prompts)
        tokens = _token_rows(decoded, dtype)
        seen = None
        if maps is not None and evidence:
            seen = _evidence_rows(features, maps, decoded, prompts.peaks, config, dtype)
    labels = _nearest(view.labels, base.heads.frame_hw).astype(np.int16)
    prompt_features = features.prompt_features.to("cpu", dtype).contiguous()
    return ViewRows(MapRows(prompt_features, torch.from_numpy(labels)[None]), tokens, seen)


def make_view(sample: Sample, size_hw: tuple[int, int] | None, rng: np.random.Generator | None) -> View:
    """Make a plain view of a sample, or an augmented one if ``rng`` is given; ignored pixels are labelled -1.

    Args:
        sample: a labelled image. Its objects are renumbered from 1 in ascending order.
        size_hw: rows and columns to stretch to; None keeps the sample's own.
        rng: source of random numbers for the augmentation.
    """
    labels = renumbered(sample.labels)
    if sample.ignore is not None:
        labels = np.where(sample.ignore, np.uint16(IGNORED), labels)
    size = size_hw or (labels.shape[0], labels.shape[1])
    numbered = replace(sample, labels=labels)
    view = plain_view(numbered, size) if rng is None else random_view(numbered, size, rng)
    ignored = view.labels == IGNORED
    # A view that is ignored as a whole has no place for prompts: it counts as background.
    return View(view.image, np.where(ignored, np.int32(0 if ignored.all() else -1), view.labels))


def renumbered(labels: LabelMap) -> LabelMap:
    """Renumber objects from 1 in the same order."""
    values, inverse = np.unique(labels, return_inverse=True)
    return (inverse.reshape(labels.shape) + (1 if values[0] != 0 else 0)).astype(np.uint16)


def grid_truth(labels: IntLabels, ids: Tensor, frame: Frame, grid_hw: tuple[int, int] | None = None) -> Tensor:
    """Compute the share of every mask-grid cell that the object under each point covers.

    Args:
        labels: (H, W) int32, the view.
        ids: (M,) int32 labels under the points, 0 for background.
        frame: position of the view in the mask frame.
        grid_hw: rows and columns of the grid over the frame; a quarter of the frame's if left out.

    Returns:
        (M, h, w) float32 on the grid; all 0 for points on background.
    """
    framed = np.zeros(frame.size_hw, dtype=np.int32)
    framed[: frame.content_hw[0], : frame.content_hw[1]] = _nearest(labels, frame.content_hw)
    different, which = torch.unique(ids, return_inverse=True)
    return covered_share(torch.from_numpy(framed), different, grid_hw)[which]


@dataclass(frozen=True)
class _Prompts:
    """Prompts of one view, the proposer's peaks first."""

    points: Tensor
    """(M, 2) float32 xy in the view."""
    ids: Tensor
    """(M,) int32 labels under them."""
    peaks: int
    """Number of peaks."""


@dataclass(frozen=True)
class _Decoded:
    """Predictions of the decoder for the prompts, and the true IoU of their masks."""

    at: Tensor
    """(M, 2) float32 xy in the mask frame."""
    predictions: TokenPredictions
    logits: Tensor
    """(M, 4, h, w)."""
    true_iou: Tensor
    """(M, 4)."""


def _decode(base: Networks, features: SceneFeatures, view: View, prompts: _Prompts) -> _Decoded:
    """Decode the prompts and compute the IoU of each one's four masks with the object under it (Eq. 6)."""
    frame, mask_features = features.mask_frame, features.mask_features
    hw = view.labels.shape[0], view.labels.shape[1]
    at = map_points(prompts.points, hw, frame.content_hw).to(base.device)
    predictions = base.decoder.decode_tokens(mask_features, at)
    truth: Tensor | None = None
    logits, true_iou = [], []
    for chunk in torch.arange(len(at)).split(UPSCALE_CHUNK):
        every = torch.arange(MASKS_PER_PROMPT, device=base.device).expand(len(chunk), -1)
        on_device = chunk.to(base.device)
        chosen = select_prompts(predictions, on_device)
        logits.append(base.decoder.upscale(mask_features, chosen, at[on_device], every))
        if truth is None:
            truth = grid_truth(view.labels, prompts.ids, frame, (logits[-1].shape[-2], logits[-1].shape[-1]))
        true_iou.append(iou_targets(logits[-1], truth[chunk].to(base.device)))
    return _Decoded(at, predictions, torch.cat(logits), torch.cat(true_iou))


def _token_rows(decoded: _Decoded, dtype: torch.dtype) -> TokenRows:
    predictions = decoded.predictions
    rows = (predictions.iou_token, predictions.mask_tokens, predictions.scores, decoded.true_iou)
    return TokenRows(*(value[None].to("cpu", dtype).contiguous() for value in rows))


def _evidence_rows(
    features: SceneFeatures, maps: PromptMaps, decoded: _Decoded, peaks: int, config: FeatureConfig, dtype: torch.dtype
) -> EvidenceRows:
    """Measure the peaks' masks; rows are padded to ``own_peaks``."""
    width = evidence_width(decoded.predictions.iou_token.shape[-1])
    evidence = torch.zeros(1, config.own_peaks, MASKS_PER_PROMPT, width, dtype=dtype)
    true_iou = torch.zeros(1, config.own_peaks, MASKS_PER_PROMPT, dtype=dtype)
    if peaks:
        first = torch.arange(peaks, device=decoded.at.device)
        own = select_prompts(decoded.predictions, first)
        measured = measure_masks(features.mask_features, maps, own, decoded.logits[:peaks], decoded.at[:peaks])
        evidence[0, :peaks] = measured.to("cpu", dtype)
        true_iou[0, :peaks] = decoded.true_iou[:peaks].to("cpu", dtype)
    return EvidenceRows(evidence, true_iou, (torch.arange(config.own_peaks) < peaks)[None])


def _choose_prompts(maps: PromptMaps | None, view: View, config: FeatureConfig, rng: np.random.Generator) -> _Prompts:
    """Choose the peaks of the maps as in inference, then random points."""
    peaks, under = np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.int32)
    if maps is not None:
        found = heatmap_peaks(
            maps, config.foreground_threshold, config.peak_threshold, config.own_peaks
        ).points_xy.cpu()
        hw = view.labels.shape[0], view.labels.shape[1]
        peaks = map_points(found, (maps.heatmap.shape[-2], maps.heatmap.shape[-1]), hw).numpy()
        columns, rows = (np.clip(peaks.round().astype(int), 0, (hw[1] - 1, hw[0] - 1))).T
        under = view.labels[rows, columns]
        peaks, under = peaks[under >= 0], under[under >= 0]
    points, ids = sample_prompts(view.labels, config.prompts - len(peaks), config.background_share, rng)
    joined = np.concatenate([peaks, points]), np.concatenate([under, ids])
    return _Prompts(torch.from_numpy(joined[0]), torch.from_numpy(joined[1]), len(peaks))


def _nearest(labels: IntLabels, size_hw: tuple[int, int]) -> IntLabels:
    """Resize labels by nearest neighbour; INTER_NEAREST would shift them by half a pixel against the image."""
    if labels.shape == size_hw:
        return labels
    resized = cv2.resize(labels.astype(np.int16), (size_hw[1], size_hw[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.int32)

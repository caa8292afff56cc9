"""Features of the frozen networks, computed once and kept on disk, so that fitting the heads is cheap.

A shard holds a run of views: what the prompt generator reads, and for sampled point prompts the decoder's tokens, its
own scores and the true IoUs (Eq. 6). Tensors are float16 safetensors; a shard appears whole or not at all, so a run
that is killed goes on with the next one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from uois_sam.datasets.protocol import Dataset
from uois_sam.errors import UOISError
from uois_sam.files import make_output_folder, write_atomically
from uois_sam.models.compact_model import CompactModel
from uois_sam.models.prompts import heatmap_peaks
from uois_sam.models.protocols import SceneFeatures
from uois_sam.training.base import covered_share
from uois_sam.training.losses import iou_targets
from uois_sam.training.targets import HeatmapTarget, foreground_target, heatmap_target
from uois_sam.training.views import View, plain_view, random_view, sample_prompts


@dataclass(frozen=True)
class CacheConfig:
    """What is cached of every image."""

    views: int = 2
    """Views an image: the first is the plain image, as in the paper; the others are augmented."""
    prompts: int = 30
    """Point prompts a view (M = 30 in the paper)."""
    own_peaks: int = 12
    """How many of them are the prompt generator's own peaks: its false ones are what HDNet has to reject."""
    background_share: float = 0.35
    """Share of background points among the other prompts."""
    shard: int = 50
    """Views a file."""
    seed: int = 0


@dataclass(frozen=True)
class CachedView:
    """One view's features and targets."""

    prompt_features: Tensor
    """(Cp, hp, wp) float16."""
    foreground: Tensor
    """(h, w) bool."""
    heatmap: Tensor
    """(1, h, w) float16."""
    iou_token: Tensor
    """(M, C) float16."""
    mask_tokens: Tensor
    """(M, 4, C) float16."""
    scores: Tensor
    """(M, 4) float16, the decoder's own."""
    true_iou: Tensor
    """(M, 4) float16: Eq. 6."""


def fill_cache(
    model: CompactModel, data: Dataset, config: CacheConfig, target: HeatmapTarget, folder: Path
) -> Iterator[int]:
    """Compute what is missing and yield the number of views on disk after every shard.

    Raises:
        UOISError: the folder holds a cache of other weights, data or settings.
    """
    model.eval()
    _claim(model, data, config, target, folder)
    total = len(data) * config.views
    for start in range(0, total, config.shard):
        path = folder / f"{start:07d}.safetensors"
        if not path.exists():
            views = [cache_view(model, data, config, target, k) for k in range(start, min(start + config.shard, total))]
            tensors = {
                f"{row}.{name}": value.contiguous()
                for row, view in enumerate(views)
                for name, value in vars(view).items()
            }
            write_atomically(path, save(tensors))
        yield min(start + config.shard, total)


def read_cache(folder: Path) -> list[CachedView]:
    """All cached views, in order of images and views."""
    views = []
    for path in sorted(folder.glob("*.safetensors")):
        tensors = load(path.read_bytes())
        rows = sorted({int(key.split(".")[0]) for key in tensors})
        names = CachedView.__dataclass_fields__
        views += [CachedView(**{name: tensors[f"{row}.{name}"] for name in names}) for row in rows]
    return views


@torch.inference_mode()
def cache_view(model: CompactModel, data: Dataset, config: CacheConfig, target: HeatmapTarget, item: int) -> CachedView:
    """Features and targets of view ``item % views`` of image ``item // views``."""
    index, number = divmod(item, config.views)
    rng = np.random.default_rng([config.seed, index, number])
    input_hw = model.config.input_hw
    sample = data[index]
    view = plain_view(sample, input_hw) if number == 0 else random_view(sample, input_hw, rng)
    features = model.encoder.encode_batch(torch.from_numpy(view.image).permute(2, 0, 1)[None].float())
    points, ids = _choose_prompts(model, features, view, config, rng)
    predictions = model.decoder.decode_tokens(features.mask_features, points)
    every = torch.arange(predictions.scores.shape[1]).expand(len(points), -1)
    logits = model.decoder.upscale(features.mask_features, predictions, points, every)
    grid_hw = logits.shape[-2], logits.shape[-1]
    truth = covered_share(torch.from_numpy(view.labels), ids)
    return CachedView(
        prompt_features=features.prompt_features[0].half(),
        foreground=torch.from_numpy(foreground_target(view.labels, grid_hw)),
        heatmap=torch.from_numpy(heatmap_target(view.labels, target, grid_hw))[None].half(),
        iou_token=predictions.iou_token.half(),
        mask_tokens=predictions.mask_tokens.half(),
        scores=predictions.scores.half(),
        true_iou=iou_targets(logits, truth).half(),
    )


def fingerprint(model: CompactModel) -> str:
    """SHA256 over the frozen parts' names and values (encoder, decoder, and the HPG that proposes peaks)."""
    digest = hashlib.sha256()
    for part in (model.encoder, model.decoder, model.hpg):
        for key, value in part.state_dict().items():
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _choose_prompts(
    model: CompactModel, features: SceneFeatures, view: View, config: CacheConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The model's own peaks first, then random points: (M, 2) float32 xy and (M,) int32 labels under them."""
    maps = model.hpg.predict(features.prompt_features)
    peaks = heatmap_peaks(maps, foreground=0.5, height=0.05, most=config.own_peaks).points_xy.numpy()
    under = view.labels[peaks[:, 1].astype(int), peaks[:, 0].astype(int)]
    points, ids = sample_prompts(view.labels, config.prompts - len(peaks), config.background_share, rng)
    return torch.from_numpy(np.concatenate([peaks, points])), torch.from_numpy(np.concatenate([under, ids]))


def _claim(model: CompactModel, data: Dataset, config: CacheConfig, target: HeatmapTarget, folder: Path) -> None:
    """Write down what the cache is made of, or check that it is made of the same."""
    make_output_folder(folder)
    names = hashlib.sha256("\n".join(data.names).encode()).hexdigest()
    wanted = {
        "weights": fingerprint(model), "images": len(data), "names": names,
        "config": asdict(config), "target": asdict(target),
    }  # fmt: skip
    marker, text = folder / "cache.json", json.dumps(wanted, indent=1, sort_keys=True)
    if not marker.exists():
        write_atomically(marker, text.encode())
    elif json.loads(marker.read_text()) != json.loads(text):
        raise UOISError(
            f"{folder} holds features of other weights, data or settings; delete it or choose another --out"
        )

"""Cost of one image in every stage, measured on this machine or taken from documented measurements, for estimates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch

from uois_sam.benchmark.drawing import drawn_photo
from uois_sam.benchmark.stages import spread_points
from uois_sam.checkpoints.bases import RANDOM, find_base
from uois_sam.checkpoints.heads import UNTRAINED_SETTINGS, base_card
from uois_sam.checkpoints.loading import load_base
from uois_sam.config import MAX_PROMPTS
from uois_sam.models.networks import Networks
from uois_sam.pipeline import UOISSAM
from uois_sam.reproduce.config import ReproduceConfig
from uois_sam.runtime.progress import SILENT, ProgressCallback
from uois_sam.runtime.timing import now
from uois_sam.training.feature_cache.features import FeatureConfig, view_rows
from uois_sam.training.feature_cache.rows import MapRows, TokenRows
from uois_sam.training.fit_heads import as_predictions, map_targets
from uois_sam.training.losses import hpg_loss, score_loss
from uois_sam.training.targets import HeatmapTarget
from uois_sam.types import Sample

RENDER_CORE_SECONDS = 5.0
"""Processor seconds of a rendered scene: 1435 an hour on two cores with LLVM (docs/how-to/make-scenes.md)."""
SCENE_BYTES = 500_000
"""Disk of a rendered scene: 0.32 to 0.47 MB at 640x480, measured on 774 and 70 scenes."""
SCORE_CORE_SECONDS = 0.024
"""Processor seconds to score a frame: 2390 in 28.8 s on two cores (docs/how-to/evaluate.md)."""
PREDICTION_BYTES = 8_000
"""Disk of a predicted label map with its scores: two blocks of a file system."""
_TIMES = 2
_MEASURED = ("features and masks to learn from", "features", "masks of 30 prompts", "a step of HPG", "a step of HDNet")
T = TypeVar("T")


@dataclass(frozen=True)
class Figures:
    """Seconds and bytes of one image on this machine."""

    device: str
    random: bool
    """Whether the networks have random weights, which times do not depend on."""
    cache_seconds: float
    """Frozen networks' features of one image, all masks of 30 prompts included."""
    cache_bytes: int
    encode_seconds: float
    points_seconds: float
    """Masks of 30 prompts of an encoded photo."""
    hpg_seconds: float
    """One image of one epoch of HPG's fit."""
    hdnet_seconds: float
    """Likewise, of HDNet's."""
    precision: str = ""
    slowed: float = 1.0
    """How many times as long it took as its own work did: more than one where others had a part of the processor."""

    def photo_seconds(self, points: int = MAX_PROMPTS) -> float:
        """Return the seconds of an encoded photo's masks for a number of prompts."""
        return self.points_seconds * points / MAX_PROMPTS


def networks_for_timing(config: ReproduceConfig) -> Networks:
    """Return the networks of a base, with random weights in place of published ones, which may not be here.

    Raises:
        UOISError: if there is no such base, backbone or device.
        MissingExtraError: if the base needs the extra ``full``, which is not installed.
    """
    name = config.base
    if find_base(name) is not None:
        name = f"{name.removesuffix(RANDOM)}{RANDOM}"
    options = {**config.base_weights(), "sam": None, "dinov2": None}
    return load_base(name, **options)


def drawn_sample() -> Sample:
    """Return a drawn photo of 640x480 with as many labelled ellipses as an OCID frame has objects."""
    image, labels = drawn_photo(640, 480), np.zeros((480, 640), np.uint8)
    rng = np.random.default_rng(0)
    for label in range(1, 9):
        centre = (int(rng.integers(60, 580)), int(rng.integers(60, 420)))
        cv2.ellipse(labels, centre, (50, 35), float(rng.integers(180)), 0, 360, label, -1)
    return Sample("drawn", image, labels.astype(np.uint16))


class _OneSample:
    """A data set of one sample."""

    names = ("drawn",)

    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return self.sample


def measure_figures(base: Networks, watch: ProgressCallback = SILENT) -> Figures:
    """Measure one image in every stage; the better of two runs of each."""
    sample, device = drawn_sample(), base.device
    data, config = _OneSample(sample), FeatureConfig()
    model = UOISSAM(base, base_card(base), UNTRAINED_SETTINGS)
    points = spread_points((480, 640), MAX_PROMPTS)
    watch.stage("measuring one image", len(_MEASURED))
    began, worked = time.perf_counter(), time.process_time()

    def least(done: int, call: Callable[[], T]) -> tuple[float, T]:
        watch.advance(done, _MEASURED[done])
        return _least(call, device)

    cache, rows = least(0, lambda: view_rows(base, None, data, config, 0, evidence=False))
    encode, encoded = least(1, lambda: model.encode_image(sample.image))
    masks, _ = least(2, lambda: encoded.predict(points))
    hpg, _ = least(3, hpg_step(base, rows.maps.to(device)))
    hdnet, _ = least(4, hdnet_step(base, rows.tokens.to(device)))
    return Figures(
        str(device), base.name.endswith(RANDOM), cache_seconds=cache, cache_bytes=rows.maps.nbytes + rows.tokens.nbytes,
        encode_seconds=encode, points_seconds=masks, hpg_seconds=hpg, hdnet_seconds=hdnet,
        precision=str(base.precision).removeprefix("torch."),
        slowed=_slowed(time.perf_counter() - began, time.process_time() - worked, device),
    )  # fmt: skip


def _slowed(seconds: float, worked: float, device: torch.device) -> float:
    """Seconds for each second of work on all threads; not known, and so 1, where the work is not the processor's."""
    return 1.0 if device.type != "cpu" or worked <= 0 else max(1.0, seconds * torch.get_num_threads() / worked)


def hpg_step(base: Networks, rows: MapRows) -> Callable[[], object]:
    """Return a call that learns from one image as HPG's fit does."""
    head, target = base.fresh_hpg().train(), HeatmapTarget()

    def step() -> None:
        logits, heatmap = head(rows.prompt_features.float())
        wanted = map_targets(rows.labels, target, (logits.shape[-2], logits.shape[-1])).to(base.device)
        hpg_loss(logits, heatmap, wanted.foreground, wanted.heatmap, wanted.counted).backward()

    return step


def hdnet_step(base: Networks, rows: TokenRows) -> Callable[[], object]:
    """Return a call that learns from one image as HDNet's fit does."""
    head = base.fresh_hdnet().train()

    def step() -> None:
        score_loss(head(as_predictions(rows)), rows.true_iou.flatten(0, 1).float()).backward()

    return step


def _least(call: Callable[[], T], device: torch.device) -> tuple[float, T]:
    """Return the least seconds of some runs, to which others on the machine only ever add, and what the last gave."""
    taken = []
    for _ in range(_TIMES):
        began = now(device)
        given = call()
        taken.append(now(device) - began)
    return min(taken), given

"""What a reproduction is asked for, and the paper's recipe that it trains by."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uois_sam.checkpoints.foundation import Weights
from uois_sam.config import InferenceConfig
from uois_sam.datasets.base import Dataset, FrameDataset
from uois_sam.datasets.registry import open_dataset
from uois_sam.errors import UOISError
from uois_sam.evaluation.report.published import TABLE_5, TITLES
from uois_sam.runtime.cores import usable_cores
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.fit_loop import FitConfig
from uois_sam.training.splits import sample_percent
from uois_sam.training.train_compact import TOKEN_SETTINGS
from uois_sam.training.train_heads import HeadTrainingConfig

PAPER_IMAGES = 45_000
"""Images of UOAIS-Sim, the paper's 100 % (Sec. IV-A)."""
PAPER_PERCENT = 10.0
"""The paper's share of them."""
PAPER_SHARES = tuple(float(row.settings["percent"]) for row in TABLE_5)
"""Rows of Table V, in percent."""
SCENES = 4500
"""Scenes to render where no data are given: as many as the paper's share has images."""
BENCHMARKS = tuple(TITLES)
"""Test sets of Tables II and III, as ``uois-sam evaluate`` calls them."""
SCORED_AT_HW: Mapping[str, tuple[int, int]] = {"phocal": (480, 640), "housecat6d": (480, 640)}
"""Size that photos and labels of a test set are brought to: the authors' scripts predict these two at 640x480. The
others have that size."""


@dataclass(frozen=True)
class ReproduceConfig:
    """Settings of a reproduction; the defaults are the paper's.

    Raises:
        UOISError: if a number makes no sense.
    """

    base: str = "sam-vit-l"
    sam: Weights = None
    dinov2: Weights = None
    prompts_backbone: str | None = None
    device: str = "auto"
    precision: str = "auto"
    data: Path | None = None
    """Folder of labelled images to train on; None to render scenes."""
    kind: str = "uoais-sim"
    """Kind of ``data``, as ``uois-sam train heads`` calls it."""
    scenes: int = SCENES
    """Scenes to render without ``data``."""
    benchmarks: Mapping[str, Path] = field(default_factory=dict)
    """Folder of each test set that is there, by name."""
    percent: float | None = None
    """Share of the images to train on; None for the paper's 10 % of UOAIS-Sim and all of any other data."""
    shares: tuple[float, ...] = PAPER_SHARES
    """Rows of Table V, in percent of the images."""
    epochs: int = 30
    seed: int = 0
    limit: int | None = None
    """Most frames to score of a test set; None for all."""
    partial: bool = False
    """Accept test sets with fewer frames than published."""
    workers: int = field(default_factory=usable_cores)
    """Processes that score or render side by side."""

    def __post_init__(self) -> None:
        for name in ("scenes", "epochs", "limit", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UOISError(f"{name}: expected 1 or more, found {value}")
        for value in (*self.shares, *([] if self.percent is None else [self.percent])):
            if not 0 < value <= 100:
                raise UOISError(f"percent: expected above 0, at most 100, found {value:g}")

    @property
    def main_percent(self) -> float:
        """Share of the images that the main heads are trained on, in percent."""
        return self.percent or (PAPER_PERCENT if self.data is not None and self.kind == "uoais-sim" else 100.0)

    @property
    def test_set_of_ablations(self) -> str | None:
        """Test set of Tables IV and V: OCID as in the paper, else the first one that is there."""
        return next((name for name in BENCHMARKS if name in self.benchmarks), None)

    def weights(self) -> dict[str, Any]:
        """Return the keyword arguments of ``from_pretrained`` for the trained heads."""
        return {"sam": self.sam, "dinov2": self.dinov2, "device": self.device, "precision": self.precision}

    def base_weights(self) -> dict[str, Any]:
        """Return the keyword arguments of ``load_base``, without the name."""
        return {**self.weights(), "prompts_backbone": self.prompts_backbone}

    def recipe(self, percent: float) -> HeadTrainingConfig:
        """Return the recipe of Sec. IV-A for a share of the images."""
        return HeadTrainingConfig(
            features=FeatureConfig(seed=self.seed),
            fit=FitConfig(epochs=self.epochs, seed=self.seed),
            selection=TOKEN_SETTINGS if self.base == "compact" else InferenceConfig(),
            percent=percent,
            seed=self.seed,
        )

    def open_benchmark(self, name: str) -> FrameDataset:
        """Open a test set.

        Raises:
            DatasetError: if its folder has another layout, or fewer frames than published and not ``partial``.
        """
        return open_dataset(name, self.benchmarks[name], partial=self.partial)


@dataclass(frozen=True)
class TrainingData:
    """Labelled images to train on, and those to choose the epoch by."""

    data: FrameDataset
    validation: FrameDataset | None
    """A split of its own; None where a tenth of the images is held out."""

    def validation_for(self, percent: float, seed: int) -> Dataset | None:
        """Return the same share of the validation images as of the others."""
        return None if self.validation is None else sample_percent(self.validation, percent, seed)

    def images(self, percent: float) -> int:
        """Return the number of images of a share, those to validate by included."""
        parts = [self.data, *([] if self.validation is None else [self.validation])]
        return sum(max(1, round(len(part) * percent / 100)) for part in parts)


def open_training(kind: str, root: Path) -> TrainingData:
    """Open data to train on; of UOAIS-Sim also the split ``val``, if it is there.

    Raises:
        UOISError: if there is no such kind.
        DatasetError: if the folder has another layout.
    """
    data = open_dataset(kind, root)
    validation = None
    if kind == "uoais-sim" and os.path.isfile(data.root / "annotations" / "coco_anns_uoais_sim_val.json"):
        validation = open_dataset(kind, root, split="val")
    return TrainingData(data, validation)

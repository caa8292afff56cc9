"""Heads fitted on a share of the images: the main model, and the rows of Table V."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uois_sam.datasets.base import Dataset
from uois_sam.models.networks import Networks
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.distributed import start_processes
from uois_sam.training.train_heads import HeadTrainingConfig, examine_images, train_heads


@dataclass(frozen=True)
class FittedShare:
    """Heads on a share of the images."""

    folder: Path
    """Folder of the heads."""
    images: int
    """Images that they learned from, without those to choose the epoch by."""
    validation: int
    """Images that the epoch was chosen by."""
    left_out: int
    """Images that could not be read."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "folder": self.folder.name}


def fit_share(
    base: Networks | Callable[[], Networks],
    data: Dataset,
    recipe: HeadTrainingConfig,
    out: Path,
    watch: ProgressCallback,
    *,
    validation: Dataset | None = None,
    device: str = "auto",
    name: str | None = None,
) -> FittedShare:
    """Fit both heads from random weights on ``recipe.percent`` of the images; resumes an earlier run in ``out``.

    A smaller share is part of every larger one.

    Args:
        base: the frozen networks, or a call that loads them once the images have been read.
        data: labelled images, all of them.
        recipe: the settings.
        out: folder for caches, checkpoints and the heads.
        watch: receiver of progress.
        validation: images to choose the epoch by; a tenth of the share by default.
        device: where to fit, as :func:`uois_sam.training.distributed.start_processes` takes it.
        name: name of the model in results.

    Raises:
        DatasetError: if there are too few images or objects, or most images cannot be read.
        OutputError: if the disk is too small or full; the same call goes on once there is room.
    """
    processes = start_processes(device)
    images = examine_images(data, recipe, watch, processes, validation=validation)
    frozen = base() if callable(base) else base
    folder = train_heads(frozen, images, recipe, out, watch, processes, name=name)
    held_out = images.split.validation
    return FittedShare(folder, len(images.split.data) - held_out, held_out, len(images.facts.left_out))

"""What runs work on that are killed in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from uois_sam.checkpoints.folder import card_settings
from uois_sam.checkpoints.loading import save
from uois_sam.pipeline import UOISSAM


def saved(model: UOISSAM, folder: Path) -> Path:
    """A folder with a model, for processes that load it."""
    save(model.networks, model.card, card_settings(model.card), folder)
    return folder


def labelled_photos(folder: Path, count: int) -> Path:
    """Labelled photos of two squares each, in the layout of a folder data set."""
    rng = np.random.default_rng(0)
    for kind in ("rgb", "label"):
        (folder / kind).mkdir(parents=True)
    for index in range(count):
        image, labels = rng.integers(0, 60, (96, 128, 3)).astype(np.uint8), np.zeros((96, 128), np.uint16)
        for value in (1, 2):
            x, y = int(rng.integers(0, 90)), int(rng.integers(0, 60))
            image[y : y + 30, x : x + 30], labels[y : y + 30, x : x + 30] = rng.integers(120, 255, 3), value
        Image.fromarray(image).save(folder / "rgb" / f"{index:03d}.png")
        Image.fromarray(labels).save(folder / "label" / f"{index:03d}.png")
    return folder

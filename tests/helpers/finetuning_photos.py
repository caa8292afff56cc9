"""Labelled photos of bright rectangles, for fine-tuning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_photos(root: Path, number: int, objects: int = 3) -> Path:
    """Write a labelled folder; photo k has 1 + k % objects rectangles, or none where ``objects`` is 0."""
    rng = np.random.default_rng(0)
    for kind in ("rgb", "label"):
        (root / kind).mkdir(parents=True)
    for index in range(number):
        image = rng.integers(0, 60, (96, 128, 3)).astype(np.uint8)
        labels = np.zeros((96, 128), dtype=np.uint16)
        for value in range(1, 2 + index % objects if objects else 1):
            x, y = int(rng.integers(0, 90)), int(rng.integers(0, 60))
            image[y : y + 30, x : x + 30] = rng.integers(120, 255, 3)
            labels[y : y + 30, x : x + 30] = value
        Image.fromarray(image).save(root / "rgb" / f"{index}.png")
        Image.fromarray(labels).save(root / "label" / f"{index}.png")
    return root

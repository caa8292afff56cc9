"""Small trees in the exact layouts of public data sets, made by functions that tests call with what they need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

HW = (4, 6)
PHOTO = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def save(path: Path, pixels: npt.NDArray[Any]) -> Path:
    """Write pixels in the format that the suffix names, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def save_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def columns(*values: int, dtype: str = "uint8") -> npt.NDArray[Any]:
    """A (4, 6) label map whose columns have these values, as many as given; the rest 0."""
    labels = np.zeros(HW, dtype)
    labels[:, : len(values)] = values
    return labels


def ocid_frame(root: Path, sequence: str, stem: str, labels: npt.NDArray[Any]) -> None:
    """One frame of OCID with depth; ``sequence`` is ``ARID20/floor/bottom/seq01`` or the like."""
    save(root / sequence / "rgb" / f"{stem}.png", PHOTO)
    save(root / sequence / "label" / f"{stem}.png", labels)
    save(root / sequence / "depth" / f"{stem}.png", np.full(HW, 1500, np.uint16))
    (root / sequence / "pcd").mkdir(exist_ok=True)
    (root / sequence / "pcd" / f"{stem}.pcd").touch()

"""Reader of data sets in the native layout: annotations, descriptions, pixels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.io.masks import decode_mask
from uois_sam.synth.dataset.annotations import LabelledObject, SceneAnnotation
from uois_sam.synth.scene import Scene
from uois_sam.types import BoolArray, ImageArray, LabelMap


@dataclass(frozen=True)
class StoredScene:
    """One scene of a data set on disk; pixels are read on request."""

    folder: Path
    annotation: SceneAnnotation

    @property
    def photo(self) -> Path:
        """File of the picture."""
        return self.folder / "rgb" / f"{self.annotation.index:06d}.png"

    def image(self) -> ImageArray:
        """Read the (H, W, 3) uint8 RGB picture."""
        with Image.open(self.photo) as image:
            return np.asarray(image.convert("RGB"))

    def labels(self) -> LabelMap:
        """Read the (H, W) uint16 label map; 0 is background."""
        return _read_png(self.folder / "label" / self.photo.name)

    def depth_mm(self) -> npt.NDArray[np.uint16]:
        """Read (H, W) uint16 millimetres along the optical axis; 0 is unknown."""
        return _read_png(self.folder / "depth" / self.photo.name)

    def masks(self) -> Iterator[tuple[LabelledObject, BoolArray, BoolArray]]:
        """Yield every labelled object with its visible and its amodal mask, each (H, W) bool.

        Raises:
            DatasetError: if the data set has no amodal masks.
        """
        path = self.folder / "amodal" / f"{self.annotation.index:06d}.json"
        try:
            encoded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            message = f"{path}: expected amodal masks, found none; make the data set with --amodal"
            raise DatasetError(message) from error
        labels = self.labels()
        for one in self.annotation.objects:
            yield one, labels == one.label, decode_mask(encoded[str(one.label)])


def read_scenes(folder: Path) -> list[StoredScene]:
    """Read the scenes of a data set, in order.

    Raises:
        DatasetError: if there is no ``scenes.jsonl`` or it has other content.
    """
    return [StoredScene(folder, annotation) for annotation in read_annotations(folder)]


def read_annotations(folder: Path) -> list[SceneAnnotation]:
    """Read the annotations of a data set, in order of the scenes.

    Raises:
        DatasetError: if there is no ``scenes.jsonl`` or it has other content.
    """
    log = folder / "scenes.jsonl"
    if not log.is_file():
        raise DatasetError(f"{folder}: expected a data set made by 'uois-sam generate', found no scenes.jsonl")
    annotations = parse_annotations(log, log.read_text(encoding="utf-8").splitlines())
    return [one for _, one in sorted({one.index: one for one in annotations}.items())]


def parse_annotations(log: Path, lines: Iterable[str]) -> list[SceneAnnotation]:
    """Parse the annotation of every line.

    Raises:
        DatasetError: if a line is no annotation.
    """
    annotations = []
    for number, line in enumerate(lines, 1):
        try:
            annotations.append(SceneAnnotation.from_json(line))
        except (ValueError, KeyError, TypeError, DatasetError) as error:
            raise DatasetError(f"{log}, line {number}: expected a scene's record, found other content") from error
    return annotations


def read_descriptions(path: Path) -> dict[int, Scene]:
    """Read scene descriptions by index: lines of a ``scenes.jsonl``, or bare ones as ``Scene.to_json`` writes them.

    Raises:
        DatasetError: if the file is missing or empty, or a line is neither.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: expected a file of scene descriptions, found none")
    scenes = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            values = json.loads(line)
            index = int(values.get("index", number))
            scenes[index] = Scene.from_json(json.dumps(values.get("scene", values)))
        except (ValueError, KeyError, TypeError, AttributeError, DatasetError) as error:
            raise DatasetError(
                f"{path}, line {number + 1}: expected a scene description, found other content"
            ) from error
    if not scenes:
        raise DatasetError(f"{path}: expected scene descriptions, found an empty file")
    return scenes


def _read_png(path: Path) -> npt.NDArray[np.uint16]:
    try:
        with Image.open(path) as image:
            return np.asarray(image).astype(np.uint16)
    except OSError as error:
        raise DatasetError(f"{path}: expected a 16-bit PNG, found an unreadable file or none") from error

"""Reader of data sets in the native layout: annotations, descriptions, pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from uois_sam.errors import DatasetError
from uois_sam.io.files import read_bounded
from uois_sam.io.formats import LARGEST_FILE, MAX_PIXELS, open_picture
from uois_sam.io.images import read_photo
from uois_sam.io.json_files import parse_json, read_json
from uois_sam.io.masks import MaskError, decode_mask
from uois_sam.synth.dataset.annotations import LabelledObject, SceneAnnotation
from uois_sam.synth.scene import Scene, scene_from
from uois_sam.types import BoolArray, ImageArray, LabelMap
from uois_sam.validation import validated

_LARGEST_LOG = 1 << 30
"""Bytes of a ``scenes.jsonl``; a scene takes some kilobytes."""
_AMODAL_MASKS = "amodal masks (made with --amodal)"
_Index = Annotated[int, Meta(ge=0, le=10**9)]


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
        """Read the (H, W, 3) uint8 RGB picture.

        Raises:
            ImageError: if it cannot be read.
        """
        return read_photo(self.photo).pixels

    def labels(self) -> LabelMap:
        """Read the (H, W) uint16 label map; 0 is background."""
        return _read_png(self.folder / "label" / self.photo.name)

    def depth_mm(self) -> npt.NDArray[np.uint16]:
        """Read (H, W) uint16 millimetres along the optical axis; 0 is unknown."""
        return _read_png(self.folder / "depth" / self.photo.name)

    @property
    def amodal(self) -> Path:
        """File of the amodal masks, which a data set need not have."""
        return self.folder / "amodal" / f"{self.annotation.index:06d}.json"

    def masks(self) -> Iterator[tuple[LabelledObject, BoolArray, BoolArray]]:
        """Yield every labelled object with its visible and its amodal mask, each (H, W) bool.

        Raises:
            DatasetError: if the data set has no amodal masks, or they do not fit its labels.
        """
        path = self.amodal
        encoded: dict[str, Any] = read_json(path, dict, what=_AMODAL_MASKS, error=DatasetError)
        labels = self.labels()
        for one in self.annotation.objects:
            visible = labels == one.label
            try:
                amodal = decode_mask(encoded.get(str(one.label)), (labels.shape[0], labels.shape[1]))
            except MaskError as error:
                raise DatasetError(f"{path}: label {one.label}: {error}") from error
            if not visible.any() or not amodal.any():
                raise DatasetError(
                    f"{path}: expected pixels of label {one.label} in its label map and here, found none"
                )
            yield one, visible, amodal


def read_scenes(folder: Path) -> list[StoredScene]:
    """Read the scenes of a data set, in order.

    Raises:
        DatasetError: if there is no ``scenes.jsonl`` or it has other content.
    """
    return [StoredScene(folder, annotation) for annotation in read_annotations(folder)]


def expect_amodal_masks(scenes: Iterable[StoredScene]) -> None:
    """Raise DatasetError for a scene whose file of amodal masks is missing: told before anything is written."""
    for scene in scenes:
        if not os.path.isfile(scene.amodal):
            raise DatasetError(f"{scene.amodal}: expected {_AMODAL_MASKS}, found none")


def read_annotations(folder: Path) -> list[SceneAnnotation]:
    """Read the annotations of a data set, in order of the scenes.

    Raises:
        DatasetError: if there is no ``scenes.jsonl`` or it has other content.
    """
    log = folder / "scenes.jsonl"
    if not os.path.isfile(log):
        raise DatasetError(f"{folder}: expected a data set made by 'uois-sam generate', found no scenes.jsonl")
    annotations = parse_annotations(log, read_lines(log))
    return [one for _, one in sorted({one.index: one for one in annotations}.items())]


def read_lines(path: Path, keepends: bool = False) -> list[str]:
    """Read the lines of a text file.

    Raises:
        DatasetError: if the file is unreadable, too large, or not UTF-8.
    """
    try:
        return read_bounded(path, _LARGEST_LOG).decode("utf-8").splitlines(keepends)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path}: expected lines of JSON, found: {reason}") from error


def parse_annotations(log: Path, lines: Iterable[str]) -> list[SceneAnnotation]:
    """Parse the annotation of every line.

    Raises:
        DatasetError: if a line is no annotation.
    """
    annotations = []
    for number, line in enumerate(lines, 1):
        try:
            annotations.append(SceneAnnotation.from_json(line))
        except DatasetError as error:
            raise DatasetError(
                f"{log}, line {number}: expected a scene's record, found other content: {error}"
            ) from error
    return annotations


def read_descriptions(path: Path) -> dict[int, Scene]:
    """Read scene descriptions by index: lines of a ``scenes.jsonl``, or bare ones as ``Scene.to_json`` writes them.

    Raises:
        DatasetError: if the file is missing or empty, or a line is neither.
    """
    if not os.path.isfile(path):
        raise DatasetError(f"{path}: expected a file of scene descriptions, found none")
    scenes = {}
    for number, line in enumerate(read_lines(path)):
        where = f"{path}, line {number + 1}: expected a scene description"
        values = parse_json(line, dict[str, Any], where=where, error=DatasetError)
        index = validated(values.get("index", number), _Index, f"{where}: index", DatasetError)
        scenes[index] = scene_from(values.get("scene", values), where)
    if not scenes:
        raise DatasetError(f"{path}: expected scene descriptions, found an empty file")
    return scenes


def _read_png(path: Path) -> npt.NDArray[np.uint16]:
    found: npt.NDArray[Any] | None = None
    try:
        with open_picture(read_bounded(path, LARGEST_FILE)) as image:
            if image.width * image.height <= MAX_PIXELS:
                found = np.asarray(image)
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise DatasetError(f"{path}: expected a 16-bit PNG, found an unreadable file or none") from error
    if found is None or found.ndim != 2 or found.min(initial=0) < 0 or found.max(initial=0) > 65535:
        raise DatasetError(f"{path}: expected a 16-bit PNG of one channel, found another picture")
    return found.astype(np.uint16)

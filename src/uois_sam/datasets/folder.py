"""Plain folders of photos and label maps: the layout of ``uois-sam generate``, and the one for your own data."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameDataset, FrameOptions
from uois_sam.datasets.cameras import read_camera_json
from uois_sam.datasets.labels import check_same_size, read_depth, read_label_map
from uois_sam.datasets.layout import LABEL_SUFFIXES, check_all_there, contents, find_root, list_pictures, pair_notes
from uois_sam.datasets.scene_records import SceneRecords
from uois_sam.errors import DatasetError, count
from uois_sam.io.files import is_file
from uois_sam.types import Camera, FloatArray, LabelMap

_LAYOUTS = "rgb/<name>.{png,jpg,...} with label/<name>.png, or <id>.{jpg,png,...} with <id>_label.png"
_KINDS = ("label", "ignore", "depth")
_ENDINGS = tuple(f"_{kind}" for kind in _KINDS)
_FARTHEST_TABLE_M = 5.0
"""Photos of tables are taken from closer; a larger median depth indicates another unit."""
_VOID = 255

_logger = logging.getLogger("uois_sam")


class FolderDataset(FrameDataset):
    """A folder of photos with instance labels, in name order.

    Two layouts; a folder ``rgb`` distinguishes them:

    * ``rgb/<name>.<suffix>``, ``label/<name>.png`` and optionally ``ignore/<name>.png`` and ``depth/<name>.png``;
      names may contain folders.
    * ``<id>.<suffix>``, ``<id>_label.png`` and optionally ``<id>_ignore.png`` and ``<id>_depth.png``, side by side.

    Photos are read in every format that ``uois-sam segment`` takes. Label maps (PNG, TIFF, BMP or PGM) have one channel
    of 8 or 16 bits: 0 is background, every other value one object's visible pixels. Of an ignore map every non-zero
    pixel is left out of training and scoring. The camera of a depth map is ``camera/<name>.json`` or
    ``<id>_camera.json``, of all of them ``camera.json``: fx, fy, cx and cy in pixels. How much of each object is
    visible, and the camera, come from ``scenes.jsonl``, where ``uois-sam generate`` has written one.

    Args:
        root: the folder. Its listing is read here, and the first label and depth map, to see whether they are what
            they should be; all else is read by ``dataset[i]``.
        options: sampling and depth; with ``partial``, photos without a label are left out and noted.
        depth_unit_m: metres that one step of the depth maps stands for.
        void: a label that is no object, whose pixels are left out of training and scoring: 255 in many maps of 8 bits.

    Raises:
        DatasetError: if the folder is missing or has no photos, or a photo has no label.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("labelled folder", "", "yours")

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        depth_unit_m: float = 0.001,
        void: int = 0,
    ) -> None:
        options = options or FrameOptions()
        if not (math.isfinite(depth_unit_m) and 0 < depth_unit_m <= 1) or not 0 <= void <= 65535:
            raise DatasetError(
                f"folder: expected depth_unit_m above 0 and at most 1, and void within 0..65535, "
                f"found {depth_unit_m} and {void}"
            )
        root = find_root(root, ["*"], _LAYOUTS)
        self.depth_unit_m, self.void = depth_unit_m, void
        self._nested = os.path.isdir(root / "rgb")
        self.root = root
        notes = self._list(options)
        if not self._files:
            found = "a folder rgb without photos" if self._nested else contents(root)
            raise DatasetError(f"{root}: expected {_LAYOUTS}, found {'; '.join([found, *notes])}")
        records = root / "scenes.jsonl"
        self._records = SceneRecords(records) if self._nested and is_file(records) else None
        names = sorted(self._files)
        check_all_there(root, len(names), (self._beside(name, "label") for name in names))
        super().__init__(root, names, options, notes=[*notes, *self._first_look(names[0], options)])

    def _list(self, options: FrameOptions) -> list[str]:
        """Find photos and their maps; return notes on files left out."""
        if self._nested:
            photos = list_pictures(self.root / "rgb", recursive=True)
            files = dict(photos.files)
            maps = {
                kind: dict(list_pictures(self.root / kind, LABEL_SUFFIXES, recursive=True).files) for kind in _KINDS
            }
        else:
            photos = list_pictures(self.root, mixed=True)
            files = {name: file for name, file in photos.files.items() if not name.endswith(_ENDINGS)}
            maps = {
                kind: {name.removesuffix(f"_{kind}"): file for name, file in photos.files.items()
                       if name.endswith(f"_{kind}") and Path(file).suffix.lower() in LABEL_SUFFIXES}
                for kind in _KINDS
            }  # fmt: skip
        notes = [*photos.notes, *pair_notes(files, maps["label"])]
        if options.partial and (bare := [name for name in files if name not in maps["label"]]):
            notes.append(f"{len(bare)} of {count(len(files), 'photo')} left out for want of a label, first {bare[0]}")
            files = {name: file for name, file in files.items() if name in maps["label"]}
        self._files = files
        # Maps that are called <name>.png need not be kept in memory.
        usual = "{}.png" if self._nested else "{}_{}.png"
        self._other = {(kind, name): file for kind, found in maps.items() for name, file in found.items()
                       if file != usual.format(name, kind)}  # fmt: skip
        return notes

    def _first_look(self, name: str, options: FrameOptions) -> list[str]:
        """Return notes on the first label and depth map: implausible units and kinds of maps."""
        notes = []
        try:
            notes += list(_doubts(read_label_map(self._beside(name, "label")), self.void))
            depth = self._beside(name, "depth")
            if options.depth and is_file(depth):
                notes += _depth_doubts(_median(read_depth(depth, self.depth_unit_m)), self.depth_unit_m)
        except DatasetError:  # told when that sample is read
            pass
        for note in notes:
            _logger.warning("%s: %s (first seen in %s)", self.root, note, name)
        return notes

    def _photo(self, name: str) -> Path:
        folder = self.root / "rgb" if self._nested else self.root
        return folder / self._files[name]

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        source, ignore = self._beside(name, "label"), self._beside(name, "ignore")
        fractions = self._records.visible_fractions(name) if self._records else None
        ignored = None
        if is_file(ignore):
            ignored = read_label_map(ignore) > 0
            check_same_size(ignore, ignored, self._photo(name).name, image_hw)
        labels = read_label_map(source)
        notes = dict.fromkeys(_doubts(labels, self.void), 1)
        if self.void and labels.shape == image_hw:
            empty = labels == self.void
            ignored = empty if ignored is None else ignored | empty
            labels = np.where(empty, np.uint16(0), labels)
        return Annotation(labels, source, ignored, fractions, notes)

    def _depth(self, name: str) -> tuple[Path, float]:
        return self._beside(name, "depth"), self.depth_unit_m

    def _camera(self, name: str) -> Camera | None:
        own = self.root / (f"camera/{name}.json" if self._nested else f"{name}_camera.json")
        camera = read_camera_json(own) or read_camera_json(self.root / "camera.json")
        return camera or (self._records.camera(name) if self._records else None)

    def _beside(self, name: str, kind: str) -> Path:
        other = self._other.get((kind, name))
        if self._nested:
            return self.root / kind / (other or f"{name}.png")
        return self.root / (other or f"{name}_{kind}.png")


def _doubts(labels: LabelMap, void: int) -> list[str]:
    """Return notes on label values that are implausible as objects."""
    values = np.flatnonzero(np.bincount(labels.ravel(), minlength=_VOID + 1))
    values = values[(values > 0) & (values != void)]
    if values.tolist() == [_VOID]:
        regions = cv2.connectedComponents((labels == _VOID).astype(np.uint8))[0] - 1
        if regions > 1:
            return ["a mask of 0 and 255 in several regions taken as one object: give every object a value of its own"]
    elif len(values) > 1 and values[-1] == _VOID and values[-2] < _VOID // 2:
        return ["label 255 beside small ones taken as an object: if it is void, set void=255"]
    return []


def _depth_doubts(median_m: float, unit_m: float) -> list[str]:
    if median_m <= _FARTHEST_TABLE_M:
        return []
    return [f"depth has a median of {median_m:.3g} m with depth_unit_m={unit_m:g}: is that the unit?"]


def _median(depth_m: FloatArray) -> float:
    known = depth_m[depth_m > 0]
    return float(np.median(known)) if known.size else 0.0

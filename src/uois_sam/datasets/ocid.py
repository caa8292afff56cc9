"""OCID: real piles that grow object by object, on floors and tables."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from uois_sam.datasets.base import Annotation, DatasetInfo, Expected, FrameDataset, FrameOptions
from uois_sam.datasets.labels import keep_objects, read_label_map
from uois_sam.datasets.layout import as_named, check_all_there, find_root, list_pictures, natural, pair_notes
from uois_sam.errors import DatasetError, count
from uois_sam.types import LabelMap

_LAYOUT = "OCID's {ARID20,ARID10,YCB10}/{floor,table}/{bottom,top}/[kind]/seqNN/{rgb,label}/*.png"
_KINDS = {
    "ARID20": ("",),
    "ARID10": ("box", "curved", "fruits", "mixed", "non-fruits"),
    "YCB10": ("cuboid", "curved", "mixed"),
}
"""Parts of OCID, and the kinds of objects in each."""
_FIRST_OBJECT = {"floor": 2, "table": 3}
"""Smallest label of an object: on floors 1 is the floor; on tables 1 is the floor or wall and 2 the table."""
_SHIFTED = "ARID10/floor/top/curved/seq05"
"""The sequence whose ids are stored in 16 bits and start at 256."""
_SHIFT = 255
_DEPTH_UNIT_M = 0.001
_PUBLISHED = 2390

_logger = logging.getLogger("uois_sam")


class OCIDDataset(FrameDataset):
    """OCID, 2390 frames of 640x480, by its published layout.

    Labels keep objects only, numbered 1..K: background and floor are cleared in floor scenes, background, floor and
    table in table scenes. The second part of the path inside the data set decides which it is, never a word elsewhere
    in the path. Names are ``ARID20/floor/bottom/seq01/result_<time>``: the path without ``rgb``.

    One sequence, ``ARID10/floor/top/curved/seq05``, has 16-bit ids that start at 256. Published scores were made
    without correcting that, so that its floor counts as an object; that is the default here.

    Args:
        root: ``OCID-dataset`` or the folder around it.
        options: sampling, depth (stored in mm), fewer frames than published.
        rebase_ids: correct the ids of that sequence (subtract 255). Scores are then a little better than, and not to
            be compared with, published ones.

    Raises:
        DatasetError: for another layout, photos without labels, or missing frames.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        "OCID",
        "https://www.acin.tuwien.ac.at/en/vision-for-robotics/software-tools/object-clutter-indoor-dataset/",
        "not stated in the archive; see the homepage",
        frames=_PUBLISHED,
        size_wh=(640, 480),
    )

    def __init__(
        self, root: str | os.PathLike[str], options: FrameOptions | None = None, *, rebase_ids: bool = False
    ) -> None:
        self.root = find_root(root, [f"{part}/*/*" for part in _KINDS], _LAYOUT, inner=["OCID-dataset"])
        self.rebase_ids = rebase_ids
        folders = [path for part in _KINDS for path in (self.root / part).rglob("rgb") if os.path.isdir(path)]
        names = sorted(
            (
                f"{folder.parent.relative_to(self.root).as_posix()}/{stem}"
                for folder in folders
                for stem in list_pictures(folder, (".png",)).files
            ),
            key=natural,
        )
        if not names:
            raise DatasetError(f"{self.root}: expected {_LAYOUT}, found no photo in any folder rgb")
        for name in names:
            _first_object(self.root, name)
        check_all_there(self.root, len(names), (self._file(name, "label") for name in names))
        expected = Expected(_PUBLISHED, missing=_missing(self.root))
        super().__init__(
            self.root, names, options, expected=expected, notes=[*self._faults(names), *_left_out(folders)]
        )

    def _photo(self, name: str) -> Path:
        return self._file(name, "rgb")

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        label = self._file(name, "label")
        return Annotation(self._clean(read_label_map(label), name), label)

    def _depth(self, name: str) -> tuple[Path, float]:
        return self._file(name, "depth"), _DEPTH_UNIT_M

    def _clean(self, labels: LabelMap, name: str) -> LabelMap:
        if self.rebase_ids and is_shifted(labels):
            labels = np.where(labels > 0, labels - np.uint16(_SHIFT), labels)
        return keep_objects(labels, _first_object(self.root, name))

    def _file(self, name: str, kind: str) -> Path:
        sequence, _, stem = name.rpartition("/")
        return as_named(self.root / sequence / kind / f"{stem}.png")

    def _faults(self, names: list[str]) -> list[str]:
        if not self._has_shifted_ids(next((name for name in names if name.startswith(f"{_SHIFTED}/")), None)):
            return []
        if self.rebase_ids:
            return [f"ids of {_SHIFTED} corrected, unlike in published scores"]
        fault = f"{_SHIFTED} has ids from 256 on, so that its floor counts as an object, as in published scores"
        _logger.warning("OCID: %s; rebase_ids corrects it", fault)
        return [fault]

    def _has_shifted_ids(self, name: str | None) -> bool:
        """Check one label map, since the sequence on disk may have been corrected."""
        try:
            return name is not None and is_shifted(read_label_map(self._file(name, "label")))
        except DatasetError:  # reported when that sample is read
            return False


def is_shifted(labels: LabelMap) -> bool:
    """Return whether all non-zero labels of an (H, W) uint16 map start at 256, as in the sequence stored in 16 bits."""
    return bool(labels.any()) and int(labels[labels > 0].min()) > _SHIFT


def _left_out(folders: list[Path]) -> list[str]:
    """Notes on photos in other formats and labels without photos, a line for each folder."""
    notes = []
    for folder in folders:
        photos, labels = list_pictures(folder, (".png",)), list_pictures(folder.parent / "label", (".png",))
        lines = [*photos.notes, *pair_notes(photos.files, labels.files)]
        notes += [f"{folder.parent.name}: {line}" for line in lines]
    return notes


def _first_object(root: Path, name: str) -> int:
    ground = name.split("/")[1]
    if ground not in _FIRST_OBJECT:
        raise DatasetError(f"{root}: expected floor or table as second part of every path, found {name}")
    return _FIRST_OBJECT[ground]


def _missing(root: Path) -> str:
    folders = [
        "/".join(filter(None, (part, ground, level, kind)))
        for part, kinds in _KINDS.items()
        for ground in _FIRST_OBJECT
        for level in ("bottom", "top")
        for kind in kinds
    ]
    missing = [folder for folder in folders if not os.path.isdir(root / folder)]
    return f"{count(len(missing), 'folder')} missing, first {missing[0]}" if missing else ""

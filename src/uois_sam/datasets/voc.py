"""Pascal VOC segmentations: ``JPEGImages`` and ``SegmentationObject``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameOptions
from uois_sam.datasets.foreign import ForeignDataset, all_there, unlabelled_note
from uois_sam.datasets.labels import read_label_map
from uois_sam.datasets.layout import find_root, list_pictures
from uois_sam.errors import DatasetError

_LAYOUT = "VOC's JPEGImages/NAME.jpg and SegmentationObject/NAME.png"


class VOCDataset(ForeignDataset):
    """Photos labelled as in Pascal VOC: a palette image whose indices are objects, and 255 for void.

    Void goes into ``ignore``. Photos without a segmentation, most of VOC's own, are left out and counted.

    Args:
        root: folder that holds ``JPEGImages`` (or the folder around it, ``VOC2012``).
        options: sampling, depth (``depth/NAME``), partial (leave out labels whose photos are missing).
        void: value of pixels of which nothing is known; 0 for none.
        depth_unit_m: metres that one step of depth images stands for.

    Raises:
        DatasetError: for another layout, or labels whose photos are missing.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("VOC segmentation", "http://host.robots.ox.ac.uk/pascal/VOC/", "yours")

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        void: int = 255,
        depth_unit_m: float = 0.001,
    ) -> None:
        if not 0 <= void <= 65535:
            raise DatasetError(f"voc: expected void within 0..65535, found {void}")
        root = find_root(root, ["SegmentationObject"], _LAYOUT, inner=["VOC2012", "VOCdevkit/VOC2012", "VOC2007"])
        self.void = void
        labels = list_pictures(root / "SegmentationObject", (".png",), recursive=True)
        photos = list_pictures(root / "JPEGImages", recursive=True)
        if not labels.files:
            raise DatasetError(f"{root}: expected {_LAYOUT}, found no PNG in SegmentationObject")
        files = {name: photos.files.get(name, f"{name}.jpg") for name in labels.files}
        files, notes = all_there(root, root / "JPEGImages", files, options)
        notes += [*photos.notes, *labels.notes, *unlabelled_note(photos.files, files, "left out")]
        super().__init__(root, files, root / "JPEGImages", options, depth_unit_m, notes)

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        source = Path(self.root / "SegmentationObject" / f"{name}.png")
        labels = read_label_map(source)
        void = (labels == self.void) if self.void else np.zeros(labels.shape, np.bool_)
        return Annotation(np.where(void, np.uint16(0), labels), source, void if void.any() else None)

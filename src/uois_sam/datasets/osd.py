"""OSD: 111 real table tops with stacked and occluding boxes, cans and bowls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from uois_sam.datasets.base import Annotation, DatasetInfo, Expected, FrameDataset, FrameOptions
from uois_sam.datasets.labels import read_label_map
from uois_sam.datasets.layout import as_named, check_all_there, find_root, list_pictures, pair_notes
from uois_sam.errors import DatasetError
from uois_sam.types import Camera

_LAYOUT = "OSD's image_color/{learn,test}N.png with annotation/{learn,test}N.png"
_PUBLISHED = 111
_DEPTH_UNIT_M = 0.001
_CAMERA = Camera(525.0, 525.0, 319.5, 239.5)
"""That of the point clouds that come with the data set."""


class OSDDataset(FrameDataset):
    """OSD 0.2, 111 frames of 640x480, by the layout of ``OSD-0.2-depth``.

    Every non-zero label is an object. Names are ``learn0`` to ``learn44`` and ``test0`` to ``test65``. What else people
    merge into the folder (point clouds, ``amodal_annotation``, ``occlusion_annotation``) is left alone.

    The annotations were made on depth and lie a little beside the objects' edges in the photos, so that no method that
    sees only colour can reach a perfect boundary score.

    Args:
        root: ``OSD-0.2-depth`` or the folder around it.
        options: sampling, depth (the folder ``disparity``, which holds 16-bit depth, taken as mm), partial.
        annotations: folder of the label maps, ``"annotation_fixed"`` for instance.

    Raises:
        DatasetError: for another layout, photos without labels, or missing frames.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        "OSD",
        "https://www.acin.tuwien.ac.at/en/vision-for-robotics/software-tools/osd/",
        "not stated in the archive; see the homepage",
        frames=_PUBLISHED,
        size_wh=(640, 480),
    )

    def __init__(
        self, root: str | os.PathLike[str], options: FrameOptions | None = None, *, annotations: str = "annotation"
    ) -> None:
        self.root = find_root(root, ["image_color/*.png"], _LAYOUT, inner=["OSD-0.2-depth", "OSD-0.2"])
        self.annotations = annotations
        if not os.path.isdir(self.root / annotations):
            raise DatasetError(f"{self.root}: expected {_LAYOUT}, found no folder {annotations}")
        photos, labels = (list_pictures(self.root / kind, (".png",)) for kind in ("image_color", annotations))
        names = list(photos.files)
        check_all_there(self.root, len(names), (self._label(name) for name in names))
        notes = ["annotations were made on depth and are offset in the photos: boundary scores have a ceiling"]
        if annotations != "annotation":
            notes = [f"labels from {annotations}, unlike published scores"]
        notes += [*photos.notes, *pair_notes(photos.files, labels.files)]
        expected = Expected(_PUBLISHED, missing=_missing(names))
        super().__init__(self.root, names, options, expected=expected, notes=notes)

    def _photo(self, name: str) -> Path:
        return as_named(self.root / "image_color" / f"{name}.png")

    def _label(self, name: str) -> Path:
        return as_named(self.root / self.annotations / f"{name}.png")

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        return Annotation(read_label_map(self._label(name)), self._label(name))

    def _depth(self, name: str) -> tuple[Path, float]:
        return self.root / "disparity" / f"{name}.png", _DEPTH_UNIT_M

    def _camera(self, name: str) -> Camera:
        return _CAMERA


def _missing(names: list[str]) -> str:
    published = [f"learn{index}" for index in range(45)] + [f"test{index}" for index in range(66)]
    missing = [name for name in published if name not in set(names)]
    return f"{len(missing)} are missing, first {missing[0]}" if missing else ""

"""Plain folders of photos and label PNGs: the layout that ``uois-sam generate`` writes and anyone can make."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameDataset, FrameOptions
from uois_sam.datasets.labels import check_same_size, read_label_map
from uois_sam.datasets.layout import check_all_there, contents, find_root, is_photo
from uois_sam.datasets.scene_records import SceneRecords
from uois_sam.errors import DatasetError

_LAYOUTS = "rgb/<name>.{png,jpg} with label/<name>.png, or <id>.{jpg,png} with <id>_label.png"
_DEPTH_UNIT_M = 0.001


class FolderDataset(FrameDataset):
    """A folder of photos with instance labels, in name order.

    Two layouts, told apart by whether there is a folder ``rgb``:

    * ``rgb/<name>.{png,jpg}``, ``label/<name>.png`` and optionally ``ignore/<name>.png`` and ``depth/<name>.png``;
      names may contain folders.
    * ``<id>.{jpg,png}``, ``<id>_label.png`` and optionally ``<id>_ignore.png`` and ``<id>_depth.png``, side by side.

    Label PNGs have one channel of 8 or 16 bits: 0 is background, every other value one object's visible pixels. Of an
    ignore PNG every non-zero pixel is left out of training and scoring. Depth PNGs hold millimetres (uint16). How much
    of each object is visible comes from ``scenes.jsonl``, where ``uois-sam generate`` has written one.

    Args:
        root: the folder. Only its listing is read here; pixels are read by ``dataset[i]``.
        options: sampling and depth.

    Raises:
        DatasetError: the folder is missing, has no photos, or a photo has no label.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("labelled folder", "", "yours")

    def __init__(self, root: str | os.PathLike[str], options: FrameOptions | None = None) -> None:
        root = find_root(root, ["*"], _LAYOUTS)
        self._nested = (root / "rgb").is_dir()
        if self._nested:
            self._suffixes = _by_name(root / "rgb", filter(is_photo, (root / "rgb").rglob("*")))
        else:
            self._suffixes = _by_name(root, filter(_is_flat_photo, root.iterdir()))
        self.root = root
        if not self._suffixes:
            found = "a folder rgb without photos" if self._nested else contents(root)
            raise DatasetError(f"{root}: expected {_LAYOUTS}, found {found}")
        records = root / "scenes.jsonl"
        self._records = SceneRecords(records) if self._nested and records.is_file() else None
        names = sorted(self._suffixes)
        check_all_there(root, len(names), (self._beside(name, "label") for name in names))
        super().__init__(root, names, options)

    def _photo(self, name: str) -> Path:
        folder = self.root / "rgb" if self._nested else self.root
        return folder / f"{name}{self._suffixes[name]}"

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        label, ignore = self._beside(name, "label"), self._beside(name, "ignore")
        fractions = self._records.visible_fractions(name) if self._records else None
        ignored = None
        if ignore.is_file():
            ignored = read_label_map(ignore) > 0
            check_same_size(ignore, ignored, self._photo(name).name, image_hw)
        return Annotation(read_label_map(label), label, ignored, fractions)

    def _depth(self, name: str) -> tuple[Path, float]:
        return self._beside(name, "depth"), _DEPTH_UNIT_M

    def _beside(self, name: str, kind: str) -> Path:
        return self.root / kind / f"{name}.png" if self._nested else self.root / f"{name}_{kind}.png"


def _is_flat_photo(path: Path) -> bool:
    return is_photo(path) and not path.stem.endswith(("_label", "_ignore", "_depth"))


def _by_name(folder: Path, photos: Iterable[Path]) -> dict[str, str]:
    """Each photo's name (its path below the folder without suffix, which has to be unique) to its suffix."""
    named: dict[str, str] = {}
    for photo in sorted(photos):
        name = photo.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise DatasetError(
                f"{folder}: expected one photo called {name}, found {photo.stem}{named[name]} and {photo.name}"
            )
        named[name] = photo.suffix
    return named

"""Plain folders of photos and label PNGs: the layout that ``uois-sam generate`` writes and anyone can make."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.images import read_image
from uois_sam.types import BoolArray, LabelMap, Sample

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow modes that hold one integer a pixel; a palette image's indices are its labels."""

_LAYOUTS = "rgb/<name>.{png,jpg} with label/<name>.png, or <id>.{jpg,png} with <id>_label.png"


@dataclass(frozen=True)
class _Entry:
    """The files of one sample."""

    name: str
    image: Path
    label: Path
    ignore: Path | None


class FolderDataset:
    """A folder of photos with instance labels, in name order.

    Two layouts, told apart by whether there is a folder ``rgb``:

    * ``rgb/<name>.{png,jpg}``, ``label/<name>.png`` and optionally ``ignore/<name>.png``; names may contain folders.
    * ``<id>.{jpg,png}``, ``<id>_label.png`` and optionally ``<id>_ignore.png``, side by side.

    Label PNGs have one channel of 8 or 16 bits: 0 is background, every other value one object's visible pixels. Of an
    ignore PNG every non-zero pixel is left out of training and scoring.

    Args:
        root: the folder. Only its listing is read here; pixels are read by ``dataset[i]``.

    Raises:
        DatasetError: the folder is missing, has no photos, or a photo has no label.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            found = "a file" if self.root.exists() else "nothing there"
            raise DatasetError(f"{self.root}: expected a folder with {_LAYOUTS}, found {found}")
        nested = (self.root / "rgb").is_dir()
        self._entries = _nested_entries(self.root) if nested else _flat_entries(self.root)
        if not self._entries:
            raise DatasetError(f"{self.root}: expected {_LAYOUTS}, found {_contents(self.root, nested)}")
        _check_labels_exist(self.root, self._entries)
        self._names = tuple(entry.name for entry in self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """Unique names in order: the photo's path below ``rgb`` (or the root) without suffix, parts joined by "/"."""
        return self._names

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample from disk.

        Raises:
            DatasetError: a label or ignore PNG cannot be read, is not one channel of integers in 0..65535, or has
                another size than the photo.
            ImageError: the photo cannot be read.
            IndexError: there is no such sample.
        """
        entry = self._entries[index]
        image = read_image(entry.image)
        labels = read_label_map(entry.label)
        _check_size(entry.label, labels.shape, entry.image, image.shape[:2])
        ignore: BoolArray | None = None
        if entry.ignore is not None:
            ignore = read_label_map(entry.ignore) > 0
            _check_size(entry.ignore, ignore.shape, entry.image, image.shape[:2])
        return Sample(name=entry.name, image=image, labels=labels, ignore=ignore)


def read_label_map(path: str | os.PathLike[str]) -> LabelMap:
    """Read a label map exactly as stored: no scaling, no colour conversion, no rotation.

    Args:
        path: an image of one integer channel (1, 8 or 16 bits, or a palette whose indices are the labels).

    Returns:
        (H, W) uint16.

    Raises:
        DatasetError: unreadable, colour or float pixels, or values outside 0..65535.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            values: npt.NDArray[Any] | None = np.asarray(image) if mode in LABEL_MODES else None
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path}: expected a label image, found an unreadable file ({reason})") from error
    if values is None:
        raise DatasetError(f"{path}: expected labels in one channel of 8 or 16 bits, found Pillow mode {mode!r}")
    if values.dtype == np.int32 and (values.min() < 0 or values.max() > 65535):
        raise DatasetError(f"{path}: expected labels within 0..65535, found {values.min()}..{values.max()}")
    return values.astype(np.uint16)


def _nested_entries(root: Path) -> list[_Entry]:
    photos = _by_name(root / "rgb", sorted(path for path in (root / "rgb").rglob("*") if _is_photo(path)))
    ignores = root / "ignore"
    return [
        _Entry(name, photo, root / "label" / f"{name}.png", _if_file(ignores / f"{name}.png"))
        for name, photo in photos.items()
    ]


def _flat_entries(root: Path) -> list[_Entry]:
    photos = [path for path in sorted(root.iterdir()) if _is_photo(path)]
    photos = [path for path in photos if not path.stem.endswith(("_label", "_ignore"))]
    return [
        _Entry(name, photo, root / f"{name}_label.png", _if_file(root / f"{name}_ignore.png"))
        for name, photo in _by_name(root, photos).items()
    ]


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _if_file(path: Path) -> Path | None:
    return path if path.is_file() else None


def _by_name(folder: Path, photos: list[Path]) -> Mapping[str, Path]:
    """Photos in name order by their path without suffix, which has to be unique."""
    named: dict[str, Path] = {}
    for photo in photos:
        name = photo.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise DatasetError(f"{folder}: expected one photo called {name}, found {named[name].name} and {photo.name}")
        named[name] = photo
    return dict(sorted(named.items()))


def _check_labels_exist(root: Path, entries: list[_Entry]) -> None:
    missing = [entry.label for entry in entries if not entry.label.is_file()]
    if missing:
        first = missing[0].relative_to(root).as_posix()
        raise DatasetError(
            f"{root}: expected a label for each of {len(entries)} photos, found {len(entries) - len(missing)}; "
            f"the first one missing is {first}"
        )


def _check_size(path: Path, found_hw: tuple[int, ...], photo: Path, expected_hw: tuple[int, ...]) -> None:
    if found_hw != expected_hw:
        raise DatasetError(
            f"{path}: expected the size of {photo.name}, {expected_hw[1]}x{expected_hw[0]}, "
            f"found {found_hw[1]}x{found_hw[0]}"
        )


def _contents(root: Path, nested: bool) -> str:
    if nested:
        return "a folder rgb without photos"
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in root.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

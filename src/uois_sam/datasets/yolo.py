"""YOLO segmentation labels: one text file a photo, one normalised polygon a line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameOptions
from uois_sam.datasets.foreign import NO_MASK, OTHER_CATEGORY, ForeignDataset
from uois_sam.datasets.layout import contents, find_root, list_pictures, natural
from uois_sam.datasets.painting import Painter
from uois_sam.errors import DatasetError, count
from uois_sam.io.files import read_bounded
from uois_sam.io.masks import MaskError, decode_segmentation

_LAYOUT = "YOLO's images/NAME.jpg and labels/NAME.txt, below folders or not"
_LARGEST = 1 << 26
_SLACK = 1e-3
"""How far outside of 0 to 1 rounding may put a coordinate."""


class YoloDataset(ForeignDataset):
    """Photos labelled for Ultralytics' YOLO segmentation.

    The label of ``.../images/.../NAME.jpg`` is ``.../labels/.../NAME.txt``, else ``NAME.txt`` beside the photo; a photo
    without one has no objects, as YOLO has it, and is counted. Objects are numbered in the order of lines; where they
    overlap, the smaller one is in front. Lines of four numbers are boxes, which have no mask, and are counted.

    Args:
        root: folder of the data set.
        options: sampling, depth (``depth/NAME``).
        categories: numbers of the classes that are objects; all if empty.
        ignore_categories: numbers of classes whose pixels go into ``ignore``.
        depth_unit_m: metres that one step of depth images stands for.

    Raises:
        DatasetError: for another layout, or where no photo has a label.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        "YOLO segmentation labels", "https://docs.ultralytics.com/datasets/segment/", "yours"
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        categories: Sequence[int] = (),
        ignore_categories: Sequence[int] = (),
        depth_unit_m: float = 0.001,
    ) -> None:
        root = find_root(root, ["*"], _LAYOUT)
        self._objects, self._ignored = frozenset(map(int, categories)), frozenset(map(int, ignore_categories))
        labels = {
            path.relative_to(root).with_suffix("").as_posix(): path.relative_to(root).as_posix()
            for path in sorted(root.rglob("*.txt"), key=lambda path: natural(str(path)))
        }
        listing = list_pictures(root, recursive=True, mixed=True)
        files, self._labels = {}, {}
        for stem, file in listing.files.items():
            if stem.startswith("depth/"):
                continue
            name, label = _names(stem)
            files[name] = file
            if (there := label if label in labels else stem) in labels:
                self._labels[name] = labels.pop(there)
        notes = [*listing.notes, *_notes(files, self._labels, labels)]
        if not self._labels:
            raise DatasetError(f"{root}: expected {_LAYOUT}, found {contents(root)}")
        super().__init__(root, files, root, options, depth_unit_m, notes)

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        painter = Painter(image_hw)
        if name not in self._labels:
            return Annotation(painter.labels, self.root)
        path = self.root / self._labels[name]
        masks: dict[int, npt.NDArray[np.bool_]] = {}
        for number, line in enumerate(_lines(path), 1):
            category, ring = _polygon(line, image_hw, f"{path}: line {number}")
            if ring is None:
                painter.count(NO_MASK)
            elif self._objects and category not in self._objects and category not in self._ignored:
                painter.count(OTHER_CATEGORY)
            else:
                try:
                    mask = decode_segmentation([ring], image_hw).mask
                except MaskError as error:
                    raise DatasetError(f"{path}: line {number}: {error}") from error
                if category in self._ignored:
                    painter.ignore(mask)
                else:
                    masks[len(masks) + 1] = mask
        for value in sorted(masks, key=lambda each: (-int(masks[each].sum()), each)):
            painter.paint(masks[value], value)
        return Annotation(painter.labels, path, painter.ignored, None, painter.notes())


def _names(stem: str) -> tuple[str, str]:
    """Name of a photo, and of its label in a folder ``labels`` beside ``images``."""
    parts = PurePosixPath(stem).parts
    at = max((index for index, part in enumerate(parts[:-1]) if part == "images"), default=None)
    if at is None:
        return stem, stem
    return "/".join(parts[:at] + parts[at + 1 :]), "/".join([*parts[:at], "labels", *parts[at + 1 :]])


def _notes(files: dict[str, str], labels: dict[str, str], lonely: dict[str, str]) -> list[str]:
    notes = []
    if bare := [name for name in files if name not in labels]:
        notes.append(f"{count(len(bare), 'photo')} without a label file taken as empty, first {bare[0]}")
    stray = [file for stem, file in lonely.items() if "labels" in PurePosixPath(stem).parts]
    if stray:
        notes.append(f"{count(len(stray), 'label file')} without a photo left out, first {stray[0]}")
    return notes


def _lines(path: Path) -> list[str]:
    try:
        text = read_bounded(path, _LARGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path}: expected YOLO labels, found an unreadable file ({reason})") from error
    return [line for line in text.splitlines() if line.strip()]


def _polygon(line: str, image_hw: tuple[int, int], where: str) -> tuple[int, list[float] | None]:
    """Class and polygon of a line in pixels; no polygon for a box."""
    words = line.split()
    try:
        category, values = int(words[0]), np.array([float(word) for word in words[1:]])
    except ValueError:
        raise DatasetError(f"{where}: expected a class and numbers, found {line[:60]!a}") from None
    if category < 0 or not ((values >= -_SLACK) & (values <= 1 + _SLACK)).all():  # NaN neither
        raise DatasetError(f"{where}: expected a class of 0 or more and coordinates within 0 to 1, found {line[:60]!a}")
    if len(values) == 4:
        return category, None
    if len(values) < 6 or len(values) % 2:
        raise DatasetError(f"{where}: expected x and y of three points or more, found {count(len(values), 'number')}")
    height, width = image_hw
    return category, (values.reshape(-1, 2) * (width, height)).reshape(-1).tolist()

"""LabelMe: a JSON file of shapes for each photo."""

from __future__ import annotations

import base64
import binascii
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, ClassVar

import numpy as np

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameOptions
from uois_sam.datasets.foreign import NO_MASK, OTHER_CATEGORY, ForeignDataset, in_front, unlabelled_note
from uois_sam.datasets.layout import contents, find_root, list_pictures, natural
from uois_sam.datasets.painting import Painter
from uois_sam.errors import DatasetError
from uois_sam.io.formats import open_picture
from uois_sam.io.images import ImageSource
from uois_sam.io.json_files import read_json
from uois_sam.io.masks import MaskError, decode_segmentation
from uois_sam.types import BoolArray
from uois_sam.validation import validated

_LAYOUT = "LabelMe's NAME.json beside NAME.jpg"
_IGNORE = ("__ignore__",)
_BACKGROUND = "_background_"
"""LabelMe's words for pixels of which nothing is known, and for no object."""


class LabelmeDataset(ForeignDataset):
    """Photos labelled with LabelMe: polygons, masks, rectangles and circles.

    Shapes of one label and ``group_id`` are one object. Objects are numbered in the order of their first shapes; where
    they overlap the later one is in front, or the better one where each has a ``score``. ``__ignore__`` goes into
    ``ignore``; points and lines have no mask and are counted. A photo lies where ``imagePath`` says, or in the file.

    Args:
        root: folder with the JSON files, and folders of them.
        options: sampling, depth (``depth/NAME``).
        categories: labels that are objects; all if empty.
        ignore_categories: further labels whose pixels go into ``ignore``.
        depth_unit_m: metres that one step of depth images stands for.

    Raises:
        DatasetError: for another layout.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("LabelMe files", "https://github.com/wkentaro/labelme", "yours")

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        categories: Sequence[str] = (),
        ignore_categories: Sequence[str] = (),
        depth_unit_m: float = 0.001,
    ) -> None:
        root = find_root(root, ["*"], _LAYOUT)
        self._objects, self._ignored = frozenset(categories), frozenset((*ignore_categories, *_IGNORE))
        labels = [path for path in root.rglob("*.json") if not path.name.startswith(".")]
        names = sorted((path.relative_to(root).with_suffix("").as_posix() for path in labels), key=natural)
        if not names:
            raise DatasetError(f"{root}: expected {_LAYOUT}, found {contents(root)}")
        listing = list_pictures(root, recursive=True, mixed=True)
        photos = {name: file for name, file in listing.files.items() if not name.startswith("depth/")}
        notes = [*listing.notes, *unlabelled_note(photos, names, "left out")] if set(names) & set(photos) else []
        super().__init__(root, {name: photos.get(name, "") for name in names}, root, options, depth_unit_m, notes)

    def _photo(self, name: str) -> Path:
        if self._files[name]:
            return super()._photo(name)
        label = self._label(name)
        said = PureWindowsPath(str(_read(label).get("imagePath"))).as_posix()
        places = [label.parent / said, label.parent / Path(said).name]
        inside = [place for place in places if place.is_file() and place.resolve().is_relative_to(self.root.resolve())]
        return inside[0] if inside else label

    def photo_source(self, name: str) -> ImageSource:
        photo, label = self._photo(name), self._label(name)
        if photo != label:
            return photo
        content = _read(label)
        try:
            return base64.b64decode(content.get("imageData") or "", validate=True) or _no_photo(label, content)
        except (binascii.Error, TypeError, ValueError) as error:
            raise DatasetError(f"{label}: imageData: expected a photo in base64, found other content") from error

    def _label(self, name: str) -> Path:
        return self.root / f"{name}.json"

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        path = self._label(name)
        content = _read(path)
        size = (content.get("imageHeight"), content.get("imageWidth"))
        if size not in ((None, None), image_hw):
            raise DatasetError(
                f"{path}: expected the size of its photo, {image_hw[1]}x{image_hw[0]}, found {size[1]}x{size[0]}"
            )
        painter = Painter(image_hw)
        objects: dict[tuple[str, object], tuple[BoolArray, float | None]] = {}
        for number, value in enumerate(validated(content.get("shapes"), list[Any], f"{path}: shapes", DatasetError)):
            where = f"{path}: shape {number}"
            shape = _shape(value, where)
            mask = _mask(shape, image_hw, where)
            if mask is None:
                painter.count(NO_MASK)
            elif shape.label in self._ignored:
                painter.ignore(mask)
            elif shape.label == _BACKGROUND or (self._objects and shape.label not in self._objects):
                painter.count(OTHER_CATEGORY)
            else:
                key = (shape.label, number if shape.group_id is None else ("group", shape.group_id))
                earlier, _ = objects.get(key, (np.zeros(image_hw, np.bool_), None))
                objects[key] = (earlier | mask, shape.score)
        found = list(objects.values())
        for index in in_front([score for _, score in found], len(found)):
            painter.paint(found[index][0], index + 1)
        return Annotation(painter.labels, path, painter.ignored, None, painter.notes())


@dataclass(frozen=True)
class _Shape:
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    group_id: int | str | None = None
    mask: str | None = None
    score: float | None = None


def _shape(value: object, where: str) -> _Shape:
    if not isinstance(value, dict):
        raise DatasetError(f"{where}: expected a shape with label and points, found {type(value).__name__}")
    known = {key: value[key] for key in _Shape.__dataclass_fields__ if key in value}
    known = {key: each for key, each in known.items() if key != "shape_type" or each is not None}
    shape = validated(known, _Shape, where, DatasetError)
    if not all(math.isfinite(side) for point in shape.points for side in point):
        raise DatasetError(f"{where}: expected finite points, found others")
    return shape


def _mask(shape: _Shape, image_hw: tuple[int, int], where: str) -> BoolArray | None:
    """(H, W) bool; None for shapes without an area."""
    kind, points = shape.shape_type, np.array(shape.points, np.float64).reshape(-1, 2)
    if kind == "mask":
        return _bitmap(shape, image_hw, where)
    if kind in ("rectangle", "circle") and len(points) != 2:
        raise DatasetError(f"{where}: expected two points of a {kind}, found {len(points)}")
    if kind == "circle":
        (x, y), radius = points[0], float(np.hypot(*(points[1] - points[0])))
        rows, columns = np.ogrid[: image_hw[0], : image_hw[1]]
        return np.asarray((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2)
    if kind == "rectangle":
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    if kind not in ("polygon", "rectangle", "oriented_rectangle"):
        return None
    try:
        return decode_segmentation([points.reshape(-1).tolist()], image_hw).mask
    except MaskError as error:
        raise DatasetError(f"{where}: {error}") from error


def _bitmap(shape: _Shape, image_hw: tuple[int, int], where: str) -> BoolArray:
    """The mask of a shape: a picture in base64 whose first and last pixels are the two points."""
    try:
        content = base64.b64decode(shape.mask or "", validate=True)
        with open_picture(content) as picture:
            pixels = np.asarray(picture.convert("L" if picture.mode != "1" else "1")) > 0
        (left, top), (right, bottom) = ((int(x), int(y)) for x, y in shape.points)
    except Exception as error:  # whatever base64 and Pillow's decoders raise
        raise DatasetError(f"{where}: expected a mask as PNG in base64 and two points, found other content") from error
    inside = min(left, top) >= 0 and bottom < image_hw[0] and right < image_hw[1]
    if pixels.shape != (bottom + 1 - top, right + 1 - left) or not inside:
        raise DatasetError(
            f"{where}: expected a mask of {right + 1 - left}x{bottom + 1 - top} inside {image_hw[1]}x{image_hw[0]}, "
            f"found {pixels.shape[1]}x{pixels.shape[0]}"
        )
    mask = np.zeros(image_hw, np.bool_)
    mask[top : bottom + 1, left : right + 1] = pixels
    return mask


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path, dict, what="a LabelMe file", error=DatasetError)
    return content


def _no_photo(label: Path, content: dict[str, Any]) -> bytes:
    raise DatasetError(f"{label}: expected its photo {content.get('imagePath')!a} beside it or in it, found none")

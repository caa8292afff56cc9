"""COCO: one annotation file to import anywhere, and ``results.json`` for ``pycocotools``' ``loadRes``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from uois_sam.errors import DatasetError
from uois_sam.exchange.format import (
    EMPTY,
    CocoIds,
    EncodedPhoto,
    Format,
    FormatOptions,
    Gathering,
    Scratch,
    copied_from,
)
from uois_sam.exchange.photo import OBJECT, TOLERANCE_PX, LabelledPhoto
from uois_sam.io.files import Content
from uois_sam.io.json_index import iterate_objects
from uois_sam.io.masks import encode_mask
from uois_sam.io.outlines import edge_polygons

INSTANCES = "annotations/instances_default.json"
"""Where CVAT and Datumaro look."""
PHOTOS = "images/default"
"""Where they look for the photos of that file."""
UNMATCHED = "photos that the given annotation file does not list, left out"
BY_LAST_PART = "photos found in the given annotation file by the last part of their names"
UNSEEN = "images of the given annotation file that no photo belongs to"
RENAMED = "photos of the same relative path, written under the names of their other files"
ADOPTED = "objects given the only category of the given annotation file"
ADDED = "categories added to those of the given annotation file"


class CocoFormat(Format):
    """COCO instances: one annotation per object with its score, ignored pixels as a crowd.

    ``annotations/instances_default.json`` has ``images``, ``annotations`` and ``categories``; ``results.json`` is the
    list of results that ``COCO.loadRes`` takes. Masks are compressed RLE, exact; with polygons, within a pixel, and
    holes are joined to the outline by bridges. Photos are copied into ``images/default`` where the options say so.
    """

    name = "coco"

    def __init__(self, options: FormatOptions) -> None:
        super().__init__(options)
        self.needs_photo = options.photos

    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """The image's row, then one for every annotation; ids are given when they are gathered."""
        height, width = photo.image_hw
        file = photo.photo_file() if self.options.photos else None
        file_name = photo.file_name if file is None else file[0]
        rows: list[Mapping[str, Any]] = [{"file_name": file_name, "width": width, "height": height}]
        shown = photo.shown()
        for index in shown:
            left, top, right, bottom = photo.boxes[index]
            rows.append(
                {
                    "category": photo.category(index),
                    "segmentation": self._segmentation(photo, index),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": int(photo.masks[index].sum()),
                    "iscrowd": 0,
                    **({} if photo.scores is None else {"score": float(photo.scores[index])}),
                }
            )
        if photo.ignore is not None and photo.ignore.any():
            rows.append(_crowd(photo.ignore))
        files = {} if file is None else {f"{PHOTOS}/{file[0]}": file[1]}
        notes = Counter({EMPTY: len(photo) - len(shown)})
        return EncodedPhoto(file_name, photo.stem, files, tuple(rows), notes)

    def _segmentation(self, photo: LabelledPhoto, index: int) -> object:
        if self.options.shapes == "mask":
            return photo.encoded[index]
        return [ring.reshape(-1).tolist() for ring in edge_polygons(photo.masks[index], TOLERANCE_PX)]

    def gather(self, scratch: Scratch) -> Gathering:
        """Begin the two files."""
        return _CocoFiles(self.options, scratch)


def _crowd(ignore: Any) -> dict[str, Any]:
    rows, columns = ignore.any(axis=1).nonzero()[0], ignore.any(axis=0).nonzero()[0]
    left, top = int(columns[0]), int(rows[0])
    box = [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]
    return {
        "category": OBJECT, "segmentation": encode_mask(ignore), "bbox": box, "area": int(ignore.sum()), "iscrowd": 1
    }  # fmt: skip


class _CocoFiles(Gathering):
    """Images, annotations and results, each streamed to a file of its own until the end."""

    def __init__(self, options: FormatOptions, scratch: Scratch) -> None:
        super().__init__()
        self.ids = options.coco_ids
        self.categories = _Categories(options)
        self.images, self.annotations, self.results = _Rows(scratch), _Rows(scratch), _Rows(scratch)
        self.names: set[str] = set()
        self.by_last_part = _last_parts(self.ids.images) if self.ids else {}

    def add(self, encoded: EncodedPhoto) -> None:
        """Give the photo and its objects their ids."""
        image, *objects = encoded.rows
        file_name, image_id = self._identity(encoded)
        if image_id is None:
            self.notes[UNMATCHED] += 1
            return
        self.names.add(file_name)
        self.images.write({"id": image_id, **image, "file_name": file_name})
        for row in objects:
            category_id = self.categories.id(row["category"], self.notes)
            given = {key: value for key, value in row.items() if key != "category"}
            ids = {"image_id": image_id, "category_id": category_id}
            self.annotations.write({"id": self.annotations.count + 1, **ids, **given})
            if not row["iscrowd"] and "score" in row:
                self.results.write({**ids, **{key: row[key] for key in ("segmentation", "bbox", "score")}})

    def _identity(self, encoded: EncodedPhoto) -> tuple[str, int | None]:
        """File name and id of an image; no id where the given annotation file has none for it."""
        name = encoded.file_name
        if self.ids is None:
            if name in self.names:
                self.notes[RENAMED] += 1
                name = f"{encoded.stem}{PurePosixPath(name).suffix}"
            return name, self.images.count + 1
        if name not in self.ids.images:
            listed = self.by_last_part.get(PurePosixPath(name).name)
            if listed is None or listed in self.names:
                return name, None
            self.notes[BY_LAST_PART] += 1
            name = listed
        return (name, None) if name in self.names else (name, self.ids.images[name])

    def finish(self) -> Mapping[str, Content]:
        """The two files."""
        if self.ids is not None:
            self.notes[UNSEEN] += len(self.ids.images) - len(self.names)
        categories = msgspec.json.encode(
            [{"id": number, "name": name, "supercategory": ""} for name, number in self.categories.numbers.items()]
        )
        head = b'{"info": {}, "licenses": [], "categories": ' + categories
        instances = copied_from(
            head, b',\n"images": [', self.images.file, b'],\n"annotations": [', self.annotations.file, b"]}\n"
        )
        files: dict[str, Content] = {INSTANCES: instances}
        if self.results.count or not self.annotations.count:
            files["results.json"] = copied_from(b"[", self.results.file, b"]\n")
        return files


class _Rows:
    """Rows of a JSON array in a temporary file, without the brackets."""

    def __init__(self, scratch: Scratch) -> None:
        self.file = scratch()
        self.count = 0

    def write(self, row: Mapping[str, Any]) -> None:
        self.file.write((b",\n" if self.count else b"\n") + msgspec.json.encode(row))
        self.count += 1


class _Categories:
    """Numbers of categories by name: those given, then others as they come."""

    def __init__(self, options: FormatOptions) -> None:
        ids = options.coco_ids
        self.given = {} if ids is None else dict(ids.categories)
        self.numbers = self.given or {name: index for index, name in enumerate(options.names, 1)}
        self.only = next(iter(self.given)) if len(self.given) == 1 else None

    def id(self, name: str, notes: Counter[str]) -> int:
        """Number of a category."""
        if name in self.numbers:
            return self.numbers[name]
        if name == OBJECT and self.only is not None:
            notes[ADOPTED] += 1
            return self.numbers[self.only]
        self.numbers = {**self.numbers, name: max(self.numbers.values(), default=0) + 1}
        if self.given:
            notes[ADDED] += 1
        return self.numbers[name]


def _last_parts(images: Mapping[str, int]) -> dict[str, str]:
    """File names by their last part, where that belongs to one only."""
    counts = Counter(PurePosixPath(name).name for name in images)
    return {last: name for name in images if counts[last := PurePosixPath(name).name] == 1}


def read_coco_ids(path: Path) -> CocoIds:
    """Read image ids and categories of a COCO annotation file, of any size.

    Raises:
        DatasetError: if the file is unreadable, has no images, or one of their names or ids comes twice.
    """
    images: dict[str, int] = {}
    categories: dict[str, int] = {}
    for located in iterate_objects(path, ("images",), ("categories",)):
        key, kept = ("file_name", images) if located.key == "images" else ("name", categories)
        name, number = located.value.get(key), located.value.get("id")
        if not isinstance(name, str) or type(number) is not int:
            raise DatasetError(
                f"{path}: expected an integer id and a {key} in every object of {located.key}, found "
                f"{ascii(number)[:40]} and {ascii(name)[:40]} at byte {located.start}"
            )
        if kept.setdefault(name, number) != number:
            raise DatasetError(f"{path}: expected every {key} of {located.key} once, found {ascii(name)[:80]} again")
    for what, kept in (("images", images), ("categories", categories)):
        if len(set(kept.values())) < len(kept):
            twice = next(number for number, times in Counter(kept.values()).items() if times > 1)
            raise DatasetError(f"{path}: expected every id of {what} once, found {twice} more often")
    if not images:
        raise DatasetError(f"{path}: expected images, found none in its array images")
    return CocoIds(images, categories, str(path))

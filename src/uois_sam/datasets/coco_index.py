"""COCO annotation files of any size: an index of offsets in memory, annotations read on demand."""

from __future__ import annotations

from array import array
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.datasets.layout import checked_name
from uois_sam.errors import DatasetError, count
from uois_sam.io.files import stamp
from uois_sam.io.json_index import Located, iterate_objects, read_objects
from uois_sam.io.masks import DecodedMask, MaskError, decode_segmentation

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
"""Ids are kept in 64 bits."""


class CocoIndex:
    """Offsets of the images and annotations in a COCO file.

    ``pycocotools.COCO`` keeps all annotations as Python objects, several times the size of the file; this keeps about
    20 bytes an annotation and 300 an image.

    Args:
        path: a JSON file with the arrays ``images`` (``id``, ``file_name``) and ``annotations`` (``id``, ``image_id``).

    Raises:
        DatasetError: if the file is unreadable, of another form or without annotations, or ids or file names are
            repeated or lead nowhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = _stamp(path)
        files: list[str] = []
        images, annotations = _Rows(path), _Rows(path)
        for located in iterate_objects(path, ("images", "annotations")):
            if located.key == "images":
                files.append(checked_name(images.add(located, "file_name", str), path))
            else:
                annotations.add(located, "image_id", int)
        if not files:
            raise DatasetError(f"{path}: expected images, found none in its array images")
        if not annotations.ids:
            raise DatasetError(
                f"{path}: expected annotations, found none for {count(len(files), 'image')}; "
                "is the ground truth of this split published?"
            )
        order = images.order()
        self._images = images.places(order)
        self.names = tuple(PurePosixPath(files[row]).with_suffix("").as_posix() for row in order)
        """File names without suffix, in the order of image ids."""
        self._rows = {name: row for row, name in enumerate(self.names)}
        if len(self._rows) < len(self.names):
            raise DatasetError(
                f"{path}: expected every file_name once, found {len(self._rows)} in {count(len(files), 'image')}"
            )
        sorted_ids = np.asarray(images.ids)[order]
        owners = np.asarray(annotations.owners, np.int64)
        rows = np.minimum(np.searchsorted(sorted_ids, owners), len(sorted_ids) - 1)
        strays = owners[sorted_ids[rows] != owners]
        if strays.size:
            raise DatasetError(f"{path}: expected an image for every annotation, found none with id {strays[0]}")
        by_id = annotations.order()
        by_image = by_id[np.argsort(rows[by_id], kind="stable")]
        self._annotations = annotations.places(by_image)
        self._first = np.searchsorted(rows[by_image], np.arange(len(files) + 1))

    def image(self, name: str) -> dict[str, Any]:
        """Return the entry of an image by name."""
        row = self._rows[name]
        return read_objects(self.path, self._images[row : row + 1].tolist(), self._opened)[0]

    def file(self, name: str, key: str = "file_name") -> str | None:
        """Return the path of a file of an image, relative and with "/"; None if its entry names none.

        Raises:
            DatasetError: if the path leads out of the data set.
        """
        value = self.image(name).get(key)
        return checked_name(value, self.path) if isinstance(value, str) and value else None

    def annotations(self, name: str) -> list[dict[str, Any]]:
        """Return the annotations of an image, sorted by id."""
        row = self._rows[name]
        places = self._annotations[self._first[row] : self._first[row + 1]].tolist()
        return read_objects(self.path, places, self._opened)

    def mask(self, annotation: dict[str, Any], key: str, image_hw: tuple[int, int]) -> DecodedMask:
        """Decode one mask of an annotation: RLE, compressed or not, or polygons.

        Args:
            annotation: from :meth:`annotations`.
            key: ``visible_mask`` or the like.
            image_hw: size of its image.

        Raises:
            DatasetError: if the mask is missing, damaged, or of another size.
        """
        try:
            return decode_segmentation(annotation.get(key), image_hw)
        except MaskError as error:
            raise DatasetError(f"{self.where(annotation)}: {key}: {error}") from error

    def where(self, annotation: dict[str, Any]) -> str:
        """Name file, image and annotation in messages."""
        return f"{self.path}: image {annotation.get('image_id')}, annotation {annotation.get('id')}"


def _stamp(path: Path) -> tuple[int, int]:
    try:
        return stamp(path)
    except OSError as error:
        raise DatasetError(f"{path}: expected a JSON file, found: {error.strerror or error}") from error


class _Rows:
    """Ids and places of one array of the file, in the order they are found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids, self.owners = array("q"), array("q")
        self.starts, self.lengths = array("q"), array("q")

    def add(self, located: Located, field: str, kind: type[Any]) -> Any:
        """Add one object and return the value of ``field``, which for annotations is the owner's id."""
        identity, value = located.value.get("id"), located.value.get(field)
        numbers = [identity, value] if kind is int else [identity]
        whole = all(type(each) is int and _SMALLEST <= each <= _LARGEST for each in numbers)
        if not isinstance(identity, int) or not whole or not isinstance(value, kind):
            raise DatasetError(
                f"{self.path}: expected an integer id and {field} in every object of {located.key}, "
                f"found id {_brief(identity)} and {field} {_brief(value)} at byte {located.start}"
            )
        self.ids.append(identity)
        if kind is int:
            self.owners.append(value)
        self.starts.append(located.start)
        self.lengths.append(located.length)
        return value

    def order(self) -> npt.NDArray[np.int64]:
        """Return the indices that sort by id."""
        ids = np.asarray(self.ids, np.int64)
        order = np.argsort(ids, kind="stable")
        twice = np.flatnonzero(np.diff(ids[order]) == 0)
        if twice.size:
            raise DatasetError(f"{self.path}: expected every id once, found {ids[order][twice[0]]} more often")
        return order

    def places(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return offset and length in bytes, in this order: (N, 2) int64."""
        return np.stack([np.asarray(self.starts, np.int64)[order], np.asarray(self.lengths, np.int64)[order]], axis=1)


def _brief(value: object) -> str:
    text = ascii(value) if not isinstance(value, (dict, list)) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:50]}..."

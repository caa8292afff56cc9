"""COCO annotation files of any size: an index of offsets in memory, annotations read when asked for."""

from __future__ import annotations

from array import array
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from uois_sam.datasets.json_index import Located, iterate_objects, read_objects
from uois_sam.errors import DatasetError
from uois_sam.io.masks import decode_mask
from uois_sam.types import BoolArray


class CocoIndex:
    """Where the images and annotations of a COCO file lie in it.

    ``pycocotools.COCO`` keeps all annotations as Python objects, several times the size of the file; this keeps about
    20 bytes an annotation and 300 an image.

    Args:
        path: a JSON file with the arrays ``images`` (``id``, ``file_name``) and ``annotations`` (``id``, ``image_id``).

    Raises:
        DatasetError: unreadable, not such a file, or ids or file names that come twice or lead nowhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        files: list[str] = []
        images, annotations = _Rows(path), _Rows(path)
        for located in iterate_objects(path, ("images", "annotations")):
            if located.key == "images":
                files.append(images.add(located, "file_name", str))
            else:
                annotations.add(located, "image_id", int)
        if not files:
            raise DatasetError(f"{path}: expected images, found none in its array images")
        order = images.order()
        self._images = images.places(order)
        self.names = tuple(PurePosixPath(files[row]).with_suffix("").as_posix() for row in order)
        """File names without suffix, in the order of image ids."""
        self._rows = {name: row for row, name in enumerate(self.names)}
        if len(self._rows) < len(self.names):
            raise DatasetError(f"{path}: expected every file_name once, found {len(self._rows)} in {len(files)} images")
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
        """The image of this name, as the file has it."""
        row = self._rows[name]
        return read_objects(self.path, self._images[row : row + 1].tolist())[0]

    def annotations(self, name: str) -> list[dict[str, Any]]:
        """The annotations of an image in the order of their ids."""
        row = self._rows[name]
        return read_objects(self.path, self._annotations[self._first[row] : self._first[row + 1]].tolist())

    def mask(self, annotation: dict[str, Any], key: str, image_hw: tuple[int, int]) -> BoolArray:
        """One mask of an annotation: RLE, compressed or not, or polygons.

        Args:
            annotation: from :meth:`annotations`.
            key: ``visible_mask`` or the like.
            image_hw: size of its image.

        Returns:
            (H, W) bool.

        Raises:
            DatasetError: no such mask, damaged, or of another size.
        """
        where = f"{self.path}: annotation {annotation.get('id')}"
        encoded = annotation.get(key)
        try:
            if isinstance(encoded, list):
                encoded = coco_mask.merge(coco_mask.frPyObjects(encoded, *image_hw)) if encoded else None
            elif isinstance(encoded, dict) and isinstance(encoded["counts"], list):
                encoded = coco_mask.frPyObjects(encoded, *image_hw)
            if not isinstance(encoded, dict):
                raise DatasetError(f"{where}: expected a mask {key} in RLE or polygons, found {encoded!r}")
            if tuple(encoded["size"]) != image_hw:
                found = "x".join(str(side) for side in reversed(encoded["size"]))
                raise DatasetError(f"{where}: expected {key} of {image_hw[1]}x{image_hw[0]}, found {found}")
            return decode_mask(encoded)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{where}: expected a mask {key} in RLE or polygons, found: {error}") from error


class _Rows:
    """Ids and places of one array of the file, in the order they are found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids, self.owners = array("q"), array("q")
        self.starts, self.lengths = array("q"), array("q")

    def add(self, located: Located, field: str, kind: type[Any]) -> Any:
        """Note one object; returns the value of ``field``, which for annotations is the owner's id."""
        identity, value = located.value.get("id"), located.value.get(field)
        if not isinstance(identity, int) or not isinstance(value, kind):
            raise DatasetError(
                f"{self.path}: expected an integer id and {field} in every object of {located.key}, "
                f"found id {identity!r} and {field} {value!r} at byte {located.start}"
            )
        self.ids.append(identity)
        if kind is int:
            self.owners.append(value)
        self.starts.append(located.start)
        self.lengths.append(located.length)
        return value

    def order(self) -> npt.NDArray[np.int64]:
        """Indices that sort by id."""
        ids = np.asarray(self.ids, np.int64)
        order = np.argsort(ids, kind="stable")
        twice = np.flatnonzero(np.diff(ids[order]) == 0)
        if twice.size:
            raise DatasetError(f"{self.path}: expected every id once, found {ids[order][twice[0]]} more often")
        return order

    def places(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(N, 2) int64: offset and length in bytes, in this order."""
        return np.stack([np.asarray(self.starts, np.int64)[order], np.asarray(self.lengths, np.int64)[order]], axis=1)

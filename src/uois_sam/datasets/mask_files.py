"""Label maps and masks in any folder: integers, colours, arrays, or one file an object."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameOptions
from uois_sam.datasets.foreign import ARRAY_SUFFIXES, ForeignDataset, all_there, existing, unlabelled_note
from uois_sam.datasets.labels import check_same_size, read_array, read_integers_or_colours
from uois_sam.datasets.layout import contents, find_root, list_pictures, natural, pair_notes
from uois_sam.datasets.painting import MOST_OBJECTS, Painter
from uois_sam.errors import DatasetError, count
from uois_sam.types import BoolArray, LabelMap

PHOTO_FOLDERS = ("rgb", "images", "image", "img", "photos", "color", "JPEGImages", "image_color")
LABEL_FOLDERS = ("label", "labels", "masks", "mask", "instances", "instance", "annotations", "annotation", "gt")
_ENDINGS = ("_label", "_labels", "_mask", "_masks", "_seg", "_segmentation", "_instance", "_instances", "_gt")
_LAYOUT = "photos in images/ (or rgb/, ...) and labels in masks/ (or labels/, ...), or NAME.jpg beside NAME_mask.png"
REMAPPED = "label maps with ids above 65535 or below 0, numbered anew"
COLOURS = "colour-coded label maps, each colour but black taken as one object"
_MOST_COLOURS = 4096
"""More distinct colours in one map are those of a photo, or of a map that was smoothed or stored with loss."""


class MasksDataset(ForeignDataset):
    """Photos with label maps or masks of any kind, told by what is there.

    For photo ``NAME``: a label map ``NAME`` (or ``NAME_mask``, ``NAME_label``, ...) as PNG, TIFF, BMP, PGM or ``.npy``,
    whose integers are objects and 0 is background; the same in colours, black being background; or a folder ``NAME`` of
    masks, one file an object, in natural order. Ids beyond 16 bits are numbered anew, which is counted.

    Args:
        root: folder of the data set.
        options: sampling, depth (``depth/NAME``), partial (leave out photos without labels).
        photos: folder of the photos; by default the first of the usual names.
        labels: folder of the labels, likewise; the root itself where they lie beside the photos.
        void: id of pixels of which nothing is known; 0 for none.
        depth_unit_m: metres that one step of depth images stands for.

    Raises:
        DatasetError: for another layout, two labels of one photo, or photos without labels.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("masks", "", "yours")

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        photos: str | None = None,
        labels: str | None = None,
        void: int = 0,
        depth_unit_m: float = 0.001,
    ) -> None:
        root = find_root(root, ["*"], _LAYOUT)
        self.void = void
        self._maps_in = _folder(root, labels, LABEL_FOLDERS)
        photo_folder = _folder(root, photos, PHOTO_FOLDERS)
        beside = photo_folder == self._maps_in
        maps = dict(list_pictures(self._maps_in, ARRAY_SUFFIXES, recursive=True, mixed=True).files)
        listing = list_pictures(photo_folder, recursive=True, mixed=beside or photo_folder == root)
        files = {name: file for name, file in listing.files.items() if not beside or not _is_label(name, listing.files)}
        self._maps, self._folders, lonely = _assigned(files, maps, beside)
        labelled = {name: file for name, file in files.items() if name in self._maps or name in self._folders}
        notes = [*listing.notes, *pair_notes(labelled, lonely)]
        if not labelled:
            raise DatasetError(f"{root}: expected {_LAYOUT}, found {contents(root)}")
        if len(labelled) < len(files):
            if not (options and options.partial):
                first = next(name for name in files if name not in labelled)
                raise DatasetError(
                    f"{root}: expected a label for each of {len(files)} photos, found {len(labelled)}; "
                    f"the first one missing is that of {first}"
                )
            notes += unlabelled_note(files, labelled, "left out")
        labelled, gone = all_there(root, photo_folder, labelled, options)
        super().__init__(root, labelled, photo_folder, options, depth_unit_m, [*notes, *gone])

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        if name in self._folders:
            return self._painted(name, image_hw)
        source = self._maps_in / self._maps[name]
        values, notes = _read_map(source)
        check_same_size(source, values, self._photo(name).name, image_hw)
        void = values == self.void if self.void else np.zeros(values.shape, np.bool_)
        labels, more = _sixteen_bits(np.where(void, 0, values), source)
        return Annotation(labels, source, void if void.any() else None, None, {**notes, **more})

    def _painted(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        painter = Painter(image_hw)
        for number, file in enumerate(self._folders[name], 1):
            source = self._maps_in / file
            mask = _read_mask(source)
            check_same_size(source, mask, self._photo(name).name, image_hw)
            painter.paint(mask, number)
        return Annotation(painter.labels, self._maps_in / name, None, None, painter.notes())


def _folder(root: Path, given: str | None, usual: tuple[str, ...]) -> Path:
    if given is not None:
        return existing(root / given, "a folder")
    return next((root / name for name in usual if (root / name).is_dir()), root)


def _is_label(name: str, files: Mapping[str, str]) -> bool:
    """Whether a picture beside photos is the label of one."""
    return any(name.endswith(each) and name.removesuffix(each) in files for each in _ENDINGS)


def _assigned(
    files: Mapping[str, str], maps: Mapping[str, str], beside: bool
) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Label map of each photo, masks of each photo, and labels without a photo."""
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    lonely: list[str] = []
    for name, file in maps.items():
        if beside and name in files:
            continue
        plain = next((name.removesuffix(each) for each in _ENDINGS if name.endswith(each)), name)
        owner = name if name in files else plain
        if owner in files:
            if owner in single:
                raise DatasetError(f"expected one label for photo {owner}, found {single[owner]} and {file}")
            single[owner] = file
        elif (folder := PurePosixPath(name).parent.as_posix()) in files:
            several.setdefault(folder, []).append(file)
        elif not beside:
            lonely.append(name)
    twice = [name for name in single if name in several]
    if twice:
        raise DatasetError(f"expected one label for photo {twice[0]}, found {single[twice[0]]} and a folder of masks")
    return single, {name: sorted(found, key=natural) for name, found in several.items()}, lonely


def _read_map(source: Path) -> tuple[npt.NDArray[Any], dict[str, int]]:
    """(H, W) integers as stored, or numbered colours, with notes."""
    if source.suffix.lower() == ".npy":
        values = read_array(source, "labels")
        if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.round(values)).all()):
            raise DatasetError(f"{source}: expected whole numbers as labels, found others")
        return values.astype(np.int64), {}
    values = read_integers_or_colours(source)
    if values.ndim == 2:
        return values.astype(np.int64), {}
    packed = values.astype(np.int64) @ np.array([65536, 256, 1])
    colours, numbers = np.unique(packed, return_inverse=True)
    if len(colours) > _MOST_COLOURS:
        raise DatasetError(
            f"{source}: expected at most {_MOST_COLOURS} colours of objects, found {len(colours)}: smoothed?"
        )
    start = 0 if colours[0] == 0 else 1
    return numbers.reshape(packed.shape) + start, {COLOURS: 1}


def _read_mask(source: Path) -> BoolArray:
    """(H, W) bool of one object's file."""
    values = read_array(source, "a mask") if source.suffix.lower() == ".npy" else read_integers_or_colours(source)
    mask = values != 0 if values.ndim == 2 else (values != 0).any(axis=2)
    inside = np.unique(values[mask], axis=0)
    if len(inside) > 1:
        raise DatasetError(
            f"{source}: expected the mask of one object, found {count(len(inside), 'value')}: a label map?"
        )
    return np.asarray(mask)


def _sixteen_bits(values: npt.NDArray[np.int64], source: Path) -> tuple[LabelMap, dict[str, int]]:
    if values.size and values.min() >= 0 and values.max() <= MOST_OBJECTS:
        return values.astype(np.uint16), {}
    ids, numbers = np.unique(values, return_inverse=True)
    kept = ids[ids != 0]
    if len(kept) > MOST_OBJECTS:
        raise DatasetError(f"{source}: expected at most {MOST_OBJECTS} objects, found {len(kept)}")
    new = np.zeros(len(ids), np.uint16)
    new[ids != 0] = np.arange(1, len(kept) + 1)
    return new[numbers.reshape(values.shape)], {REMAPPED: 1}

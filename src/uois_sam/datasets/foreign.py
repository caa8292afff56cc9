"""Base of data sets in the formats of labelling tools: photos, labels and depth found by their names."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar

from uois_sam.datasets.base import DatasetInfo, FrameDataset, FrameOptions
from uois_sam.datasets.layout import LABEL_SUFFIXES, list_pictures
from uois_sam.errors import DatasetError, count

ARRAY_SUFFIXES = LABEL_SUFFIXES | {".npy"}
"""Lower-case suffixes of depth images and label maps, arrays included."""
NO_MASK = "labels without a mask (boxes, points, lines) left out"
OTHER_CATEGORY = "objects of categories that were not asked for left out"
INSIDE_OUT = "boxes turned inside out; their masks are used"


class ForeignDataset(FrameDataset):
    """A data set whose photos are listed by name.

    Objects have no classes here: categories choose which objects are taken, and are not kept.

    Args:
        root: the data set's folder.
        files: photo of each name, relative to ``photos``.
        photos: folder of the photos.
        options: sampling and depth (``depth/NAME`` below the root: integers, or ``.npy`` in metres).
        depth_unit_m: metres that one step of the depth images stands for.
        notes: what a report has to mention.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("labelled photos", "", "yours")

    def __init__(
        self,
        root: Path,
        files: Mapping[str, str],
        photos: Path,
        options: FrameOptions | None,
        depth_unit_m: float,
        notes: Iterable[str] = (),
    ) -> None:
        if not (math.isfinite(depth_unit_m) and 0 < depth_unit_m <= 1):
            raise DatasetError(f"{self.info.title}: expected depth_unit_m above 0 and at most 1, found {depth_unit_m}")
        self.photos, self._files = photos, dict(files)
        self.depth_unit_m = depth_unit_m
        options = options or FrameOptions()
        depth = list_pictures(root / "depth", ARRAY_SUFFIXES, recursive=True).files if options.depth else {}
        self._depths = {name: root / "depth" / file for name, file in depth.items()}
        notes = list(notes)
        if options.depth and (bare := [name for name in self._files if name not in self._depths]):
            notes.append(f"{count(len(bare), 'photo')} without depth, first {bare[0]}")
        super().__init__(root, list(self._files), options, notes=notes)

    def _photo(self, name: str) -> Path:
        return self.photos / self._files[name]

    def _depth(self, name: str) -> tuple[Path, float] | None:
        return (self._depths[name], self.depth_unit_m) if name in self._depths else None


def existing(root: Path, what: str) -> Path:
    """The root as a path.

    Raises:
        DatasetError: if there is nothing.
    """
    if "\0" in os.fspath(root) or not root.exists():
        raise DatasetError(f"{root}: expected {what}, found nothing there")
    return root


def all_there(
    source: Path, photos: Path, files: Mapping[str, str], options: FrameOptions | None, what: str = "photo"
) -> tuple[dict[str, str], list[str]]:
    """Return the photos that exist, and a note on those that do not.

    Raises:
        DatasetError: if some are missing and ``options.partial`` is not set.
    """
    missing = [name for name, file in files.items() if not (photos / file).is_file()]
    if not missing:
        return dict(files), []
    said = f"{len(missing)} of {count(len(files), what)} missing in {photos}, first {files[missing[0]]}"
    if not (options and options.partial) or len(missing) == len(files):
        raise DatasetError(f"{source}: expected all photos that it names, found {said}")
    gone = set(missing)
    return {name: file for name, file in files.items() if name not in gone}, [f"{said}: left out"]


def unlabelled_note(photos: Collection[str], labelled: Collection[str], what: str) -> list[str]:
    """A note on photos without labels; ``what`` says what became of them."""
    bare = sorted(set(photos) - set(labelled))
    return [f"{count(len(bare), 'photo')} without labels {what}, first {bare[0]}"] if bare else []


def stem_of(file: str) -> str:
    """A relative path without suffix."""
    return PurePosixPath(file).with_suffix("").as_posix()


def in_front(scores: list[float | None], count: int) -> list[int]:
    """Indices of objects in the order of painting: as they come, or worst first where each has a score."""
    if count and all(type(score) in (int, float) for score in scores):
        return sorted(range(count), key=lambda index: (scores[index], -index))
    return list(range(count))

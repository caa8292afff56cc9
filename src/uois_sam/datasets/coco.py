"""COCO instances: one JSON file, of any size, and a folder of photos."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameOptions
from uois_sam.datasets.coco_index import CocoIndex
from uois_sam.datasets.foreign import (
    INSIDE_OUT,
    NO_MASK,
    OTHER_CATEGORY,
    ForeignDataset,
    all_there,
    existing,
    in_front,
    unlabelled_note,
)
from uois_sam.datasets.layout import contents, list_pictures
from uois_sam.datasets.painting import DROPPED, Painter
from uois_sam.errors import DatasetError
from uois_sam.io.json_index import iterate_objects

_LAYOUT = "a COCO annotation file, or a folder with one (*.json, annotations/*.json)"


class CocoDataset(ForeignDataset):
    """Photos labelled in COCO's format: polygons (also with holes by bridges) and RLE, compressed or not.

    Objects are numbered in the order of annotation ids; where they overlap the later one is in front, or the better one
    where each has a ``score``. Crowds go into ``ignore``. Names are ``file_name`` without suffix, in the order of image
    ids. The file is read through once; after that only offsets are in memory.

    Args:
        root: the JSON file, or a folder that holds it (itself or in ``annotations``).
        options: sampling, depth (``depth/NAME``), partial (leave out photos that are missing).
        annotations: the JSON file, relative to the root, where there are several.
        images: folder of the photos; by default the first of the usual places that has the first photo.
        categories: names of the categories that are objects; all if empty.
        ignore_categories: names of categories whose pixels go into ``ignore``.
        depth_unit_m: metres that one step of depth images stands for.

    Raises:
        DatasetError: for another layout, a damaged file, ids that come twice or lead nowhere, or missing photos.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("COCO file", "https://cocodataset.org/#format-data", "yours")

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        annotations: str | None = None,
        images: str | None = None,
        categories: Sequence[str] = (),
        ignore_categories: Sequence[str] = (),
        depth_unit_m: float = 0.001,
    ) -> None:
        source = _annotation_file(existing(Path(root), _LAYOUT), annotations)
        self._index = CocoIndex(source)
        known = _categories(source) if categories or ignore_categories else {}
        self._objects = _chosen(source, known, categories)
        self._ignored = _chosen(source, known, ignore_categories)
        files = {name: self._index.file(name) or "" for name in self._index.names}
        folder = Path(root) if Path(root).is_dir() else source.parent
        photos = _photo_folder(source, folder, images, next(iter(files.values())))
        files, notes = all_there(source, photos, files, options)
        notes += unlabelled_note(
            list_pictures(photos, recursive=True, mixed=True).files, files, "in the annotation file left out"
        )
        super().__init__(folder, files, photos, options, depth_unit_m, notes)

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        self._check_size(name, image_hw)
        painter = Painter(image_hw)
        found = self._index.annotations(name)
        shown: list[dict[str, Any]] = []
        for each in found:
            box = each.get("bbox")
            if isinstance(box, list) and any(type(side) in (int, float) and side < 0 for side in box[2:4]):
                painter.count(INSIDE_OUT)
            if not each.get("segmentation"):
                painter.count(NO_MASK)
            elif each.get("iscrowd") or each.get("category_id") in self._ignored:
                painter.ignore(self._index.mask(each, "segmentation", image_hw).mask)
            elif self._objects and each.get("category_id") not in self._objects:
                painter.count(OTHER_CATEGORY)
            else:
                shown.append(each)
        for index in in_front([each.get("score") for each in shown], len(shown)):
            decoded = self._index.mask(shown[index], "segmentation", image_hw)
            painter.count(DROPPED, decoded.dropped)
            painter.paint(decoded.mask, index + 1)
        return Annotation(painter.labels, self._index.path, painter.ignored, None, painter.notes())

    def _check_size(self, name: str, image_hw: tuple[int, int]) -> None:
        said = self._index.image(name)
        size = (said.get("height", image_hw[0]), said.get("width", image_hw[1]))
        if size != image_hw:
            raise DatasetError(
                f"{self._index.path}: image {said.get('id')}: expected the size of {self._photo(name).name}, "
                f"{image_hw[1]}x{image_hw[0]}, found {size[1]}x{size[0]}"
            )


def _annotation_file(root: Path, annotations: str | None) -> Path:
    if root.is_file():
        return root
    if annotations is not None:
        return existing(root / annotations, "a COCO annotation file")
    places = [path for folder in (root, root / "annotations") for path in sorted(folder.glob("*.json"))]
    found = [path for path in places if not path.name.startswith(".") and _is_coco(path)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise DatasetError(f"{root}: expected {_LAYOUT}, found {contents(root)}")
    names = ", ".join(path.relative_to(root).as_posix() for path in found[:5])
    raise DatasetError(f"{root}: expected one COCO annotation file, found {names}: choose by the option annotations")


def _is_coco(path: Path) -> bool:
    """Whether a file has images and annotations; files of results or captions lie beside in some folders."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
        return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and (
            b'"images"' in head or b'"annotations"' in head or b'"categories"' in head
        )
    except OSError:
        return False


def _photo_folder(source: Path, root: Path, images: str | None, first: str) -> Path:
    if images is not None:
        return existing(root / images, "a folder of photos")
    split = source.stem.removeprefix("instances_")
    around = [root, source.parent, source.parent.parent]
    inner = ["", "images", split, f"images/{split}", "rgb", "JPEGImages"]
    places = list(dict.fromkeys(place / name for place in around for name in inner))
    for place in places:
        if (place / first).is_file():
            return place
    looked = ", ".join(str(place) for place in places[:4])
    raise DatasetError(f"{source}: expected photo {first} in {looked} or the like, found none; see the option images")


def _categories(source: Path) -> dict[str, int]:
    return {
        str(each.value.get("name")): each.value.get("id", -1)
        for each in iterate_objects(source, ("categories",))
    }  # fmt: skip


def _chosen(source: Path, known: Mapping[str, int], names: Sequence[str]) -> frozenset[int]:
    for name in names:
        if name not in known:
            raise DatasetError(f"{source}: expected categories out of {', '.join(known) or 'none'}, found {name!r}")
    return frozenset(known[name] for name in names)

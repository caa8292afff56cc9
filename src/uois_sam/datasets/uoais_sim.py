"""UOAIS-Sim: photorealistic simulated bins and table tops in COCO files; ``uois-sam convert`` writes it, too."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from uois_sam.datasets.base import Annotation, DatasetInfo, Expected, FrameDataset, FrameOptions
from uois_sam.datasets.coco_index import CocoIndex
from uois_sam.datasets.layout import find_root, list_pictures
from uois_sam.datasets.painting import DROPPED, Painter
from uois_sam.errors import DatasetError, count

_TRAINING_FRAMES = 45_000
_DEPTH_UNIT_M = 0.0001


class UOAISSimDataset(FrameDataset):
    """UOAIS-Sim by its layout: ``annotations/coco_anns_uoais_sim_<split>.json``, and photos below ``train`` or ``val``.

    Labels are the ``visible_mask`` of each annotation, numbered in the order of annotation ids (``segmentation`` is the
    amodal mask, not used); crowds go into ``ignore``. Where masks overlap, the later annotation wins. Names are the
    ``file_name`` of the JSON file without suffix, in the order of image ids.

    The JSON file is read through once when the data set is opened; after that only the offset of every annotation is in
    memory, and a sample reads its own few kilobytes. 45 000 images with ten objects each, 336 MB of JSON, cost 4 s and
    55 MB (``pycocotools.COCO``: 6 s and 1.3 GB), 10 MB of which travel to each worker process.

    Args:
        root: ``UOAIS-Sim`` or the folder around it.
        options: sampling (published training subsets take every 10th image or so), depth (stored in 0.1 mm), partial.
        split: ``"train"`` or ``"val"``.
        subset: ``"all"``, ``"bin"`` or ``"tabletop"``, by the first folder of ``file_name``.

    Raises:
        DatasetError: for another layout, a damaged JSON file, or annotations that do not belong to an image.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        "UOAIS-Sim", "https://github.com/gist-ailab/uoais", "academic use only (the repository's)", size_wh=(640, 480)
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        split: Literal["train", "val"] = "train",
        subset: Literal["all", "bin", "tabletop"] = "all",
    ) -> None:
        if split not in ("train", "val") or subset not in ("all", "bin", "tabletop"):
            raise DatasetError(
                f"UOAIS-Sim: expected split train or val and subset all, bin or tabletop, found {split} and {subset}"
            )
        annotations = f"annotations/coco_anns_uoais_sim_{split}.json"
        layout = f"UOAIS-Sim's {annotations} and {split}/{{bin,tabletop}}/color"
        root = find_root(root, [annotations], layout, inner=["UOAIS-Sim"])
        self.photos = root / split
        self._index = CocoIndex(root / annotations)
        names = [name for name in self._index.names if subset == "all" or name.startswith(f"{subset}/")]
        expected = Expected(_TRAINING_FRAMES, strict=False) if split == "train" and subset == "all" else None
        super().__init__(root, names, options, expected=expected, notes=self._unlabelled(names))

    def _unlabelled(self, names: list[str]) -> list[str]:
        """A note on photos that the file does not list."""
        known = set(names)
        found, notes = [], []
        for folder in sorted({PurePosixPath(name).parent.as_posix() for name in names}):
            listing = list_pictures(self.photos / folder)
            notes += listing.notes
            found += [(PurePosixPath(folder) / name).as_posix() for name in listing.files]
        unlabelled = [name for name in found if name not in known]
        if unlabelled:
            notes += [
                f"{count(len(unlabelled), 'photo')} that the annotation file does not list, first {unlabelled[0]}"
            ]
        return notes

    def _photo(self, name: str) -> Path:
        return self.photos / str(self._index.file(name))

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        painter = Painter(image_hw)
        fractions: dict[int, float] = {}
        value = 0
        for annotation in self._index.annotations(name):
            decoded = self._index.mask(annotation, "visible_mask", image_hw)
            painter.count(DROPPED, decoded.dropped)
            if annotation.get("iscrowd"):
                painter.ignore(decoded.mask)
            elif painter.paint(decoded.mask, value + 1):
                value += 1
                if annotation.get("occluded_rate") is not None:
                    fractions[value] = 1 - self._share(annotation)
        return Annotation(painter.labels, self._index.path, painter.ignored, fractions or None, painter.notes())

    def _share(self, annotation: dict[str, Any]) -> float:
        rate = annotation["occluded_rate"]
        if type(rate) not in (int, float) or not math.isfinite(rate) or not 0 <= rate <= 1:
            raise DatasetError(
                f"{self._index.where(annotation)}: expected an occluded_rate from 0 to 1, found {ascii(rate)[:60]}"
            )
        return float(rate)

    def _depth(self, name: str) -> tuple[Path, float] | None:
        file_name = self._index.file(name, "depth_file_name")
        return (self.photos / file_name, _DEPTH_UNIT_M) if file_name else None

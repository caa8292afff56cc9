"""TOD, the Tabletop Object Dataset: simulated tables, seven views a scene, not photorealistic."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from uois_sam.datasets.base import Annotation, DatasetInfo, Expected, FrameDataset, FrameOptions
from uois_sam.datasets.labels import keep_objects, read_label_map
from uois_sam.datasets.layout import find_root, natural
from uois_sam.errors import DatasetError
from uois_sam.types import Camera

_FOLDERS = {"train": "training_set", "test": "test_set"}
_SCENES = {"train": 40_000, "test": 4_000}
_DEPTH_UNIT_M = 0.001
_FOCAL_PX = 240 / math.tan(math.radians(45) / 2)
"""Of a vertical field of view of 45 degrees, 480 pixels high."""


class TODDataset(FrameDataset):
    """TOD by its published layout: ``{training_set,test_set}/scene_*/{rgb_0000V.jpeg,segmentation_0000V.png}``.

    Names are ``scene_00000/00002``: scene and view. Only the list of scenes is read at first (a file system takes
    minutes to look for all 280 000 photos); a missing file is an error when its sample is asked for. The names of all
    training views take about 25 MB.

    Args:
        root: the folder that holds ``training_set`` or ``test_set``.
        options: sampling, depth (stored in mm), partial.
        split: ``"train"`` (40 000 scenes) or ``"test"`` (4 000).
        views: which of the seven views: 0 shows the empty room, 1 the table in it, 2 to 6 objects.
        first_object: smallest label of an object: 2 (0 is background, 1 the table); 4 in release v6.

    Raises:
        DatasetError: for another layout, or a split or view that does not exist.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        "TOD", "https://github.com/chrisdxie/uois", "not stated for the data", size_wh=(640, 480)
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        split: Literal["train", "test"] = "train",
        views: Sequence[int] = (2, 3, 4, 5, 6),
        first_object: int = 2,
    ) -> None:
        if split not in _FOLDERS or not views or not set(views) <= set(range(7)):
            raise DatasetError(f"TOD: expected split train or test and views out of 0..6, found {split}, {views}")
        folder = _FOLDERS[split]
        layout = f"TOD's {folder}/scene_*/{{rgb_0000V.jpeg,segmentation_0000V.png}}"
        root = find_root(root, [f"{folder}/scene_*"], layout)
        self.scenes = root / folder
        self.first_object = first_object
        scenes = sorted((path.name for path in os.scandir(self.scenes) if path.name.startswith("scene_")), key=natural)
        names = [f"{scene}/{view:05d}" for scene in scenes for view in views]
        expected = Expected(_SCENES[split] * len(views), strict=False)
        super().__init__(root, names, options, expected=expected)

    def _photo(self, name: str) -> Path:
        return self._file(name, "rgb", ".jpeg")

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        source = self._file(name, "segmentation", ".png")
        return Annotation(keep_objects(read_label_map(source), self.first_object), source)

    def _depth(self, name: str) -> tuple[Path, float]:
        return self._file(name, "depth", ".png"), _DEPTH_UNIT_M

    def _camera(self, name: str) -> Camera:
        return Camera(_FOCAL_PX, _FOCAL_PX, 319.5, 239.5)

    def _file(self, name: str, kind: str, suffix: str) -> Path:
        scene, _, view = name.partition("/")
        return self.scenes / scene / f"{kind}_{view}{suffix}"

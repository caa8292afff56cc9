"""HouseCat6D: camera runs around household objects of ten categories, some transparent or shiny."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from uois_sam.datasets.base import DatasetInfo, FrameOptions
from uois_sam.datasets.cameras import read_camera_text
from uois_sam.datasets.sequences import SequenceDataset
from uois_sam.errors import DatasetError
from uois_sam.types import Camera

_DEPTH_UNIT_M = 0.001


class HouseCat6DDataset(SequenceDataset):
    """HouseCat6D, 1096x852: ``{scene*,val_scene*,test_scene*}/{rgb,instance,depth}/NNNNNN.png``; scored on 2503 frames.

    Args:
        root: the folder of the scenes.
        options: sampling (every 10th by default), depth (stored in mm), partial.
        split: ``"all"``, ``"train"`` (``scene*``), ``"val"`` or ``"test"``.
        frame_list: as for :class:`~uois_sam.datasets.phocal.PhoCALDataset`.

    Raises:
        DatasetError: for another layout, photos without masks, or missing frames. The pickles in ``labels`` are never
            loaded.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        "HouseCat6D",
        "https://sites.google.com/view/housecat6d",
        "CC BY 4.0",
        frames=2503,
        every=10,
        size_wh=(1096, 852),
    )
    _patterns = ("scene*", "val_scene*", "test_scene*")
    _masks = "instance"

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        split: Literal["all", "train", "val", "test"] = "all",
        frame_list: str | os.PathLike[str] | None = None,
    ) -> None:
        splits = {"all": self._patterns, "train": ("scene*",), "val": ("val_scene*",), "test": ("test_scene*",)}
        if split not in splits:
            raise DatasetError(f"HouseCat6D: expected split out of {', '.join(splits)}, found {split!r}")
        super().__init__(root, options, splits[split], frame_list)

    def _missing(self, sequences: list[Path]) -> str:
        missing = [pattern for pattern in self._patterns if not any(path.match(pattern) for path in sequences)]
        return f"without any {', '.join(missing)}" if missing else ""

    def _depth(self, name: str) -> tuple[Path, float]:
        return self._file(name, "depth"), _DEPTH_UNIT_M

    def _camera(self, name: str) -> Camera | None:
        return read_camera_text(self.root / name.partition("/")[0] / "intrinsics.txt")

"""PhoCAL: 24 camera runs around household objects, many of them transparent or shiny."""

from __future__ import annotations

import os
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from uois_sam.datasets.base import DatasetInfo, FrameOptions
from uois_sam.datasets.cameras import camera_of
from uois_sam.datasets.sequences import SequenceDataset
from uois_sam.errors import DatasetError
from uois_sam.io.files import regular_size, stamp
from uois_sam.io.json_files import read_json
from uois_sam.types import Camera
from uois_sam.validation import validated

_LARGEST_SPLIT = 1 << 26
"""Bytes of a split file; it holds one number a frame."""
_Scale = Annotated[float, Meta(gt=0, le=1e9)]
_MILLIMETRES = 1000.0
"""Depth steps per metre if the camera file lacks them."""


class PhoCALDataset(SequenceDataset):
    """PhoCAL by its layout, ``sequence_{1..24}/{rgb,mask,depth}/NNNNNN.png``; 721 frames make up published scores.

    Args:
        root: the folder of the sequences.
        options: sampling (every 10th by default), depth (unit from ``scene_camera.json``), partial.
        split: ``"all"``, or ``"train"`` or ``"test"`` as each sequence's ``train_test_split.npz`` says.
        frame_list: a text file with one photo a line, each path ending in ``<sequence>/rgb/<frame>.png``, to take in
            place of every 10th.

    Raises:
        DatasetError: for another layout, photos without masks, missing frames, or a split file with pickled objects
            (which are never loaded, because they can run code).
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        "PhoCAL",
        "https://www.campar.in.tum.de/public_datasets/2022_cvpr_wang/",
        "see the homepage",
        frames=721,
        every=10,
    )
    _patterns = ("sequence_*",)
    _masks = "mask"

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        split: Literal["all", "train", "test"] = "all",
        frame_list: str | os.PathLike[str] | None = None,
    ) -> None:
        if split not in ("all", "train", "test"):
            raise DatasetError(f"PhoCAL: expected split all, train or test, found {split!r}")
        self.split = split
        super().__init__(root, options, self._patterns, frame_list)

    def _frames(self, sequence: Path) -> list[str]:
        frames = super()._frames(sequence)
        if self.split == "all":
            return frames
        chosen = set(_split_indices(sequence / "train_test_split.npz", f"{self.split}_idxs").tolist())
        return [frame for frame in frames if frame.isdecimal() and int(frame) in chosen]

    def _missing(self, sequences: list[Path]) -> str:
        there = {path.name for path in sequences}
        missing = [name for name in (f"sequence_{number}" for number in range(1, 25)) if name not in there]
        return f"without {', '.join(missing)}" if missing else ""

    def _depth(self, name: str) -> tuple[Path, float]:
        return self._file(name, "depth"), 1 / self._camera_file(name)[0]

    def _camera(self, name: str) -> Camera | None:
        return self._camera_file(name)[1]

    def _camera_file(self, name: str) -> tuple[float, Camera | None]:
        """Depth steps a metre, and intrinsics if the file has them."""
        camera = self.root / name.partition("/")[0] / "scene_camera.json"
        try:
            return _read_camera(camera, stamp(camera))
        except OSError as error:
            raise DatasetError(
                f"{camera}: expected camera parameters in JSON with depth_scale, found {error.strerror or error}"
            ) from error


def _split_indices(path: Path, key: str) -> npt.NDArray[np.integer]:
    """Read one array of frame numbers from an .npz file, without unpickling."""
    try:
        if regular_size(path) > _LARGEST_SPLIT:
            raise OSError(f"more than {_LARGEST_SPLIT} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            if key not in arrays.files:
                raise DatasetError(f"{path}: expected an array {key}, found {', '.join(arrays.files)}")
            indices: npt.NDArray[np.integer] = arrays[key]
    except (
        OSError,
        TypeError,
        EOFError,
        NotImplementedError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:  # TypeError: a bare .npy file under this name
        raise DatasetError(f"{path}: expected an .npz file with the frames of each split, found: {error}") from error
    except ValueError as error:
        raise DatasetError(
            f"{path}: expected plain numbers, found pickled objects, which can run code and are not loaded; save "
            f"{key} as an integer array, or use frame_list with a text file"
        ) from error
    if not np.issubdtype(indices.dtype, np.integer):
        raise DatasetError(f"{path}: expected integers in {key}, found {indices.dtype}")
    return indices


@lru_cache(maxsize=64)
def _read_camera(camera: Path, stamped: tuple[int, int]) -> tuple[float, Camera | None]:
    """``depth_scale`` of a PhoCAL camera file, by which stored depth is divided to get metres, and intrinsics."""
    content: Any = read_json(
        camera, dict[str, Any], what="camera parameters in JSON with depth_scale", error=DatasetError
    )
    content = content.get("rgb", content)
    scale = content.get("depth_scale", _MILLIMETRES) if isinstance(content, dict) else content
    steps = validated(scale, _Scale, f"{camera}: depth_scale", DatasetError)
    return steps, camera_of(content, str(camera))

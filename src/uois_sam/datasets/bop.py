"""Any data set in the BOP format, by the masks of what is visible."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameDataset, FrameOptions
from uois_sam.datasets.labels import check_same_size, read_label_map
from uois_sam.datasets.layout import contents, find_root, is_photo, natural
from uois_sam.errors import DatasetError

_PHOTO_FOLDERS = ("rgb", "gray")
_PHOTO_SUFFIXES = (".png", ".jpg", ".tif")
_MILLIMETRE_M = 0.001

T = TypeVar("T")


class BOPDataset(FrameDataset):
    """A data set in BOP's scene-wise format: ``<split>/<scene>/{rgb|gray,mask_visib,depth}`` and ``scene_gt.json``.

    Object k of a frame, k from 0 in the order of ``scene_gt.json``, has label k + 1 where ``mask_visib`` shows it.
    Names are ``000048/000001``: scene and image. One scene's JSON files at a time are in memory.

    Args:
        root: the data set's folder, which holds the splits; or a split's folder.
        options: sampling, depth (unit from ``scene_camera.json``).
        split: ``"test"``, ``"val"``, ``"train_pbr"`` or whatever folder there is.
        targets: a file in ``root`` such as ``"test_targets_bop19.json"``: only the images that it lists.
        min_visible: objects of which a smaller share is visible (``visib_fract``, 0 to 1) go into ``ignore`` in place
            of the labels; BOP's own scores use 0.1.

    Raises:
        DatasetError: another layout, or a split whose ground truth is not published.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo("BOP", "https://bop.felk.cvut.cz/datasets/", "each data set has its own")

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None = None,
        *,
        split: str = "test",
        targets: str | None = None,
        min_visible: float = 0.0,
    ) -> None:
        if not 0 <= min_visible <= 1:
            raise DatasetError(f"BOP: expected min_visible within 0 to 1, found {min_visible}")
        markers = [f"{split}/*/{folder}" for folder in _PHOTO_FOLDERS] + [f"*/{folder}" for folder in _PHOTO_FOLDERS]
        layout = f"BOP's {split}/<scene>/{{rgb,mask_visib}} and {split}/<scene>/scene_gt.json"
        root = find_root(root, markers, layout)
        self.scenes = root / split if (root / split).is_dir() else root
        self.min_visible = min_visible
        self._files: dict[str, str] = {}
        for scene in sorted(filter(Path.is_dir, self.scenes.iterdir()), key=lambda path: natural(path.name)):
            self._add_scene(scene)
        if not self._files:
            raise DatasetError(f"{self.scenes}: expected {layout}, found {contents(self.scenes)}")
        names = list(self._files)
        if targets is not None:
            wanted = _targets(root / targets)
            names = [name for name in names if tuple(map(int, name.split("/"))) in wanted]
        super().__init__(root, names, options)

    def _add_scene(self, scene: Path) -> None:
        folder = next((folder for folder in _PHOTO_FOLDERS if (scene / folder).is_dir()), None)
        if folder is None:
            return
        for needed in ("scene_gt.json", "mask_visib"):
            if not (scene / needed).exists():
                raise DatasetError(
                    f"{scene}: expected {needed}, found {contents(scene)}; is the ground truth of this split published?"
                )
        for photo in sorted(path for path in (scene / folder).iterdir() if is_photo(path, _PHOTO_SUFFIXES)):
            name = f"{scene.name}/{photo.stem}"
            if not name.replace("/", "").isdecimal():
                raise DatasetError(f"{scene}: expected numbers as names of scenes and images, found {name}")
            if name in self._files:
                raise DatasetError(f"{scene / folder}: expected one photo called {photo.stem}, found {photo.name} too")
            self._files[name] = f"{folder}/{photo.name}"

    def _photo(self, name: str) -> Path:
        return self.scenes / name.partition("/")[0] / self._files[name]

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        scene, _, stem = name.partition("/")
        folder = self.scenes / scene
        count = _of_image(folder / "scene_gt.json", stem, len)
        shares = self._shares(folder / "scene_gt_info.json", stem, count)
        labels = np.zeros(image_hw, np.uint16)
        ignore = np.zeros(image_hw, np.bool_)
        for index in range(count):
            source = folder / "mask_visib" / f"{stem}_{index:06d}.png"
            mask = read_label_map(source) > 0
            check_same_size(source, mask, self._photo(name).name, image_hw)
            if shares and shares[index] < self.min_visible:
                ignore |= mask
            else:
                labels[mask] = index + 1
        there = set(np.unique(labels).tolist())
        fractions = {index + 1: share for index, share in enumerate(shares) if index + 1 in there}
        return Annotation(labels, folder / "mask_visib", ignore if ignore.any() else None, fractions or None)

    def _shares(self, info: Path, stem: str, count: int) -> list[float]:
        """How much of each object is visible; empty when the data set does not say and nothing depends on it."""
        if not info.is_file() and self.min_visible == 0:
            return []
        shares = _of_image(info, stem, _visible_shares)
        if len(shares) != count:
            raise DatasetError(f"{info}: expected {count} objects for image {int(stem)}, found {len(shares)}")
        return shares

    def _depth(self, name: str) -> tuple[Path, float] | None:
        scene, _, stem = name.partition("/")
        folder = self.scenes / scene
        files = [folder / "depth" / f"{stem}{suffix}" for suffix in (".png", ".tif")]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            return None
        return found, _of_image(folder / "scene_camera.json", stem, _depth_scale) * _MILLIMETRE_M


def _of_image(path: Path, stem: str, condense: Callable[[Any], T]) -> T:
    """What is kept of a scene file's entry for one image."""
    entries = _entries(path, condense)
    if int(stem) not in entries:
        raise DatasetError(f"{path}: expected an entry for image {int(stem)}, found none")
    return entries[int(stem)]


@lru_cache(maxsize=3)  # the three files of the scene that is being read
def _entries(path: Path, condense: Callable[[Any], T]) -> dict[int, T]:
    content = _load(path)
    try:
        return {int(image): condense(entry) for image, entry in content.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: expected entries of BOP's form by image number, found: {error!r}") from error


def _visible_shares(entry: Any) -> list[float]:
    return [float(each["visib_fract"]) for each in entry]


def _depth_scale(entry: Any) -> float:
    return float(entry["depth_scale"])


def _targets(path: Path) -> set[tuple[int, ...]]:
    try:
        return {(int(target["scene_id"]), int(target["im_id"])) for target in _load(path)}
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: expected a list of targets with scene_id and im_id, found: {error!r}") from error


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected a JSON file, found: {error}") from error

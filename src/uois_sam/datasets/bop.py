"""Any data set in the BOP format, labelled by its masks of visible parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import uuid4

from msgspec import Meta

from uois_sam.datasets.base import Annotation, DatasetInfo, FrameDataset, FrameOptions
from uois_sam.datasets.cameras import camera_of_matrix
from uois_sam.datasets.labels import check_same_size, read_label_map
from uois_sam.datasets.layout import contents, find_root, list_pictures, natural, pair_notes
from uois_sam.datasets.painting import Painter
from uois_sam.errors import DatasetError, count
from uois_sam.io.files import is_file, stamp
from uois_sam.io.json_files import read_json
from uois_sam.types import Camera
from uois_sam.validation import Fraction, validated

_PHOTO_FOLDERS = ("rgb", "gray")
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
        DatasetError: for another layout, or a split whose ground truth is not published.
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
        self.scenes = root / split if os.path.isdir(root / split) else root
        self.min_visible = min_visible
        self._files: dict[str, str] = {}
        self._opened = uuid4().hex
        """Distinguishes what was read for this data set from earlier reads of the same paths."""
        notes: list[str] = []
        for scene in sorted(filter(Path.is_dir, self.scenes.iterdir()), key=lambda path: natural(path.name)):
            notes += self._add_scene(scene)
        if not self._files:
            raise DatasetError(f"{self.scenes}: expected {layout}, found {contents(self.scenes)}")
        names = list(self._files)
        if targets is not None:
            listed = _targets(root / targets)
            names = [name for name in names if tuple(map(int, name.split("/"))) in listed]
        super().__init__(root, names, options, notes=notes)

    def _add_scene(self, scene: Path) -> list[str]:
        """Add the photos of a scene; return notes on files left out."""
        folder = next((folder for folder in _PHOTO_FOLDERS if os.path.isdir(scene / folder)), None)
        if folder is None:
            return []
        for needed in ("scene_gt.json", "mask_visib"):
            if not os.path.exists(scene / needed):
                raise DatasetError(
                    f"{scene}: expected {needed}, found {contents(scene)}; is the ground truth of this split published?"
                )
        listing = list_pictures(scene / folder)
        for stem, file in listing.files.items():
            if not (scene.name + stem).isdecimal():
                raise DatasetError(
                    f"{scene}: expected numbers as names of scenes and images, found {scene.name}/{stem}"
                )
            self._files[f"{scene.name}/{stem}"] = f"{folder}/{file}"
        numbers = {int(stem) for stem in listing.files}
        labelled = {name.partition("_")[0] for name in os.listdir(scene / "mask_visib")}
        lonely = [stem for stem in sorted(labelled) if stem.isdecimal() and int(stem) not in numbers]
        return [f"scene {scene.name}: {note}" for note in (*listing.notes, *pair_notes((), lonely, "labelled image"))]

    def _photo(self, name: str) -> Path:
        return self.scenes / name.partition("/")[0] / self._files[name]

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        scene, _, stem = name.partition("/")
        folder = self.scenes / scene
        count = self._of_image(folder / "scene_gt.json", stem, _number)
        shares = self._shares(folder / "scene_gt_info.json", stem, count)
        painter = Painter(image_hw)
        for index in range(count):
            source = folder / "mask_visib" / f"{stem}_{index:06d}.png"
            mask = read_label_map(source) > 0
            check_same_size(source, mask, self._photo(name).name, image_hw)
            if shares and shares[index] < self.min_visible:
                painter.ignore(mask)
            else:
                painter.paint(mask, index + 1)
        there = painter.visible()
        fractions = {index + 1: share for index, share in enumerate(shares) if index + 1 in there}
        return Annotation(painter.labels, folder / "mask_visib", painter.ignored, fractions or None, painter.notes())

    def _shares(self, info: Path, stem: str, objects: int) -> list[float]:
        """Return the visible share of each object; empty if the data set lacks it and nothing depends on it."""
        if not is_file(info) and self.min_visible == 0:
            return []
        shares = self._of_image(info, stem, _visible_shares)
        if len(shares) != objects:
            raise DatasetError(
                f"{info}: expected {count(objects, 'object')} for image {int(stem)}, found {len(shares)}"
            )
        return shares

    def _depth(self, name: str) -> tuple[Path, float] | None:
        scene, _, stem = name.partition("/")
        folder = self.scenes / scene
        files = [folder / "depth" / f"{stem}{suffix}" for suffix in (".png", ".tif")]
        found = next((file for file in files if is_file(file)), None)
        if found is None:
            return None
        return found, self._of_image(folder / "scene_camera.json", stem, _depth_and_camera)[0] * _MILLIMETRE_M

    def _camera(self, name: str) -> Camera | None:
        scene, _, stem = name.partition("/")
        return self._of_image(self.scenes / scene / "scene_camera.json", stem, _depth_and_camera)[1]

    def _of_image(self, path: Path, stem: str, condense: Callable[[Any, str], T]) -> T:
        """Return the condensed entry of one image in a scene file."""
        try:
            entries = _entries(path, condense, stamp(path), self._opened)
        except OSError as error:
            raise DatasetError(f"{path}: expected a JSON file, found: {error.strerror or error}") from error
        if int(stem) not in entries:
            raise DatasetError(f"{path}: expected an entry for image {int(stem)}, found none")
        return entries[int(stem)]


@lru_cache(maxsize=3)  # the three files of the scene that is being read
def _entries(path: Path, condense: Callable[[Any, str], T], stamped: tuple[int, int], opened: str) -> dict[int, T]:
    content = read_json(path, error=DatasetError)
    where = f"{path}: expected entries of BOP's form by image number"
    if not isinstance(content, dict) or not all(name.isdecimal() and len(name) < 20 for name in content):
        raise DatasetError(f"{where}, found other content")
    return {int(image): condense(entry, f"{where}; image {image}") for image, entry in content.items()}


@dataclass(frozen=True)
class _Visibility:
    visib_fract: Fraction


def _number(entry: Any, where: str) -> int:
    return len(validated(entry, list[dict[str, Any]], where, DatasetError))


def _visible_shares(entry: Any, where: str) -> list[float]:
    return [each.visib_fract for each in validated(entry, list[_Visibility], where, DatasetError)]


def _depth_and_camera(entry: Any, where: str) -> tuple[float, Camera | None]:
    """Millimetres a step, and intrinsics if there are any."""
    known = {name: entry[name] for name in ("depth_scale",) if isinstance(entry, dict) and name in entry}
    scale = validated(known, _DepthScale, where, DatasetError).depth_scale
    matrix = entry.get("cam_K") if isinstance(entry, dict) else None
    return scale, None if matrix is None else camera_of_matrix(matrix, f"{where}: cam_K")


@dataclass(frozen=True)
class _DepthScale:
    depth_scale: Annotated[float, Meta(gt=0, le=1e6)]


@dataclass(frozen=True)
class _Target:
    scene_id: int
    im_id: int


def _targets(path: Path) -> set[tuple[int, ...]]:
    content = read_json(path, error=DatasetError)
    targets = validated(
        content, list[_Target], f"{path}: expected a list of targets with scene_id and im_id", DatasetError
    )
    return {(target.scene_id, target.im_id) for target in targets}

"""Formats of other tools beside the command's own files: what is chosen, and a photo's part of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from uois_sam.cli.options import read_intrinsics
from uois_sam.cli.segment.inputs import Photo
from uois_sam.errors import UOISError

if TYPE_CHECKING:
    from uois_sam.exchange.format import EncodedPhoto, Format
    from uois_sam.exchange.photo import LabelledPhoto
    from uois_sam.instances import Instances
    from uois_sam.types import Camera, FloatArray, ImageArray, LabelMap

NATIVE = "native"
"""NAME_label.png, NAME_overlay.jpg and NAME.json."""
DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".npy")


@dataclass(frozen=True)
class FormatChoice:
    """Formats of the results."""

    format: str = NATIVE
    """Formats of the results, joined by commas: native, coco, yolo, labelme, label-studio, voc, bop, grasp. All but
    native go into a folder of their name below --out."""
    shapes: Literal["mask", "polygon"] = "mask"
    """Masks in coco, labelme, label-studio and yolo: exact, or outlines to edit (within a pixel)."""
    coco_images: Path | None = None
    """Your own COCO file, of which coco takes the ids of images (by file name) and of categories."""
    depth: Path | None = None
    """Folder of depth images named like the photos and registered to them (PNG, TIFF; .npy in metres): what stands
    outside the workspace, or is the support, is then not taken for an object. Also for grasp."""
    depth_scale: float = 0.001
    """Metres that one step of the depth images stands for."""
    intrinsics: str | None = None
    """The camera's fx,fy,cx,cy in pixels, for --depth."""

    def plan(self, *, on_cluster: bool = False) -> FormatPlan:
        """Check the choice.

        Raises:
            UOISError: for an unknown format, or options that do not fit together.
        """
        names = [name.strip() for name in self.format.split(",") if name.strip()]
        others = [name for name in names if name != NATIVE]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UOISError(f"--format: expected every format once, found {twice} more often")
        if not names:
            raise UOISError("--format: expected native, coco or another format, found none")
        depth = self._depth() if self.depth is not None or self.intrinsics is not None else None
        if depth is not None and on_cluster:
            raise UOISError("--depth: expected a run on this machine, which has the depth images, found --ray")
        if not others:
            self._expect_unused("coco", self.coco_images, "coco_images")
            return FormatPlan(depth=depth)
        from uois_sam.exchange.coco import read_coco_ids
        from uois_sam.exchange.format import FormatOptions
        from uois_sam.exchange.registry import FORMATS, open_formats
        from uois_sam.validation import nearest

        for name in others:
            if name not in FORMATS:
                known = (NATIVE, *FORMATS)
                raise UOISError(f"--format: expected {', '.join(known)}, found {name!r}{nearest(name, known)}")
        if "coco" not in others:
            self._expect_unused("coco", self.coco_images, "coco_images")
        ids = None if self.coco_images is None else read_coco_ids(self.coco_images)
        formats = open_formats(others, FormatOptions(self.shapes, ids))
        if any(each.needs_depth for each in formats):
            if on_cluster:
                raise UOISError(
                    "--format grasp: expected a run on this machine, which has the depth images, found --ray"
                )
            if depth is None:
                raise UOISError("--format grasp: expected --depth and --intrinsics, found no --depth")
        return FormatPlan(NATIVE in names, formats, depth)

    def _expect_unused(self, of: str, value: object, option: str) -> None:
        if value is not None:
            raise UOISError(f"--{option.replace('_', '-')}: expected {of} among the formats, found {self.format}")

    def _depth(self) -> DepthFolder:
        if self.depth is None or self.intrinsics is None:
            lacking = "--depth" if self.depth is None else "--intrinsics"
            raise UOISError(f"expected --depth and --intrinsics together, found no {lacking}")
        if not self.depth.is_dir():
            raise UOISError(f"--depth {self.depth}: expected a folder of depth images, found none")
        if not 0 < self.depth_scale <= 1:
            raise UOISError(f"--depth-scale: expected metres a step, above 0 and at most 1, found {self.depth_scale:g}")
        return DepthFolder(self.depth, self.depth_scale, read_intrinsics(self.intrinsics))


@dataclass(frozen=True)
class DepthFolder:
    """Depth images beside photos, and the camera of both."""

    folder: Path
    unit_m: float
    """Metres a step; arrays (.npy) are in metres."""
    camera: Camera

    def read(self, photo: Photo) -> FloatArray:
        """Return the (H, W) float32 depth of a photo in metres.

        Raises:
            UOISError: if it is missing or unreadable.
        """
        from uois_sam.datasets.labels import read_depth

        stem = self.folder / PurePosixPath(photo.name).with_suffix("")
        there = [path for suffix in DEPTH_SUFFIXES if (path := stem.with_name(stem.name + suffix)).is_file()]
        if len(there) != 1:
            found = " and ".join(path.name for path in there) or "none"
            raise UOISError(f"{photo.name}: expected one depth image {stem}.{{png,tif,tiff,npy}}, found {found}")
        return read_depth(there[0], self.unit_m)

    def beside(self, photo: Photo) -> tuple[dict[str, Any], str]:
        """Return what the model takes of a photo's depth, and without it the reason."""
        try:
            return {"depth": self.read(photo), "camera": self.camera}, ""
        except UOISError as error:
            return {}, f"depth not used: {error}"

    def to_json(self) -> dict[str, Any]:
        """Unit and camera, as records of results hold them."""
        return {"unit_m": self.unit_m, **asdict(self.camera)}


@dataclass(frozen=True)
class FormatPlan:
    """The formats of a run; pickled to other machines."""

    native: bool = True
    formats: tuple[Format, ...] = ()
    depth: DepthFolder | None = None
    to_correct: bool = False
    """Whether the one format is for corrections by hand: in the output folder itself, what is in front last, as
    labelling tools draw it and readers take it once scores are gone, and without objects that are out of sight."""

    def encode(self, photo: Photo, image: ImageArray, instances: Instances, labels: LabelMap) -> InFormats:
        """Encode one photo's results in all formats but the native one."""
        if not self.formats:
            return InFormats()
        return self._encoded(photo, image, instances.labelled(file_name(photo), image, labels))

    def encode_earlier(self, photo: Photo, record: Path) -> InFormats:
        """Encode the results of an earlier run.

        Raises:
            UOISError: if they, or the photo, cannot be read.
        """
        from uois_sam.datasets.labels import read_label_map
        from uois_sam.exchange.native import read_record

        segmap = read_label_map(record.with_name(f"{record.stem}_label.png"))
        found = replace(read_record(record, segmap), file_name=file_name(photo))
        return self._encoded(photo, photo.read(), found)

    def _encoded(self, photo: Photo, image: ImageArray, found: LabelledPhoto) -> InFormats:
        from uois_sam.exchange.format import COVERED, FormatError, expect_text
        from uois_sam.io.photo_files import is_plain

        found, covered = _worst_first(found) if self.to_correct else (found, 0)
        found = replace(found, name=photo.stem.as_posix(), image=image)
        if any(each.needs_photo for each in self.formats) and photo.path is not None:
            content = photo.content if photo.content is not None else photo.path.read_bytes()
            found = replace(found, content=content if photo.path.suffix and is_plain(content) else None)
        if self.depth is not None and any(each.needs_depth for each in self.formats):
            found = replace(found, depth_m=self.depth.read(photo), camera=self.depth.camera)
        encoded: list[EncodedPhoto | None] = []
        problems = []
        for each in self.formats:
            try:
                expect_text(found.file_name)
                one = each.encode(found)
                encoded.append(replace(one, notes={**one.notes, COVERED: covered}) if covered else one)
            except FormatError as error:
                encoded.append(None)
                problems.append(f"{each.name}: {error}")
        return InFormats(tuple(encoded), tuple(problems))


def _worst_first(photo: LabelledPhoto) -> tuple[LabelledPhoto, int]:
    """The objects that the label map shows, the best last; and how many it does not show."""
    import numpy as np

    seen = np.unique(photo.label_map)
    order = [int(label) - 1 for label in seen[::-1] if label]
    scores = None if photo.scores is None else photo.scores[order]
    return replace(photo, masks=photo.masks[order], scores=scores, segmap=None), len(photo) - len(order)


@dataclass(frozen=True)
class InFormats:
    """One photo in the formats of a plan."""

    photos: tuple[EncodedPhoto | None, ...] = ()
    """One for each format; None where it cannot hold the photo."""
    problems: tuple[str, ...] = ()
    """What those formats say."""


def file_name(photo: Photo) -> str:
    """Path of a photo relative to its input folder; frames of a video are called like their results."""
    return photo.name if photo.frame is None else f"{photo.stem.as_posix()}.png"


NATIVE_ONLY = FormatPlan()
"""The command's own files."""

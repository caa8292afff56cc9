"""``uois-sam convert``: a finished data set in another layout, or as one picture to look at."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from uois_sam.errors import count

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.io.contact_sheet import Picture


@dataclass(frozen=True)
class Convert:
    """Convert a data set made by "uois-sam generate" to UOAIS-Sim's COCO layout or to BOP's, or draw a contact sheet.

        uois-sam convert scenes --to sheet --out sheet.jpg

    The layouts need amodal masks (generate --amodal). Photos are hard links to the originals where possible.
    A contact sheet can be drawn of any labelled folder (rgb/NAME.{png,jpg} with label/NAME.png, or ID.{png,jpg} with
    ID_label.png), and with --no-labels of any folder of photos.
    """

    data: tyro.conf.Positional[Path]
    """Folder that "uois-sam generate" wrote; for a sheet, any labelled folder."""
    to: Literal["uoais", "bop", "sheet"]
    """uoais: annotations/coco_anns_uoais_sim_SPLIT.json and SPLIT/{bin,tabletop}/{color,depth}/. bop: SPLIT_pbr/ with
    scene_camera.json, scene_gt.json, scene_gt_info.json, mask/ and mask_visib/. sheet: a JPEG of many scenes."""
    out: Path
    """Folder to write into, or the JPEG."""
    split: Literal["train", "val"] = "train"
    """Name of the split in the new layout."""
    scenes: int = 200
    """Scenes on a contact sheet."""
    labels: bool = True
    """Draw the objects' masks on a contact sheet."""

    def run(self, console: Console) -> int:
        """Convert; return the exit status."""
        from uois_sam.runtime.progress import print_line

        if self.to == "sheet":
            from uois_sam.io.contact_sheet import write_contact_sheet

            read, total = _labelled(self.data, self.out) if self.labels else _alone(self.data, self.out)
            shown = write_contact_sheet(read, total, self.out, self.scenes)
            print_line(console, f"{count(shown, 'scene')} in {self.out}")
        else:
            scenes = convert(self.data, self.out, self.to, self.split, console)
            print_line(console, f"{count(scenes, 'scene')} in {self.out}, as {self.to} writes them")
        return 0


def convert(data: Path, out: Path, layout: Literal["uoais", "bop"], split: str, console: Console) -> int:
    """Convert while showing progress; return the number of scenes.

    Raises:
        MissingExtraError: if the extra ``synth`` is not installed.
        DatasetError: if the data set has no amodal masks.
    """
    from uois_sam.errors import MissingExtraError
    from uois_sam.runtime.progress import progress, tracked

    try:
        from uois_sam.synth.dataset.export import EXPORTERS
        from uois_sam.synth.dataset.reader import read_scenes
    except ImportError as error:
        raise MissingExtraError("uois-sam convert", "synth", str(error.name)) from error
    scenes = read_scenes(data)
    with progress(console) as watch:
        return sum(1 for _ in tracked(EXPORTERS[layout](scenes, out, split), watch, layout, len(scenes)))


def _labelled(folder: Path, out: Path) -> tuple[Callable[[int], Picture], int]:
    """Return a reader and the number of scenes of a labelled folder."""
    from uois_sam.datasets import FolderDataset
    from uois_sam.errors import DatasetError

    try:
        data = FolderDataset(folder)
    except DatasetError as error:
        if os.path.isdir(folder) and _photos(folder, out):
            raise DatasetError(f"{error}; --no-labels draws photos without labels") from error
        raise

    def read(index: int) -> Picture:
        sample = data[index]
        return sample.image, sample.labels

    return read, len(data)


def _alone(folder: Path, out: Path) -> tuple[Callable[[int], Picture], int]:
    """Do as :func:`_labelled` without labels, which may be missing."""
    from uois_sam.datasets import FolderDataset
    from uois_sam.errors import DatasetError
    from uois_sam.io.images import read_image

    try:
        data = FolderDataset(folder)  # tells photos from the labels beside them
    except DatasetError as error:
        photos = _photos(folder, out) if os.path.isdir(folder) else []
        if not photos:
            raise DatasetError(f"{folder}: expected a folder with photos, found none") from error
        return lambda index: (read_image(photos[index]), None), len(photos)
    return lambda index: (data[index].image, None), len(data)


def _photos(folder: Path, out: Path) -> list[Path]:
    from uois_sam.cli.segment.inputs import find_sources

    inner = folder / "rgb"
    sources, _ = find_sources([inner if inner.is_dir() else folder], out)
    return [source.path for source in sources if not source.is_video]

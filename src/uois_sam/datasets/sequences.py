"""Data sets of camera runs, one folder each: base of PhoCAL and HouseCat6D."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from uois_sam.datasets.base import Annotation, Expected, FrameDataset, FrameOptions
from uois_sam.datasets.labels import read_label_map
from uois_sam.datasets.layout import as_named, check_all_there, find_root, list_pictures, natural, pair_notes
from uois_sam.errors import DatasetError
from uois_sam.io.files import read_bounded

_LARGEST_LIST = 1 << 26
"""Bytes of a list of frames."""


class SequenceDataset(FrameDataset):
    """Folders of sequences, each with ``rgb`` and a folder of masks under the same file names.

    Every non-zero value is an object; of three-channel masks the red channel counts. Names are ``<sequence>/000010``.

    Published scores are made from one frame in ten; how they were counted (through all sequences or in each, and from
    which frame on) is not published. Here every tenth frame of the whole list in name order is taken, beginning with
    ``options.offset``; a list of frames can be given instead.
    """

    _patterns: ClassVar[tuple[str, ...]]
    """Names of sequence folders."""
    _masks: ClassVar[str]
    """Folder of masks in each sequence."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        options: FrameOptions | None,
        patterns: tuple[str, ...],
        frame_list: str | os.PathLike[str] | None,
    ) -> None:
        layout = f"{self.info.title}'s {{{','.join(patterns)}}}/{{rgb,{self._masks}}}/NNNNNN.png"
        self.root = find_root(root, [f"{pattern}/rgb" for pattern in patterns], layout)
        sequences = sorted(
            (path for pattern in patterns for path in self.root.glob(pattern) if os.path.isdir(path / "rgb")),
            key=lambda path: natural(path.name),
        )
        notes = [f"{path.name}: {note}" for path in sequences for note in self._left_out(path)]
        names = [f"{path.name}/{frame}" for path in sequences for frame in self._frames(path)]
        if frame_list is not None:
            names = _listed(Path(frame_list), names)
        expected = None
        if patterns == self._patterns and self.info.frames is not None:
            slack = len(sequences) if frame_list is None else 0
            expected = Expected(self.info.frames, slack, missing=self._missing(sequences))
        super().__init__(
            self.root, names, options, every=None if frame_list is None else 1, expected=expected, notes=notes
        )
        check_all_there(self.root, len(self), (self._file(name, self._masks) for name in self.names))

    @abstractmethod
    def _missing(self, sequences: list[Path]) -> str:
        """Describe which known sequences are missing."""

    def _frames(self, sequence: Path) -> list[str]:
        """Return the stems of a sequence's photos, in order."""
        return list(list_pictures(sequence / "rgb", (".png",)).files)

    def _left_out(self, sequence: Path) -> list[str]:
        """Notes on photos in other formats and masks without photos."""
        photos = list_pictures(sequence / "rgb", (".png",))
        masks = list_pictures(sequence / self._masks, (".png",))
        return [*photos.notes, *pair_notes(photos.files, masks.files, "mask")]

    def _photo(self, name: str) -> Path:
        return self._file(name, "rgb")

    def _annotation(self, name: str, image_hw: tuple[int, int]) -> Annotation:
        mask = self._file(name, self._masks)
        return Annotation(read_label_map(mask, red_of_colour=True), mask)

    def _file(self, name: str, kind: str) -> Path:
        sequence, _, frame = name.partition("/")
        return as_named(self.root / sequence / kind / f"{frame}.png")


def _listed(path: Path, names: list[str]) -> list[str]:
    """Read a list of frames from a text file, in its order."""
    try:
        lines = read_bounded(path, _LARGEST_LIST).decode("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: expected a list of photos, found an unreadable file ({error})") from error
    listed = [_name(line) for line in lines]
    there = set(names)
    absent = [line for line, name in zip(lines, listed, strict=True) if name not in there]
    if absent:
        raise DatasetError(
            f"{path}: expected photos of the data set, <sequence>/rgb/<frame>.png, found {absent[0]} "
            f"and {len(absent) - 1} more that are not in it"
        )
    return listed


def _name(line: str) -> str:
    """``<sequence>/<frame>`` of a path that ends in ``<sequence>/rgb/<frame>.png``; other paths unchanged."""
    plain = line.replace("\\", "/")
    parts = plain.split("/")
    return f"{parts[-3]}/{parts[-1].removesuffix('.png')}" if len(parts) > 2 and parts[-2] == "rgb" else plain

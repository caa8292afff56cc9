"""BOP: detections and segmentations in the JSON of the BOP challenge, which CNOS, SAM-6D and others read, too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

import msgspec

from uois_sam.exchange.format import EMPTY, EncodedPhoto, Format, Gathering, Scratch, copied_from
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.io.files import Content

NUMBERED = "photos whose names are not BOP's SCENE/rgb/IMAGE, numbered in scene 0"
_FILE = "uois-sam_dataset-test.json"
_NO_SCORE = 1.0
_NO_TIME = -1.0
"""What BOP asks for where no time was taken."""


class BOPFormat(Format):
    """One list of results: ``scene_id, image_id, category_id, score, bbox, segmentation, time``.

    Scene and image come from the file's name where it ends in ``SCENE/rgb/IMAGE.png`` or ``SCENE/IMAGE.png``, both of
    digits; other photos are numbered in scene 0. ``category_id`` is 1: unseen objects have no CAD model. BOP expects
    the file to be called ``METHOD_DATASET-SPLIT.json``.
    """

    name = "bop"

    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """One row per object; scene and image of -1 are numbered when they are gathered."""
        scene, image = scene_and_image(photo.file_name)
        shown = photo.shown()
        rows = []
        for index in shown:
            left, top, right, bottom = photo.boxes[index]
            rows.append(
                {
                    "scene_id": scene,
                    "image_id": image,
                    "category_id": 1,
                    "score": _NO_SCORE if photo.scores is None else float(photo.scores[index]),
                    "bbox": [left, top, right - left, bottom - top],
                    "segmentation": photo.encoded[index],
                    "time": _NO_TIME if photo.seconds is None else photo.seconds,
                }
            )
        notes = Counter({EMPTY: len(photo) - len(shown), NUMBERED: int(scene < 0)})
        return EncodedPhoto(photo.file_name, photo.stem, rows=tuple(rows), notes=notes)

    def gather(self, scratch: Scratch) -> Gathering:
        """Begin the list."""
        return _List(scratch)


class _List(Gathering):
    def __init__(self, scratch: Scratch) -> None:
        super().__init__()
        self.file = scratch()
        self.rows = self.numbered = 0

    def add(self, encoded: EncodedPhoto) -> None:
        unnamed = bool(encoded.notes.get(NUMBERED))
        for row in encoded.rows:
            named = {**row, "scene_id": 0, "image_id": self.numbered} if unnamed else row
            self.file.write((b",\n" if self.rows else b"\n") + msgspec.json.encode(named))
            self.rows += 1
        self.numbered += unnamed

    def finish(self) -> Mapping[str, Content]:
        return {_FILE: copied_from(b"[", self.file, b"]\n")}


def scene_and_image(file_name: str) -> tuple[int, int]:
    """Numbers of scene and image in a name such as ``000048/rgb/000001.png``; -1 and -1 where there are none."""
    found = re.search(r"(?:^|/)(\d+)/(?:(?:rgb|gray)/)?(\d+)$", PurePosixPath(file_name).with_suffix("").as_posix())
    return (int(found[1]), int(found[2])) if found else (-1, -1)

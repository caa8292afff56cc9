"""YOLO segmentation: ``images/``, ``labels/*.txt`` with normalised polygons, and ``data.yaml``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from uois_sam.exchange.format import COVERED, EMPTY, NO_IGNORE, EncodedPhoto, Format, FormatError, Gathering, Scratch
from uois_sam.exchange.photo import TOLERANCE_PX, LabelledPhoto
from uois_sam.io.files import Content
from uois_sam.io.outlines import one_polygon


class YoloFormat(Format):
    """A data set as Ultralytics' YOLO reads it, one row an object: its class and one polygon, from 0 to 1.

    Pieces and holes of an object are joined by bridges of no width. Polygons hold what is visible of an object, as the
    label map does; scores have no place in it.
    """

    name = "yolo"
    needs_photo = True

    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """Photo and labels; classes are numbered in the order of the options."""
        height, width = photo.image_hw
        tolerance = 0.0 if self.options.shapes == "mask" else TOLERANCE_PX
        shown, covered = photo.shown(), 0
        lines = []
        for index in shown:
            if (name := photo.category(index)) not in self.options.names:
                raise FormatError(
                    f"{photo.file_name}: expected categories out of {', '.join(self.options.names)}, found {name}"
                )
            visible = photo.label_map == index + 1  # a file of labels does not say which object is in front
            if not visible.any():
                covered += 1
                continue
            ring = one_polygon(visible, tolerance) / (width, height)
            lines.append(f"{self.options.names.index(name)} " + " ".join(f"{value:.7g}" for value in ring.reshape(-1)))
        files = {f"labels/{photo.stem}.txt": "".join(line + "\n" for line in lines).encode()}
        if (file := photo.photo_file()) is not None:
            files = {f"images/{file[0]}": file[1], **files}
        unsaid = photo.ignore is not None and bool(photo.ignore.any())
        notes = Counter({EMPTY: len(photo) - len(shown), NO_IGNORE: int(unsaid), COVERED: covered})
        return EncodedPhoto(photo.file_name, photo.stem, files, notes=notes)

    def gather(self, scratch: Scratch) -> Gathering:
        """Begin ``data.yaml``, which needs no rows."""
        return _Description(self.options.names)


class _Description(Gathering):
    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names

    def finish(self) -> Mapping[str, Content]:
        lines = ["train: images", "val: images", "names:"]
        lines += [f"  {number}: {json.dumps(name)}" for number, name in enumerate(self.names)]
        return {"data.yaml": ("\n".join(lines) + "\n").encode()}

"""Pascal VOC: palette images of objects and classes, and an XML file of boxes, for each photo."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam.exchange.format import (
    COVERED,
    EMPTY,
    EncodedPhoto,
    Format,
    FormatError,
    Gathering,
    Scratch,
    copied_from,
)
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.io.files import Content

VOID = 255
"""Value of pixels of which nothing is known."""
_MOST = VOID - 1


class VOCFormat(Format):
    """``JPEGImages, Annotations/*.xml, SegmentationObject/*.png, SegmentationClass/*.png, ImageSets, labelmap.txt``.

    Object i is value i + 1 of ``SegmentationObject``; ignored pixels are 255 in both maps. Boxes count from 1, both
    ends inclusive, as VOC's do. A map shows one object a pixel, the better one; scores have no place in it.
    """

    name = "voc"
    needs_photo = True

    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """Photo, boxes and the two maps."""
        if len(photo) > _MOST:
            raise FormatError(f"{photo.file_name}: VOC's maps hold {_MOST} objects, found {len(photo)}")
        names = self.options.names
        unknown = [name for name in map(photo.category, range(len(photo))) if name not in names]
        if unknown:
            raise FormatError(f"{photo.file_name}: expected categories out of {', '.join(names)}, found {unknown[0]}")
        numbers = np.array([0, *(names.index(photo.category(i)) + 1 for i in range(len(photo)))], np.uint8)
        objects = photo.label_map.astype(np.uint8)
        classes = numbers[objects]
        if photo.ignore is not None:
            objects[photo.ignore], classes[photo.ignore] = VOID, VOID
        shown, file = photo.shown(), photo.photo_file()
        covered = len(set(shown) - {int(value) - 1 for value in np.unique(photo.label_map) if value})
        files = {
            f"Annotations/{photo.stem}.xml": _boxes(photo, shown, file[0] if file else photo.file_name),
            f"SegmentationObject/{photo.stem}.png": _palette_png(objects),
            f"SegmentationClass/{photo.stem}.png": _palette_png(classes),
        }
        if file is not None:
            files = {f"JPEGImages/{file[0]}": file[1], **files}
        notes = Counter({EMPTY: len(photo) - len(shown), COVERED: covered})
        return EncodedPhoto(photo.file_name, photo.stem, files, ({"stem": photo.stem},), notes)

    def gather(self, scratch: Scratch) -> Gathering:
        """Begin the list of names."""
        return _Lists(self.options.names, scratch)


class _Lists(Gathering):
    def __init__(self, names: tuple[str, ...], scratch: Scratch) -> None:
        super().__init__()
        self.names, self.file = names, scratch()

    def add(self, encoded: EncodedPhoto) -> None:
        self.file.write(f"{encoded.stem}\n".encode())

    def finish(self) -> Mapping[str, Content]:
        colours = voc_palette()
        numbers = {"background": 0, **{name: k for k, name in enumerate(self.names, 1)}, "ignored": VOID}
        rows = [f"{name}:{','.join(map(str, colours[number]))}::" for name, number in numbers.items()]
        text = "\n".join(["# label:color_rgb:parts:actions", *rows]) + "\n"
        return {"ImageSets/Segmentation/default.txt": copied_from(self.file), "labelmap.txt": text.encode()}


def voc_palette() -> npt.NDArray[np.uint8]:
    """(256, 3) uint8 RGB: VOC's colours, the bits of a number spread over the three channels."""
    numbers = np.arange(256)
    bits = [sum(((numbers >> (3 * step + channel)) & 1) << (7 - step) for step in range(8)) for channel in range(3)]
    return np.stack(bits, axis=1).astype(np.uint8)


def _palette_png(labels: npt.NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(labels)
    picture.putpalette(voc_palette().tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _boxes(photo: LabelledPhoto, shown: list[int], file_name: str) -> bytes:
    height, width = photo.image_hw
    root = ElementTree.Element("annotation")
    path = PurePosixPath(file_name)
    _add(root, folder=path.parent.as_posix().removeprefix("."), filename=path.name)
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=3)
    _add(root, segmented=1)
    for index in shown:
        left, top, right, bottom = photo.boxes[index]
        found = ElementTree.SubElement(root, "object")
        _add(found, name=photo.category(index), pose="Unspecified", truncated=0, difficult=0)
        _add(ElementTree.SubElement(found, "bndbox"), xmin=left + 1, ymin=top + 1, xmax=right, ymax=bottom)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _add(parent: ElementTree.Element, **values: object) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, name).text = str(value)

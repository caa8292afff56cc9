"""Label Studio: a list of tasks with predictions, to correct by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np

from uois_sam.exchange.format import EMPTY, NO_IGNORE, EncodedPhoto, Format, Gathering, Scratch, copied_from
from uois_sam.exchange.photo import TOLERANCE_PX, LabelledPhoto
from uois_sam.io.files import Content
from uois_sam.io.outlines import edge_polygons, has_holes
from uois_sam.types import BoolArray

_LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio addresses files below its LOCAL_FILES_DOCUMENT_ROOT."""
_RUN_BITS = (3, 4, 8, 16)
"""Bits of a length, by its class."""
_LARGEST_RUN = 1 << _RUN_BITS[-1]


@dataclass(frozen=True)
class Controls:
    """Names of the controls of a labelling interface; at least one of brush and polygon."""

    brush: str | None
    """Of ``BrushLabels``."""
    polygon: str | None
    """Of ``PolygonLabels``; preferred for masks without holes."""
    image: str
    """Of the ``Image`` that they label."""


class LabelStudioFormat(Format):
    """``tasks.json`` to import into a project, copies of the photos, and ``labels.xml``, the project's interface.

    Masks are brush strokes, exact; with polygons, one for each piece of an object, within a pixel (an object with holes
    stays a brush stroke). Photos are addressed as local files below the folder that holds this one's ``images``.
    """

    name = "label-studio"
    needs_photo = True

    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """The photo, and its task."""
        file = photo.photo_file()
        shown = photo.shown()
        regions = [region for index in shown for region in self._regions(photo, index)]
        score = {} if photo.scores is None or not shown else {"score": float(photo.scores[shown].mean())}
        name = photo.file_name if file is None else file[0]
        task = {
            "data": {"image": f"{_LOCAL_FILES}{quote(f'images/{name}')}"},
            "predictions": [{"model_version": "uois-sam", "result": regions, **score}],
        }
        unsaid = photo.ignore is not None and bool(photo.ignore.any())
        notes = Counter({EMPTY: len(photo) - len(shown), NO_IGNORE: int(unsaid)})
        files = {} if file is None else {f"images/{name}": file[1]}
        return EncodedPhoto(photo.file_name, photo.stem, files, (task,), notes)

    def _regions(self, photo: LabelledPhoto, index: int) -> list[dict[str, Any]]:
        score = None if photo.scores is None else float(photo.scores[index])
        controls = Controls("label", None if self.options.shapes == "mask" else "polygon", "image")
        return regions_of(photo.masks[index], photo.category(index), f"{index + 1}", score, controls)

    def gather(self, scratch: Scratch) -> Gathering:
        """Begin the list of tasks."""
        return _Tasks(self.options.names, scratch)


class _Tasks(Gathering):
    def __init__(self, names: tuple[str, ...], scratch: Scratch) -> None:
        super().__init__()
        self.names, self.file, self.count = names, scratch(), 0

    def add(self, encoded: EncodedPhoto) -> None:
        for task in encoded.rows:
            self.file.write((b",\n" if self.count else b"\n") + msgspec.json.encode(task))
            self.count += 1

    def finish(self) -> Mapping[str, Content]:
        from xml.sax.saxutils import quoteattr

        labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in self.names)
        interface = (
            '<View>\n  <Image name="image" value="$image"/>\n'
            f'  <BrushLabels name="label" toName="image">\n{labels}  </BrushLabels>\n'
            f'  <PolygonLabels name="polygon" toName="image">\n{labels}  </PolygonLabels>\n</View>\n'
        )
        return {"tasks.json": copied_from(b"[", self.file, b"]\n"), "labels.xml": interface.encode()}


def regions_of(mask: BoolArray, label: str, key: str, score: float | None, controls: Controls) -> list[dict[str, Any]]:
    """One mask as regions of a result: a brush stroke, or a polygon for each piece of a mask without holes.

    Args:
        mask: (H, W) bool.
        label: its name in the labelling interface.
        key: id of the region, to which pieces add their number.
        score: its score.
        controls: of the interface; without a brush, polygons take masks with holes as well, by bridges.
    """
    height, width = mask.shape
    common = {
        "to_name": controls.image, "original_width": width, "original_height": height, "image_rotation": 0,
        **({} if score is None else {"score": score}),
    }  # fmt: skip
    rings = [] if controls.polygon is None else edge_polygons(mask, TOLERANCE_PX)
    if controls.brush is not None and (not rings or has_holes(mask)):
        value: dict[str, Any] = {"format": "rle", "rle": brush_rle(mask), "brushlabels": [label]}
        return [{"id": key, "from_name": controls.brush, "type": "brushlabels", "value": value, **common}]
    percent = np.array([100 / width, 100 / height])
    return [
        {
            "id": key if len(rings) == 1 else f"{key}-{piece}",
            "from_name": controls.polygon,
            "type": "polygonlabels",
            "value": {"points": (ring * percent).tolist(), "polygonlabels": [label], "closed": True},
            **common,
        }
        for piece, ring in enumerate(rings, 1)
    ]


def brush_rle(mask: BoolArray) -> list[int]:
    """Encode an (H, W) mask as Label Studio's brush: the bytes of an RGBA picture of it, in runs.

    The bits are: number of bytes (32), bits of a byte - 1 (5), bits of each class of lengths - 1 (4 each), then for
    each run 1, its class (2), its length - 1 and its byte.
    """
    flat = mask.reshape(-1)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    bits = [f"{4 * flat.size:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in _RUN_BITS)]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        left, value = 4 * (end - start), f"{255 * int(flat[start]):08b}"
        while left:
            length = min(left, _LARGEST_RUN)
            kind = next(index for index, size in enumerate(_RUN_BITS) if length <= 1 << size)
            bits.append(f"1{kind:02b}{length - 1:0{_RUN_BITS[kind]}b}{value}")
            left -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))

"""Formats by their name on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uois_sam.errors import UOISError
from uois_sam.exchange.bop import BOPFormat
from uois_sam.exchange.coco import CocoFormat
from uois_sam.exchange.format import Format, FormatOptions
from uois_sam.exchange.grasp import GraspFormat
from uois_sam.exchange.label_studio import LabelStudioFormat
from uois_sam.exchange.labelme import LabelmeFormat
from uois_sam.exchange.voc import VOCFormat
from uois_sam.exchange.yolo import YoloFormat
from uois_sam.validation import nearest

FORMATS: Mapping[str, type[Format]] = {
    each.name: each
    for each in (CocoFormat, YoloFormat, LabelmeFormat, LabelStudioFormat, VOCFormat, BOPFormat, GraspFormat)
}
"""Formats of other tools; a new one is a file in this folder, an import and a name here."""


def open_formats(names: Iterable[str], options: FormatOptions | None = None) -> tuple[Format, ...]:
    """Return formats by name.

    Raises:
        UOISError: if there is none of a name; the message has the nearest.
    """
    names = tuple(dict.fromkeys(names))
    for name in names:
        if name not in FORMATS:
            raise UOISError(f"expected formats out of {', '.join(FORMATS)}, found {name!r}{nearest(name, FORMATS)}")
    return tuple(FORMATS[name](options or FormatOptions()) for name in names)

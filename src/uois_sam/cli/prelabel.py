"""``uois-sam prelabel``: labels of a model to correct by hand, in the format of a labelling tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from uois_sam.cli.find_elsewhere import FindWithoutDepthOptions
from uois_sam.cli.options import ModelOptions
from uois_sam.cli.segment.command import Segment, segment_inputs
from uois_sam.cli.segment.formats import FormatPlan
from uois_sam.errors import OutputError
from uois_sam.runtime.progress import print_line

if TYPE_CHECKING:
    from uois_sam.cli.segment.outputs import Segmenter

_LABELS = {"labelme": "**/*.json", "coco": "annotations/instances_default.json", "label-studio": "tasks.json"}
"""What hands correct in a folder of each format."""
_NEXT = {
    "labelme": "correct them: labelme {out} (then: uois-sam finetune {out} --kind labelme --out RUN)",
    "coco": "correct them: import {out} as COCO, for example into CVAT; export as COCO with photos "
    "(then: uois-sam finetune EXPORT --kind coco --out RUN)",
    "label-studio": "correct them: import {out}/tasks.json with {out}/labels.xml as the interface; export as COCO with "
    "photos (then: uois-sam finetune EXPORT --kind coco --out RUN)",
}


@dataclass(frozen=True)
class _LabellingModelOptions(ModelOptions):
    """The model of labels, which sees photos without depth."""

    find: tyro.conf.OmitArgPrefixes[FindWithoutDepthOptions] = field(default_factory=FindWithoutDepthOptions)


@dataclass(frozen=True)
class PreLabel:
    """Label photos with a model, to be corrected by hand in a labelling tool and learned from.

        uois-sam prelabel photos/ --format labelme --out labels
        labelme labels
        uois-sam finetune labels --kind labelme --out runs/bench

    The folder --out holds the photos and opens in the tool: NAME.json beside each photo for LabelMe;
    annotations/instances_default.json and images/default/ for CVAT and other readers of COCO; tasks.json, images/ and
    labels.xml for Label Studio. A folder with labels, which hands may have corrected, is left alone unless --overwrite
    is given.

    Exit status: 0 success; 1 some inputs failed (listed at the end); 2 nothing could be done; 130 interrupted.
    """

    first: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """Photo, video, or folder of them; a pattern in quotes ('photos/*.jpg')."""
    others: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[INPUT...]")]
    """More of them."""
    format: Literal["labelme", "coco", "label-studio"]
    """Format of the labels."""
    out: Path
    """Folder for photos and labels; created if missing."""
    shapes: Literal["polygon", "mask"] = "polygon"
    """Outlines to edit, within a pixel (in labelme and label-studio an object with holes stays a mask); or exact
    masks."""
    model: tyro.conf.OmitArgPrefixes[_LabellingModelOptions] = field(default_factory=_LabellingModelOptions)
    overwrite: bool = False
    """Replace labels in --out."""
    workers: int | None = None
    """Photos in the model at the same time, as of "uois-sam segment"."""

    def run(self, console: Console) -> int:
        """Label all photos and return the exit status.

        Raises:
            UOISError: as :meth:`Segment.run`; OutputError if there are labels in --out.
        """
        return prelabel(self, console, self.model.load)


def prelabel(options: PreLabel, console: Console, load_model: Callable[[], Segmenter]) -> int:
    """Do as :meth:`PreLabel.run` with any model."""
    from uois_sam.exchange.format import FormatOptions
    from uois_sam.exchange.registry import open_formats

    options.model.find.expect_depth(False)
    there = next(options.out.glob(_LABELS[options.format]), None)
    if there is not None and not options.overwrite:
        raise OutputError(
            f"--out {options.out}: expected a folder without labels, found {there}, which may have been corrected by "
            "hand: give another --out, or --overwrite to replace them"
        )
    formats = open_formats([options.format], FormatOptions(options.shapes, photos=True))
    asked = Segment(options.first, options.others, options.out, options.model, workers=options.workers)
    status = segment_inputs(asked, console, load_model, FormatPlan(native=False, formats=formats, to_correct=True))
    if status < 2:
        print_line(console, _NEXT[options.format].format(out=options.out))
    return status

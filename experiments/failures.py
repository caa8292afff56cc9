"""Pictures of failures: the scenes with most errors of each kind.

    python experiments/failures.py DATA_ROOT [--model compact] [--limit N] [--each 2] --out docs/images

Writes failure_01.jpg, failure_02.jpg, ...: the photo, the truth and what was found, coloured by what became of every
object (``evaluation.error_kinds``), and prints a line for each. No frame is shown twice.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rows import score_rows
from uois_sam import UOISSAM
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation.error_kinds import ERROR_KINDS, ErrorKind
from uois_sam.evaluation.frame_scores import FrameResult, Prediction
from uois_sam.evaluation.report.gallery import draw
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.training.splits import first_images
from uois_sam.types import ImageArray, Sample

PANEL_WH = (400, 300)


def choose(frames: Sequence[FrameResult], each: int) -> list[tuple[ErrorKind, FrameResult]]:
    """Choose the frames with most errors of each kind, each frame once; ties are broken by lower F."""
    chosen: list[tuple[ErrorKind, FrameResult]] = []
    for kind in ERROR_KINDS:
        taken = {frame.name for _, frame in chosen}
        order = sorted(frames, key=lambda frame: (-frame.errors.of(kind), frame.scores.overlap.f_measure))
        left = [frame for frame in order if frame.name not in taken and frame.errors.of(kind)]
        chosen += [(kind, frame) for frame in left[:each]]
    return chosen


def picture(model: UOISSAM, sample: Sample) -> bytes:
    """Draw photo, truth and result side by side, as JPEG."""
    drawn = draw(sample, Prediction(model.predict(sample.image).label_map()))
    panels = [cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR), _decoded(drawn.truth), _decoded(drawn.prediction)]
    row = np.hstack([cv2.resize(panel, PANEL_WH, interpolation=cv2.INTER_AREA) for panel in panels])
    return bytes(cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, 80])[1])


def _decoded(jpeg: bytes) -> ImageArray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), dtype=np.uint8)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder of labelled scenes")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="look at the first N scenes only")
    parser.add_argument("--each", type=int, default=2, help="pictures for each kind of error (default: 2)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    arguments = parser.parse_args()
    try:
        data = first_images(FolderDataset(arguments.data_root), arguments.limit)
        model = UOISSAM.from_pretrained(arguments.model)
        make_output_folder(arguments.out)
        frames = score_rows(data, lambda sample: {"model": model.predict(sample.image).label_map()})["model"]
    except UOISError as error:
        print(f"failures: {error}", file=sys.stderr)
        return 2
    for number, (kind, frame) in enumerate(choose(frames, arguments.each), start=1):
        path = arguments.out / f"failure_{number:02d}.jpg"
        write_atomically(path, picture(model, data[data.names.index(frame.name)]))
        counts = ", ".join(f"{name} {frame.errors.of(name)}" for name in ERROR_KINDS)
        print(f"{path.name}: {kind}, frame {frame.name}, F {100 * frame.scores.overlap.f_measure:.1f}; {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pictures of what goes wrong: of every kind of error the scenes that have most of it.

    python benchmarks/failures.py DATA_ROOT [--model compact] [--limit N] [--each 2] --out docs/images

Writes failure_01.jpg, failure_02.jpg, ...: the photo, the truth and what was found, coloured by what became of every
object (``evaluation.error_kinds``), and prints a line for each. No frame is shown twice.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from uois_sam import UOISSAM
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import score_image
from uois_sam.evaluation.error_kinds import ERROR_KINDS, ErrorCounts, ErrorKind, diagnose
from uois_sam.evaluation.frame_scores import Prediction
from uois_sam.evaluation.overlaps import compare
from uois_sam.evaluation.report.gallery import draw
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.types import ImageArray, LabelMap

PANEL_WH = (400, 300)


@dataclass(frozen=True)
class Case:
    """One frame after prediction."""

    index: int
    f_measure: float
    errors: ErrorCounts
    found: LabelMap


def look(model: UOISSAM, data: Dataset, frames: int) -> list[Case]:
    """Predict and diagnose the first frames."""
    cases = []
    for index in range(frames):
        sample = data[index]
        found = model.predict(sample.image).label_map()
        errors = diagnose(compare(found, sample.labels, sample.ignore).overlaps).counts()
        scores = score_image(found, sample.labels, ignore=sample.ignore)
        cases.append(Case(index, scores.overlap.f_measure, errors, found))
    return cases


def choose(cases: list[Case], each: int) -> list[tuple[ErrorKind, Case]]:
    """For every kind the frames with most of it that no kind before took; the lower F first among equals."""
    chosen: list[tuple[ErrorKind, Case]] = []
    for kind in ERROR_KINDS:
        taken = {case.index for _, case in chosen}
        order = sorted(cases, key=lambda case: (-case.errors.of(kind), case.f_measure))
        left = [case for case in order if case.index not in taken and case.errors.of(kind)]
        chosen += [(kind, case) for case in left[:each]]
    return chosen


def picture(data: Dataset, case: Case) -> bytes:
    """Photo, truth and result side by side, as JPEG."""
    sample = data[case.index]
    drawn = draw(sample, Prediction(case.found))
    panels = [cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR), _decoded(drawn.truth), _decoded(drawn.prediction)]
    row = np.hstack([cv2.resize(panel, PANEL_WH, interpolation=cv2.INTER_AREA) for panel in panels])
    return bytes(cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, 80])[1])


def _decoded(jpeg: bytes) -> ImageArray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), dtype=np.uint8)


def main() -> int:
    """Run the script; 2 on bad input, told in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder of labelled scenes")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, default=10**6, help="look at the first N scenes only")
    parser.add_argument("--each", type=int, default=2, help="pictures for each kind of error (default: 2)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    arguments = parser.parse_args()
    try:
        data = FolderDataset(arguments.data_root)
        model = UOISSAM.from_pretrained(arguments.model)
        make_output_folder(arguments.out)
        cases = look(model, data, min(len(data), arguments.limit))
    except UOISError as error:
        print(f"failures: {error}", file=sys.stderr)
        return 2
    for number, (kind, case) in enumerate(choose(cases, arguments.each), start=1):
        path = arguments.out / f"failure_{number:02d}.jpg"
        write_atomically(path, picture(data, case))
        counts = ", ".join(f"{name} {case.errors.of(name)}" for name in ERROR_KINDS)
        print(f"{path.name}: {kind}, frame {data.names[case.index]}, F {100 * case.f_measure:.1f}; {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``per_image.csv``: one line per frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from uois_sam.evaluation.frame_scores import FrameResult

FIELDS = (
    *("name", "height", "width"),
    *("overlap_p", "overlap_r", "overlap_f", "boundary_p", "boundary_r", "boundary_f", "over_75"),
    *("true_objects", "predicted_objects", "objects_over_75"),
    *("good", "missed", "merged", "split", "loose", "merging_masks", "surplus_masks", "background_masks"),
    "seconds",
)


def frame_row(result: FrameResult) -> dict[str, Any]:
    """Return a frame's figures by column; ratios in [0, 1]."""
    scores = result.scores
    ratios = (*astuple(scores.overlap), *astuple(scores.boundary), scores.over_75)
    counts = (scores.true_objects, scores.predicted_objects, scores.objects_over_75)
    errors = {name: value for name, value in vars(result.errors).items() if name in FIELDS}
    values = (result.name, *scores.image_hw, *(round(ratio, 6) for ratio in ratios), *counts)
    return {**dict(zip(FIELDS, values, strict=False)), **errors, "seconds": result.seconds}


def to_csv(results: Iterable[FrameResult]) -> bytes:
    """Return the file's content."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for result in results:
        writer.writerow(frame_row(result))
    return text.getvalue().encode()

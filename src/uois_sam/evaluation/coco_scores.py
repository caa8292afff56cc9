"""Class-agnostic COCO average precision and recall, computed by pycocotools.

Matching runs image by image on overlaps that are known already, so that no mask is encoded and only the small results
of matching stay in memory; matching and averaging are pycocotools' own code. Masks are those of a label map, so they
do not overlap: at IoU >= 0.5 no two can match the same object, and average recall does not depend on their scores.
Average precision needs scores.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uois_sam.evaluation.overlaps import Comparison

MAX_DETECTIONS = (1, 10, 100)
"""COCO's limits on masks per image, best first; AP and AR below use 100."""


@dataclass(frozen=True)
class CocoScores:
    """Class-agnostic AP and AR in [0, 1]; None where it is not defined (no scores, or no objects of that size)."""

    ap: float | None
    """Mean over IoU 0.50, 0.55, ..., 0.95."""
    ap_50: float | None
    ap_75: float | None
    ap_small: float | None
    """Objects below 32x32 px."""
    ap_medium: float | None
    ap_large: float | None
    """Objects from 96x96 px on."""
    ar: float | None
    """Mean recall over IoU 0.50, ..., 0.95 with at most 100 masks per image."""
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


@dataclass(frozen=True)
class CocoMatches:
    """Matches of one image, one pycocotools entry for each of the four area ranges."""

    entries: tuple[dict[str, Any] | None, ...]
    has_scores: bool


def match_image(comparison: Comparison, scores: Mapping[int, float] | None) -> CocoMatches:
    """Match one image's masks at all IoU thresholds and area ranges.

    Args:
        comparison: the image's label maps.
        scores: predicted label to score; None when there are none.

    Raises:
        KeyError: if a predicted label has no score.
    """
    overlaps = comparison.overlaps
    ranks = [1.0 if scores is None else scores[label] for label in comparison.predicted_labels]
    best_first = np.argsort(-np.array(ranks), kind="stable")  # as pycocotools sorts
    unions = overlaps.predicted_areas[:, None] + overlaps.true_areas[None] - overlaps.shared
    evaluator = _evaluator([0])
    evaluator._gts = {(0, 1): [_annotation(i, area) for i, area in enumerate(overlaps.true_areas)]}
    evaluator._dts = {(0, 1): [_annotation(i, overlaps.predicted_areas[i], ranks[i]) for i in best_first]}
    evaluator.ious = {(0, 1): (overlaps.shared / unions)[best_first]}
    entries = [evaluator.evaluateImg(0, 1, limits, MAX_DETECTIONS[-1]) for limits in evaluator.params.areaRng]
    return CocoMatches(tuple(_slim(entry) for entry in entries), scores is not None)


def average(images: Sequence[CocoMatches]) -> CocoScores:
    """Average AP and AR over all images; AP is None unless every image has scores."""
    evaluator = _evaluator(list(range(len(images))))
    evaluator._paramsEval = evaluator.params
    evaluator.evalImgs = [image.entries[area] for area in range(len(evaluator.params.areaRng)) for image in images]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.accumulate()
    scored = all(image.has_scores for image in images)
    # Axes: precision[IoU, recall, class, area, max detections], recall[IoU, class, area, max detections].
    precision, recall = evaluator.eval["precision"][:, :, 0, :, -1], evaluator.eval["recall"][:, 0, :, -1]
    ap = [_mean(precision[..., area]) if scored else None for area in range(4)]
    ar = [_mean(recall[..., area]) for area in range(4)]
    ap_50, ap_75 = (_mean(precision[row, :, 0]) if scored else None for row in (0, 5))
    return CocoScores(ap[0], ap_50, ap_75, ap[1], ap[2], ap[3], ar[0], ar[1], ar[2], ar[3])


def _evaluator(image_ids: list[int]) -> Any:
    """COCO's evaluation with its own thresholds and area ranges, for one class."""
    from pycocotools.cocoeval import COCOeval

    evaluator = COCOeval(iouType="segm")
    evaluator.params.imgIds, evaluator.params.catIds = image_ids, [1]
    evaluator.params.maxDets = list(MAX_DETECTIONS)
    return evaluator


def _annotation(index: int, area: int, score: float = 1.0) -> dict[str, Any]:
    """The fields of a mask that matching reads; identifiers start at 1 because 0 means unmatched."""
    return {"id": index + 1, "area": int(area), "score": score, "ignore": 0, "iscrowd": 0}


def _slim(entry: dict[str, Any] | None) -> dict[str, Any] | None:
    """The fields that averaging reads, with one byte per match."""
    if entry is None:
        return None
    return {
        "dtScores": np.asarray(entry["dtScores"], dtype=np.float64),
        "dtMatches": np.asarray(entry["dtMatches"]) > 0,
        "dtIgnore": np.asarray(entry["dtIgnore"], dtype=np.bool_),
        "gtIgnore": np.asarray(entry["gtIgnore"], dtype=np.bool_),
    }


def _mean(values: Any) -> float | None:
    """Mean of the defined entries; pycocotools marks undefined ones by -1."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None

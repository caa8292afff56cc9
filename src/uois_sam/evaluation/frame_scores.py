"""Scores of one frame: all that it contributes to a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from uois_sam.evaluation.coco_scores import CocoMatches, match_image
from uois_sam.evaluation.error_kinds import ErrorCounts, diagnose
from uois_sam.evaluation.metrics import UCN, ImageScores, Protocol, score_comparison
from uois_sam.evaluation.overlaps import Comparison, LabelMapError, compare
from uois_sam.evaluation.recall import RecallBin, TrueObject, recall_by_size, recall_by_visibility
from uois_sam.types import BoolArray, LabelMap, Sample


@dataclass(frozen=True)
class Prediction:
    """Output of a method for one photo."""

    labels: LabelMap
    """(H, W) uint16: 0 is background, every other value one object."""
    scores: Mapping[int, float] | None = None
    """Label to score, whatever its scale; None for methods that give none."""
    seconds: float | None = None
    """Run time of the method; None if unknown."""
    notes: tuple[str, ...] = ()
    """As :attr:`uois_sam.instances.Instances.notes`."""


@dataclass(frozen=True)
class FrameResult:
    """One scored frame, small enough to keep those of a whole data set in memory."""

    name: str
    scores: ImageScores
    errors: ErrorCounts
    by_size: tuple[RecallBin, ...]
    by_visibility: tuple[RecallBin, ...]
    coco: CocoMatches
    seconds: float | None
    """Run time of the method for this photo."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """As :attr:`uois_sam.types.Sample.notes`."""
    limits: tuple[str, ...] = ()
    """As :attr:`uois_sam.instances.Instances.notes`, of the prediction."""


def score_frame(sample: Sample, prediction: Prediction, protocol: Protocol = UCN) -> FrameResult:
    """Score one prediction against its sample.

    Args:
        sample: photo and labels from a loader, with 0 as the only background.
        prediction: label map of the same size.
        protocol: boundaries, tolerance and strictness. Its label rule is not applied; see ``background_labels`` of
            :class:`~uois_sam.evaluation.predictions.PredictionFolder`.

    Raises:
        LabelMapError: if sizes differ, or only some predicted objects have a score.
    """
    comparison = compare(prediction.labels, sample.labels, sample.ignore)
    objects = _true_objects(comparison, sample.visible_fractions, protocol)
    return FrameResult(
        name=sample.name,
        scores=score_comparison(comparison, sample.ignore, protocol),
        errors=diagnose(comparison.overlaps).counts(),
        by_size=recall_by_size(objects),
        by_visibility=recall_by_visibility(objects),
        coco=match_image(comparison, _checked(prediction.scores, comparison)),
        seconds=prediction.seconds,
        notes=sample.notes,
        limits=prediction.notes,
    )


def resize_sample(sample: Sample, hw: tuple[int, int]) -> Sample:
    """Resize a sample: photo by area or bilinear interpolation, labels by nearest neighbour; depth is dropped."""
    if sample.labels.shape == hw:
        return sample
    shrinks = hw[0] * hw[1] < sample.labels.size
    image = cv2.resize(sample.image, hw[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return replace(
        sample,
        image=np.asarray(image, dtype=np.uint8),
        labels=resize_labels(sample.labels, hw),
        ignore=None if sample.ignore is None else _resize_mask(sample.ignore, hw),
        depth_m=None,
    )


def resize_labels(labels: LabelMap, hw: tuple[int, int]) -> LabelMap:
    """Resize an (H, W) uint16 label map by nearest neighbour."""
    return np.asarray(cv2.resize(labels, hw[::-1], interpolation=cv2.INTER_NEAREST), dtype=np.uint16)


def _resize_mask(mask: BoolArray, hw: tuple[int, int]) -> BoolArray:
    return np.asarray(cv2.resize(mask.view(np.uint8), hw[::-1], interpolation=cv2.INTER_NEAREST), dtype=np.bool_)


def _true_objects(
    comparison: Comparison, visible: Mapping[int, float] | None, protocol: Protocol
) -> tuple[TrueObject, ...]:
    overlaps = comparison.overlaps
    found = overlaps.found(protocol.strict_75)
    shares = overlaps.true_areas / comparison.true.size
    return tuple(
        TrueObject(float(share), None if visible is None else visible.get(label), bool(is_found))
        for label, share, is_found in zip(comparison.true_labels, shares, found, strict=True)
    )


def _checked(scores: Mapping[int, float] | None, comparison: Comparison) -> Mapping[int, float] | None:
    missing = [] if scores is None else [label for label in comparison.predicted_labels if label not in scores]
    if missing:
        raise LabelMapError(
            f"expected a score for each of {len(comparison.predicted_labels)} predicted objects, "
            f"found none for label {missing[0]}"
        )
    return scores

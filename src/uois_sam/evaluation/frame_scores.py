"""Everything that one frame contributes to a report, from its true and predicted labels."""

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
    """What a method says about one photo."""

    labels: LabelMap
    """(H, W) uint16: 0 is background, every other value one object."""
    scores: Mapping[int, float] | None = None
    """Label to score, whatever its scale; None for methods that give none."""
    seconds: float | None = None
    """How long the method took; None if not known."""


@dataclass(frozen=True)
class FrameResult:
    """One scored frame; small, so that those of a whole data set fit in memory."""

    name: str
    scores: ImageScores
    errors: ErrorCounts
    by_size: tuple[RecallBin, ...]
    by_visibility: tuple[RecallBin, ...]
    coco: CocoMatches
    seconds: float | None
    """How long the method took for this photo."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """As :attr:`uois_sam.types.Sample.notes`."""


def score_frame(sample: Sample, prediction: Prediction, protocol: Protocol = UCN) -> FrameResult:
    """Score one prediction against its sample.

    Args:
        sample: photo's labels as loaders give them: 0 alone is background.
        prediction: of the same size.
        protocol: boundaries, tolerance and strictness; its label rule is not applied, see ``background_labels`` of
            :class:`~uois_sam.evaluation.predictions.PredictionFolder`.

    Raises:
        LabelMapError: sizes differ, or a predicted object has no score where others have one.
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
    )


def resize_sample(sample: Sample, hw: tuple[int, int]) -> Sample:
    """The sample at another size: photo by area or bilinear interpolation, labels by nearest pixel; without depth."""
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
    """(H, W) uint16 at another size, each pixel's label that of the nearest one."""
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

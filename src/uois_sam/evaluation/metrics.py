"""The UOIS metrics of one image: overlap P/R/F, boundary P/R/F and %75 between two label maps.

The protocol of UCN (Xiang et al., CoRL 2020), by which the numbers of Sec. IV were made: objects are the non-zero
labels, the Hungarian method matches them so that the sum of pairwise F is largest, and an image's precision and
recall pool the pixels of all its objects, matched or not. How images are averaged is in ``summary.py``.

Cases that the published protocol leaves open are decided here:

* Ties between equally good matchings are broken by where objects come in raster order, so renumbering the labels
  of a map never changes a score. F > 0.75 is decided in integers, without rounding.
* Objects on both sides, but none of one side has a boundary pixel (a mask that fills the frame): no predicted
  boundary gives boundary precision 1, no true boundary recall 1, as the protocol does without objects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from uois_sam.evaluation.boundaries import BoundaryKind, PixelCounts, boundary_counts, boundary_radius
from uois_sam.evaluation.overlaps import Comparison, IntMap, LabelMapError, compare
from uois_sam.types import BoolArray

BOUNDARY_TOLERANCE = 0.003
"""Boundary tolerance as a fraction of the image diagonal: 3 px at 640x480."""
ProtocolName = Literal["ucn", "uois"]


@dataclass(frozen=True)
class Protocol:
    """Definition of objects, boundaries and %75."""

    name: ProtocolName = "ucn"
    boundary: BoundaryKind = "transitions"
    """``transitions`` between a pixel and its neighbours, or the mask's outer ``contours``."""
    background_labels: int = 1
    """Number of labels from 0 on that are background: 1 drops 0; 2 also drops the table's 1."""
    strict_75: bool = True
    """%75 needs F > 0.75 as in the published code, or F >= 0.75 ("or higher" in the paper's text)."""
    boundary_tolerance: float = BOUNDARY_TOLERANCE
    """Below 1 a fraction of the image diagonal, rounded up to whole pixels; from 1 on, pixels."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.boundary_tolerance) and self.boundary_tolerance >= 0):
            raise LabelMapError(f"expected boundary_tolerance as a finite number >= 0, found {self.boundary_tolerance}")
        if self.background_labels < 1:
            raise LabelMapError(f"expected background_labels >= 1, found {self.background_labels}")

    def without_label_rule(self) -> Protocol:
        """Return the protocol for label maps whose only background is 0, such as those of ``uois_sam.datasets``."""
        return replace(self, background_labels=1)


UCN = Protocol()
"""NVlabs/UnseenObjectClustering, and the papers after it: Tables II to V."""
UOIS = Protocol("uois", boundary="contours", background_labels=2)
"""chrisdxie/uois, the older protocol: other boundaries, and label 1 is the table."""
PROTOCOLS = {"ucn": UCN, "uois": UOIS}


@dataclass(frozen=True)
class PrecisionRecallF:
    """Precision, recall and their harmonic mean; each in [0, 1]."""

    precision: float
    recall: float
    f_measure: float


@dataclass(frozen=True)
class ImageScores:
    """Ratios of one image, each in [0, 1], and the counts they are made from."""

    overlap: PrecisionRecallF
    """Ratios of the objects' pixels."""
    boundary: PrecisionRecallF
    """Ratios of the objects' boundary pixels, within ``boundary_radius_px``."""
    over_75: float
    """%75 as a fraction: matched pairs with F > 0.75 (>= when not strict) per true object."""
    overlap_pixels: PixelCounts
    boundary_pixels: PixelCounts
    predicted_objects: int
    true_objects: int
    objects_over_75: int
    """Matched pairs that count for %75."""
    image_hw: tuple[int, int]
    """Height and width of the label maps."""
    boundary_radius_px: int
    protocol: Protocol


def score_image(
    prediction: IntMap, truth: IntMap, *, ignore: BoolArray | None = None, protocol: Protocol = UCN
) -> ImageScores:
    """Score one predicted label map against the true one.

    Overlap: P = sum |p & t| / sum |p|, R = sum |p & t| / sum |t|. Boundary: P = sum |dp & dil(dt)| / sum |dp| and R
    likewise, where d is :func:`~uois_sam.evaluation.boundaries.boundary_map` and dil dilates by a disk. Numerators
    run over matched pairs, denominators over all objects. F = 2PR / (P + R), 0 when undefined. Nothing predicted but
    something there: P 1, R 0; something predicted where nothing is: P 0, R 1; F and %75 are 0 in both. Both empty:
    everything is 1.

    Args:
        prediction: (H, W) integers, 0 = background; values carry no order and need not be consecutive.
        truth: (H, W) integers, 0 = background.
        ignore: (H, W) bool, pixels to leave out: both maps are background there, so objects that lie wholly inside
            vanish, and boundary pixels inside count neither for nor against (they still confirm boundary pixels
            outside that lie within the tolerance of them).
        protocol: :data:`UCN`, :data:`UOIS`, or either with changes.

    Raises:
        LabelMapError: if a map is not a 2-D integer array, has negative values, no pixels or too many objects, or
            if shapes differ.
    """
    return score_comparison(compare(prediction, truth, ignore, protocol.background_labels), ignore, protocol)


def score_comparison(comparison: Comparison, ignore: BoolArray | None = None, protocol: Protocol = UCN) -> ImageScores:
    """Score maps that are compared already; the protocol's label rule is not applied again."""
    overlaps, hw = comparison.overlaps, comparison.true.shape
    objects_p, objects_t = overlaps.shared.shape
    passed = int(np.count_nonzero(overlaps.found(protocol.strict_75)))
    radius = boundary_radius(hw, protocol.boundary_tolerance)
    matched = sum(int(overlaps.shared[pair]) for pair in overlaps.pairs)
    overlap = PixelCounts(int(overlaps.predicted_areas.sum()), int(overlaps.true_areas.sum()), matched, matched)
    boundary = boundary_counts(comparison.predicted, comparison.true, overlaps.pairs, radius, ignore, protocol.boundary)
    return ImageScores(
        overlap=ratios(overlap, objects_p, objects_t),
        boundary=ratios(boundary, objects_p, objects_t),
        over_75=passed / objects_t if objects_t else float(objects_p == 0),
        overlap_pixels=overlap,
        boundary_pixels=boundary,
        predicted_objects=objects_p,
        true_objects=objects_t,
        objects_over_75=passed,
        image_hw=(hw[0], hw[1]),
        boundary_radius_px=radius,
        protocol=protocol,
    )


def ratios(counts: PixelCounts, objects_p: int, objects_t: int) -> PrecisionRecallF:
    """Precision, recall and F of pixel counts, with the protocol's rules for sides that have no objects."""
    if objects_p == 0 or objects_t == 0:
        precision, recall = float(objects_p == 0), float(objects_t == 0)
    else:
        precision = counts.matched_predicted / counts.predicted if counts.predicted else 1.0
        recall = counts.matched_true / counts.true if counts.true else 1.0
    f_measure = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
    return PrecisionRecallF(precision, recall, f_measure)

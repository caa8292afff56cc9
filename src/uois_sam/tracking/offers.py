"""Choose among all masks that a model offers, with what the frames before say of them.

A model by itself keeps the masks above its score threshold, the better of two that overlap. In a video the frames
before have a say: a mask that goes on with a known object is worth more than its own score. So a known object stays
through a frame in which its mask is a bit too weak (hysteresis), and an object that was whole stays whole though one
of its parts scores higher this time (and the other way round).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uois_sam.instances import Instances
from uois_sam.pipeline import EncodedImage
from uois_sam.tracking.config import TrackerConfig
from uois_sam.tracking.matching import Array, mask_iou
from uois_sam.types import BoolArray, FloatArray

OFFERED_IOU = 0.9
"""Masks that overlap a better one by more are the same and not on offer."""
Rows = npt.NDArray[np.intp]
GOES_ON = 0.5
"""IoU with a known object from which on a mask goes on with it."""


@dataclass(frozen=True)
class Offer:
    """All masks that a model has to offer for a frame."""

    masks: Instances
    """Best first; of two that overlap, both."""
    least: float
    """Score that the model itself asks for."""
    nms_iou: float
    """Overlap from which on it leaves out the worse of two masks."""

    @classmethod
    def of(cls, encoded: EncodedImage, config: TrackerConfig) -> Offer:
        """Ask the model, by its settings, for masks from ``keep_score`` on, and those that overlap better ones.

        What the photo's request says holds; notes of limits count all masks asked for.
        """
        own = encoded.in_effect
        asked = encoded.with_settings(nms_iou=max(OFFERED_IOU, own.nms_iou))
        masks = asked.predict(min_score=min(config.keep_score, own.score_threshold))
        return cls(masks, own.score_threshold, own.nms_iou)


def support(small: BoolArray, known: BoolArray, standing: FloatArray) -> Array:
    """What the frames before add to the scores of masks, in [0, 1].

    Args:
        small: (N, h, w) bool, thinned masks.
        known: (T, h, w) bool, known objects where they are expected.
        standing: (T,) float32, their standing so far.

    Returns:
        (N,) float32: of all known objects the greatest product of standing and IoU, the latter from 0 at
        ``GOES_ON`` to 1.
    """
    if not len(small) or not len(known):
        return np.zeros(len(small), dtype=np.float32)
    iou = mask_iou(small, known)
    return np.asarray((np.maximum(iou - GOES_ON, 0) / (1 - GOES_ON) * standing).max(axis=1), dtype=np.float32)


def choose(small: BoolArray, offer: Offer, added: Array, config: TrackerConfig) -> Rows:
    """Choose masks as the model's selection would, by scores with what the frames before add to them.

    Args:
        small: (N, h, w) bool, its masks, thinned.
        offer: what the model offers.
        added: (N,) float32, from :func:`support`.
        config: ``keep_score`` is what a mask of a known object needs, ``memory`` the weight of what is added.

    Returns:
        (K,) indices of the chosen masks, best own score first.
    """
    scores = offer.masks.scores
    lifted = scores + np.float32(config.memory) * added
    known = (added > 0) & (scores >= config.keep_score) & (lifted >= offer.least)
    rows: Rows = np.flatnonzero((scores >= offer.least) | known)
    rows = rows[np.argsort(-lifted[rows], kind="stable")]
    close = mask_iou(small[rows], small[rows]) > offer.nms_iou
    kept: list[int] = []
    for place in range(len(rows)):
        if not close[place, kept].any():
            kept.append(place)
    chosen = rows[kept]
    return np.asarray(chosen[np.argsort(-scores[chosen], kind="stable")], dtype=np.intp)

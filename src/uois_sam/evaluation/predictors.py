"""Predictors for an evaluation: a model, and a trivial baseline to compare it with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from uois_sam.errors import DatasetError
from uois_sam.evaluation.frame_scores import Prediction
from uois_sam.types import Camera, FloatArray, ImageArray, Sample

if TYPE_CHECKING:
    from uois_sam.instances import Instances
    from uois_sam.models.redrawing import Redrawer
    from uois_sam.pipeline import UOISSAM

_FULL = ("heatmap", "hdnet")
"""Prompts and scores of the whole method (last row of Table IV); other variants are named after theirs."""


class ModelPredictor:
    """A model with its settings, as a predictor."""

    def __init__(self, model: UOISSAM) -> None:
        chosen = model.settings
        variant = (
            "" if (chosen.prompts, chosen.scores) == _FULL else f", {chosen.prompts} prompts, {chosen.scores} scores"
        )
        self.model = model
        self.name = f"{model.name}{variant}"
        self.request = model.request
        request = model.request.to_json()
        self.description = {"kind": "model", **_identity(model), "selection": asdict(model.settings)}
        self.description |= {"request": request} if request else {}

    def __call__(self, image: ImageArray) -> Prediction:
        """Return the label map of the instances, better scores on top; label i has the score of instance i."""
        return as_prediction(self.model.predict(image))


class DepthPredictor(ModelPredictor):
    """A model that is given the depth of each photo as well."""

    def __init__(self, model: UOISSAM, camera: Camera | None = None) -> None:
        super().__init__(model)
        self.camera = camera
        """Intrinsics of frames whose data set has none."""
        self.name += " with depth"
        self.description |= {"depth": {"camera": None if camera is None else asdict(camera)}}

    def of_sample(self, sample: Sample) -> Prediction:
        """As the call on a photo, with depth.

        Raises:
            UOISError: if the sample has no depth or no intrinsics.
        """
        camera = self.camera or sample.camera
        if sample.depth_m is None or camera is None:
            lacking = "depth" if sample.depth_m is None else "intrinsics (--intrinsics fx,fy,cx,cy)"
            raise DatasetError(f"{sample.name}: expected depth and intrinsics, found no {lacking}")
        return as_prediction(self.model.predict(sample.image, depth=sample.depth_m, camera=camera))


def as_prediction(instances: Instances) -> Prediction:
    """Return the label map of instances, better scores on top; label i has the score of instance i."""
    scores = {label: float(score) for label, score in enumerate(instances.scores, start=1)}
    return Prediction(instances.label_map(), scores, notes=instances.notes)


class ComponentsBaseline:
    """Connected components of the model's predicted foreground: a baseline that does not separate objects.

    Foreground is where its probability exceeds ``settings.foreground_threshold``; components (8 neighbours) of fewer
    pixels than ``min_fraction`` of the photo are dropped; a component's score is its mean probability.
    """

    def __init__(self, model: UOISSAM, min_fraction: float = 0.0005) -> None:
        self.model, self.min_fraction = model, min_fraction
        self.name = f"components of {model.name}'s foreground"
        threshold = model.settings.foreground_threshold
        settings = {"foreground_threshold": threshold, "min_fraction": min_fraction}
        self.description = {"kind": "components", **_identity(model), **settings}

    def __call__(self, image: ImageArray) -> Prediction:
        """Return the label map of the components."""
        probability = self.model.encode_image(image).maps.foreground.float().cpu().numpy()
        stretched = cv2.resize(probability, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return components(
            np.asarray(stretched, dtype=np.float32), self.model.settings.foreground_threshold, self.min_fraction
        )


def components(probability: FloatArray, threshold: float, min_fraction: float) -> Prediction:
    """Return the connected components of a foreground map, with their mean probability as score.

    Args:
        probability: (H, W) float32 in [0, 1].
        threshold: probability above which a pixel is foreground.
        min_fraction: smaller components (as a share of the map) are dropped.
    """
    foreground = (probability > threshold).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(foreground, connectivity=8)
    kept = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= min_fraction * probability.size)
    table = np.zeros(len(stats), dtype=np.uint16)
    table[kept] = np.arange(1, len(kept) + 1)
    renumbered = table[labels]
    totals = np.bincount(renumbered.ravel(), weights=probability.ravel(), minlength=len(kept) + 1)[1:]
    means = totals / stats[kept, cv2.CC_STAT_AREA]
    return Prediction(renumbered, {label: float(mean) for label, mean in enumerate(means, start=1)})


def _identity(model: UOISSAM) -> dict[str, Any]:
    precision = str(model.networks.precision).removeprefix("torch.")
    weights = {"model": model.name, "weights_sha256": model.card.weights_sha256, "precision": precision}
    drawing = {"masks": _drawn_by(model.networks.redrawer)} if model.networks.redrawer is not None else {}
    return {**weights, **drawing, "training": dict(model.card.training)}


def _drawn_by(redrawer: Redrawer) -> dict[str, str]:
    from torch import nn

    from uois_sam.models.networks import hash_weights

    networks = (redrawer.encoder, redrawer.decoder, redrawer.hdnet)
    parts = [part for part in networks if isinstance(part, nn.Module)]
    return {"by": redrawer.name, "sha256": hash_weights(parts), "precision": str(redrawer.precision)[6:]}

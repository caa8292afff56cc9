"""Where the masks of a round come from: a model, the truth, or nobody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uois_sam.grasping.grasp import SeenScene
from uois_sam.pipeline import UOISSAM
from uois_sam.types import BoolArray, LabelMap

ABOVE_M = 0.006
"""Height above the support from which on something stands on it."""


@dataclass(frozen=True)
class ModelMasks:
    """Masks of a model."""

    model: UOISSAM

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """Masks of the photo alone."""
        return self.model.predict(seen.image).masks


class TrueMasks:
    """The objects as they are."""

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """One mask for each visible object."""
        labels = np.unique(truth[truth > 0])
        return truth[None] == labels[:, None, None]


class NoMasks:
    """No segmentation: all that stands on the support is one thing."""

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """One mask of everything above the support."""
        with np.errstate(invalid="ignore"):
            return (seen.points()[..., 2] > ABOVE_M)[None]

"""Where the masks of a round come from: a model, the truth, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from uois_sam.grasping.grasp import SeenScene
from uois_sam.pipeline import UOISSAM
from uois_sam.types import BoolArray, LabelMap

ABOVE_M = 0.006
"""Height above the support from which on something stands on it."""


class MaskSource(Protocol):
    """A way to masks."""

    needs_photo: ClassVar[bool]
    """Whether it looks at more than depth."""

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """Return (N, H, W) bool masks; ``truth`` has the true labels, for those who may know them."""
        ...

    def pointed(self, seen: SeenScene, point_xy: tuple[int, int]) -> BoolArray:
        """Return the (0 or 1, H, W) bool mask under a point that no mask of the look covers, in pixels of the photo."""
        ...


@dataclass(frozen=True)
class ModelMasks:
    """Masks of a model."""

    model: UOISSAM
    with_depth: bool = False
    """Give it depth beside the photo."""
    needs_photo: ClassVar[bool] = True

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """Masks of the photo, and of depth if wanted."""
        assert seen.image is not None
        if self.with_depth:
            return self.model.predict(seen.image, depth=seen.depth_m, camera=seen.intrinsics).masks
        return self.model.predict(seen.image).masks

    def pointed(self, seen: SeenScene, point_xy: tuple[int, int]) -> BoolArray:
        """What the model draws when it is pointed at the place."""
        assert seen.image is not None
        return self.model.predict(seen.image, points=[point_xy]).masks[:1]


class _Unasked:
    """A source that has no more to say of a point than its masks."""

    def pointed(self, seen: SeenScene, point_xy: tuple[int, int]) -> BoolArray:
        """No mask."""
        return np.zeros((0, *seen.depth_m.shape), dtype=np.bool_)


class TrueMasks(_Unasked):
    """The objects as they are."""

    needs_photo: ClassVar[bool] = False

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """One mask for each visible object."""
        labels = np.unique(truth[truth > 0])
        return truth[None] == labels[:, None, None]


class NoMasks(_Unasked):
    """No segmentation: all that stands on the support is one thing."""

    needs_photo: ClassVar[bool] = False

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """One mask of everything above the support."""
        with np.errstate(invalid="ignore"):
            return (seen.points()[..., 2] > ABOVE_M)[None]

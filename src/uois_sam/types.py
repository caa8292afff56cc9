"""Frozen dataclasses that cross module borders; every field says its shape, dtype, frame and unit.

Frames (see :mod:`uois_sam.geometry`): *image* is the photo as the user gave it, *prompt frame* is what the prompt
generator sees (336x448 in the paper), *mask frame* is what the image encoder sees. Points are (x, y), x to the
right, y down, with pixel centres at integer coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from uois_sam._deprecated import moved_names
from uois_sam.arrays import Array, softmax_of_two

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]
LabelMap = npt.NDArray[np.uint16]
Focal = Annotated[float, Meta(gt=0, le=1e6)]
"""Focal length in pixels."""
Centre = Annotated[float, Meta(ge=-1e6, le=1e6)]
"""Coordinate of the principal point in pixels."""


@dataclass(frozen=True)
class PromptMaps:
    """Maps that the heatmap-based prompt generator predicts for one image (Sec. III-A). Frame: prompt frame."""

    foreground_logits: Array
    """(2, Hp, Wp) float32: background and foreground logits."""
    heatmap: Array
    """(1, Hp, Wp) float32: expected Gaussian height around object centroids, about 0 to 1."""

    @property
    def foreground(self) -> Array:
        """(Hp, Wp) float32: foreground probability, the softmax of the logits."""
        return softmax_of_two(self.foreground_logits)


@dataclass(frozen=True)
class PointPrompts:
    """Point prompts of one image, strongest first."""

    points_xy: Array
    """(M, 2) float32 xy, prompt frame, pixels."""
    strengths: Array
    """(M,) float32: heatmap value at the point (foreground probability for grid prompts)."""
    left_out: int = 0
    """Peaks that would have become prompts if more were allowed."""

    def __len__(self) -> int:
        return int(self.points_xy.shape[0])


@dataclass(frozen=True)
class TokenPredictions:
    """Tokens and scores of M point prompts before any mask is upscaled (Sec. III-B)."""

    iou_token: Array
    """(M, C): the IoU token T_iou after the two-way transformer."""
    mask_tokens: Array
    """(M, 4, C): the four mask tokens T_mask (index 0: single-mask token, 1..3: multimask)."""
    scores: Array
    """(M, 4) float32: the decoder's own IoU estimate S^."""
    image_state: Array
    """(M, C, h, w): image embedding after the two-way transformer, one per prompt; masks are upscaled from it."""
    outline_token: Array | None = None
    """(M, C): SAM-HQ's token for fine outlines; None for the others."""


@dataclass(frozen=True)
class Candidates:
    """Masks still standing after choosing one of four per prompt and thresholding. Frame: low-resolution mask grid."""

    mask_logits: Array
    """(K, h, w) float32: logits on the decoder's mask grid, or, voted on, 2 p - 1; > 0 is inside."""
    scores: Array
    """(K,) float32: the score they are ranked by (S^, S^' or S^''), not clamped."""
    prompt_index: Array
    """(K,) int64: which prompt each came from."""
    token_index: Array
    """(K,) int64 in 0..3: which of the four masks was chosen."""


@dataclass(frozen=True)
class Camera:
    """Pinhole camera without distortion, of the photo as given (upright), in pixels. Pixel centres are at integers."""

    fx: Focal
    fy: Focal
    cx: Centre
    cy: Centre


@dataclass(frozen=True)
class Sample:
    """One labelled image of a data set."""

    name: str
    """Unique name within the data set, e.g. the path relative to its root without suffix."""
    image: ImageArray
    """(H, W, 3) uint8 RGB."""
    labels: LabelMap
    """(H, W) uint16: 0 is background, every other value one object's visible pixels."""
    ignore: BoolArray | None = None
    """(H, W) bool: pixels to leave out of training and scoring; None for none."""
    depth_m: FloatArray | None = None
    """(H, W) float32: depth along the optical axis in metres, 0 where unknown; None when there is none or not asked."""
    visible_fractions: Mapping[int, float] | None = None
    """How much of each object is seen: label value to share of its silhouette in [0, 1]; None where that is unknown."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What was left out, guessed or converted in reading it, in a few words, and how many times."""
    camera: Camera | None = None
    """Intrinsics of photo and depth, read with the depth; None where the data set has none."""


@dataclass(frozen=True)
class ModelCard:
    """Card that travels with weights: enough to use, judge and trace them."""

    name: Annotated[str, Meta(max_length=200)]
    version: Annotated[str, Meta(max_length=200)]
    licence: str
    architecture: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    selection: Mapping[str, Any]
    training: Mapping[str, Any]
    weights_sha256: str
    parent: str = ""
    """Full name of the model that training went on from; empty where it began anew."""

    @property
    def full_name(self) -> str:
        """Name and version as results show them, e.g. ``compact-5``; a model without version has its name alone."""
        return f"{self.name}-{self.version}".rstrip("-")


__getattr__ = moved_names(__name__, "Instances")

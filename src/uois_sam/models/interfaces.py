"""The calls that the pipeline makes on a model; the compact model and SAM with DINOv2 both implement them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from uois_sam.arrays import Array, like
from uois_sam.geometry import Frame
from uois_sam.types import PromptMaps, TokenPredictions

if TYPE_CHECKING:
    from torch import Tensor, nn

CELLS = 4
"""Rows and columns of a decoder's masks for each of the image embedding's."""


@dataclass(frozen=True)
class MaskFeatures:
    """Features of one image for the mask decoder: computed once, prompted often. Frame: mask frame."""

    grid: Array
    """(1, C, h, w): the image embedding that the two-way transformer attends to."""
    fine: tuple[Array, ...] = ()
    """Finer maps for mask upscaling, coarse to fine, each (1, Ci, hi, wi); empty for SAM."""


@dataclass(frozen=True)
class SceneFeatures:
    """Everything the frozen backbones say about one image."""

    prompt_features: Array
    """(1, Cp, hp, wp): what the prompt generator reads."""
    mask_features: MaskFeatures
    mask_frame: Frame
    """How the image lies in the mask frame."""


@dataclass(frozen=True)
class ObjectPrompts:
    """M prompts of one image, one object each, all of one form: points, a box, a mask, or several of these.

    Frame: mask frame, pixel centres at integers. M and P (points a prompt) are the same in all fields.

    Raises:
        ValueError: if there are neither points nor boxes, or the number of prompts differs between fields.
    """

    points_xy: Tensor
    """(M, P, 2) float32 xy; P may be 0 where there are boxes."""
    labels: Tensor
    """(M, P) int64: 1 on the object, 0 beside it."""
    boxes_xyxy: Tensor | None = None
    """(M, 4) float32: centres of the first and of the last column and row of the object; None for prompts without."""
    mask_logits: Tensor | None = None
    """(M, h, w) float32 logits on the grid that the decoder draws on; above 0 is inside. None for prompts without."""

    def __post_init__(self) -> None:
        if self.points_xy.shape[1] == 0 and self.boxes_xyxy is None:
            raise ValueError("expected points or boxes, found neither")
        parts = (self.points_xy, self.labels, self.boxes_xyxy, self.mask_logits)
        sizes = {len(part) for part in parts if part is not None}
        if len(sizes) != 1:
            raise ValueError(f"expected as many points, labels, boxes and masks, found {sorted(sizes)}")

    @classmethod
    def of_points(cls, points_xy: Tensor) -> ObjectPrompts:
        """One point on each object, from (M, 2) float32 xy."""
        return cls(points_xy[:, None], like(np.ones((len(points_xy), 1), dtype=np.int64), points_xy))

    @property
    def anchors_xy(self) -> Tensor:
        """(M, 2) float32 xy: one point a prompt, its first one or the middle of its box."""
        if self.points_xy.shape[1]:
            return self.points_xy[:, 0]
        assert self.boxes_xyxy is not None
        return (self.boxes_xyxy[:, :2] + self.boxes_xyxy[:, 2:]) / 2

    def __len__(self) -> int:
        return len(self.points_xy)

    def __getitem__(self, index: slice | Tensor) -> ObjectPrompts:
        """Some of the prompts, by a slice or (K,) int64 or (M,) bool."""
        boxes, masks = self.boxes_xyxy, self.mask_logits
        return replace(
            self,
            points_xy=self.points_xy[index],
            labels=self.labels[index],
            boxes_xyxy=None if boxes is None else boxes[index],
            mask_logits=None if masks is None else masks[index],
        )


class ImageEncoder(Protocol):
    """The backbone of a mask decoder by itself (SAM's image encoder)."""

    def __call__(self, image: Tensor) -> tuple[MaskFeatures, Frame]:
        """Encode one (3, H, W) uint8 RGB image of any size; return also how it lies in the mask frame."""
        ...


class MaskArchitecture(Protocol):
    """The sizes of a SAM, and how to make it: one class for each family."""

    @property
    def token_width(self) -> int:
        """Channels of the decoder's tokens."""
        ...

    @property
    def described(self) -> str:
        """What a file must hold, for messages: ``"SAM with 1024 channels and 24 layers"``."""
        ...

    def build(self) -> nn.Module:
        """Its networks without weights, under the names of transformers.

        Raises:
            MissingExtraError: transformers is not installed.
        """
        ...

    def assemble(self, networks: nn.Module) -> tuple[ImageEncoder, PromptDecoder]:
        """Encoder and decoder around what :meth:`build` made, with weights by now; both are torch modules."""
        ...


class SceneEncoder(Protocol):
    """The frozen backbones (DINOv2 and SAM's image encoder in the paper, one shared light encoder in compact)."""

    def __call__(self, image: Array) -> SceneFeatures:
        """Encode one (3, H, W) uint8 RGB image of any size."""
        ...


class PromptGenerator(Protocol):
    """HPG (Sec. III-A)."""

    def predict(self, prompt_features: Array) -> PromptMaps:
        """Foreground logits and heatmap of one image in the prompt frame."""
        ...


class PointDecoder(Protocol):
    """A SAM-like mask decoder, split where HDNet needs it: tokens first, masks only for what is chosen."""

    def decode_tokens(self, features: MaskFeatures, points_xy: Array) -> TokenPredictions:
        """Run M point prompts, (M, 2) xy in the mask frame, up to the tokens and the decoder's own scores."""
        ...

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Array, token_index: Array
    ) -> Array:
        """Mask logits for chosen tokens.

        Args:
            features: as given to :meth:`decode_tokens`.
            predictions: predictions of M prompts.
            points_xy: (M, 2) xy, their points.
            token_index: (M, T) int64 in 0..3, which masks to make for each prompt.

        Returns:
            (M, T, h, w) float32 logits on a grid covering the mask frame.
        """
        ...


class PromptDecoder(PointDecoder, Protocol):
    """A mask decoder that takes boxes, several points and masks as well, as SAM and its kin do.

    Its masks have ``CELLS`` times the rows and columns of ``features.grid``.
    ``decode_tokens(features, points_xy)`` equals ``decode_prompts(features, ObjectPrompts.of_points(points_xy))``. What
    ``decode_prompts`` gives is drawn by :meth:`upscale` likewise, with ``prompts.anchors_xy`` as its points.
    """

    def decode_prompts(self, features: MaskFeatures, prompts: ObjectPrompts) -> TokenPredictions:
        """Run M prompts up to the tokens and the decoder's own scores.

        Args:
            features: of the image.
            prompts: masks among them are on the grid of :meth:`upscale`.
        """
        ...


def select_prompts(predictions: TokenPredictions, index: Array) -> TokenPredictions:
    """The predictions of the prompts in ``index`` ((K,) int64), in that order."""
    return TokenPredictions(
        iou_token=predictions.iou_token[index],
        mask_tokens=predictions.mask_tokens[index],
        scores=predictions.scores[index],
        image_state=predictions.image_state[index],
        outline_token=None if predictions.outline_token is None else predictions.outline_token[index],
    )

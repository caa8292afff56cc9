"""The calls that the pipeline makes on a model; the compact model and SAM with DINOv2 both implement them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from uois_sam.geometry import Frame
from uois_sam.types import PromptMaps, TokenPredictions


@dataclass(frozen=True)
class MaskFeatures:
    """Features of one image for the mask decoder: computed once, prompted often. Frame: mask frame."""

    grid: Tensor
    """(1, C, h, w): the image embedding that the two-way transformer attends to."""
    fine: tuple[Tensor, ...] = ()
    """Finer maps for mask upscaling, coarse to fine, each (1, Ci, hi, wi); empty for SAM."""


@dataclass(frozen=True)
class SceneFeatures:
    """Everything the frozen backbones say about one image."""

    prompt_features: Tensor
    """(1, Cp, hp, wp): what the prompt generator reads."""
    mask_features: MaskFeatures
    mask_frame: Frame
    """How the image lies in the mask frame."""


class SceneEncoder(Protocol):
    """The frozen backbones (DINOv2 and SAM's image encoder in the paper, one shared light encoder in compact)."""

    def __call__(self, image: Tensor) -> SceneFeatures:
        """Encode one (3, H, W) uint8 RGB image of any size."""
        ...


class PromptGenerator(Protocol):
    """HPG (Sec. III-A)."""

    def predict(self, prompt_features: Tensor) -> PromptMaps:
        """Foreground logits and heatmap of one image in the prompt frame."""
        ...


class PointDecoder(Protocol):
    """A SAM-like mask decoder, split where HDNet needs it: tokens first, masks only for what is chosen."""

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        """Run M point prompts, (M, 2) xy in the mask frame, up to the tokens and the decoder's own scores."""
        ...

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
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


def select_prompts(predictions: TokenPredictions, index: Tensor) -> TokenPredictions:
    """The predictions of the prompts in ``index`` ((K,) int64), in that order."""
    return TokenPredictions(
        iou_token=predictions.iou_token[index],
        mask_tokens=predictions.mask_tokens[index],
        scores=predictions.scores[index],
        image_state=predictions.image_state[index],
    )

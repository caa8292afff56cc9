"""The compact model's encoder: one light backbone for prompts and masks, where the paper has two large ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from uois_sam.geometry import Frame
from uois_sam.models.compact.context import SceneContext
from uois_sam.models.compact.efficientnet import LITE0_STAGES, STEM_CHANNELS, EfficientNetLite, Stage
from uois_sam.models.interfaces import MaskFeatures, SceneFeatures
from uois_sam.validation import Channels, Side

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of the compact model."""

    input_hw: tuple[Side, Side] = (336, 448)
    """Rows and columns the photo is stretched to; prompt frame and mask frame are this one grid."""
    stem: Channels = STEM_CHANNELS
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=16)] = LITE0_STAGES
    width: Channels = 128
    """Channels of the embedding grid (stride 16) and of the decoder's tokens."""
    fine_width: Channels = 64
    """Channels of the maps at strides 8 and 4."""
    decoder_depth: Annotated[int, Meta(ge=1, le=12)] = 2
    """Layers of the two-way transformer."""
    heads: Annotated[int, Meta(ge=1, le=64)] = 4
    """Attention heads of the two-way transformer."""
    mask_width: Channels = 32
    """Channels of the map that mask tokens are multiplied with."""
    likeness_groups: Channels = 8
    """Channels of the map that says how alike each pixel and the prompted one are."""
    hpg_width: Channels = 64
    """Channels of the prompt generator's head (256 in the paper)."""
    score_width: Channels = 128
    """Hidden channels of the IoU head and of HDNet (256 in the paper)."""
    evidence_width: Annotated[int, Meta(ge=0, le=1024)] = 0
    """Hidden channels of the scores that see the masks (``evidence.MaskScorer``); 0 for a model without."""
    context_width: Annotated[int, Meta(ge=0, le=1024, multiple_of=4)] = 0
    """Channels of the branch that sees the photo as a whole (``context.SceneContext``); 0 for a model without."""


class CompactEncoder(nn.Module):
    """EfficientNet-Lite0 and a small feature pyramid."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.input_hw = config.input_hw
        self.backbone = EfficientNetLite(config.stages, config.stem)
        wide, fine = config.width, config.fine_width
        self.lateral32 = nn.Conv2d(self.backbone.channels_at(32), wide, 1)
        self.lateral16 = nn.Conv2d(self.backbone.channels_at(16), wide, 1)
        self.smooth16 = nn.Conv2d(wide, wide, 3, padding=1)
        self.reduce16 = nn.Conv2d(wide, fine, 1)
        self.lateral8 = nn.Conv2d(self.backbone.channels_at(8), fine, 1)
        self.smooth8 = nn.Conv2d(fine, fine, 3, padding=1)
        self.lateral4 = nn.Conv2d(self.backbone.channels_at(4), fine, 1)
        self.smooth4 = nn.Conv2d(fine, fine, 3, padding=1)
        channels = self.backbone.channels_at(32)
        self.context = SceneContext(channels, config.context_width, wide, fine) if config.context_width else None
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None] * 255, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None] * 255, persistent=False)

    def __call__(self, image: Tensor) -> SceneFeatures:
        """Encode one (3, H, W) uint8 RGB image (see ``interfaces.SceneEncoder``)."""
        stretched = F.interpolate(image[None].float(), self.input_hw, mode="bilinear", antialias=True)
        return self.encode_batch(stretched)

    def encode_batch(self, images: Tensor) -> SceneFeatures:
        """(B, 3, *input_hw) float32 RGB in 0..255 to features with batch size B."""
        features = self.pyramid(images)
        grid, prompts = features[16], features[4]
        if self.context is not None:
            for_grid, for_prompts = self.context(features[32])
            grid, prompts = grid + grow(for_grid, grid), prompts + grow(for_prompts, prompts)
        mask_features = MaskFeatures(grid=grid, fine=(features[8], features[4]))
        return SceneFeatures(prompts, mask_features, Frame.stretched(self.input_hw))

    def pyramid(self, images: Tensor) -> dict[int, Tensor]:
        """Feature maps by stride.

        Args:
            images: (B, 3, H, W) float32 RGB in 0..255.

        Returns:
            {32: (B, the backbone's, H/32, W/32), 16: (B, width, H/16, W/16), 8: (B, fine_width, H/8, W/8),
            4: (B, fine_width, H/4, W/4)}.
        """
        normalised = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        maps = self.backbone(normalised)
        top16 = self.lateral16(maps[16]) + grow(self.lateral32(maps[32]), maps[16])
        top8 = self.lateral8(maps[8]) + grow(self.reduce16(top16), maps[8])
        out8 = F.relu(self.smooth8(top8))
        top4 = self.lateral4(maps[4]) + grow(out8, maps[4])
        return {32: maps[32], 16: self.smooth16(top16), 8: out8, 4: F.relu(self.smooth4(top4))}


def grow(x: Tensor, like: Tensor) -> Tensor:
    """(B, C, h, w) resized bilinearly to the rows and columns of ``like``."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)

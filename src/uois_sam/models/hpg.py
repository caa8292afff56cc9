"""Heatmap-based prompt generator (Sec. III-A): frozen features to foreground logits and an object-centre heatmap."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.config import PROMPT_FRAME_HW
from uois_sam.runtime.device import full_precision
from uois_sam.types import PromptMaps


class UpsamplingBlock(nn.Module):
    """Interpolation, 3x3 convolution, batch norm, PReLU (Sec. III-A)."""

    def __init__(self, inputs: int, outputs: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.activation = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.scale != 1:
            x = F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return self.activation(self.norm(self.conv(x)))


class HPG(nn.Module):
    """The trainable head on frozen features.

    Args:
        inputs: channels of the features (384 for DINOv2 ViT-S; the paper's C = 256 comes after the projection).
        width: channels inside the head.
        scales: one upsampling block for each; the output is brought to the exact frame afterwards.
        frame_hw: rows and columns of the prompt frame.
    """

    def __init__(
        self, inputs: int, width: int, scales: tuple[float, ...], frame_hw: tuple[int, int] = PROMPT_FRAME_HW
    ) -> None:
        super().__init__()
        self.frame_hw = frame_hw
        self.project = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()
        self.blocks = nn.Sequential(*(UpsamplingBlock(width, width, scale) for scale in scales))
        self.out = nn.Conv2d(width, 3, 1)

    def forward(self, prompt_features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, h, w) to foreground logits (B, 2, h', w') and heatmap (B, 1, h', w') before the last resize."""
        maps = self.out(self.blocks(self.project(prompt_features)))
        return maps[:, :2], maps[:, 2:]

    def predict(self, prompt_features: Tensor) -> PromptMaps:
        """Maps of one image ((1, inputs, h, w) features) at the prompt frame's full size.

        Always in float32: with the 8 bits of bfloat16 neighbouring cells tie, and every tie would be one more peak.
        """
        with full_precision(prompt_features.device):
            logits, heatmap = (
                F.interpolate(x, self.frame_hw, mode="bilinear", align_corners=False)[0]
                for x in self.forward(prompt_features.to(self.out.weight.dtype))
            )
        return PromptMaps(foreground_logits=logits, heatmap=heatmap)

"""EfficientNet-Lite0's feature stages: the compact model's light encoder (ImageNet weights: Apache-2.0).

Parameter names are those of the public ImageNet checkpoint, so it loads as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from uois_sam.validation import Channels


class Stage(NamedTuple):
    """A run of inverted-residual blocks of one width."""

    blocks: Annotated[int, Meta(ge=1, le=16)]
    kernel: Annotated[int, Meta(ge=1, le=9)]
    stride: Annotated[int, Meta(ge=1, le=2)]
    expand: Annotated[int, Meta(ge=1, le=8)]
    channels: Channels


LITE0_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
)
"""Lite0 without its last, 320-channel block and its classifier."""
STEM_CHANNELS = 32
BN_EPSILON = 1e-3


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise kxk, project 1x1; ReLU6 between, none after."""

    def __init__(self, inputs: int, kernel: int, stride: int, expand: int, outputs: int) -> None:
        super().__init__()
        width = inputs * expand
        self.skips = stride == 1 and inputs == outputs
        if expand != 1:
            self._expand_conv = nn.Conv2d(inputs, width, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(width, eps=BN_EPSILON)
        self._depthwise_conv = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False)
        self._bn1 = nn.BatchNorm2d(width, eps=BN_EPSILON)
        self._project_conv = nn.Conv2d(width, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=BN_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if hasattr(self, "_expand_conv"):
            y = F.relu6(self._bn0(self._expand_conv(y)))
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


class EfficientNetLite(nn.Module):
    """Feature maps at strides 4, 8, 16 and 32.

    Args:
        stages: block layout; the default is Lite0.
        stem: channels of the stem.
    """

    def __init__(self, stages: tuple[Stage, ...] = LITE0_STAGES, stem: int = STEM_CHANNELS) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self._bn0 = nn.BatchNorm2d(stem, eps=BN_EPSILON)
        blocks, channels, stride = [], stem, 2
        self.strides: list[int] = []
        for stage in stages:
            for index in range(stage.blocks):
                step = stage.stride if index == 0 else 1
                blocks.append(InvertedResidual(channels, stage.kernel, step, stage.expand, stage.channels))
                channels, stride = stage.channels, stride * step
                self.strides.append(stride)
        self._blocks = nn.ModuleList(blocks)

    def channels_at(self, stride: int) -> int:
        """Channels of the last feature map with this stride."""
        last = max(i for i, s in enumerate(self.strides) if s == stride)
        return int(self._blocks[last]._project_conv.out_channels)  # type: ignore[union-attr, arg-type]

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        """(B, 3, H, W) float32 normalised RGB to {stride: (B, C, H / stride, W / stride)}."""
        x = F.relu6(self._bn0(self._conv_stem(image)))
        features = {}
        for block, stride in zip(self._blocks, self.strides, strict=True):
            x = block(x)
            features[stride] = x
        return {stride: features[stride] for stride in (4, 8, 16, 32)}

    def layers_up_to_stride(self, stride: int) -> Iterator[nn.Module]:
        """Stem and blocks whose output has at most this stride: what training keeps frozen."""
        yield from (self._conv_stem, self._bn0)
        yield from (block for block, s in zip(self._blocks, self.strides, strict=True) if s <= stride)

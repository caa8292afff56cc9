"""RepViT (arXiv 2307.09283), the convolutional encoder of EdgeTAM, as it was trained; names of tensors as in timm.

Written here because transformers takes it from timm, which needs torchvision.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

KERNEL = 3
EXPANSION = 2
"""Hidden channels of a channel mixer, of its channels."""


class ConvNorm(nn.Module):
    """Convolution and batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w)."""
        return self.bn(self.c(x))


class TokenMixer(nn.Module):
    """A depthwise convolution beside one of a single pixel and the input itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ConvNorm(width, width, KERNEL, groups=width)
        self.conv1 = ConvNorm(width, width, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        return self.conv(x) + self.conv1(x) + x


class ChannelMixer(nn.Module):
    """Two pointwise convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, EXPANSION * width)
        self.conv2 = ConvNorm(EXPANSION * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same, to be added."""
        return self.conv2(F.gelu(self.conv1(x)))


class SqueezeExcite(nn.Module):
    """Channels weighted by what the whole map holds; a quarter of them between, in eights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        between = max(8, int(width / 4 + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(width, between, 1)
        self.fc2 = nn.Conv2d(between, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        return x * self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class Block(nn.Module):
    """Mix places, weigh channels (every other block), mix channels."""

    def __init__(self, width: int, *, squeeze: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(width)
        self.se = SqueezeExcite(width) if squeeze else nn.Identity()
        self.channel_mixer = ChannelMixer(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        x = self.se(self.token_mixer(x))
        return x + self.channel_mixer(x)


class Downsample(nn.Module):
    """Half the side, other channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pre_block = Block(inputs, squeeze=False)
        self.spatial_downsample = ConvNorm(inputs, inputs, KERNEL, stride=2, groups=inputs)
        self.channel_downsample = ConvNorm(inputs, outputs)
        self.ffn = ChannelMixer(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / 2, w / 2)."""
        x = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        return x + self.ffn(x)


class Stem(nn.Module):
    """A quarter of the side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, width // 2, KERNEL, stride=2)
        self.conv2 = ConvNorm(width // 2, width, KERNEL, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) to (B, C, h / 4, w / 4)."""
        return self.conv2(F.gelu(self.conv1(x)))


class Stage(nn.Module):
    """Blocks of one width, after a step down."""

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.downsample = nn.Identity() if inputs == width else Downsample(inputs, width)
        self.blocks = nn.Sequential(*(Block(width, squeeze=index % 2 == 0) for index in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w)."""
        return self.blocks(self.downsample(x))


class RepViT(nn.Module):
    """Features of every stage.

    Args:
        widths: channels of each stage, all different.
        depths: blocks of each.
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = Stem(widths[0])
        self.stages_0 = Stage(widths[0], widths[0], depths[0])
        for index, (before, width) in enumerate(pairwise(widths), start=1):
            self.add_module(f"stages_{index}", Stage(before, width, depths[index]))
        self.count = len(widths)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, side, side) to (B, Ci, side / 4 / 2^i, ...), fine to coarse."""
        found = [self.stages_0(self.stem(pixels))]
        for index in range(1, self.count):
            found.append(self.get_submodule(f"stages_{index}")(found[-1]))
        return found

"""DINOv2 on transformers' modules: the frozen features that the prompt generator reads (Sec. III-A)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uois_sam.config import PROMPT_FRAME_HW
from uois_sam.errors import MissingExtraError
from uois_sam.models.compact.encoder import IMAGENET_MEAN, IMAGENET_STD
from uois_sam.models.sam.modules import resize_rgb


@dataclass(frozen=True)
class Dinov2Size:
    """Sizes of a DINOv2 variant; the defaults are the same in all official ones that we load."""

    width: int
    """Channels; those of the features, too."""
    layers: int = 12
    heads: int = 6
    patch: int = 14
    trained_side: int = 518
    """Side of the images that the position embeddings were last trained at, pixels."""


def build_dinov2(size: Dinov2Size) -> nn.Module:
    """transformers' ``Dinov2Model`` without weights (on the meta device).

    Raises:
        MissingExtraError: transformers is not installed.
    """
    try:
        from transformers import Dinov2Config
        from transformers.models.dinov2.modeling_dinov2 import Dinov2Model
    except ImportError as error:
        raise MissingExtraError("DINOv2", "full", "transformers") from error
    config = Dinov2Config(
        hidden_size=size.width, num_hidden_layers=size.layers, num_attention_heads=size.heads,
        image_size=size.trained_side, patch_size=size.patch,
    )  # fmt: skip
    with torch.device("meta"):
        return Dinov2Model(config)


class Dinov2Encoder(nn.Module):
    """Pre-processing and patch features.

    Args:
        model: transformers' ``Dinov2Model``.
        patch: side of a patch, pixels.
        frame_hw: rows and columns the photo is stretched to; multiples of the patch.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, patch: int, frame_hw: tuple[int, int] = PROMPT_FRAME_HW) -> None:
        super().__init__()
        self.model = model
        self.frame_hw = frame_hw
        self.grid_hw = (frame_hw[0] // patch, frame_hw[1] // patch)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None] * 255, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None] * 255, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """One (3, H, W) uint8 RGB image to (1, C, h, w) float32 features, (24, 32) patches in the paper."""
        tokens = self.model(self.prepare(image)).last_hidden_state
        patches = tokens[:, 1:].float()  # the first is the class token
        return patches.transpose(1, 2).unflatten(2, self.grid_hw)

    def prepare(self, image: Tensor) -> Tensor:
        """(1, 3, *frame_hw) float32: stretched and normalised."""
        return (resize_rgb(image, self.frame_hw) - self.mean) / self.std

"""DINOv2 and DINOv3 on transformers' modules: the frozen features that the prompt generator reads (Sec. III-A)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uois_sam.config import PROMPT_FRAME_HW
from uois_sam.models.compact.encoder import IMAGENET_MEAN, IMAGENET_STD
from uois_sam.models.sam.modules import resize_rgb
from uois_sam.models.unloaded import unloaded


@dataclass(frozen=True)
class DinoSize:
    """Sizes of a DINO variant; the defaults are those of ViT-S of DINOv2."""

    width: int = 384
    """Channels; those of the features, too."""
    layers: int = 12
    heads: int = 6
    patch: int = 14
    trained_side: int = 518
    """Side of the images that the position embeddings were last trained at, pixels; DINOv3 has none."""
    registers: int = 0
    """Tokens beside the class token that stand for no patch."""
    version: int = 2

    @property
    def described(self) -> str:
        """What a file must hold, for messages."""
        registers = " with registers" if self.registers else ""
        return f"DINOv{self.version}{registers} of {self.width} channels and {self.layers} layers"

    def build(self) -> nn.Module:
        """transformers' ``Dinov2Model``, ``Dinov2WithRegistersModel`` or ``DINOv3ViTModel`` without weights.

        Raises:
            MissingExtraError: transformers is not installed.
        """
        sizes: dict[str, Any] = {
            "hidden_size": self.width, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "image_size": self.trained_side, "patch_size": self.patch,
        }  # fmt: skip
        with unloaded(f"DINOv{self.version}"):
            if self.version == 3:
                from transformers import DINOv3ViTConfig
                from transformers.models.dinov3_vit.modeling_dinov3_vit import DINOv3ViTModel

                sizes |= {"intermediate_size": 4 * self.width, "num_register_tokens": self.registers}
                return DINOv3ViTModel(DINOv3ViTConfig(**sizes))
            if self.registers:
                from transformers import Dinov2WithRegistersConfig
                from transformers.models.dinov2_with_registers.modeling_dinov2_with_registers import (
                    Dinov2WithRegistersModel,
                )

                return Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, num_register_tokens=self.registers))
            from transformers import Dinov2Config
            from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

            return Dinov2Model(Dinov2Config(**sizes))

    def assemble(self, network: nn.Module) -> DinoEncoder:
        """The encoder around what :meth:`build` made, with weights by now."""
        return DinoEncoder(network, self.patch, self.registers)


class DinoEncoder(nn.Module):
    """Pre-processing and patch features.

    Args:
        model: transformers' model.
        patch: side of a patch, pixels.
        registers: tokens between the class token and those of the patches.
        frame_hw: rows and columns the photo is stretched to; multiples of the patch.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: nn.Module, patch: int, registers: int = 0, frame_hw: tuple[int, int] = PROMPT_FRAME_HW
    ) -> None:
        super().__init__()
        self.model = model
        self.registers = registers
        self.frame_hw = frame_hw
        self.grid_hw = (frame_hw[0] // patch, frame_hw[1] // patch)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None] * 255, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None] * 255, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """One (3, H, W) uint8 RGB image to (1, C, h, w) float32 features, (24, 32) patches in the paper."""
        return self.features(self.prepare(image))

    def features(self, pixels: Tensor) -> Tensor:
        """(1, 3, *frame_hw) float32 to the same."""
        tokens = self.model(pixels).last_hidden_state
        patches = tokens[:, 1 + self.registers :].float()  # the first is the class token
        return patches.transpose(1, 2).unflatten(2, self.grid_hw)

    def prepare(self, image: Tensor) -> Tensor:
        """(1, 3, *frame_hw) float32: stretched and normalised."""
        return (resize_rgb(image, self.frame_hw) - self.mean) / self.std

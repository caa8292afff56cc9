"""EdgeTAM: RepViT and a neck before prompt encoder and mask decoder of SAM 2.1, which are transformers'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.models.edgetam.repvit import RepViT
from uois_sam.models.sam.modules import SamPointDecoder
from uois_sam.models.sam2.modules import DrawnPyramid, Sam2ImageEncoder, assemble, decoder_config
from uois_sam.models.unloaded import unloaded


@dataclass(frozen=True)
class EdgeTamSize:
    """Sizes of EdgeTAM; the defaults are those of the only official one (RepViT-M1)."""

    widths: tuple[int, int, int, int] = (48, 96, 192, 384)
    """Channels of the encoder's stages."""
    depths: tuple[int, int, int, int] = (2, 2, 14, 2)
    """Blocks of each stage."""
    image_side: int = 1024
    """Side of the square that the photo is stretched to, pixels."""
    token_width: int = 256
    """Channels of the image embedding and of the decoder's tokens."""
    decoder_mlp: int = 2048
    decoder_heads: int = 8
    iou_hidden: int = 256

    @property
    def described(self) -> str:
        """What a file must hold, for messages."""
        return f"EdgeTAM with RepViT of {self.widths[0]} channels and {sum(self.depths)} blocks"

    def build(self) -> nn.Module:
        """Its networks without weights, under the names of transformers' ``EdgeTamModel``.

        Raises:
            MissingExtraError: transformers is not installed, or older than SAM 2.
        """
        with unloaded("EdgeTAM"):
            from transformers import Sam2MaskDecoderConfig, Sam2PromptEncoderConfig
            from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder, Sam2PromptEncoder

            config = decoder_config(self, patch=16)
            masks = Sam2MaskDecoderConfig(**config["mask_decoder_config"])
            masks._attn_implementation = "sdpa"
            networks = nn.Module()
            networks.vision_encoder = EdgeTamVision(self)
            networks.prompt_encoder = Sam2PromptEncoder(Sam2PromptEncoderConfig(**config["prompt_encoder_config"]))
            networks.mask_decoder = Sam2MaskDecoder(masks)
            networks.no_memory_embedding = nn.Parameter(torch.empty(1, 1, self.token_width))
        return networks

    def assemble(self, networks: nn.Module) -> tuple[Sam2ImageEncoder, SamPointDecoder]:
        """Encoder and decoder around what :meth:`build` made, with weights by now."""
        neck, masks = networks.get_submodule("vision_encoder"), networks.get_submodule("mask_decoder")
        return assemble(networks, DrawnPyramid(neck, masks), self.image_side)


class EdgeTamVision(nn.Module):
    """RepViT and the neck, for :class:`uois_sam.models.sam2.modules.DrawnPyramid`."""

    def __init__(self, size: EdgeTamSize) -> None:
        super().__init__()
        self.backbone: Any = nn.ModuleDict({"timm_model": RepViT(size.widths, size.depths)})
        self.neck: Any = nn.ModuleDict(
            {"convs": nn.ModuleList(nn.Conv2d(width, size.token_width, 1) for width in reversed(size.widths))}
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, side, side) to three maps."""
        return top_down(self.backbone["timm_model"](pixels), self.neck["convs"])


def top_down(stages: list[Tensor], convs: Any) -> tuple[Tensor, ...]:
    """The neck: 1x1 convolutions of four stages, the third with the fourth added at twice its size.

    Args:
        stages: (1, Ci, hi, wi), fine to coarse.
        convs: one for each, coarse to fine.

    Returns:
        The finest three, fine to coarse.
    """
    laterals = [conv(stage) for conv, stage in zip(reversed(convs), stages, strict=True)]
    above = F.interpolate(laterals[3].float(), scale_factor=2.0, mode="nearest")
    return laterals[0], laterals[1], laterals[2] + above.to(laterals[2].dtype)

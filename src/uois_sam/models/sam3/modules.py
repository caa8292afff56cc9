"""SAM 3's tracker on transformers' modules: its image encoder; the decoder is that of SAM 2.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from uois_sam.models.sam.modules import SamPointDecoder
from uois_sam.models.sam2.modules import (
    DrawnPyramid,
    Sam2ImageEncoder,
    assemble,
    decoder_config,
    without_second_positions,
)
from uois_sam.models.unloaded import unloaded

MEAN = STD = (0.5, 0.5, 0.5)
SCALES = (4.0, 2.0, 1.0)
"""Of the pyramid's maps to the grid of patches; the published neck has one at half of it as well, which is not read."""


@dataclass(frozen=True)
class Sam3Size:
    """Sizes of SAM 3's tracker; the defaults are those of the only official one."""

    width: int = 1024
    """Channels of the image encoder."""
    layers: int = 32
    heads: int = 16
    mlp: int = 4736
    """Hidden channels of the image encoder's layers."""
    window: int = 24
    """Side of an attention window, patches."""
    global_layers: tuple[int, ...] = (7, 15, 23, 31)
    """Layers that attend to the whole image."""
    image_side: int = 1008
    """Side of the square that the photo is stretched to, pixels."""
    patch: int = 14
    trained_side: int = 336
    """Side of the image that the position embedding is for, pixels; it is repeated over larger ones."""
    token_width: int = 256
    """Channels of the image embedding and of the decoder's tokens."""
    decoder_mlp: int = 2048
    decoder_heads: int = 8
    iou_hidden: int = 256

    @property
    def described(self) -> str:
        """What a file must hold, for messages."""
        return f"SAM 3 with {self.width} channels and {self.layers} layers"

    def build(self) -> nn.Module:
        """transformers' ``Sam3TrackerModel`` without weights.

        Raises:
            MissingExtraError: transformers is not installed, or older than SAM 3.
        """
        with unloaded("SAM 3"):
            from transformers import Sam3TrackerConfig, Sam3VisionConfig, Sam3ViTConfig
            from transformers.models.sam3_tracker.modeling_sam3_tracker import Sam3TrackerModel

            vit = Sam3ViTConfig(
                hidden_size=self.width, intermediate_size=self.mlp, num_hidden_layers=self.layers,
                num_attention_heads=self.heads, image_size=self.image_side, patch_size=self.patch,
                window_size=self.window, global_attn_indexes=list(self.global_layers),
                pretrain_image_size=self.trained_side,
            )  # fmt: skip
            grid = self.image_side // self.patch
            vision = Sam3VisionConfig(
                backbone_config=vit, fpn_hidden_size=self.token_width, scale_factors=list(SCALES),
                backbone_feature_sizes=[[round(scale * grid)] * 2 for scale in SCALES],
            )  # fmt: skip
            model = Sam3TrackerModel(Sam3TrackerConfig(vision_config=vision, **decoder_config(self, patch=self.patch)))
        return without_second_positions(model)

    def assemble(self, networks: nn.Module) -> tuple[Sam2ImageEncoder, SamPointDecoder]:
        """Encoder and decoder around what :meth:`build` made, with weights by now."""
        neck = Sam3Neck(networks.get_submodule("vision_encoder"), self.image_side // self.patch)
        pyramid = DrawnPyramid(neck, networks.get_submodule("mask_decoder"))
        return assemble(networks, pyramid, self.image_side, MEAN, STD)


class Sam3Neck(nn.Module):
    """transformers' ``Sam3VisionModel`` without the position maps, which only a memory of videos reads."""

    def __init__(self, vision_encoder: nn.Module, side: int) -> None:
        super().__init__()
        self.vision_encoder: Any = vision_encoder
        self.side = side

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, image side, image side) to three maps, for :class:`uois_sam.models.sam2.modules.DrawnPyramid`."""
        tokens = self.vision_encoder.backbone(pixels).last_hidden_state
        grid = tokens.transpose(1, 2).unflatten(2, (self.side, self.side))
        return tuple(layer(grid) for layer in self.vision_encoder.neck.fpn_layers)

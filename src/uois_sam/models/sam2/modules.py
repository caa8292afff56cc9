"""SAM 2.1 on transformers' modules, its image encoder by our own forward pass; the decoder is SAM's, with other tokens
and finer maps.

transformers' own ``Sam2MaskDecoder.forward`` drops one of the four masks and returns no IoU token; Sec. III-B needs
both. EdgeTAM and SAM 3's tracker have other image encoders and this decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.geometry import Frame
from uois_sam.models.compact.encoder import IMAGENET_MEAN, IMAGENET_STD
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.models.sam.modules import SamPointDecoder, TokenLayout
from uois_sam.models.sam2.hiera import PreparedHiera
from uois_sam.models.unloaded import unloaded
from uois_sam.runtime.device import Prepared, current_precision, full_precision

TOKENS = TokenLayout(("obj_score_token", "iou_token", "mask_tokens"), iou=1)
"""Whether there is an object at all comes first, and is not asked here: the whole family scores masks."""


class Pyramid(Protocol):
    """An image encoder of the family, with the decoder's convolutions of the two finer maps."""

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(1, 3, side, side) to the two maps that masks are drawn with, finest first, and the image embedding."""
        ...


@dataclass(frozen=True)
class Sam2Size:
    """Sizes of a SAM 2.1 variant; the defaults are those of Hiera-T, or the same in all official ones."""

    width: int = 96
    """Channels of the first stage; each of the others has twice as many as the one before."""
    heads: int = 1
    """Attention heads of the first stage, likewise."""
    blocks: tuple[int, ...] = (1, 2, 7, 2)
    """Blocks of each stage."""
    windows: tuple[int, ...] = (8, 4, 14, 7)
    """Side of the attention windows of each stage, tokens."""
    global_blocks: tuple[int, ...] = (5, 7, 9)
    """Blocks that attend to the whole image, counted through all stages."""
    background: int = 7
    """Side of the coarse part of the position embedding."""
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
        return f"SAM 2.1 with {self.width} channels and {sum(self.blocks)} blocks"

    def build(self) -> nn.Module:
        """transformers' ``Sam2Model`` without weights.

        Raises:
            MissingExtraError: transformers is not installed, or older than SAM 2.
        """
        with unloaded("SAM 2.1"):
            from transformers import Sam2Config, Sam2HieraDetConfig, Sam2VisionConfig
            from transformers.models.sam2.modeling_sam2 import Sam2Model

            widths = [self.width << stage for stage in range(len(self.blocks))]
            hiera = Sam2HieraDetConfig(
                hidden_size=self.width, num_attention_heads=self.heads, image_size=[self.image_side] * 2,
                blocks_per_stage=list(self.blocks), embed_dim_per_stage=widths,
                num_attention_heads_per_stage=[self.heads << stage for stage in range(len(self.blocks))],
                window_size_per_stage=list(self.windows), global_attention_blocks=list(self.global_blocks),
                window_positional_embedding_background_size=[self.background] * 2,
            )  # fmt: skip
            vision = Sam2VisionConfig(
                backbone_config=hiera, backbone_channel_list=widths[::-1], fpn_hidden_size=self.token_width,
                backbone_feature_sizes=[[self.image_side // stride] * 2 for stride in (4, 8, 16)],
            )  # fmt: skip
            model = Sam2Model(Sam2Config(vision_config=vision, **decoder_config(self, patch=16)))
        return without_second_positions(model)

    def assemble(self, networks: nn.Module) -> tuple[Sam2ImageEncoder, SamPointDecoder]:
        """Encoder and decoder around what :meth:`build` made, with weights by now."""
        pyramid = HieraPyramid(networks.get_submodule("vision_encoder"), networks.get_submodule("mask_decoder"))
        return assemble(networks, pyramid, self.image_side)


class DecoderSize(Protocol):
    """What the sizes of all of the family have."""

    @property
    def image_side(self) -> int: ...
    @property
    def token_width(self) -> int: ...
    @property
    def decoder_mlp(self) -> int: ...
    @property
    def decoder_heads(self) -> int: ...
    @property
    def iou_hidden(self) -> int: ...


def decoder_config(size: DecoderSize, patch: int) -> dict[str, Any]:
    """Arguments of transformers' ``Sam2Config`` and its successors' for prompt encoder and mask decoder."""
    return {
        "prompt_encoder_config": {
            "hidden_size": size.token_width, "image_size": size.image_side, "patch_size": patch,
        },
        "mask_decoder_config": {
            "hidden_size": size.token_width, "mlp_dim": size.decoder_mlp, "num_attention_heads": size.decoder_heads,
            "iou_head_hidden_dim": size.iou_hidden,
        },
    }  # fmt: skip


def without_second_positions(model: Any) -> nn.Module:
    """Drop a second copy of the prompt encoder's position table."""
    del model.shared_image_embedding
    return model


def assemble(
    networks: nn.Module,
    pyramid: nn.Module,
    side: int,
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
) -> tuple[Sam2ImageEncoder, SamPointDecoder]:
    """Encoder and decoder of any of the family.

    Args:
        networks: with ``mask_decoder``, ``prompt_encoder`` and ``no_memory_embedding``.
        pyramid: its image encoder, a :class:`Pyramid`.
        side: side of its input, pixels.
        mean: of its input, in shares of 255.
        std: likewise.
    """
    prompts, masks = networks.get_submodule("prompt_encoder"), networks.get_submodule("mask_decoder")
    no_memory = networks.get_parameter("no_memory_embedding")
    return Sam2ImageEncoder(pyramid, no_memory, side, mean, std), SamPointDecoder(prompts, masks, TOKENS)


class Sam2ImageEncoder(nn.Module):
    """Pre-processing, image encoder, and what of the decoder depends on the image alone; gives no gradients.

    Args:
        pyramid: a :class:`Pyramid`.
        no_memory: (1, 1, C), added to the embedding of an image that is no frame of a video.
        side: side of the input, pixels.
        mean: of the input, in shares of 255.
        std: likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        pyramid: nn.Module,
        no_memory: nn.Parameter,
        side: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.no_memory = no_memory
        self.side = side
        self.register_buffer("mean", torch.tensor(mean)[:, None, None] * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None] * 255, persistent=False)

    def forward(self, image: Tensor) -> tuple[MaskFeatures, Frame]:
        """Encode one (3, H, W) uint8 RGB image: embedding and finer maps, and how the image lies in the frame."""
        return self.features(self.prepare(image)), Frame.stretched((self.side, self.side))

    @torch.no_grad()
    def features(self, pixels: Tensor) -> MaskFeatures:
        """(1, 3, side, side) float32 to the embedding and two finer maps, float32, in the precision around it."""
        finest, finer, grid = self.pyramid(pixels)
        return MaskFeatures(grid.float() + self.no_memory[0, 0, :, None, None], (finer.float(), finest.float()))

    def prepare(self, image: Tensor) -> Tensor:
        """(1, 3, side, side) float32: stretched and normalised.

        The official predictors resize pictures in floating point: nothing is rounded between, as it is for SAM.
        """
        with full_precision(image.device):
            resized = F.interpolate(
                image[None].float(), (self.side, self.side), mode="bilinear", align_corners=False, antialias=True
            )
        return (resized - self.mean) / self.std


class HieraPyramid(nn.Module):
    """transformers' ``Sam2VisionModel`` by our own forward pass (:mod:`uois_sam.models.sam2.hiera`).

    Args:
        vision_encoder: the model.
        mask_decoder: its ``conv_s0`` and ``conv_s1`` make the maps that masks are drawn with.
    """

    def __init__(self, vision_encoder: nn.Module, mask_decoder: nn.Module) -> None:
        super().__init__()
        convs = {name: mask_decoder.get_submodule(name) for name in ("conv_s0", "conv_s1")}
        self.parts = nn.ModuleDict({"vision_encoder": vision_encoder, **convs})
        self._prepared = Prepared(self.parts, PreparedHiera.of)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Pyramid`; in the precision around it."""
        encoder = self._prepared.get(current_precision(pixels.device))
        with full_precision(pixels.device):  # what is cast to what is said in there
            return encoder(pixels)


class DrawnPyramid(nn.Module):
    """A :class:`Pyramid` of a neck's three maps and the decoder's convolutions, for EdgeTAM and SAM 3.

    SAM 2.1 has :class:`HieraPyramid`, with a forward pass of our own.

    Args:
        neck: (1, 3, side, side) to three maps of as many channels as tokens have, each half as fine as the one before.
        mask_decoder: its ``conv_s0`` and ``conv_s1`` make the maps that masks are drawn with out of the first two.
    """

    def __init__(self, neck: nn.Module, mask_decoder: nn.Module) -> None:
        super().__init__()
        parts: Any = mask_decoder
        self.neck, self.finest, self.finer = neck, parts.conv_s0, parts.conv_s1

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Pyramid`."""
        finest, finer, grid = self.neck(pixels)
        return self.finest(finest), self.finer(finer), grid

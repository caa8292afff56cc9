"""SAM-HQ (ViT-B/L/H) on transformers' modules: SAM's encoder and decoder, and one more mask added to each of the four.

A sixth learned token gives one mask a prompt of finer outlines, read from early features of the image encoder; the
published model adds its logits to those of the mask that is chosen. Here they are added to all four, so that each of
them is what would be returned if it were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.models.interfaces import MaskFeatures
from uois_sam.models.sam.modules import (
    PARTS,
    SamImageEncoder,
    SamPointDecoder,
    SamSize,
    TokenLayout,
    transformers_config,
)
from uois_sam.models.unloaded import unloaded
from uois_sam.runtime.device import current_precision, full_precision
from uois_sam.types import TokenPredictions

TOKENS = TokenLayout(("iou_token", "mask_tokens", "hq_token"), iou=0, outline=5)


@dataclass(frozen=True)
class SamHqSize(SamSize):
    """Sizes of a SAM-HQ variant: those of the SAM that it was made from."""

    @property
    def described(self) -> str:
        """What a file must hold, for messages."""
        return f"SAM-HQ with {self.width} channels and {self.layers} layers"

    def build(self) -> nn.Module:
        """``vision_encoder``, ``prompt_encoder`` and ``mask_decoder`` of transformers, without weights.

        Raises:
            MissingExtraError: transformers is not installed, or older than SAM-HQ.
        """
        config = transformers_config(self)
        config["mask_decoder_config"]["vit_dim"] = self.width
        with unloaded("SAM-HQ"):
            from transformers import SamHQConfig
            from transformers.models.sam_hq.modeling_sam_hq import SamHQModel

            model = SamHQModel(SamHQConfig(**config))
        return nn.ModuleDict({name: model.get_submodule(name) for name in PARTS})

    def assemble(self, networks: nn.Module) -> tuple[SamImageEncoder, SamPointDecoder]:
        """Encoder and decoder around what :meth:`build` made, with weights by now."""
        vision, prompts, masks = (networks.get_submodule(name) for name in PARTS)
        return SamHqImageEncoder(vision, masks, self.image_side), SamHqPointDecoder(prompts, masks, TOKENS)


class SamHqImageEncoder(SamImageEncoder):
    """SAM's pre-processing and image encoder, and what SAM-HQ's decoder makes of the image alone; no gradients.

    Args:
        vision_encoder: transformers' ``SamHQVisionEncoder``.
        mask_decoder: its first convolutions are used.
        side: side of the input, pixels.
    """

    def __init__(self, vision_encoder: nn.Module, mask_decoder: nn.Module, side: int) -> None:
        super().__init__(vision_encoder, side)
        parts: Any = mask_decoder
        self.of_embedding = nn.Sequential(parts.encoder_conv1, parts.encoder_norm, nn.GELU(), parts.encoder_conv2)
        self.of_first_layers = nn.Sequential(
            parts.compress_vit_conv1, parts.compress_vit_norm, nn.GELU(), parts.compress_vit_conv2
        )

    @torch.no_grad()
    def features(self, pixels: Tensor) -> MaskFeatures:
        """(1, 3, side, side) float32 to the embedding and one finer map, (1, C / 8, side / 4, side / 4) float32."""
        encoder = self._prepared.get(current_precision(pixels.device))
        with full_precision(pixels.device):
            embedding, early = encoder.with_first_global(pixels)
        assert early is not None, "SAM-HQ has layers that attend to the whole image"
        grid = early.unflatten(0, embedding.shape[-2:]).permute(2, 0, 1)[None].contiguous()
        finer = self.of_embedding(embedding) + self.of_first_layers(grid)
        return MaskFeatures(embedding, (finer.float(),))


class SamHqPointDecoder(SamPointDecoder):
    """As :class:`SamPointDecoder`, its masks with the logits of the outline token added."""

    @torch.no_grad()
    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        """(M, T, side / 4, side / 4) float32 logits for the chosen tokens (see ``interfaces``)."""
        state, outline = predictions.image_state, predictions.outline_token
        assert outline is not None, "made by decode_tokens"
        prepared = self._prepared.get(current_precision(state.device))
        drawn = []
        with full_precision(state.device):
            chosen = self.mask_vectors(predictions, token_index)
            extra = self.mask_decoder.hq_mask_mlp(outline.float())
            vectors = state.flatten(2).transpose(1, 2).to(prepared.two_way.dtype)
            for index in range(len(state)):  # one prompt's finest maps at a time stay in cache
                maps = prepared.upscaler.maps(vectors[index : index + 1]).float()
                masks = torch.einsum("tc,chw->thw", chosen[index], maps[0])
                drawn.append(masks + self._outline(maps, extra[index], features.fine[0][0]))
        side = 4 * state.shape[-1]
        return torch.stack(drawn) if drawn else state.new_empty(0, token_index.shape[1], side, side).float()

    def _outline(self, maps: Tensor, vector: Tensor, finer: Tensor) -> Tensor:
        """(h, w) logits of one prompt: ``vector . (conv2(gelu(norm(conv1(maps)))) + finer)``.

        The product with the vector is taken into the last convolution, which then has one output instead of C / 8.

        Args:
            maps: (1, C / 8, h, w) of the prompt.
            vector: (C / 8,) from its outline token.
            finer: (C / 8, h, w) of the image.
        """
        decoder = self.mask_decoder
        hidden = F.gelu(decoder.mask_norm(decoder.mask_conv1(maps)))
        kernel = torch.einsum("o,oikl->ikl", vector, decoder.mask_conv2.weight)[None]
        bias = (vector @ decoder.mask_conv2.bias)[None]
        return F.conv2d(hidden, kernel, bias, padding=1)[0, 0] + torch.einsum("c,chw->hw", vector, finer)

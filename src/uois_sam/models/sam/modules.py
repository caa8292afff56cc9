"""SAM (ViT-B/L/H) on transformers' submodules: the image encoder, and a decode that keeps what the paper needs.

transformers' own ``SamMaskDecoder.forward`` gives three masks or one and no tokens; Sec. III-B needs all four masks,
the IoU token and the mask tokens. This is the only file that drives those submodules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.geometry import Frame
from uois_sam.models.interfaces import MaskFeatures, ObjectPrompts
from uois_sam.models.sam.image_encoder import PreparedEncoder
from uois_sam.models.sam.two_way import TwoWay
from uois_sam.models.sam.upscaling import Upscaler
from uois_sam.models.unloaded import unloaded
from uois_sam.runtime.device import Prepared, current_precision, full_precision
from uois_sam.types import TokenPredictions

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
"""What SAM was trained with, in levels of 0..255."""
PARTS = ("vision_encoder", "prompt_encoder", "mask_decoder")


@dataclass(frozen=True)
class SamSize:
    """Sizes of a SAM variant; the defaults are the same in all official ones."""

    width: int
    """Channels of the image encoder."""
    layers: int
    heads: int
    global_layers: tuple[int, ...]
    """Layers of the image encoder that attend to the whole image; the others attend inside windows."""
    image_side: int = 1024
    """Side of the padded square that the image encoder takes, pixels."""
    patch: int = 16
    window: int = 14
    """Side of an attention window, patches."""
    token_width: int = 256
    """Channels of the image embedding and of the decoder's tokens."""
    decoder_mlp: int = 2048
    decoder_heads: int = 8
    iou_hidden: int = 256

    @property
    def described(self) -> str:
        """What a file must hold, for messages."""
        return f"SAM with {self.width} channels and {self.layers} layers"

    def build(self) -> nn.Module:
        """``vision_encoder``, ``prompt_encoder`` and ``mask_decoder`` of transformers, without weights.

        Raises:
            MissingExtraError: transformers is not installed.
        """
        with unloaded("SAM"):
            from transformers import SamConfig
            from transformers.models.sam.modeling_sam import SamModel

            model = SamModel(SamConfig(**transformers_config(self)))
        return nn.ModuleDict({name: model.get_submodule(name) for name in PARTS})

    def assemble(self, networks: nn.Module) -> tuple[SamImageEncoder, SamPointDecoder]:
        """Encoder and decoder around what :meth:`build` made, with weights by now."""
        parts = [networks.get_submodule(name) for name in PARTS]
        return SamImageEncoder(parts[0], self.image_side), SamPointDecoder(parts[1], parts[2])


def transformers_config(size: SamSize) -> dict[str, Any]:
    """Arguments of transformers' ``SamConfig``."""
    grid = {"image_size": size.image_side, "patch_size": size.patch}
    return {
        "vision_config": {
            **grid, "hidden_size": size.width, "num_hidden_layers": size.layers, "num_attention_heads": size.heads,
            "global_attn_indexes": list(size.global_layers), "window_size": size.window,
            "output_channels": size.token_width, "num_pos_feats": size.token_width // 2,
        },
        "prompt_encoder_config": {**grid, "hidden_size": size.token_width},
        "mask_decoder_config": {
            "hidden_size": size.token_width, "mlp_dim": size.decoder_mlp, "num_attention_heads": size.decoder_heads,
            "iou_head_hidden_dim": size.iou_hidden,
            "layer_norm_eps": 1e-5,  # SAM was trained with this; transformers' default is 1e-6
        },
    }  # fmt: skip


class SamImageEncoder(nn.Module):
    """SAM's pre-processing and image encoder; gives no gradients.

    Args:
        vision_encoder: transformers' ``SamVisionEncoder``.
        side: side of its input, pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, vision_encoder: nn.Module, side: int) -> None:
        super().__init__()
        self.vision_encoder = vision_encoder
        self.side = side
        self._prepared = Prepared(vision_encoder, PreparedEncoder.of)
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD)[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> tuple[MaskFeatures, Frame]:
        """Encode one (3, H, W) uint8 RGB image: the (1, C, side/16, side/16) embedding and how the image lies in it."""
        frame = Frame.padded((image.shape[1], image.shape[2]), self.side)
        return self.features(self.prepare(image, frame)), frame

    def features(self, pixels: Tensor) -> MaskFeatures:
        """(1, 3, side, side) float32 to what the decoder takes."""
        return MaskFeatures(grid=self.embed(pixels))

    def embed(self, pixels: Tensor) -> Tensor:
        """(1, 3, side, side) float32 to the (1, C, side/16, side/16) float32 embedding, in the precision around it."""
        encoder = self._prepared.get(current_precision(pixels.device))
        with full_precision(pixels.device):  # what is cast to what is said in there
            return encoder(pixels)

    def prepare(self, image: Tensor, frame: Frame) -> Tensor:
        """(1, 3, side, side) float32: longest side scaled to ``side``, normalised, zeros below and right."""
        height, width = frame.content_hw
        normalised = (resize_rgb(image, frame.content_hw) - self.mean) / self.std
        return F.pad(normalised, (0, self.side - width, 0, self.side - height))


@dataclass(frozen=True)
class TokenLayout:
    """The learned tokens that a decoder puts before those of the prompt."""

    learned: tuple[str, ...] = ("iou_token", "mask_tokens")
    """Embeddings of the mask decoder, in order; the four mask tokens follow the IoU token in all of the family."""
    iou: int = 0
    """Index of the IoU token."""
    outline: int | None = None
    """Index of SAM-HQ's token for fine outlines; None for the others."""


class SamPointDecoder(nn.Module):
    """SAM's prompt encoder and mask decoder, split where HDNet needs it (``interfaces.PromptDecoder``); no gradients.

    Args:
        prompt_encoder: transformers' ``SamPromptEncoder``, or that of a successor.
        mask_decoder: transformers' ``SamMaskDecoder``, likewise.
        layout: the learned tokens of this one.
    """

    def __init__(self, prompt_encoder: nn.Module, mask_decoder: nn.Module, layout: TokenLayout | None = None) -> None:
        super().__init__()
        self.layout = layout or TokenLayout()
        # Any: transformers' modules are typed by their attributes' common base only.
        self.prompt_encoder: Any = prompt_encoder
        self.mask_decoder: Any = mask_decoder
        self._prepared = Prepared(mask_decoder, PreparedDecoder.of)

    @torch.no_grad()
    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        """Run M point prompts, (M, 2) xy in the mask frame, up to the tokens and S^ (see ``interfaces``)."""
        return self.decode_prompts(features, ObjectPrompts.of_points(points_xy))

    @torch.no_grad()
    def decode_prompts(self, features: MaskFeatures, prompts: ObjectPrompts) -> TokenPredictions:
        """Run M prompts of points, boxes and masks up to the tokens and S^ (see ``interfaces``)."""
        decoder, grid, count = self.mask_decoder, features.grid, len(prompts)
        prepared = self._prepared.get(current_precision(grid.device))
        with full_precision(grid.device):  # what is cast to what is said in there
            sparse, dense, positions = self._embed(prompts, grid)
            learned = torch.cat([getattr(decoder, name).weight for name in self.layout.learned]).expand(count, -1, -1)
            start = torch.cat([learned, sparse], dim=1)
            image = _vectors(grid.float() + dense)
            one_for_all = prompts.mask_logits is None
            tokens, image = prepared.two_way(image[0] if one_for_all else image, _vectors(positions)[0], start)
            first = self.layout.iou + 1
            iou_token, mask_tokens = tokens[:, self.layout.iou], tokens[:, first : first + MASKS_PER_PROMPT]
            scores = decoder.iou_prediction_head(iou_token)
        state = image.transpose(1, 2).unflatten(2, grid.shape[-2:])
        outline = None if self.layout.outline is None else tokens[:, self.layout.outline]
        return TokenPredictions(iou_token, mask_tokens, scores, state, outline)

    @torch.no_grad()
    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        """(M, T, side / 4, side / 4) float32 logits for the chosen tokens (see ``interfaces``)."""
        state = predictions.image_state
        prepared = self._prepared.get(current_precision(state.device))
        with full_precision(state.device):
            chosen = self.mask_vectors(predictions, token_index)
            vectors = state.flatten(2).transpose(1, 2).to(prepared.two_way.dtype)
            return prepared.upscaler(vectors, chosen, features.fine)

    def mask_vectors(self, predictions: TokenPredictions, token_index: Tensor) -> Tensor:
        """(M, T, C / 8) float32: what the finest maps are multiplied with, for the chosen tokens ((M, T) int64)."""
        heads = enumerate(self.mask_decoder.output_hypernetworks_mlps)
        vectors = torch.stack([head(predictions.mask_tokens[:, k].float()) for k, head in heads], dim=1)
        return vectors.gather(1, token_index[..., None].expand(-1, -1, vectors.shape[-1]))

    def _embed(self, prompts: ObjectPrompts, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Prompt tokens (M, n, C), what prompts add to the image (M or 1, C, h, w), and positions (1, C, h, w).

        In float32: bfloat16 would round the angles of the Fourier features.
        """
        height, width = grid.shape[-2:]
        with full_precision(grid.device):
            # transformers takes (images, prompts, points, 2): here M images of one prompt
            has_points, boxes = prompts.points_xy.shape[1] > 0, prompts.boxes_xyxy
            sparse, _ = self.prompt_encoder(
                prompts.points_xy[:, None].float() if has_points else None,
                prompts.labels[:, None].int() if has_points else None,
                None if boxes is None else boxes[:, None].float(),
                None,
            )
            ys = (torch.arange(height, device=grid.device) + 0.5) / height
            xs = (torch.arange(width, device=grid.device) + 0.5) / width
            y, x = torch.meshgrid(ys, xs, indexing="ij")
            positions = self.prompt_encoder.shared_embedding(torch.stack([x, y], dim=-1))
            if prompts.mask_logits is None:
                dense = self.prompt_encoder.no_mask_embed.weight[:, :, None, None]
            else:
                dense = self.prompt_encoder.mask_embed(prompts.mask_logits[:, None].float())
        return sparse[:, 0], dense, positions.permute(2, 0, 1)[None]


@dataclass(frozen=True)
class PreparedDecoder:
    """The layers of a ``SamMaskDecoder`` that touch the image, prepared for one dtype."""

    two_way: TwoWay
    upscaler: Upscaler

    @classmethod
    def of(cls, decoder: Any, dtype: torch.dtype) -> PreparedDecoder:
        """Prepare transformers' module."""
        return cls(TwoWay.of(decoder.transformer, dtype), Upscaler.of(decoder, dtype))


def _vectors(grid: Tensor) -> Tensor:
    """(N, C, h, w) to (N, h * w, C)."""
    return grid.flatten(2).transpose(1, 2).contiguous()  # read by every prompt


def resize_rgb(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize one (3, H, W) uint8 image as Pillow does: antialiased bilinear, columns first, each pass rounded.

    The official SAM resizes 8-bit pictures with Pillow, so its weights have seen such pictures.

    Returns:
        (1, 3, *size_hw) float32, whole levels of 0..255.
    """
    narrow = _pass(image[None].float(), (image.shape[1], size_hw[1]))
    return _pass(narrow, size_hw)


def _pass(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    resized = F.interpolate(image, size_hw, mode="bilinear", align_corners=False, antialias=True)
    return (resized + 0.5).floor().clamp(0, 255)  # halves go up, as in Pillow's fixed-point arithmetic

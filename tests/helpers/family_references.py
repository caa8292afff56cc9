"""A SAM of any family through transformers' own forward passes, and ours in the same form."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from sam_references import transformers_sam
from uois_sam.benchmark.peers import build_transformers_sam
from uois_sam.geometry import Frame
from uois_sam.models.edgetam.modules import EdgeTamSize
from uois_sam.models.interfaces import MaskArchitecture, PointDecoder
from uois_sam.models.sam.modules import SamImageEncoder, SamSize
from uois_sam.models.sam2.modules import Sam2Size
from uois_sam.models.sam_hq.modules import SamHqSize

Outputs = dict[str, Tensor]


def pixels_of(encoder: Any, image: Tensor) -> Tensor:
    """The encoder's input for a (3, H, W) uint8 photo, whichever frame it has."""
    if isinstance(encoder, SamImageEncoder):
        return encoder.prepare(image, Frame.padded((image.shape[1], image.shape[2]), encoder.side))
    return encoder.prepare(image)


@torch.inference_mode()
def our_outputs(encoder: Any, decoder: PointDecoder, pixels: Tensor, points: Tensor) -> Outputs:
    """Embedding, finer maps, tokens, all four masks and scores of M points ((M, 2) xy in the mask frame)."""
    features = encoder.features(pixels)
    found = decoder.decode_tokens(features, points)
    every = torch.arange(4, device=points.device).expand(len(points), 4)
    masks = decoder.upscale(features, found, points, every)
    finer = {f"finer map {index}": fine for index, fine in enumerate(features.fine)}
    return {
        "embedding": features.grid, **finer, "IoU token": found.iou_token, "mask tokens": found.mask_tokens,
        "masks": masks, "scores": found.scores,
    }  # fmt: skip


@torch.inference_mode()
def their_outputs(size: MaskArchitecture, networks: nn.Module, pixels: Tensor, points: Tensor) -> Outputs:
    """The same from transformers: the first mask and the other three in separate calls, tokens by a hook.

    Args:
        size: the family's.
        networks: what ``size.build()`` makes, with weights.
        pixels: (1, 3, side, side).
        points: (M, 2) xy.
    """
    if isinstance(size, SamHqSize):
        return _sam_hq(networks, pixels, points)
    if isinstance(size, SamSize):
        sam = build_transformers_sam(size, networks.state_dict())
        with _Seen(sam.mask_decoder.transformer) as seen:
            found = transformers_sam(sam, pixels, points)
        tokens = seen[0][0][0]
        return {**found, "IoU token": tokens[:, 0], "mask tokens": tokens[:, 1:5]}
    model = _around_own_encoder(size, networks) if isinstance(size, EdgeTamSize) else networks
    return _sam2(model, pixels, points)


def _sam2(model: Any, pixels: Tensor, points: Tensor) -> Outputs:
    """SAM 2.1 and SAM 3's tracker."""
    model.shared_image_embedding = model.prompt_encoder.shared_embedding
    model.mask_decoder.dynamic_multimask_via_stability = False  # or the single mask may be one of the three
    with _Seen(model.mask_decoder.transformer) as seen:
        maps = model.get_image_embeddings(pixels)
        given = {"image_embeddings": maps, "input_points": points[None, :, None]}
        one, three = (model(**given, multimask_output=several) for several in (False, True))
    del model.shared_image_embedding
    tokens = seen[0][0][0]
    return {
        "embedding": maps[-1], "finer map 0": maps[1], "finer map 1": maps[0], "IoU token": tokens[:, 1],
        "mask tokens": tokens[:, 2:6], "masks": torch.cat([one.pred_masks[0], three.pred_masks[0]], dim=1),
        "scores": torch.cat([one.iou_scores[0], three.iou_scores[0]], dim=1),
    }  # fmt: skip


@torch.inference_mode()
def repvit_outputs(size: EdgeTamSize, networks: Any, pixels: Tensor) -> tuple[Outputs, Outputs]:
    """EdgeTAM's image encoder, ours and timm's, which transformers takes: the four stages."""
    timm: Any = importlib.import_module("timm")  # no dependency of ours

    assert size.widths == (48, 96, 192, 384), "timm has the official size"
    ours = networks.vision_encoder.backbone["timm_model"].eval()
    reference = timm.create_model("repvit_m1", features_only=True, out_indices=(0, 1, 2, 3)).eval()
    reference.load_state_dict(ours.state_dict())
    pairs = enumerate(zip(ours(pixels), reference(pixels), strict=True))
    stages = {f"stage {index}": pair for index, pair in pairs}
    return {name: pair[0] for name, pair in stages.items()}, {name: pair[1] for name, pair in stages.items()}


def _around_own_encoder(size: EdgeTamSize, networks: Any) -> Any:
    """transformers' model with our image encoder: its own needs timm, see test_edgetam.py."""
    from transformers.models.sam2.modeling_sam2 import Sam2VisionEncoderOutput

    class Vision(nn.Module):
        def forward(self, pixels: Tensor, **_: Any) -> Any:
            maps: Any = list(networks.vision_encoder(pixels))
            return Sam2VisionEncoderOutput(
                last_hidden_state=maps[-1], fpn_hidden_states=maps, fpn_position_encoding=maps
            )

    decoder: dict[str, Any] = {
        "decoder_mlp": size.decoder_mlp,
        "decoder_heads": size.decoder_heads,
        "iou_hidden": size.iou_hidden,
    }
    model: Any = Sam2Size(image_side=size.image_side, token_width=size.token_width, **decoder).build().eval()
    model.vision_encoder = Vision()
    model.prompt_encoder, model.mask_decoder = networks.prompt_encoder, networks.mask_decoder
    model.no_memory_embedding = networks.no_memory_embedding
    return model


def _sam_hq(networks: Any, pixels: Tensor, points: Tensor) -> Outputs:
    """SAM-HQ by transformers' parts, joined as its authors join them (``segment_anything_hq.modeling``).

    ``SamHQMaskDecoder.forward`` of transformers 5.23 draws masks from the image embedding as it was before the two-way
    transformer, not after; the authors' code, which the weights were trained with, does not.
    """
    decoder, prompts, gelu = networks["mask_decoder"], networks["prompt_encoder"], torch.nn.functional.gelu
    found = networks["vision_encoder"](pixels)
    embedding, early = found.last_hidden_state, found.intermediate_embeddings[0].permute(0, 3, 1, 2)
    count, (height, width) = len(points), embedding.shape[-2:]
    sparse, dense = prompts(points[None, :, None], torch.ones(1, count, 1, dtype=torch.int), None, None)
    ys, xs = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )  # fmt: skip
    positions = prompts.shared_embedding(torch.stack([xs, ys], dim=-1)).permute(2, 0, 1)[None]
    learned = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight, decoder.hq_token.weight])
    start = torch.cat([learned.expand(1, count, -1, -1), sparse], dim=2)
    image = (embedding + dense).repeat_interleave(count, dim=0)
    tokens, updated = decoder.transformer(start, image, positions.repeat_interleave(count, dim=0), None)
    tokens, image = tokens[0], updated[:, 0].transpose(1, 2).unflatten(2, (height, width))
    maps = gelu(decoder.upscale_conv2(gelu(decoder.upscale_layer_norm(decoder.upscale_conv1(image)))))
    finer = decoder.encoder_conv2(gelu(decoder.encoder_norm(decoder.encoder_conv1(embedding))))
    finer = finer + decoder.compress_vit_conv2(gelu(decoder.compress_vit_norm(decoder.compress_vit_conv1(early))))
    outline = decoder.mask_conv2(gelu(decoder.mask_norm(decoder.mask_conv1(maps)))) + finer
    vectors = torch.stack([mlp(tokens[:, 1 + k]) for k, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1)
    masks = torch.einsum("mtc,mchw->mthw", vectors, maps)
    masks = masks + torch.einsum("mc,mchw->mhw", decoder.hq_mask_mlp(tokens[:, 5]), outline)[:, None]
    return {
        "embedding": embedding, "finer map 0": finer, "IoU token": tokens[:, 0], "mask tokens": tokens[:, 1:5],
        "masks": masks, "scores": decoder.iou_prediction_head(tokens[:, 0]),
    }  # fmt: skip


class _Seen(list[Any]):
    """What a module gave, call by call."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module

    def __enter__(self) -> _Seen:
        self._hook = self._module.register_forward_hook(lambda module, given, found: self.append(found))
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

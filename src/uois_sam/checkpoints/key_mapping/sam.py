"""SAM's and SAM-HQ's tensors: Meta's names to transformers'."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from uois_sam.checkpoints.key_mapping.renaming import Tensors, renamed

_SAM_POSITIONS = "prompt_encoder.shared_embedding.positional_embedding"
_SAM_POSITIONS_TIED = "shared_image_embedding.positional_embedding"
_SAM_MLP = r"^(mask_decoder\.(?:iou_prediction_head|hq_mask_mlp|output_hypernetworks_mlps\.\d+))\.layers\."
_SAM_RULES = (
    (r"^image_encoder\.", "vision_encoder."),
    (r"^vision_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^vision_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^vision_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^vision_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^vision_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^vision_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"\.norm([1-4]|_final_attn)\.", r".layer_norm\1."),
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$", _SAM_POSITIONS),
    (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    # SAM-HQ's.
    (r"^mask_decoder\.hf_token\.", "mask_decoder.hq_token."),
    (r"^mask_decoder\.hf_mlp\.", "mask_decoder.hq_mask_mlp."),
    (r"^mask_decoder\.compress_vit_feat\.0\.", "mask_decoder.compress_vit_conv1."),
    (r"^mask_decoder\.compress_vit_feat\.1\.", "mask_decoder.compress_vit_norm."),
    (r"^mask_decoder\.compress_vit_feat\.3\.", "mask_decoder.compress_vit_conv2."),
    (r"^mask_decoder\.embedding_encoder\.0\.", "mask_decoder.encoder_conv1."),
    (r"^mask_decoder\.embedding_encoder\.1\.", "mask_decoder.encoder_norm."),
    (r"^mask_decoder\.embedding_encoder\.3\.", "mask_decoder.encoder_conv2."),
    (r"^mask_decoder\.embedding_maskfeature\.0\.", "mask_decoder.mask_conv1."),
    (r"^mask_decoder\.embedding_maskfeature\.1\.", "mask_decoder.mask_norm."),
    (r"^mask_decoder\.embedding_maskfeature\.3\.", "mask_decoder.mask_conv2."),
    # The heads' three layers have names of their own at transformers; the middle one becomes "layers.0" last.
    (_SAM_MLP + r"0\.", r"\1.proj_in."),
    (_SAM_MLP + r"2\.", r"\1.proj_out."),
    (_SAM_MLP + r"1\.", r"\1.layers.0."),
)  # fmt: skip


def sam_for_transformers(tensors: Tensors, names: Collection[str] = ()) -> dict[str, Tensor]:
    """SAM's tensors, from Meta's file or Hugging Face's, under transformers' names; unknown names stay as they are.

    One tensor stands twice in Hugging Face's files, or under the second of its names only; it comes out once.
    """
    converted = {renamed(key, _SAM_RULES) if is_meta_sam(tensors) else key: value for key, value in tensors.items()}
    for constant in ("pixel_mean", "pixel_std"):
        converted.pop(constant, None)
    tied = converted.pop(_SAM_POSITIONS_TIED, None)
    if tied is not None:
        converted.setdefault(_SAM_POSITIONS, tied)
    return converted


def is_meta_sam(tensors: Tensors) -> bool:
    """Return whether the names are those of Meta's SAM files."""
    return "image_encoder.pos_embed" in tensors

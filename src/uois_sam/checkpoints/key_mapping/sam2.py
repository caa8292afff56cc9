"""SAM 2.1's and EdgeTAM's tensors: Meta's names to transformers'. What only videos need is left out."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from uois_sam.checkpoints.key_mapping.renaming import Tensors, renamed

_POSITIONS = "prompt_encoder.shared_embedding.positional_embedding"
_SECOND_POSITIONS = "shared_image_embedding.positional_embedding"
_POINTS = "prompt_encoder.point_embed"
_OF_VIDEOS = (
    "memory_", "maskmem_", "mask_downsample.", "spatial_perceiver.", "obj_ptr", "object_pointer_", "no_obj",
    "no_mem_pos_enc", "no_memory_positional_encoding", "no_object_pointer", "temporal_positional_encoding",
    "occlusion_spatial_embedding",
)  # fmt: skip
"""Starts of the names of tensors that remember earlier frames."""
_MLP = r"^((?:mask_decoder\.)(?:iou_prediction_head|pred_obj_score_head|output_hypernetworks_mlps\.\d+))\.layers"
_RULES = (
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^image_encoder\.trunk\.body\.", "vision_encoder.backbone.timm_model."),  # EdgeTAM's
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$", _POSITIONS),
    (r"^prompt_encoder\.point_embeddings\.", f"{_POINTS}."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^(mask_decoder\.transformer.*)\.norm([1-4]|_final_attn)\.", r"\1.layer_norm\2."),
    (r"^(mask_decoder\.transformer\..*)\.out_proj\.", r"\1.o_proj."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.0\.", r"\1.proj_in."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.1\.", r"\1.proj_out."),
    # The heads' three layers have names of their own at transformers; the middle one becomes "layers.0" last.
    (_MLP + r"\.0\.", r"\1.proj_in."),
    (_MLP + r"\.2\.", r"\1.proj_out."),
    (_MLP + r"\.1\.", r"\1.layers.0."),
    (r"^vision_encoder\.backbone\.patch_embed\.proj\.", "vision_encoder.backbone.patch_embed.projection."),
    (r"^(vision_encoder\.backbone\.blocks\.\d+)\.norm([12])\.", r"\1.layer_norm\2."),
    (r"^(vision_encoder\.backbone\.blocks\.\d+\.mlp)\.layers\.0\.", r"\1.proj_in."),
    (r"^(vision_encoder\.backbone\.blocks\.\d+\.mlp)\.layers\.1\.", r"\1.proj_out."),
)  # fmt: skip
_SAM3_RULES = (
    (r"^detector_model\.vision_encoder\.backbone\.", "vision_encoder.backbone."),
    (r"^tracker_neck\.", "vision_encoder.neck."),
    (r"^tracker_model\.", ""),
)
_SAM3_COARSEST = "vision_encoder.neck.fpn_layers.3."
"""The neck's map at half the grid, which the tracker does not read."""


def sam2_for_transformers(tensors: Tensors, names: Collection[str]) -> dict[str, Tensor]:
    """SAM 2.1's tensors under transformers' names (:class:`Conversion`).

    Meta has four point embeddings where transformers has one table; the table of positions comes out once.
    """
    rules = _RULES if is_meta_sam2(tensors) else ((r"\.out_proj\.", ".o_proj."),)
    converted = {renamed(key, rules): value for key, value in tensors.items() if not key.startswith(_OF_VIDEOS)}
    points = [converted.pop(f"{_POINTS}.{index}.weight", None) for index in range(4)]
    if all(isinstance(point, Tensor) for point in points):
        converted[f"{_POINTS}.weight"] = torch.cat([point for point in points if point is not None])
    second = converted.pop(_SECOND_POSITIONS, None)
    if second is not None:
        converted.setdefault(_POSITIONS, second)
    return converted


def sam3_for_transformers(tensors: Tensors, names: Collection[str]) -> dict[str, Tensor]:
    """The tracker of SAM 3 out of the file of the whole, detector and memory of videos, or a file of its own.

    Hugging Face's names alone: Meta publishes the same file there.
    """
    converted: dict[str, Tensor] = {}
    for key, value in tensors.items():
        tracker = renamed(key, _SAM3_RULES)
        if not tracker.startswith(("detector_model.", _SAM3_COARSEST, *_OF_VIDEOS)):
            converted[tracker] = value
    return sam2_for_transformers(converted, names)


def is_meta_sam2(tensors: Tensors) -> bool:
    """Return whether the names are those of Meta's SAM 2 files."""
    return any(name.startswith("sam_mask_decoder.") for name in tensors)

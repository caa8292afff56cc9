"""Names of SAM's and DINOv2's tensors: from Meta's files to the ones that transformers' modules have.

Meta and Hugging Face publish the same numbers under different names; DINOv2's query, key and value come as one tensor
from Meta. Nothing here knows sizes, so tiny models convert like large ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

Tensors = Mapping[str, Tensor]

_SAM_POSITIONS = "prompt_encoder.shared_embedding.positional_embedding"
_SAM_POSITIONS_TIED = "shared_image_embedding.positional_embedding"
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
    # The heads' three layers have names of their own at transformers; the middle one becomes "layers.0" last.
    (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.layers\.0\.", r"\1.proj_in."),
    (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.layers\.2\.", r"\1.proj_out."),
    (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.layers\.1\.", r"\1.layers.0."),
)  # fmt: skip
_DINOV2_RULES = (
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^(cls_token|mask_token)$", r"embeddings.\1"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"^blocks\.(\d+)\.", r"encoder.layer.\1."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
)
_DINOV2_QKV = re.compile(r"^blocks\.(\d+)\.attn\.qkv\.(weight|bias)$")
_DINOV2_ALIASES = (
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
)
"""Published files have the left names; transformers from version 5 on has modules with the right ones."""


def sam_for_transformers(tensors: Tensors) -> dict[str, Tensor]:
    """SAM's tensors, from Meta's file or Hugging Face's, under transformers' names; unknown names stay as they are.

    One tensor stands twice in Hugging Face's files, or under the second of its names only; it comes out once.
    """
    converted = {_renamed(key, _SAM_RULES) if is_meta_sam(tensors) else key: value for key, value in tensors.items()}
    for constant in ("pixel_mean", "pixel_std"):
        converted.pop(constant, None)
    tied = converted.pop(_SAM_POSITIONS_TIED, None)
    if tied is not None:
        converted.setdefault(_SAM_POSITIONS, tied)
    return converted


def dinov2_for_transformers(tensors: Tensors, names: Iterable[str]) -> dict[str, Tensor]:
    """DINOv2's tensors, from Meta's file or Hugging Face's, under the module's ``names``.

    Names that nothing is known about stay as they are. Where the module has no mask token (only pre-training uses
    it), the file's is dropped.
    """
    converted: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if found := _DINOV2_QKV.match(key):
            parts = (f"encoder.layer.{found[1]}.attention.attention.{x}.{found[2]}" for x in ("query", "key", "value"))
            converted.update(zip(parts, value.chunk(3), strict=False))  # a wrong shape is told when loading
        else:
            converted[_renamed(key, _DINOV2_RULES) if is_meta_dinov2(tensors) else key] = value
    known = set(names)
    if "embeddings.mask_token" not in known:
        converted.pop("embeddings.mask_token", None)
    return {_aliased(key, known): value for key, value in converted.items()}


def is_meta_sam(tensors: Tensors) -> bool:
    """Return whether the names are those of Meta's SAM files."""
    return "image_encoder.pos_embed" in tensors


def is_meta_dinov2(tensors: Tensors) -> bool:
    """Return whether the names are those of Meta's DINOv2 files."""
    return "pos_embed" in tensors and "cls_token" in tensors


def describe(tensors: Tensors) -> str:
    """Describe what a file seems to hold, for error messages: ``"SAM with 1024 channels and 24 layers"``, or names."""
    kinds = {
        "image_encoder.pos_embed": ("SAM", r"^image_encoder\.blocks\.(\d+)\."),
        "vision_encoder.pos_embed": ("SAM", r"^vision_encoder\.layers\.(\d+)\."),
        "pos_embed": ("DINOv2", r"^blocks\.(\d+)\."),
        "embeddings.position_embeddings": ("DINOv2", r"^encoder\.layer\.(\d+)\."),
    }
    for key, (kind, layer) in kinds.items():
        if key in tensors:
            layers = {found[1] for name in tensors if (found := re.match(layer, name))}
            return f"{kind} with {tensors[key].shape[-1]} channels and {len(layers)} layers"
    return f"{len(tensors)} tensors of an unknown model ({', '.join(sorted(tensors)[:3])}, ...)"


def _renamed(key: str, rules: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def _aliased(key: str, known: set[str]) -> str:
    """The module's name for a tensor where the two sides of ``_DINOV2_ALIASES`` differ."""
    if key in known:
        return key
    for old, new in _DINOV2_ALIASES:
        for one, other in ((old, new), (new, old)):
            if (renamed := key.replace(one, other)) in known:
                return renamed
    return key

"""DINOv2's and DINOv3's tensors: Meta's names to transformers'; Meta has query, key and value in one tensor."""

from __future__ import annotations

import re
from collections.abc import Collection

from torch import Tensor

from uois_sam.checkpoints.key_mapping.renaming import Tensors, renamed

_DINOV2_RULES = (
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^(cls_token|mask_token|register_tokens)$", r"embeddings.\1"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"^blocks\.(\d+)\.", r"encoder.layer.\1."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
)
_DINOV3_RULES = (
    (r"^(cls_token|mask_token)$", r"embeddings.\1"),
    (r"^storage_tokens$", "embeddings.register_tokens"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings."),
    (r"^blocks\.(\d+)\.", r"model.layer.\1."),
    (r"^layer\.(\d+)\.", r"model.layer.\1."),  # of Hugging Face's files
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
    (r"\.mlp\.fc1\.", ".mlp.up_proj."),
    (r"\.mlp\.fc2\.", ".mlp.down_proj."),
)
_DINOV3_UNUSED = ("rope_embeddings.periods", "rope_embeddings.inv_freq")
_DINOV2_QKV = re.compile(r"^blocks\.(\d+)\.attn\.qkv\.(weight|bias)$")
_DINOV2_ALIASES = (
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
)
"""Published files have the left names; transformers from version 5 on has modules with the right ones."""


def dinov2_for_transformers(tensors: Tensors, names: Collection[str]) -> dict[str, Tensor]:
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
            converted[renamed(key, _DINOV2_RULES) if is_meta_dinov2(tensors) else key] = value
    known = set(names)
    if "embeddings.mask_token" not in known:
        converted.pop("embeddings.mask_token", None)
    return {_aliased(key, known): value for key, value in converted.items()}


def dinov3_for_transformers(tensors: Tensors, names: Collection[str]) -> dict[str, Tensor]:
    """DINOv3's tensors, from Meta's file or Hugging Face's (:class:`Conversion`).

    Meta keeps a bias of keys that it masks to zero, and the frequencies of positions; neither is a parameter.
    """
    converted: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if key.endswith("bias_mask") or key.startswith("rope_embed.") or key in _DINOV3_UNUSED:
            continue
        if found := _DINOV2_QKV.match(key):
            for part, tensor in zip("qkv", value.chunk(3), strict=False):
                if (part, found[2]) != ("k", "bias"):
                    converted[f"model.layer.{found[1]}.attention.{part}_proj.{found[2]}"] = tensor
        else:
            converted[renamed(key, _DINOV3_RULES)] = value
    mask = converted.get("embeddings.mask_token")
    if mask is not None and mask.dim() == 2:
        converted["embeddings.mask_token"] = mask[None]
    return converted


def is_meta_dinov2(tensors: Tensors) -> bool:
    """Return whether the names are those of Meta's DINOv2 files."""
    return "pos_embed" in tensors and "cls_token" in tensors


def _aliased(key: str, known: set[str]) -> str:
    """The module's name for a tensor where the two sides of ``_DINOV2_ALIASES`` differ."""
    if key in known:
        return key
    for old, new in _DINOV2_ALIASES:
        for one, other in ((old, new), (new, old)):
            if (alias := key.replace(one, other)) in known:
                return alias
    return key

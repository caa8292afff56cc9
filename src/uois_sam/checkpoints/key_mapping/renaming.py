"""Rules for names, and what a file seems to hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from torch import Tensor

Tensors = Mapping[str, Tensor]
Rules = Iterable[tuple[str, str]]

_KINDS = (
    ("mask_decoder.hf_token.weight", "image_encoder.pos_embed", "SAM-HQ", r"^image_encoder\.blocks\.(\d+)\."),
    ("mask_decoder.hq_token.weight", "vision_encoder.pos_embed", "SAM-HQ", r"^vision_encoder\.layers\.(\d+)\."),
    ("image_encoder.pos_embed", "image_encoder.pos_embed", "SAM", r"^image_encoder\.blocks\.(\d+)\."),
    ("vision_encoder.pos_embed", "vision_encoder.pos_embed", "SAM", r"^vision_encoder\.layers\.(\d+)\."),
    ("storage_tokens", "cls_token", "DINOv3", r"^blocks\.(\d+)\."),
    ("embeddings.patch_embeddings.weight", "embeddings.cls_token", "DINOv3", r"layer\.(\d+)\."),
    ("register_tokens", "cls_token", "DINOv2 with registers", r"^blocks\.(\d+)\."),
    ("embeddings.register_tokens", "embeddings.cls_token", "DINOv2 with registers", r"^encoder\.layer\.(\d+)\."),
    ("pos_embed", "pos_embed", "DINOv2", r"^blocks\.(\d+)\."),
    ("embeddings.position_embeddings", "embeddings.cls_token", "DINOv2", r"^encoder\.layer\.(\d+)\."),
)
"""A tensor that only this kind has, one with the network's width last, the kind, and the names of its layers."""
_PYRAMIDS = (
    ("image_encoder.trunk.pos_embed", "SAM 2", r"^image_encoder\.trunk\.blocks\.(\d+)\."),
    ("vision_encoder.backbone.pos_embed", "SAM 2", r"^vision_encoder\.backbone\.blocks\.(\d+)\."),
)
"""Likewise; the width comes second."""


class Conversion(Protocol):
    """How the tensors of one family get their names."""

    def __call__(self, tensors: Tensors, names: Collection[str]) -> dict[str, Tensor]:
        """Tensors of a file, of its authors or of Hugging Face, under the module's names.

        Args:
            tensors: the file's; names that nothing is known about stay as they are.
            names: the module's.
        """
        ...


def renamed(key: str, rules: Rules) -> str:
    """Return a name after all rules, regular expressions and replacements, in turn."""
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def describe(tensors: Tensors) -> str:
    """Describe what a file seems to hold, for error messages: ``"SAM with 1024 channels and 24 layers"``, or names."""

    def count(pattern: str) -> int:
        return len({found[1] for name in tensors if (found := re.search(pattern, name))})

    for mark, width, kind, layer in _KINDS:
        if mark in tensors and width in tensors and tensors[width].dim():
            return f"{kind} with {tensors[width].shape[-1]} channels and {count(layer)} layers"
    for mark, kind, block in _PYRAMIDS:
        if mark in tensors and tensors[mark].dim() > 1:
            return f"{kind} with {tensors[mark].shape[1]} channels and {count(block)} blocks"
    return f"{len(tensors)} tensors of an unknown model ({', '.join(sorted(tensors)[:3])}, ...)"

"""SAM's successors at sizes that run in milliseconds, as entries for the list of bases (tests only)."""

from __future__ import annotations

import torch
from torch import Tensor

from tiny_base import HEADS, SAM
from uois_sam.checkpoints.bases import Backbone, BaseSpec, Published
from uois_sam.checkpoints.key_mapping.dino import dinov3_for_transformers
from uois_sam.checkpoints.key_mapping.sam2 import sam2_for_transformers, sam3_for_transformers
from uois_sam.models.dino import DinoSize
from uois_sam.models.edgetam.modules import EdgeTamSize
from uois_sam.models.sam2.modules import Sam2Size
from uois_sam.models.sam3.modules import Sam3Size
from uois_sam.models.sam_hq.modules import SamHqSize

DECODER = {"token_width": 16, "decoder_mlp": 32, "decoder_heads": 2, "iou_hidden": 24}
SAM2 = Sam2Size(
    width=8, blocks=(1, 1, 2, 1), windows=(4, 2, 4, 2), global_blocks=(3,), background=3, image_side=96, **DECODER
)  # fmt: skip
EDGETAM = EdgeTamSize((8, 16, 24, 32), (2, 1, 2, 1), image_side=64, **DECODER)
SAM3 = Sam3Size(
    width=16, layers=3, heads=2, mlp=40, window=2, global_layers=(1,), image_side=56, trained_side=28, **DECODER
)  # fmt: skip
SAM_HQ = SamHqSize(**vars(SAM))
FAMILIES = {
    "sam2-tiny": BaseSpec(
        SAM2, Published("tests/sam2-tiny", 0.1), sam2_for_transformers, prompts="dinov2-tiny", heads=HEADS
    ),
    "edgetam-tiny": BaseSpec(
        EDGETAM, Published("tests/edgetam-tiny", 0.1), sam2_for_transformers, prompts="dinov2-tiny", heads=HEADS
    ),
    "sam3-tiny": BaseSpec(
        SAM3, Published("tests/sam3-tiny", 0.1, "SAM License", gated=True), sam3_for_transformers,
        prompts="dinov2-tiny", heads=HEADS,
    ),
    "sam-hq-tiny": BaseSpec(SAM_HQ, Published("tests/sam-hq-tiny", 0.1), prompts="dinov2-tiny", heads=HEADS),
}  # fmt: skip
TINY_BACKBONES = {
    "registers-tiny": Backbone(
        DinoSize(24, 2, 2, trained_side=70, registers=3), Published("tests/registers-tiny", 0.1), hpg_scales=(2,)
    ),
    "dinov3-tiny": Backbone(
        DinoSize(24, 2, 2, patch=16, trained_side=64, registers=4, version=3),
        Published("tests/dinov3-tiny", 0.1, "DINOv3 License", gated=True),
        hpg_scales=(2,), convert=dinov3_for_transformers,
    ),
}  # fmt: skip


def points_for(side: int) -> Tensor:
    """(5, 2) float32 xy in a square frame, corners and beyond among them."""
    return torch.tensor([[0.05, 0.06], [0.3, 0.5], [0.98, 0.0], [-0.01, 0.7], [0.49, 0.49]]) * side

"""A SAM and a DINOv2 of the official anatomy at a size that runs in milliseconds, with random weights (tests only)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from random_official_weights import write_base
from uois_sam.checkpoints.bases import Backbone, BaseSpec, Published
from uois_sam.models.dino import DinoSize
from uois_sam.models.networks import HeadSizes, Networks
from uois_sam.models.sam.modules import SamSize

NAME = "sam-tiny"
SAM = SamSize(
    width=32, layers=3, heads=2, global_layers=(1,), image_side=64, window=3, token_width=16, decoder_mlp=32,
    decoder_heads=2, iou_hidden=24,
)  # fmt: skip
DINOV2 = DinoSize(width=24, layers=2, heads=2, trained_side=70)
HEADS = HeadSizes(prompt_channels=24, hpg_width=8, hpg_scales=(2,), token_width=16, score_width=8)
SPEC = BaseSpec(SAM, Published("tests/sam-tiny", 1), prompts="dinov2-tiny", heads=HEADS)
BACKBONE = Backbone(DINOV2, Published("tests/dinov2-tiny", 0.1), hpg_scales=(2,))


@dataclass(frozen=True)
class TinyBase:
    """Files of the two networks in Meta's format, loadable under ``NAME``."""

    sam: Path
    dinov2: Path

    def load(self, precision: str = "float32") -> Networks:
        """As a user would, on the processor."""
        from uois_sam.checkpoints.loading import load_base

        return load_base(NAME, sam=self.sam, dinov2=self.dinov2, device="cpu", precision=precision)


def write_tiny_base(folder: Path, seed: int = 0) -> TinyBase:
    """Random weights from a seed."""
    return TinyBase(*write_base(folder, SAM, DINOV2, seed))


def random_photo(height: int = 50, width: int = 70, seed: int = 0) -> torch.Tensor:
    """(3, H, W) uint8: smooth colours, so that resizing means something."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 7, 9), generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]
    return (smooth + 20 * torch.randn(smooth.shape, generator=generator)).clamp(0, 255).to(torch.uint8)

"""The compact model's parts in one module: what is trained together, saved together and loaded together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import nn

from uois_sam.models.compact.encoder import CompactConfig, CompactEncoder
from uois_sam.models.compact.mask_decoder import CompactDecoder
from uois_sam.models.compact.mask_scorer import MaskScorer
from uois_sam.models.hdnet import HDNet
from uois_sam.models.hpg import HPG


class CompactModel(nn.Module):
    """Encoder, prompt generator, point decoder, HDNet, and in newer models scores that see the masks."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CompactEncoder(config)
        self.hpg = HPG(config.fine_width, config.hpg_width, scales=(1,), frame_hw=config.input_hw)
        self.decoder = CompactDecoder(config)
        self.hdnet = HDNet(config.width, config.score_width)
        # Called evidence in files from the start.
        self.evidence = MaskScorer(config.width, config.evidence_width) if config.evidence_width else None


def config_to_json(config: CompactConfig) -> dict[str, Any]:
    """Plain data for the model card."""
    return {**asdict(config), "stages": [list(stage) for stage in config.stages]}

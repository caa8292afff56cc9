"""The compact model's parts in one module: what is trained together, saved together and loaded together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from torch import nn

from uois_sam.models.compact.efficientnet import Stage
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


def config_from_json(data: Mapping[str, Any]) -> CompactConfig:
    """Read what :func:`config_to_json` wrote; unknown keys raise TypeError."""
    values = {field.name: data[field.name] for field in fields(CompactConfig) if field.name in data}
    if unknown := set(data) - set(values):
        raise TypeError(f"unknown keys in the compact model's configuration: {sorted(unknown)}")
    if "stages" in values:
        values["stages"] = tuple(Stage(*stage) for stage in values["stages"])
    if "input_hw" in values:
        values["input_hw"] = tuple(values["input_hw"])
    return CompactConfig(**values)

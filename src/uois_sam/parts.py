"""The networks of one model, whatever it stands on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import nn

from uois_sam.checks import check_heads
from uois_sam.config import Selection
from uois_sam.models.arithmetic import frozen_arithmetic
from uois_sam.models.evidence import MaskEvidence
from uois_sam.models.hdnet import HDNet
from uois_sam.models.protocols import PointDecoder, PromptGenerator, SceneEncoder


@dataclass(frozen=True)
class Parts:
    """The networks of one model; each answers to a protocol of :mod:`uois_sam.models.protocols`."""

    encoder: SceneEncoder
    hpg: PromptGenerator | None
    """None for a base without heads: only a grid can prompt it."""
    decoder: PointDecoder
    hdnet: HDNet | None
    """None likewise: only the decoder's own scores can rank its masks."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: torch.dtype = torch.float32
    """Arithmetic of matrix products and convolutions; scores, prompts and mask logits are always float32."""
    evidence: MaskEvidence | None = None
    """Scores that see the masks; None for models without."""
    saved: Parts | None = None
    """The same networks with the parameters that are saved, where these are a faster form of them."""

    def computing(self) -> AbstractContextManager[None]:
        """The context that every forward pass runs in: no gradients, the chosen precision."""
        return frozen_arithmetic(self.device, self.precision)

    def check(self, selection: Selection, model: str) -> None:
        """Raise UOISError for settings that these parts cannot serve."""
        has = {"hpg": self.hpg is not None, "hdnet": self.hdnet is not None, "evidence": self.evidence is not None}
        check_heads(selection, model, **has)

    def modules(self) -> list[nn.Module]:
        """Those parts that are torch modules."""
        parts = (self.encoder, self.hpg, self.decoder, self.hdnet, self.evidence)
        return [part for part in parts if isinstance(part, nn.Module)]

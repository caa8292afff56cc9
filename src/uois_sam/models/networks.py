"""The networks of one model in one bundle: encoder and decoder that never train, and the heads that fit them."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta

from uois_sam.arrays import Array
from uois_sam.config import PROMPT_FRAME_HW, InferenceConfig, check_heads
from uois_sam.models.interfaces import PointDecoder, PromptGenerator, SceneEncoder
from uois_sam.types import ImageArray
from uois_sam.validation import Channels, Scale, Side

if TYPE_CHECKING:
    import torch
    from torch import nn

    from uois_sam.models.compact.mask_scorer import MaskScorer
    from uois_sam.models.hdnet import HDNet
    from uois_sam.models.hpg import HPG
    from uois_sam.models.redrawing import Redrawer


@dataclass(frozen=True)
class HeadSizes:
    """Sizes of HPG and HDNet; the defaults are the paper's on DINOv2 ViT-S and SAM (Sec. III-A, III-B)."""

    prompt_channels: Channels = 384
    """Channels of the features that HPG reads."""
    hpg_width: Channels = 256
    """C = 256 in Sec. III-A; other channel counts are projected to it first."""
    hpg_scales: Annotated[tuple[Scale, ...], Meta(min_length=1, max_length=8)] = (2, 2, 2, 1.75)
    """One upsampling block each: 24x32 to 336x448 in three doublings and one step to the exact size."""
    frame_hw: tuple[Side, Side] = PROMPT_FRAME_HW
    """Rows and columns of HPG's maps."""
    token_width: Channels = 256
    """Channels of the decoder's tokens."""
    score_width: Channels = 256
    """Hidden channels of HDNet, as SAM's own IoU head has them."""

    def fresh_hpg(self) -> HPG:
        """An untrained HPG (weights from torch's global generator)."""
        from uois_sam.models.hpg import HPG

        return HPG(self.prompt_channels, self.hpg_width, self.hpg_scales, self.frame_hw)

    def fresh_hdnet(self) -> HDNet:
        """An untrained HDNet (weights from torch's global generator)."""
        from uois_sam.models.hdnet import HDNet

        return HDNet(self.token_width, self.score_width)

    def to_json(self) -> dict[str, Any]:
        """Plain data for a model card."""
        return {**asdict(self), "hpg_scales": list(self.hpg_scales), "frame_hw": list(self.frame_hw)}


@dataclass(frozen=True)
class Processor:
    """The device of networks that take and give NumPy arrays; named as torch names it."""

    type: str = "cpu"

    def __str__(self) -> str:
        return self.type


def cpu() -> torch.device:
    """The processor, for tensors."""
    import torch

    return torch.device("cpu")


def float32() -> torch.dtype:
    """The usual arithmetic of tensors."""
    import torch

    return torch.float32


@dataclass(frozen=True)
class Networks:
    """The networks of one model, each answering to a protocol of :mod:`uois_sam.models.interfaces`.

    A frozen base, which heads are trained on, is one without heads: ``hpg`` and ``hdnet`` are None.
    """

    encoder: SceneEncoder
    """Photo to features for prompts and masks."""
    decoder: PointDecoder
    """Points to tokens and masks."""
    hpg: PromptGenerator | None = None
    """None for a base: only a grid can prompt it."""
    hdnet: HDNet | None = None
    """None likewise: only the decoder's own scores can rank its masks."""
    mask_scorer: MaskScorer | None = None
    """Scores masks once they are drawn; None for models without."""
    heads: HeadSizes = field(default_factory=HeadSizes)
    """Sizes of the heads that fit encoder and decoder."""
    name: str = ""
    """Name of encoder and decoder, e.g. ``sam-vit-l`` or ``compact``."""
    device: torch.device = field(default_factory=cpu)
    """A :class:`Processor` for networks that were exported."""
    precision: torch.dtype = field(default_factory=float32)
    """Arithmetic of matrix products and convolutions; scores, prompts and mask logits are always float32."""
    saved: Networks | None = None
    """The same networks with the parameters that are saved, where these are a faster form of them."""
    prompts_backbone: str = ""
    """Name of the backbone that HPG reads, e.g. ``dinov2-small``; empty where it is part of the encoder."""
    licence: str = "Apache-2.0"
    """Of encoder and decoder."""
    redrawer: Redrawer | None = None
    """Draws anew what the others have found; None where their own masks stay."""

    @cached_property
    def sha256(self) -> str:
        """Identity of encoder and decoder: the same whatever file format they came from (:func:`hash_weights`)."""
        from torch import nn

        return hash_weights([part for part in (self.encoder, self.decoder) if isinstance(part, nn.Module)])

    def fresh_hpg(self) -> HPG:
        """Return an untrained HPG that fits, on the networks' device."""
        return self.heads.fresh_hpg().to(self.device)

    def fresh_hdnet(self) -> HDNet:
        """Return an untrained HDNet that fits, on the networks' device."""
        return self.heads.fresh_hdnet().to(self.device)

    def computing(self) -> AbstractContextManager[None]:
        """Return the context that every forward pass runs in: no gradients, the chosen precision."""
        if isinstance(self.device, Processor):
            return nullcontext()
        from uois_sam.runtime.device import inference_precision

        return inference_precision(self.device, self.precision)

    def check(self, settings: InferenceConfig, model: str) -> None:
        """Raise UOISError for settings that these networks cannot serve."""
        has = {"hpg": self.hpg is not None, "hdnet": self.hdnet is not None}
        check_heads(settings, model, **has, mask_scorer=self.mask_scorer is not None)

    def modules(self) -> list[nn.Module]:
        """Return those networks that are torch modules."""
        if isinstance(self.device, Processor):
            return []
        from torch import nn

        parts = (self.encoder, self.hpg, self.decoder, self.hdnet, self.mask_scorer)
        return [part for part in parts if isinstance(part, nn.Module)]


def hash_weights(modules: list[nn.Module]) -> str:
    """SHA256 over the shapes and float32 values of all tensors, whatever they are called and in whatever order.

    Names are left out because the same weights are called differently by Meta's files, by Hugging Face's and from one
    version of transformers to the next.
    """
    digests = []
    for module in modules:
        for value in module.state_dict().values():
            array = value.detach().cpu().float().contiguous().numpy()
            digests.append(hashlib.sha256(repr(array.shape).encode() + hashlib.sha256(array).digest()).digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def as_image(pixels: ImageArray, device: torch.device) -> Array:
    """(H, W, 3) uint8 RGB as an encoder takes it: (3, H, W), on its device."""
    channels = np.array(pixels).transpose(2, 0, 1)
    if isinstance(device, Processor):
        return channels
    import torch

    return torch.from_numpy(channels).to(device)

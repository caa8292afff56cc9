"""The graphs of a model: torch modules of fixed shapes with named inputs and outputs.

Names and shapes are listed in docs/reference/exported-models.md; :mod:`uois_sam.backends.networks` calls them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.models.compact.encoder import CompactEncoder
from uois_sam.models.compact.evidence import evidence_width
from uois_sam.models.compact.inference import traceable
from uois_sam.models.compact.places import FINER
from uois_sam.models.hdnet import HDNet
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.models.networks import Networks
from uois_sam.types import TokenPredictions

DRAW_IN_WINDOWS = ("ground", "sketch", "window")
"""Graphs that only backends with maps of any size have a use for."""


@dataclass(frozen=True)
class Graph:
    """One graph, ready to be traced."""

    name: str
    """``encoder_1``: what it is and its batch."""
    module: nn.Module
    inputs: Mapping[str, Tensor]
    """Examples of the inputs, by name."""
    outputs: tuple[str, ...]
    any_size: frozenset[str] = field(default_factory=frozenset)
    """Inputs and outputs whose rows and columns may be others."""
    apart: bool = False
    """Whether it is recorded without its weights, which may be more than an ONNX file can hold (2 GB)."""

    @property
    def kind(self) -> str:
        """Its name without the batch."""
        return self.name.partition("_")[0]


class Encoder(nn.Module):
    """A stretched photo to everything that is computed of it once."""

    def __init__(self, encoder: CompactEncoder, hpg: Any) -> None:
        super().__init__()
        self.encoder, self.hpg = encoder, hpg

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what is returned."""
        return ("grid", "fine8", "fine4", *(() if self.hpg is None else ("foreground_logits", "heatmap")))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder.encode_batch(image)
        found = (features.mask_features.grid, *features.mask_features.fine)
        if self.hpg is None:
            return found
        return (*found, *drawn_maps(self.hpg, features.prompt_features))


def drawn_maps(hpg: Any, prompt_features: Tensor) -> tuple[Tensor, ...]:
    """HPG's foreground logits and heatmap at the full size of its frame."""
    maps = hpg(prompt_features)
    return tuple(F.interpolate(x, hpg.frame_hw, mode="bilinear", align_corners=False) for x in maps)


class Photo(nn.Module):
    """The encoder with preprocessing: a photo of one size, as it is in memory."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, photo: Tensor) -> tuple[Tensor, ...]:
        pixels = photo.permute(0, 3, 1, 2).float()
        size = self.encoder.encoder.input_hw
        return self.encoder(F.interpolate(pixels, size, mode="bilinear", antialias=True))


class Tokens(nn.Module):
    """Prompts up to tokens and the decoder's own scores."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, grid: Tensor, fine4: Tensor, points: Tensor) -> tuple[Tensor, ...]:
        found = self.decoder.decode_tokens(MaskFeatures(grid, (fine4,)), points)
        return found.iou_token, found.mask_tokens, found.scores, found.image_state


class Refined(nn.Module):
    """HDNet's scores."""

    def __init__(self, hdnet: HDNet) -> None:
        super().__init__()
        self.hdnet = hdnet

    def forward(self, iou_token: Tensor, mask_tokens: Tensor, scores: Tensor) -> Tensor:
        return self.hdnet(TokenPredictions(iou_token, mask_tokens, scores, scores))


class Masks(nn.Module):
    """All four masks of prompts."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, fine8: Tensor, fine4: Tensor, mask_tokens: Tensor, image_state: Tensor, points: Tensor) -> Tensor:
        every = torch.arange(MASKS_PER_PROMPT).expand(len(points), -1)
        none = image_state[:, 0, 0]
        predictions = TokenPredictions(none, mask_tokens, none, image_state)
        return self.decoder.upscale(MaskFeatures(none, (fine8, fine4)), predictions, points, every)


class Ground(nn.Module):
    """What all prompts of a photo share on the finest grid."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, fine4: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.decoder.fine4(fine4) + self.decoder.relative4.bias[:, None, None]
        return shared, self.decoder.embed4(fine4).flatten(1, 2)


class Sketch(nn.Module):
    """Masks at a glance, and what they are drawn from (``models.compact.windows``)."""

    outputs = ("x", "alike", "offsets", "weights", "seen", "logits")

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, fine8: Tensor, shared: Tensor, look: Tensor, mask_tokens: Tensor, image_state: Tensor, points: Tensor
    ) -> tuple[Tensor, ...]:
        decoder = self.decoder
        x, weights = decoder.coarse(fine8, image_state), decoder.weights(mask_tokens)
        offsets = decoder.offsets(points, look.shape[-2:])
        near, by_look = decoder.relative4.weight[:, :, 0, 0].split([3, decoder.relative4.in_channels - 3], dim=1)
        under = 4 * decoder.under(look, points)
        alike = (by_look[..., None] * under[:, None]).flatten(2)  # (B, M, G)
        coarse, far, likes = (each[..., ::FINER, ::FINER].flatten(2) for each in (shared, offsets, look))
        y = F.relu(x.flatten(2) + coarse + near @ far + alike @ likes)
        mixed = F.relu(decoder.mix4.weight.sum(dim=(2, 3)) @ y + decoder.mix4.bias[:, None])
        seen = (weights @ mixed).unflatten(2, x.shape[2:])
        return x, alike, offsets, weights, seen, F.interpolate(seen, look.shape[-2:], mode="bilinear")


class Window(nn.Module):
    """Masks of one prompt in a part of the frame, as they are drawn there."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, x: Tensor, shared: Tensor, look: Tensor, offsets: Tensor, alike: Tensor, weights: Tensor
    ) -> Tensor:
        near = self.decoder.relative4.weight[:, :3, 0, 0]
        grown = F.interpolate(x, scale_factor=FINER, mode="bilinear") + shared
        y = F.relu(grown + (near @ offsets.flatten(2) + alike @ look.flatten(2)).view(grown.shape))
        y = F.relu(self.decoder.mix4(y))
        return (weights @ y.flatten(2)).view(*weights.shape[:2], *y.shape[2:])


def compact_graphs(networks: Networks, batches: tuple[int, ...], photo_hw: tuple[int, int] | None) -> Iterator[Graph]:
    """The graphs of a compact model, each for every batch."""
    plain = networks.saved or networks
    encoder = plain.encoder
    assert isinstance(encoder, CompactEncoder)
    module = Encoder(encoder, plain.hpg).eval()
    for batch in batches:
        image = 255 * torch.rand(batch, 3, *encoder.input_hw, generator=torch.Generator().manual_seed(0))
        yield Graph(f"encoder_{batch}", module, {"image": image}, module.outputs)
        if photo_hw is not None:
            photo = torch.zeros(batch, *photo_hw, 3, dtype=torch.uint8)
            yield Graph(f"photo_{batch}", Photo(module).eval(), {"photo": photo}, module.outputs)
    with torch.no_grad():
        features = dict(zip(module.outputs, module(image[:1]), strict=True))
    for batch in batches:
        yield from _prompt_graphs(plain, features, batch, encoder.input_hw)


def _prompt_graphs(
    plain: Networks, features: Mapping[str, Tensor], batch: int, frame_hw: tuple[int, int]
) -> Iterator[Graph]:
    decoder = traceable(plain.decoder)
    tokens, names = Tokens(decoder).eval(), ("iou_token", "mask_tokens", "scores", "image_state")
    known = {**features, "points": torch.rand(batch, 2, generator=torch.Generator().manual_seed(1)) * min(frame_hw)}
    inputs = {name: known[name] for name in ("grid", "fine4", "points")}
    yield Graph(f"tokens_{batch}", tokens, inputs, names)
    with torch.no_grad():
        known |= dict(zip(names, tokens(*inputs.values()), strict=True))
    inputs = {name: known[name] for name in ("fine8", "fine4", "mask_tokens", "image_state", "points")}
    yield Graph(f"masks_{batch}", Masks(decoder).eval(), inputs, ("logits",))
    yield from _window_graphs(decoder, known, batch)
    if plain.hdnet is not None:
        inputs = {name: known[name] for name in names[:3]}
        yield Graph(f"hdnet_{batch}", Refined(plain.hdnet).eval(), inputs, ("refined",))
    if plain.mask_scorer is not None:
        width = evidence_width(known["iou_token"].shape[1])
        evidence = torch.zeros(batch, MASKS_PER_PROMPT, width)
        yield Graph(f"scorer_{batch}", plain.mask_scorer.eval(), {"evidence": evidence}, ("refined",))


def _window_graphs(decoder: Any, known: Mapping[str, Tensor], batch: int) -> Iterator[Graph]:
    """The graphs that draw the masks of prompts in windows; none for frames on which windows cannot be cut."""
    if known["fine4"].shape[2:] != tuple(FINER * side for side in known["fine8"].shape[2:]):
        return
    ground, sketch, names = Ground(decoder).eval(), Sketch(decoder).eval(), ("shared", "look")
    with torch.no_grad():
        known = {**known, **dict(zip(names, ground(known["fine4"]), strict=True))}
    inputs = {name: known[name] for name in ("fine8", "shared", "look", "mask_tokens", "image_state", "points")}
    yield Graph(f"sketch_{batch}", sketch, inputs, Sketch.outputs)
    if batch > 1:
        return
    yield Graph("ground_1", ground, {"fine4": known["fine4"]}, names)
    with torch.no_grad():
        known.update(dict(zip(Sketch.outputs, sketch(*inputs.values()), strict=True)))
    inputs = {name: known[name] for name in ("x", "shared", "look", "offsets", "alike", "weights")}
    any_size = frozenset({"x", "shared", "look", "offsets", "logits"})
    yield Graph("window_1", Window(decoder).eval(), inputs, ("logits",), any_size)

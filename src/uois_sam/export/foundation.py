"""The graphs of a model that stands on a SAM: image encoder, prompt generator, decoder and HDNet.

As :mod:`uois_sam.export.graphs`, of one photo. Weights are recorded by name only (:attr:`Graph.apart`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from uois_sam.backends.networks import FINE
from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.export.graphs import Graph, Refined, drawn_maps
from uois_sam.models.dino import DinoEncoder
from uois_sam.models.foundation import FoundationEncoder
from uois_sam.models.hpg import HPG
from uois_sam.models.interfaces import CELLS, MaskFeatures
from uois_sam.models.networks import Networks
from uois_sam.models.sam.modules import PIXEL_MEAN, SamImageEncoder, SamPointDecoder
from uois_sam.models.sam2.modules import Sam2ImageEncoder
from uois_sam.models.sam_hq.modules import SamHqImageEncoder
from uois_sam.types import TokenPredictions

TOKENS = ("iou_token", "mask_tokens", "scores", "image_state")
OUTLINE = "outline_token"
"""SAM-HQ's fifth."""


class Pixels(nn.Module):
    """A photo in the mask frame to the image embedding, and finer maps where there are any."""

    def __init__(self, sam: SamImageEncoder | Sam2ImageEncoder) -> None:
        super().__init__()
        self.sam = sam

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        found = self.sam.features((image - self.sam.mean) / self.sam.std)
        return found.grid, *found.fine


class Prompts(nn.Module):
    """A photo stretched to the prompt frame to foreground logits and heatmap."""

    def __init__(self, backbone: DinoEncoder, hpg: HPG) -> None:
        super().__init__()
        self.backbone, self.hpg = backbone, hpg

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        backbone = self.backbone
        return drawn_maps(self.hpg, backbone.features((image - backbone.mean) / backbone.std))


class Tokens(nn.Module):
    """Prompts up to tokens and the decoder's own scores."""

    def __init__(self, decoder: SamPointDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, grid: Tensor, points: Tensor) -> tuple[Tensor, ...]:
        found = self.decoder.decode_tokens(MaskFeatures(grid), points)
        tokens = tuple(getattr(found, name) for name in TOKENS)
        return tokens if found.outline_token is None else (*tokens, found.outline_token)


class Masks(nn.Module):
    """All four masks of prompts.

    Args:
        decoder: that draws them.
        fine: number of finer maps of the photo, which are the last inputs; before them is SAM-HQ's fifth token.
    """

    def __init__(self, decoder: SamPointDecoder, fine: int) -> None:
        super().__init__()
        self.decoder, self.fine = decoder, fine

    def forward(self, mask_tokens: Tensor, image_state: Tensor, *others: Tensor) -> Tensor:
        outline = others[0] if len(others) > self.fine else None
        features = MaskFeatures(image_state[:1], others[len(others) - self.fine :])
        predictions = TokenPredictions(mask_tokens[:, 0], mask_tokens, mask_tokens[..., 0], image_state, outline)
        every = torch.arange(MASKS_PER_PROMPT).expand(len(mask_tokens), -1)
        return self.decoder.upscale(features, predictions, mask_tokens[:, 0, :2], every)


def foundation_graphs(networks: Networks, batches: tuple[int, ...]) -> Iterator[Graph]:
    """The graphs of a model on a SAM: those of the photo once, those of prompts for every batch."""
    plain = networks.saved or networks
    encoder, decoder = plain.encoder, plain.decoder
    assert isinstance(encoder, FoundationEncoder) and isinstance(decoder, SamPointDecoder)
    sam: Any = encoder.sam
    fine = _fine(sam)
    image = _levels(sam.side, sam.side)
    yield Graph("encoder_1", Pixels(sam).eval(), {"image": image}, ("grid", *fine), apart=True)
    if plain.hpg is not None:
        module: Any = Prompts(encoder.dinov2, plain.hpg).eval()  # type: ignore[arg-type]
        stretched = _levels(*encoder.dinov2.frame_hw)
        yield Graph("prompts_1", module, {"image": stretched}, ("foreground_logits", "heatmap"), apart=True)
    for batch in batches:
        yield from _prompt_graphs(
            plain, _examples(decoder, fine, plain.heads.token_width, sam.side, batch), fine, batch
        )


def frame_of(networks: Networks) -> dict[str, Any]:
    """The fields of a manifest that say how photos get into the graphs."""
    encoder = (networks.saved or networks).encoder
    assert isinstance(encoder, FoundationEncoder)
    sam: Any = encoder.sam
    return {
        "input_hw": (sam.side, sam.side),
        "padding": PIXEL_MEAN if isinstance(sam, SamImageEncoder) else None,
        "prompts_hw": None if networks.hpg is None else encoder.dinov2.frame_hw,
    }


def _fine(sam: SamImageEncoder | Sam2ImageEncoder) -> tuple[str, ...]:
    """Names of the maps of an encoder that are finer than its embedding."""
    if isinstance(sam, Sam2ImageEncoder):
        return FINE
    return FINE[1:] if isinstance(sam, SamHqImageEncoder) else ()


def _levels(height: int, width: int) -> Tensor:
    return 255 * torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def _examples(
    decoder: SamPointDecoder, fine: tuple[str, ...], channels: int, side: int, batch: int
) -> dict[str, Tensor]:
    """Random features of a photo and points, with the shapes that the encoder gives."""
    grid = int(decoder.prompt_encoder.image_embedding_size[0])
    finest = CELLS * grid
    shapes = {"fine8": (channels // 4, finest // 2, finest // 2), "fine4": (channels // 8, finest, finest)}
    generator = torch.Generator().manual_seed(1)
    features = {"grid": torch.randn(1, channels, grid, grid, generator=generator)}
    features |= {name: torch.randn(1, *shapes[name], generator=generator) for name in fine}
    return {**features, "points": torch.rand(batch, 2, generator=generator) * side}


def _prompt_graphs(plain: Networks, known: Mapping[str, Tensor], fine: tuple[str, ...], batch: int) -> Iterator[Graph]:
    decoder: Any = plain.decoder
    tokens: Any = Tokens(decoder).eval()
    names = TOKENS if decoder.layout.outline is None else (*TOKENS, OUTLINE)
    inputs = {name: known[name] for name in ("grid", "points")}
    yield Graph(f"tokens_{batch}", tokens, inputs, names, apart=True)
    with torch.no_grad():
        known = {**known, **dict(zip(names, tokens(*inputs.values()), strict=True))}
    drawn_from = ("mask_tokens", "image_state", *names[len(TOKENS) :], *fine)
    inputs = {name: known[name] for name in drawn_from}
    yield Graph(f"masks_{batch}", Masks(decoder, len(fine)).eval(), inputs, ("logits",), apart=True)
    if plain.hdnet is not None:
        inputs = {name: known[name] for name in TOKENS[:3]}
        yield Graph(f"hdnet_{batch}", Refined(plain.hdnet).eval(), inputs, ("refined",), apart=True)

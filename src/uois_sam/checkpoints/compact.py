"""Compact models in folders: from a card and tensors to networks, and back."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from uois_sam.checkpoints.folder import (
    CARD_FILE,
    WEIGHTS_FILE,
    architecture_of,
    check_shapes,
    load_strictly,
    read_folder,
)
from uois_sam.checkpoints.names import find_folder
from uois_sam.errors import WeightsError
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel, config_to_json
from uois_sam.models.networks import HeadSizes, Networks
from uois_sam.types import ModelCard
from uois_sam.validation import validated


def load_compact(name_or_path: str | os.PathLike[str]) -> tuple[CompactModel, ModelCard]:
    """Load a compact model as it was saved, on the CPU, with its card: what training goes on from.

    Args:
        name_or_path: as for :func:`uois_sam.checkpoints.loading.load`.

    Raises:
        WeightsError: if the name is unknown, files are unreadable or altered, or it is a model of another kind.
    """
    folder = find_folder(os.fspath(name_or_path))
    card, tensors = read_folder(folder)
    return fill_compact(card, tensors, folder), card


def fill_compact(card: ModelCard, tensors: dict[str, Tensor], folder: Path) -> CompactModel:
    """Return the card's model with the tensors of ``folder``, which messages name."""
    with torch.device("meta"):  # takes no memory: real tensors are made only once the file has them
        check_shapes(build_compact(card, folder), tensors, folder / WEIGHTS_FILE)
    model = build_compact(card, folder)
    load_strictly(model, tensors, folder / WEIGHTS_FILE)
    return model


def build_compact(card: ModelCard, source: Path) -> CompactModel:
    """Return an untrained model of the card's architecture.

    Raises:
        WeightsError: if the card describes another kind of model, or none.
    """
    kind, architecture = architecture_of(card)
    if kind != "compact":
        raise WeightsError(f"{source}: expected architecture kind 'compact', got {kind!r}")
    where = f"{source / CARD_FILE}: architecture"
    config = validated(architecture, CompactConfig, where, WeightsError)
    if config.width % (2 * config.heads):
        raise WeightsError(
            f"{where}: width: expected a multiple of twice the {config.heads} heads, found {config.width}"
        )
    try:
        return CompactModel(config)
    except Exception as error:  # sizes that do not go together make torch raise all kinds
        raise WeightsError(f"{where} does not describe a compact model: {error}") from error


def compact_networks(
    model: CompactModel, name: str, device: torch.device, precision: torch.dtype = torch.float32
) -> Networks:
    """Return a compact model's networks, frozen and moved to the device."""
    model.requires_grad_(False).eval().to(device)
    heads = compact_head_sizes(model.config)
    return Networks(
        model.encoder, model.decoder, model.hpg, model.hdnet, model.evidence, heads, name, device, precision
    )  # fmt: skip


def compact_base(
    model: CompactModel, name: str, device: torch.device, precision: torch.dtype = torch.float32
) -> Networks:
    """Return a compact model's encoder and decoder as a base without heads; they stay as they are."""
    heads = compact_head_sizes(model.config)
    return Networks(model.encoder, model.decoder, heads=heads, name=name, device=device, precision=precision)


def compact_head_sizes(config: CompactConfig) -> HeadSizes:
    """Return the sizes of the heads that fit a compact model's encoder and decoder: those of its own."""
    return HeadSizes(
        prompt_channels=config.fine_width, hpg_width=config.hpg_width, hpg_scales=(1,), frame_hw=config.input_hw,
        token_width=config.width, score_width=config.score_width,
    )  # fmt: skip


def compact_architecture(config: CompactConfig) -> dict[str, object]:
    """Return a card's ``architecture`` entry for a compact model."""
    return {"kind": "compact", **config_to_json(config)}

"""From a name or a folder to a model that runs: the bundled model, the foundation bases, folders of either kind."""

from __future__ import annotations

import difflib
import os
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from uois_sam.bases import BASES, load_foundation
from uois_sam.config import Selection
from uois_sam.devices import choose_device, choose_precision
from uois_sam.errors import UOISError, WeightsError
from uois_sam.model_folder import (
    CARD_FILE,
    WEIGHTS_FILE,
    architecture_of,
    load_strictly,
    read_folder,
    save_folder,
)
from uois_sam.models.compact import CompactConfig
from uois_sam.models.compact_model import CompactModel, config_from_json, config_to_json
from uois_sam.models.frozen_base import FrozenBase, HeadsConfig
from uois_sam.pipeline import UOISSAM, Parts, check_modes
from uois_sam.types import ModelCard

__all__ = [
    "BUNDLED",
    "CARD_FILE",
    "WEIGHTS_FILE",
    "assemble",
    "choose_device",
    "choose_precision",
    "compact_architecture",
    "load_base",
    "load_pretrained",
    "read_folder",
    "save_folder",
    "save_pretrained",
]

BUNDLED = {"compact": Path(__file__).parent / "weights" / "compact"}
"""Models that come with the package."""


def load_pretrained(name_or_path: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> UOISSAM:
    """Load a bundled model or a model folder; see :meth:`UOISSAM.from_pretrained`."""
    chosen = choose_device(device)
    arithmetic = choose_precision(precision, chosen)
    folder = _find(name_or_path)
    card, tensors = read_folder(folder)
    model = build(card, folder)
    load_strictly(model, tensors, folder / WEIGHTS_FILE)
    return assemble(model, card, chosen, arithmetic)


def load_base(
    name: str,
    *,
    sam: str | os.PathLike[str] | None = None,
    dinov2: str | os.PathLike[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> FrozenBase:
    """Load the frozen part of a model: what heads are trained on.

    Args:
        name: ``sam-vit-b``, ``sam-vit-l`` (the paper's), ``sam-vit-h`` or ``compact``.
        sam: SAM's weights: Meta's ``.pth`` file, a Hugging Face folder or id; the published ones when left out.
        dinov2: DINOv2's, likewise.
        device: as :meth:`UOISSAM.from_pretrained`.
        precision: as there.

    Raises:
        UOISError: unknown name (the nearest are offered), device or precision.
        WeightsError: weights that cannot be had, are truncated or altered, or belong to another model.
        MissingExtraError: the extra ``full`` is not installed.
    """
    chosen = choose_device(device)
    arithmetic = choose_precision(precision, chosen)
    if name in BASES:
        return load_foundation(name, sam, dinov2, chosen, arithmetic)
    if name not in BUNDLED:
        raise WeightsError(_unknown(name, (*BUNDLED, *BASES)))
    if sam is not None or dinov2 is not None:
        raise UOISError(f"{name} has its own weights: sam and dinov2 are for {', '.join(BASES)}")
    card, tensors = read_folder(BUNDLED[name])
    model = build(card, BUNDLED[name])
    load_strictly(model, tensors, BUNDLED[name] / WEIGHTS_FILE)
    model.requires_grad_(False).eval().to(chosen)
    return compact_base(model, name, chosen, arithmetic)


def compact_base(
    model: CompactModel, name: str, device: torch.device, precision: torch.dtype = torch.float32
) -> FrozenBase:
    """A compact model's encoder and decoder as a base; the heads that fit have the sizes of its own."""
    config = model.config
    heads = HeadsConfig(
        prompt_channels=config.fine_width, hpg_width=config.hpg_width, hpg_scales=(1,), frame_hw=config.input_hw,
        token_width=config.width, score_width=config.score_width,
    )  # fmt: skip
    return FrozenBase(name, model.encoder, model.decoder, heads, device, precision)


def assemble(
    model: CompactModel, card: ModelCard, device: torch.device, precision: torch.dtype = torch.float32
) -> UOISSAM:
    """A ready pipeline around a compact model; its parameters are frozen and moved to the device."""
    model.requires_grad_(False).eval().to(device)
    parts = Parts(model.encoder, model.hpg, model.decoder, model.hdnet, device, precision)
    return UOISSAM(parts, card, _selection(card))


def save_pretrained(model: UOISSAM, folder: str | os.PathLike[str]) -> None:
    """Write the model's tensors and card; both files appear, or neither.

    Raises:
        UOISError: a part is missing or is no torch module, so the folder could not be loaded again.
    """
    tensors: dict[str, Tensor] = {}
    for name in ("encoder", "hpg", "decoder", "hdnet"):
        part = getattr(model.parts, name)
        if not isinstance(part, nn.Module):
            raise UOISError(f"cannot save {model.name}: expected a torch module as {name}, found {part!r}")
        tensors |= {f"{name}.{key}": value.detach().cpu().contiguous() for key, value in part.state_dict().items()}
    save_folder(tensors, replace(model.card, selection=asdict(model.selection)), folder)


def build(card: ModelCard, source: Path) -> CompactModel:
    """An uninitialised model of the card's architecture."""
    kind, architecture = architecture_of(card)
    if kind != "compact":
        raise WeightsError(f"{source}: expected architecture kind 'compact', got {kind!r}")
    try:
        return CompactModel(config_from_json(architecture))
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(f"{source / CARD_FILE}: architecture does not describe a compact model: {error}") from error


def compact_architecture(config: CompactConfig) -> dict[str, object]:
    """The card's ``architecture`` entry for a compact model."""
    return {"kind": "compact", **config_to_json(config)}


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    name = os.fspath(name_or_path)
    if name in BUNDLED:
        return BUNDLED[name]
    if Path(name).is_dir():
        return Path(name)
    raise WeightsError(f"{_unknown(name, tuple(BUNDLED))}, or a folder with {CARD_FILE}")


def _unknown(name: str, known: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f" (did you mean {' or '.join(nearest)}?)" if nearest else ""
    return f"unknown model {name!r}{hint}: expected one of {', '.join(known)}"


def _selection(card: ModelCard) -> Selection:
    try:
        selection = Selection(**card.selection)
        check_modes(selection)
        return selection
    except (TypeError, UOISError) as error:
        raise WeightsError(f"model card of {card.name}: selection settings do not fit: {error}") from error

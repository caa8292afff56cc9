"""From a name or a folder to a model that runs: the bundled model, the foundation bases, folders of either kind."""

from __future__ import annotations

import difflib
import os
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from uois_sam.checkpoints.folder import (
    CARD_FILE,
    WEIGHTS_FILE,
    architecture_of,
    load_strictly,
    read_folder,
    save_folder,
)
from uois_sam.checkpoints.foundation import BASES, check_foundation, load_foundation
from uois_sam.checkpoints.heads import (
    BASE_KIND,
    HEADS_KIND,
    card_settings,
    load_heads,
    read_heads_card,
    readme,
    save_heads,
    with_heads,
    without_heads,
)
from uois_sam.checkpoints.huggingface import fetch_folder, looks_like_hub_id, push_folder
from uois_sam.errors import UOISError, WeightsError
from uois_sam.io.files import write_atomically
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.inference import fused
from uois_sam.models.compact.model import CompactModel, config_from_json, config_to_json
from uois_sam.models.networks import FrozenBase, HeadSizes, Networks
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.device import choose_device, choose_precision
from uois_sam.types import ModelCard

__all__ = [
    "BUNDLED",
    "CARD_FILE",
    "WEIGHTS_FILE",
    "assemble",
    "check_base",
    "choose_device",
    "choose_precision",
    "compact_architecture",
    "load_base",
    "load_compact",
    "load_pretrained",
    "push_to_hub",
    "read_folder",
    "save_folder",
    "save_heads",
    "save_pretrained",
]

Weights = str | os.PathLike[str] | None
"""Where a network's weights are; None for the published ones."""
BUNDLED = {"compact": Path(__file__).parents[1] / "weights" / "compact"}
"""Models that come with the package."""


def load_pretrained(
    name_or_path: str | os.PathLike[str],
    *,
    sam: Weights = None,
    dinov2: Weights = None,
    device: str = "auto",
    precision: str = "auto",
) -> UOISSAM:
    """Load a model by name, folder or hub id; see :meth:`UOISSAM.from_pretrained`."""
    chosen = choose_device(device)
    arithmetic = choose_precision(precision, chosen)
    name = os.fspath(name_or_path)
    if name in BASES:
        return without_heads(load_base(name, sam=sam, dinov2=dinov2, device=device, precision=precision))
    folder = _find(name)
    card, tensors = read_folder(folder)
    kind, _ = architecture_of(card)
    if kind == HEADS_KIND:
        wanted = read_heads_card(card, folder)
        base = load_base(wanted.base, sam=sam, dinov2=dinov2, device=device, precision=precision)
        return _fused(with_heads(base, load_heads(base, wanted, tensors, folder), card))
    _refuse_foreign(name, sam, dinov2)
    model = _filled(card, tensors, folder)
    if precision == "auto":
        arithmetic = torch.float32  # bfloat16 would draw and choose other masks: mean IoU 0.96 with these
    return _fused(assemble(model, card, chosen, arithmetic))


def _fused(model: UOISSAM) -> UOISSAM:
    """The same model, faster; what it was is kept to be saved."""
    parts = model.networks
    encoder = fused(parts.encoder, parts.device, parts.precision)
    decoder = fused(parts.decoder, parts.device, parts.precision)
    hpg = fused(parts.hpg, parts.device, torch.float32)
    fast = replace(parts, encoder=encoder, hpg=hpg, decoder=decoder, saved=parts)
    return UOISSAM(fast, model.card, model.settings)


def assemble(
    model: CompactModel, card: ModelCard, device: torch.device, precision: torch.dtype = torch.float32
) -> UOISSAM:
    """A ready pipeline around a compact model; its parameters are frozen and moved to the device."""
    model.requires_grad_(False).eval().to(device)
    parts = Networks(model.encoder, model.hpg, model.decoder, model.hdnet, device, precision, evidence=model.evidence)
    return UOISSAM(parts, card, card_settings(card))


def save_pretrained(model: UOISSAM, folder: str | os.PathLike[str]) -> None:
    """Write the model's tensors and card; both files appear, or neither. See :meth:`UOISSAM.save_pretrained`.

    Raises:
        UOISError: a part is missing or is no torch module, so the folder could not be loaded again.
    """
    kind, _ = architecture_of(model.card)
    own = () if kind in (HEADS_KIND, BASE_KIND) else ("encoder", "decoder")
    parts = (*own, "hpg", "hdnet", *(("evidence",) if model.networks.evidence is not None else ()))
    tensors: dict[str, Tensor] = {}
    for name in parts:
        part = getattr(model.networks.saved or model.networks, name)
        if not isinstance(part, nn.Module):
            raise UOISError(f"cannot save {model.name}: expected a torch module as {name}, found {part!r}")
        tensors |= {f"{name}.{key}": value.detach().cpu().contiguous() for key, value in part.state_dict().items()}
    save_folder(tensors, replace(model.card, selection=asdict(model.settings)), folder)


def push_to_hub(model: UOISSAM, repo: str, *, private: bool = False, token: str | None = None) -> str:
    """Publish a model's folder; see :meth:`UOISSAM.push_to_hub`."""
    with TemporaryDirectory() as folder:
        save_pretrained(model, folder)
        write_atomically(Path(folder) / "README.md", readme(model.card, repo).encode())
        return push_folder(Path(folder), repo, private=private, token=token)


def load_base(
    name: str,
    *,
    sam: Weights = None,
    dinov2: Weights = None,
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
    chosen, arithmetic = check_base(name, sam=sam, dinov2=dinov2, device=device, precision=precision)
    if name in BASES:
        return load_foundation(name, sam, dinov2, chosen, arithmetic)
    model, _ = load_compact(name)
    model.requires_grad_(False).eval().to(chosen)
    return compact_base(model, name, chosen, arithmetic)


def load_compact(name_or_path: str | os.PathLike[str]) -> tuple[CompactModel, ModelCard]:
    """A compact model's networks as they were saved, on the CPU, with its card: what training goes on from.

    Args:
        name_or_path: as for :func:`load_pretrained`.

    Raises:
        WeightsError: unknown name, unreadable or altered files, or a model of another kind.
    """
    folder = _find(os.fspath(name_or_path))
    card, tensors = read_folder(folder)
    return _filled(card, tensors, folder), card


def _filled(card: ModelCard, tensors: dict[str, Tensor], folder: Path) -> CompactModel:
    """The card's networks with the folder's weights."""
    model = build(card, folder)
    load_strictly(model, tensors, folder / WEIGHTS_FILE)
    return model


def check_base(
    name: str,
    *,
    sam: Weights = None,
    dinov2: Weights = None,
    device: str = "auto",
    precision: str = "auto",
) -> tuple[torch.device, torch.dtype]:
    """What :func:`load_base` can refuse at once, before anything is downloaded or read.

    Returns:
        Device and arithmetic that the names stand for.

    Raises:
        UOISError, WeightsError, MissingExtraError: as :func:`load_base`.
    """
    chosen = choose_device(device)
    arithmetic = choose_precision(precision, chosen)
    if name in BASES:
        check_foundation(name, sam, dinov2)
    elif name in BUNDLED:
        _refuse_foreign(name, sam, dinov2)
    else:
        raise WeightsError(_unknown(name, (*BUNDLED, *BASES)))
    return chosen, arithmetic


def compact_base(
    model: CompactModel, name: str, device: torch.device, precision: torch.dtype = torch.float32
) -> FrozenBase:
    """A compact model's encoder and decoder as a base; the heads that fit have the sizes of its own."""
    config = model.config
    heads = HeadSizes(
        prompt_channels=config.fine_width, hpg_width=config.hpg_width, hpg_scales=(1,), frame_hw=config.input_hw,
        token_width=config.width, score_width=config.score_width,
    )  # fmt: skip
    return FrozenBase(name, model.encoder, model.decoder, heads, device, precision)


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


def _find(name: str) -> Path:
    """The folder of a bundled model, of a path, or of a model on the hub."""
    if name in BUNDLED:
        return BUNDLED[name]
    if Path(name).is_dir():
        return Path(name)
    if looks_like_hub_id(name) and not Path(name).parent.is_dir():  # else a mistyped path would ask the network
        return fetch_folder(name, (CARD_FILE, WEIGHTS_FILE))
    raise WeightsError(f"{_unknown(name, (*BUNDLED, *BASES))}, a folder with {CARD_FILE}, or a hub id like org/name")


def _refuse_foreign(name: str, sam: Weights, dinov2: Weights) -> None:
    if sam is not None or dinov2 is not None:
        raise UOISError(f"{name} has its own weights: sam and dinov2 are for models that stand on {', '.join(BASES)}")


def _unknown(name: str, known: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f" (did you mean {' or '.join(nearest)}?)" if nearest else ""
    return f"unknown model {name!r}{hint}: expected one of {', '.join(known)}"

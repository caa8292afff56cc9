"""Model names and folders: loading with checks, saving whole.

A model folder holds ``model.safetensors`` (tensors only: nothing in it can run code) and ``model.json`` (the model
card: architecture, pre-processing, thresholds, licence, training record and the SHA256 of the tensors).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from uois_sam.config import Selection
from uois_sam.errors import UOISError, WeightsError
from uois_sam.files import make_output_folder, write_together
from uois_sam.models.compact import CompactConfig
from uois_sam.models.compact_model import CompactModel, config_from_json, config_to_json
from uois_sam.pipeline import UOISSAM, Parts, check_modes
from uois_sam.types import ModelCard

BUNDLED = {"compact": Path(__file__).parent / "weights" / "compact"}
"""Models that come with the package."""
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"


def load_pretrained(name_or_path: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> UOISSAM:
    """Load a bundled model or a model folder; see :meth:`UOISSAM.from_pretrained`."""
    chosen = choose_device(device)
    arithmetic = choose_precision(precision, chosen)
    folder = _find(name_or_path)
    card, tensors = read_folder(folder)
    model = build(card, folder)
    load_strictly(model, tensors, folder / WEIGHTS_FILE)
    return assemble(model, card, chosen, arithmetic)


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


def save_folder(tensors: dict[str, Tensor], card: ModelCard, folder: str | os.PathLike[str]) -> None:
    """Write tensors and card; the card gets the tensors' SHA256."""
    target = Path(folder)
    make_output_folder(target)
    content = save(tensors)
    card = replace(card, weights_sha256=hashlib.sha256(content).hexdigest())
    text = json.dumps(asdict(card), indent=1, sort_keys=True) + "\n"
    write_together({target / WEIGHTS_FILE: content, target / CARD_FILE: text.encode()})


def read_folder(folder: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    """Read and verify a model folder.

    Raises:
        WeightsError: a file is missing, is no safetensors or JSON, or the tensors' SHA256 is not the card's.
    """
    for name in (CARD_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: expected the files {CARD_FILE} and {WEIGHTS_FILE}, found no {name}")
    try:
        card = ModelCard(**json.loads((folder / CARD_FILE).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{folder / CARD_FILE}: expected a model card in JSON, found {error}") from error
    content = (folder / WEIGHTS_FILE).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    expected = str(card.weights_sha256)
    if digest != expected:
        raise WeightsError(
            f"{folder / WEIGHTS_FILE}: expected SHA256 {expected[:16]}..., got {digest[:16]}... "
            f"({len(content)} bytes): the file is truncated or altered; get it again"
        )
    try:
        return card, load(content)
    except SafetensorError as error:
        raise WeightsError(f"{folder / WEIGHTS_FILE}: expected safetensors, found {error}") from error


def build(card: ModelCard, source: Path) -> CompactModel:
    """An uninitialised model of the card's architecture."""
    architecture = dict(card.architecture) if isinstance(card.architecture, Mapping) else {}
    kind = architecture.pop("kind", None)
    if kind != "compact":
        raise WeightsError(f"{source}: expected architecture kind 'compact', got {kind!r}")
    try:
        return CompactModel(config_from_json(architecture))
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(f"{source / CARD_FILE}: architecture does not describe a compact model: {error}") from error


def compact_architecture(config: CompactConfig) -> dict[str, object]:
    """The card's ``architecture`` entry for a compact model."""
    return {"kind": "compact", **config_to_json(config)}


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Load tensors; every name and shape must match.

    Raises:
        WeightsError: lists missing and unexpected names and differing shapes, expected first.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - wanted.keys())
    shapes = [
        f"{key} expected {tuple(wanted[key].shape)} got {tuple(tensors[key].shape)}"
        for key in sorted(wanted.keys() & tensors.keys())
        if wanted[key].shape != tensors[key].shape
    ]
    if missing or unexpected or shapes:
        found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
        told = [f"{len(x)} {what} ({', '.join(x[:3])}{', ...' * (len(x) > 3)})" for what, x in found.items() if x]
        raise WeightsError(f"{source}: tensors do not fit the architecture: {'; '.join(told)}")
    module.load_state_dict(tensors)


def choose_device(name: str) -> torch.device:
    """``auto`` prefers a CUDA GPU; anything else must exist on this machine.

    Raises:
        UOISError: no such device here.
    """
    available = ["cpu"]
    available += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    available += ["mps"] if torch.backends.mps.is_available() else []
    if name == "auto":
        return torch.device(available[1] if len(available) > 1 and available[1].startswith("cuda") else "cpu")
    if name not in available and not (name == "cuda" and "cuda:0" in available):
        raise UOISError(f"unknown device {name!r}; this machine has: auto, {', '.join(available)}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` takes bfloat16 where it is computed in hardware, else float32.

    Raises:
        UOISError: another name.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name == "auto":
        return torch.bfloat16 if _has_bfloat16(device) else torch.float32
    if name not in known:
        raise UOISError(f"unknown precision {name!r}: expected auto, {', '.join(known)}")
    return known[name]


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # Private names, hence guarded: without them float32 is a safe, slower answer.
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check is not None)


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    name = os.fspath(name_or_path)
    if name in BUNDLED:
        return BUNDLED[name]
    if Path(name).is_dir():
        return Path(name)
    raise WeightsError(f"unknown model {name!r}: expected one of {', '.join(BUNDLED)}, or a folder with {CARD_FILE}")


def _selection(card: ModelCard) -> Selection:
    try:
        selection = Selection(**card.selection)
        check_modes(selection)
        return selection
    except (TypeError, UOISError) as error:
        raise WeightsError(f"model card of {card.name}: selection settings do not fit: {error}") from error

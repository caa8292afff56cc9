"""Model folders on disk: tensors and card, written whole, read with checks.

A model folder holds ``model.safetensors`` (tensors only: nothing in it can run code) and ``model.json`` (the model
card: architecture, pre-processing, thresholds, licence, training record and the SHA256 of the tensors).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors import SafetensorError

from uois_sam.config import InferenceConfig
from uois_sam.errors import WeightsError
from uois_sam.io.files import make_output_folder, write_together
from uois_sam.io.json_files import read_json
from uois_sam.types import ModelCard
from uois_sam.validation import validated

if TYPE_CHECKING:
    from torch import Tensor, nn

Tensors = TypeVar("Tensors")

BUNDLED = {"compact": Path(__file__).parents[1] / "weights" / "compact"}
"""Models that come with the package."""
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
_LARGEST_CARD = 1 << 24
"""Bytes; records of training are some thousands."""


def save_folder(tensors: dict[str, Tensor], card: ModelCard, folder: str | os.PathLike[str]) -> None:
    """Write tensors and card; the card gets the tensors' SHA256."""
    from safetensors.torch import save

    target = Path(folder)
    make_output_folder(target)
    content = save(tensors)
    card = replace(card, weights_sha256=hashlib.sha256(content).hexdigest())
    text = json.dumps(asdict(card), indent=1, sort_keys=True) + "\n"
    write_together({target / WEIGHTS_FILE: content, target / CARD_FILE: text.encode()})


def read_folder(folder: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    """Read and verify a model folder.

    Raises:
        WeightsError: as :func:`read_content`.
    """
    from safetensors.torch import load

    return read_content(folder, load)


def read_content(folder: Path, load: Callable[[bytes], Tensors]) -> tuple[ModelCard, Tensors]:
    """Read and verify a model folder.

    Args:
        folder: with both files.
        load: makes tensors of the content of a safetensors file.

    Raises:
        WeightsError: a file is missing, is no safetensors or JSON, or the tensors' SHA256 is not the card's.
    """
    for name in (CARD_FILE, WEIGHTS_FILE):
        if not os.path.isfile(folder / name):
            below = folder / "model"  # where trainings write it
            hint = f"; {below} has one" if os.path.isfile(below / name) else ""
            raise WeightsError(f"{folder}: expected the files {CARD_FILE} and {WEIGHTS_FILE}, found no {name}{hint}")
    card = read_card(folder)
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


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder.

    Raises:
        WeightsError: it is missing, no card in JSON, or has fields of another type.
    """
    path = folder / CARD_FILE
    content = read_json(path, what="a model card in JSON", error=WeightsError, largest=_LARGEST_CARD)
    return validated(content, ModelCard, f"{path}: expected a model card in JSON", WeightsError)


def architecture_of(card: ModelCard) -> tuple[str | None, dict[str, Any]]:
    """Return the kind of model a card describes, and the rest of its ``architecture`` entry."""
    architecture = dict(card.architecture) if isinstance(card.architecture, Mapping) else {}
    return architecture.pop("kind", None), architecture


def card_settings(card: ModelCard, folder: Path | None = None) -> InferenceConfig:
    """The settings a card recommends; messages name the folder that it comes from, if there is one.

    Raises:
        WeightsError: they are none.
    """
    source = f"model card of {card.name}" if folder is None else folder / CARD_FILE
    return validated(card.selection, InferenceConfig, f"{source}: selection", WeightsError)


def load_strictly(
    module: nn.Module, tensors: Mapping[str, Tensor], source: str | os.PathLike[str], *, assign: bool = False
) -> None:
    """Load tensors; every name and shape must match.

    Args:
        module: what to load into; with ``assign`` it may be on the meta device.
        tensors: by name.
        source: where they come from, for messages.
        assign: make them the module's parameters instead of copying them into those it has.

    Raises:
        WeightsError: lists missing and unexpected names and differing shapes, expected first.
    """
    check_shapes(module, tensors, source)
    module.load_state_dict(tensors, assign=assign)


def check_shapes(module: nn.Module, tensors: Mapping[str, Tensor], source: str | os.PathLike[str]) -> None:
    """Check that tensors have the names and shapes of a module's, which may be on the meta device.

    Raises:
        WeightsError: as :func:`load_strictly`.
    """
    expected = module.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    shapes = [
        f"{key} expected {tuple(expected[key].shape)} got {tuple(tensors[key].shape)}"
        for key in sorted(expected.keys() & tensors.keys())
        if expected[key].shape != tensors[key].shape
    ]
    if missing or unexpected or shapes:
        found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
        told = [f"{len(x)} {what} ({', '.join(x[:3])}{', ...' * (len(x) > 3)})" for what, x in found.items() if x]
        raise WeightsError(f"{source}: tensors do not fit the architecture: {'; '.join(told)}")

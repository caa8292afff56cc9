"""From a name or a folder to what the pipeline works with, for models that do not run in torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from uois_sam.backends.bundled import load_compact_graphs
from uois_sam.backends.manifest import exported_folder, read_manifest
from uois_sam.backends.networks import Graphs, exported_networks
from uois_sam.backends.sessions import choose_backend, is_installed
from uois_sam.checkpoints.folder import BUNDLED, CARD_FILE
from uois_sam.config import InferenceConfig
from uois_sam.errors import UOISError, WeightsError, install_command
from uois_sam.models.networks import Networks
from uois_sam.types import ModelCard
from uois_sam.validation import validated

Loaded: TypeAlias = tuple[Networks, ModelCard, InferenceConfig]


def find_graphs(name_or_path: str | os.PathLike[str], backend: str | None) -> Callable[[str, str], Loaded] | None:
    """Find what runs without torch.

    Args:
        name_or_path: of a model.
        backend: asked for; None for the usual one, which is ONNX Runtime where torch is not installed.

    Returns:
        What loads the model, given device and precision; None for one that runs in torch.

    Raises:
        WeightsError: a backend for a model that it does not run, or a model that needs torch where it is missing.
    """
    folder = exported_folder(name_or_path, backend)
    if folder is not None:
        return partial(load_exported, folder, backend)
    light = backend is None and not is_installed("torch")
    if not light and backend in (None, "torch"):
        return None
    folder = BUNDLED.get(os.fspath(name_or_path), Path(name_or_path))
    if backend in (None, "onnxruntime") and os.path.isfile(folder / CARD_FILE):
        return partial(load_compact_graphs, folder)
    found = f"found {os.fspath(name_or_path)!r}"
    if light:
        raise WeightsError(
            f"torch is not installed: expected {', '.join(BUNDLED)}, or the folder of a compact or an exported model, "
            f"{found}; for all models: {install_command()}"
        )
    raise WeightsError(
        f"backend {backend}: expected the folder of an exported model, {found}; "
        "make one with: uois-sam export MODEL --out DIR"
    )


def load_exported(folder: Path, backend: str | None, device: str = "auto", precision: str = "auto") -> Loaded:
    """Load networks, card and recommended settings of an exported model.

    Raises:
        UOISError: a backend that is unknown or does not run this export, or another device or precision than it has.
        WeightsError: the folder is incomplete, altered, or of another version.
        MissingExtraError: the backend is not installed.
    """
    manifest = read_manifest(folder)
    chosen = choose_backend(manifest.target, backend)
    if device not in ("auto", "cpu"):
        raise UOISError(f"{folder}: expected device auto or cpu with {chosen}, found {device!r}")
    if precision not in ("auto", manifest.precision):
        raise UOISError(f"{folder}: expected precision auto or {manifest.precision}, found {precision!r}")
    settings = validated(manifest.card.selection, InferenceConfig, f"{folder}: card: selection", WeightsError)
    return exported_networks(Graphs(folder, manifest, chosen)), manifest.card, settings

"""From a folder with an exported model to what the pipeline works with."""

from __future__ import annotations

from pathlib import Path

from uois_sam.backends.manifest import read_manifest
from uois_sam.backends.networks import Graphs, exported_networks
from uois_sam.backends.sessions import choose_backend
from uois_sam.config import InferenceConfig
from uois_sam.errors import UOISError, WeightsError
from uois_sam.models.networks import Networks
from uois_sam.types import ModelCard
from uois_sam.validation import validated


def load_exported(
    folder: Path, backend: str | None, device: str = "auto", precision: str = "auto"
) -> tuple[Networks, ModelCard, InferenceConfig]:
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

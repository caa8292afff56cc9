"""Graphs that come with the package, without weights: compact models of the bundled sizes run without torch and export.

The parameters are those of the model's own ``model.safetensors``, by their names in there. So the graphs fit weights
that were trained anew or fine-tuned, and the bundled weights are there once. They are made by
``python -m uois_sam.export.bundled`` (:mod:`uois_sam.export.bundled`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from uois_sam._version import __version__
from uois_sam.backends.manifest import FORMAT, Manifest
from uois_sam.backends.networks import Graphs, exported_networks
from uois_sam.backends.sessions import choose_backend
from uois_sam.checkpoints.folder import architecture_of, card_settings, read_content
from uois_sam.config import InferenceConfig
from uois_sam.errors import UOISError, WeightsError
from uois_sam.io.json_files import read_json
from uois_sam.models.networks import Networks
from uois_sam.types import ModelCard
from uois_sam.validation import validated

FOLDER = Path(__file__).parents[1] / "weights" / "graphs"
DESCRIPTION = "graphs.json"
BATCHES = (1, 4, 8)
_LARGEST = 1 << 24


@dataclass(frozen=True)
class BundledGraphs:
    """What the graphs are for."""

    opset: int
    architecture: Mapping[str, Any]
    """As in a model card."""
    parameters: Mapping[str, tuple[str, ...]]
    """Names of tensors that each graph takes from the model's file, by the graph's name."""


@cache
def bundled_graphs() -> BundledGraphs:
    """Read what the bundled graphs are for."""
    path = FOLDER / DESCRIPTION
    content = read_json(path, what="a description of graphs in JSON", error=WeightsError, largest=_LARGEST)
    return validated(content, BundledGraphs, f"{path}: expected a description of graphs", WeightsError)


def load_compact_graphs(
    folder: Path, device: str = "auto", precision: str = "auto"
) -> tuple[Networks, ModelCard, InferenceConfig]:
    """Load networks, card and recommended settings of a compact model for ONNX Runtime.

    Raises:
        UOISError: another device or precision than cpu and float32.
        WeightsError: the folder is no compact model of the bundled sizes, or truncated or altered.
        MissingExtraError: ONNX Runtime is not installed.
    """
    choose_backend("onnx", "onnxruntime")
    for name, given, has in (("device", device, "cpu"), ("precision", precision, "float32")):
        if given not in ("auto", has):
            raise UOISError(f"{folder}: expected {name} auto or {has} with onnxruntime, found {given!r}")
    from safetensors.numpy import load

    card, tensors = read_content(folder, load)
    graphs, (kind, sizes) = bundled_graphs(), architecture_of(card)
    if kind != "compact":
        raise WeightsError(f"{folder}: expected a compact model without torch, found one of kind {kind!a}")
    different = sorted(
        name for name in {*graphs.architecture, *sizes} if graphs.architecture.get(name) != sizes.get(name)
    )
    if different:
        raise WeightsError(
            f"{folder}: expected a compact model of the bundled sizes, found others ({', '.join(different)}): where "
            "torch is installed, make graphs of it by: uois-sam export MODEL --out DIR"
        )
    missing = {name for names in graphs.parameters.values() for name in names} - tensors.keys()
    if missing:
        raise WeightsError(f"{folder}: expected the tensors of its model card, found none called {min(missing)}")
    manifest = Manifest(
        format=FORMAT, version=__version__, target="onnx", opset=graphs.opset, precision="float32",
        input_hw=(sizes["input_hw"][0], sizes["input_hw"][1]), batches=BATCHES, files={},
        has=tuple(name for name, graph in HEADS.items() if f"{graph}_1" in graphs.parameters), card=card, windows=True,
    )  # fmt: skip
    weights = {graph: {name: tensors[name] for name in names} for graph, names in graphs.parameters.items()}
    networks = exported_networks(Graphs(FOLDER, manifest, "onnxruntime", weights))
    return networks, card, card_settings(card, folder)


HEADS = {"hpg": "encoder", "hdnet": "hdnet", "mask_scorer": "scorer"}
"""Heads of a model, and the graphs that have them."""

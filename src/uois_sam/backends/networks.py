"""The networks of an exported model behind the protocols of :mod:`uois_sam.models.interfaces`.

Prompts, scores that see the masks, selection and drawing are the pipeline's own, as for a model in torch.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.backends.manifest import Manifest
from uois_sam.backends.sessions import SUFFIXES, Backend, Session, open_session
from uois_sam.geometry import Frame
from uois_sam.models.interfaces import MaskFeatures, SceneFeatures
from uois_sam.models.networks import Networks
from uois_sam.types import PromptMaps, TokenPredictions

Arrays = dict[str, npt.NDArray[Any]]
LEAST_FILLED = 0.7
"""Share of a batch from which filling it up costs less than several smaller ones."""


class Graphs:
    """The graphs of one folder, each loaded when it is first needed. Safe among threads.

    Args:
        folder: with the graphs.
        manifest: what the folder says of itself.
        backend: what runs them.
    """

    def __init__(self, folder: Path, manifest: Manifest, backend: Backend) -> None:
        self.folder, self.manifest, self.backend = folder, manifest, backend
        self._sessions: dict[tuple[str, int], Session] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Processes that are sent a model load its graphs themselves."""
        return Graphs, (self.folder, self.manifest, self.backend)

    def run(self, name: str, batch: int, inputs: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        """Run a graph of one batch."""
        threads = torch.get_num_threads()  # of this photo: where several are under way, their share
        key = (f"{name}_{batch}", threads)
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                path = self.folder / f"{key[0]}{SUFFIXES[self.manifest.target]}"
                session = self._sessions[key] = open_session(self.backend, path, threads)
        return session(inputs)

    def run_rows(self, name: str, shared: Mapping[str, Tensor], rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run a graph for any number of prompts, in the batches that there are; the last one is filled up."""
        given = {key: value.numpy() for key, value in rows.items()}
        common = {key: value.numpy() for key, value in shared.items()}
        found: list[dict[str, Tensor]] = []
        count, start = len(next(iter(given.values()))), 0
        while start < count or not found:
            batch = batch_for(count - start, self.manifest.batches)
            left = min(count - start, batch)
            some = {key: _filled(value[start : start + left], batch) for key, value in given.items()}
            out = self.run(name, batch, {**common, **some})
            found.append({key: torch.from_numpy(value)[:left] for key, value in out.items()})
            start += batch
        return {key: torch.cat([part[key] for part in found]) for key in found[0]}


def batch_for(left: int, batches: tuple[int, ...]) -> int:
    """The batch for so many prompts: one that they nearly fill, or else the largest that they do fill."""
    holding = min((each for each in batches if each >= left), default=max(batches))
    full = max((each for each in batches if each <= left), default=holding)
    return holding if left > LEAST_FILLED * holding else full


def _filled(values: npt.NDArray[Any], batch: int) -> npt.NDArray[Any]:
    """The rows of a batch; missing ones repeat the first."""
    if len(values) == batch:
        return np.ascontiguousarray(values)
    first = values[:1] if len(values) else np.zeros((1, *values.shape[1:]), dtype=values.dtype)
    return np.concatenate([values, np.repeat(first, batch - len(values), axis=0)])


class ExportedEncoder:
    """``interfaces.SceneEncoder``; what the prompt generator reads are its maps, which the graph has computed."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def __call__(self, image: Tensor) -> SceneFeatures:
        """Encode one (3, H, W) uint8 RGB image of any size."""
        size = self.graphs.manifest.input_hw
        stretched = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True)
        found = self.graphs.run("encoder", 1, {"image": stretched.contiguous().numpy()})
        out = {name: torch.from_numpy(value) for name, value in found.items()}
        maps = [out[name] for name in ("foreground_logits", "heatmap") if name in out]
        features = MaskFeatures(out["grid"], (out["fine8"], out["fine4"]))
        return SceneFeatures(torch.cat(maps, dim=1) if maps else out["grid"][:, :0], features, Frame.stretched(size))


class ExportedMaps:
    """``interfaces.PromptGenerator``."""

    def predict(self, prompt_features: Tensor) -> PromptMaps:
        """Maps of one image."""
        return PromptMaps(prompt_features[0, :2], prompt_features[0, 2:])


class ExportedDecoder:
    """``interfaces.PointDecoder``."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        """Run M point prompts up to the tokens."""
        shared = {"grid": features.grid, "fine4": features.fine[-1]}
        found = self.graphs.run_rows("tokens", shared, {"points": points_xy})
        return TokenPredictions(found["iou_token"], found["mask_tokens"], found["scores"], found["image_state"])

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        """(M, T, h, w) float32 logits for the chosen tokens."""
        shared = {"fine8": features.fine[0], "fine4": features.fine[1]}
        rows = {"mask_tokens": predictions.mask_tokens, "image_state": predictions.image_state, "points": points_xy}
        logits = self.graphs.run_rows("masks", shared, rows)["logits"]
        return logits[torch.arange(len(logits))[:, None], token_index]


class ExportedHDNet:
    """HDNet's scores (Eq. 5)."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def __call__(self, predictions: TokenPredictions) -> Tensor:
        """(M, 4) float32 refined scores."""
        names = ("iou_token", "mask_tokens", "scores")
        return self.graphs.run_rows("hdnet", {}, {name: getattr(predictions, name) for name in names})["refined"]


class ExportedMaskScorer:
    """Scores of drawn masks."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def __call__(self, evidence: Tensor) -> Tensor:
        """(M, 4, E) float32 evidence to (M, 4) float32 scores."""
        return self.graphs.run_rows("scorer", {}, {"evidence": evidence})["refined"]


def exported_networks(graphs: Graphs) -> Networks:
    """The networks of a folder."""
    manifest = graphs.manifest
    hdnet: Any = ExportedHDNet(graphs) if "hdnet" in manifest.has else None
    scorer: Any = ExportedMaskScorer(graphs) if "mask_scorer" in manifest.has else None
    hpg = ExportedMaps() if "hpg" in manifest.has else None
    return Networks(
        ExportedEncoder(graphs), ExportedDecoder(graphs), hpg, hdnet, scorer, name=manifest.card.name
    )  # fmt: skip

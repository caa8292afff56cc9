"""The networks of an exported model behind the protocols of :mod:`uois_sam.models.interfaces`, on NumPy arrays.

Prompts, scores that see the masks, selection and drawing are the pipeline's own, as for a model in torch.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam.backends.drawing import DrawnFeatures, draw_in_windows
from uois_sam.backends.manifest import Manifest
from uois_sam.backends.sessions import SUFFIXES, TAKE_ANY_SIZE, Backend, Session, open_session
from uois_sam.geometry import Frame
from uois_sam.models.interfaces import MaskFeatures, SceneFeatures
from uois_sam.models.networks import Networks, Processor
from uois_sam.runtime.threads import thread_count
from uois_sam.types import FloatArray, ImageArray, PromptMaps, TokenPredictions

Values: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Values]
FINE = ("fine8", "fine4")
"""Maps finer than the grid, coarse to fine; some models have the finest only, or none."""
LEAST_FILLED = 0.7
"""Share of a batch from which filling it up costs less than several smaller ones."""


class Graphs:
    """The graphs of one folder, each loaded when it is first needed. Safe among threads.

    Args:
        folder: with the graphs.
        manifest: what the folder says of itself.
        backend: what runs them.
        weights: parameters by name of graphs without their own, by the graphs' names.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, backend: Backend, weights: Mapping[str, Arrays] | None = None
    ) -> None:
        self.folder, self.manifest, self.backend, self.weights = folder, manifest, backend, weights
        self.in_windows = manifest.windows and backend in TAKE_ANY_SIZE
        self._sessions: dict[tuple[str, int], Session] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Processes that are sent a model load its graphs themselves."""
        return Graphs, (self.folder, self.manifest, self.backend, self.weights)

    def run(self, name: str, batch: int, inputs: Mapping[str, Values]) -> Arrays:
        """Run a graph of one batch."""
        threads = thread_count()  # of this photo: where several are under way, their share
        key = (f"{name}_{batch}", threads)
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                path = self.folder / f"{key[0]}{SUFFIXES[self.manifest.target]}"
                session = self._sessions[key] = open_session(
                    self.backend, path, threads, None if self.weights is None else self.weights[key[0]]
                )
        return session(inputs)

    def run_rows(self, name: str, shared: Mapping[str, Values], rows: Mapping[str, Values]) -> Arrays:
        """Run a graph for any number of prompts, in the batches that there are; the last one is filled up."""
        found: list[Arrays] = []
        count, start = len(next(iter(rows.values()))), 0
        while start < count or not found:
            batch = batch_for(count - start, self.manifest.batches)
            left = min(count - start, batch)
            some = {key: _filled(value[start : start + left], batch) for key, value in rows.items()}
            out = self.run(name, batch, {**shared, **some})
            found.append({key: value[:left] for key, value in out.items()})
            start += batch
        if len(found) == 1:
            return found[0]
        return {key: np.concatenate([part[key] for part in found]) for key in found[0]}


def batch_for(left: int, batches: tuple[int, ...]) -> int:
    """The batch for so many prompts: one that they nearly fill, or else the largest that they do fill."""
    holding = min((each for each in batches if each >= left), default=max(batches))
    full = max((each for each in batches if each <= left), default=holding)
    return holding if left > LEAST_FILLED * holding else full


def _filled(values: Values, batch: int) -> Values:
    """The rows of a batch; missing ones repeat the first."""
    if len(values) == batch:
        return np.ascontiguousarray(values)
    filled = np.empty((batch, *values.shape[1:]), dtype=values.dtype)
    filled[: len(values)] = values
    filled[len(values) :] = values[0] if len(values) else 0
    return filled


class ExportedEncoder:
    """``interfaces.SceneEncoder``; what the prompt generator reads are its maps, which the graph has computed."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def __call__(self, image: ImageArray) -> SceneFeatures:
        """Encode one (3, H, W) uint8 RGB image of any size."""
        manifest, size = self.graphs.manifest, self.graphs.manifest.input_hw
        if manifest.padding is None:
            frame, pixels = Frame.stretched(size), stretched(image, size)
        else:
            frame = Frame.padded((image.shape[1], image.shape[2]), size[0])
            pixels = padded(image, frame, manifest.padding)
        out = self.graphs.run("encoder", 1, {"image": pixels[None]})
        if manifest.prompts_hw is not None:
            out |= self.graphs.run("prompts", 1, {"image": in_levels(image, manifest.prompts_hw)[None]})
        maps = [out[name] for name in ("foreground_logits", "heatmap") if name in out]
        fine = tuple(out[name] for name in FINE if name in out)
        features = DrawnFeatures(out["grid"], fine, run=self.graphs.run)
        return SceneFeatures(np.concatenate(maps, axis=1) if maps else out["grid"][:, :0], features, frame)


def stretched(image: ImageArray, size_hw: tuple[int, int]) -> FloatArray:
    """(3, H, W) uint8 to (3, *size_hw) float32 of 0 to 255, as torch resizes: bilinear, with antialiasing."""
    if image.shape[1:] == size_hw:
        return image.astype(np.float32)
    planes = (Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32)) for channel in image)
    return np.stack([np.asarray(each.resize(size_hw[::-1], Image.Resampling.BILINEAR)) for each in planes])


def in_levels(image: ImageArray, size_hw: tuple[int, int]) -> FloatArray:
    """(3, H, W) uint8 to (3, *size_hw) float32 of whole levels from 0 to 255, as Pillow resizes pictures of 8 bits."""
    resized = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).resize(
        size_hw[::-1], Image.Resampling.BILINEAR
    )
    return np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)


def padded(image: ImageArray, frame: Frame, colour: tuple[float, float, float]) -> FloatArray:
    """(3, H, W) uint8 to (3, *frame.size_hw) float32 of 0 to 255, one colour around the photo."""
    pixels = np.empty((3, *frame.size_hw), dtype=np.float32)
    pixels[:] = np.array(colour, dtype=np.float32)[:, None, None]
    pixels[:, : frame.content_hw[0], : frame.content_hw[1]] = in_levels(image, frame.content_hw)
    return pixels


def _named(features: MaskFeatures) -> Arrays:
    """What the decoder's graphs take of a photo, by name."""
    fine = FINE[len(FINE) - len(features.fine) :]
    return {"grid": features.grid, **dict(zip(fine, features.fine, strict=True))}


class ExportedMaps:
    """``interfaces.PromptGenerator``."""

    def predict(self, prompt_features: Values) -> PromptMaps:
        """Maps of one image."""
        return PromptMaps(prompt_features[0, :2], prompt_features[0, 2:])


class ExportedDecoder:
    """``interfaces.PointDecoder``."""

    at_once = 4
    """Prompts to draw at once: one of the batches."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def decode_tokens(self, features: MaskFeatures, points_xy: Values) -> TokenPredictions:
        """Run M point prompts up to the tokens."""
        found = self.graphs.run_rows("tokens", _named(features), {"points": points_xy})
        return TokenPredictions(
            found["iou_token"], found["mask_tokens"], found["scores"], found["image_state"], found.get("outline_token")
        )

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Values, token_index: Values
    ) -> Values:
        """(M, T, h, w) float32 logits for the chosen tokens."""
        rows = {"mask_tokens": predictions.mask_tokens, "image_state": predictions.image_state, "points": points_xy}
        if predictions.outline_token is not None:
            rows["outline_token"] = predictions.outline_token
        if self.graphs.in_windows and isinstance(features, DrawnFeatures):
            shared = {"fine8": features.fine[0], **features.ground}
            logits = draw_in_windows(features, self.graphs.run_rows("sketch", shared, rows))
        else:
            logits = self.graphs.run_rows("masks", _named(features), rows)["logits"]
        if token_index.shape[1:] == logits.shape[1:2] and (token_index == np.arange(logits.shape[1])).all():
            return logits
        return logits[np.arange(len(logits))[:, None], token_index]


class ExportedHDNet:
    """HDNet's scores (Eq. 5)."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def __call__(self, predictions: TokenPredictions) -> Values:
        """(M, 4) float32 refined scores."""
        names = ("iou_token", "mask_tokens", "scores")
        return self.graphs.run_rows("hdnet", {}, {name: getattr(predictions, name) for name in names})["refined"]


class ExportedMaskScorer:
    """Scores of drawn masks."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs

    def __call__(self, evidence: Values) -> Values:
        """(M, 4, E) float32 evidence to (M, 4) float32 scores."""
        return self.graphs.run_rows("scorer", {}, {"evidence": evidence})["refined"]


def exported_networks(graphs: Graphs) -> Networks:
    """The networks of a folder."""
    manifest = graphs.manifest
    hdnet: Any = ExportedHDNet(graphs) if "hdnet" in manifest.has else None
    scorer: Any = ExportedMaskScorer(graphs) if "mask_scorer" in manifest.has else None
    hpg = ExportedMaps() if "hpg" in manifest.has else None
    device: Any = Processor()
    precision: Any = manifest.precision
    return Networks(
        ExportedEncoder(graphs), ExportedDecoder(graphs), hpg, hdnet, scorer, name=manifest.card.name, device=device,
        precision=precision,
    )  # fmt: skip

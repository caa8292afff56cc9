"""Time of one photo by the paper's stages (HPG, features, masks) and their parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from uois_sam.benchmark.lower_bound import counting_lower_bound
from uois_sam.benchmark.roofline import Peaks, measure_peaks
from uois_sam.geometry import grid_points
from uois_sam.instances import Instances
from uois_sam.io.encoding import encode_png
from uois_sam.models.foundation import FoundationEncoder
from uois_sam.models.interfaces import SceneFeatures
from uois_sam.models.networks import as_image
from uois_sam.pipeline import UOISSAM, EncodedImage
from uois_sam.runtime.timing import WARM_UP, Quartiles, measured, stage
from uois_sam.types import ImageArray

PAPER_SECONDS = {"hpg": 0.137, "features": 0.409, "masks": 0.062, "total": 0.484}
"""Sec. IV: 480x640, SAM ViT-L, one NVIDIA TITAN RTX. The parts sum to 0.608; the total is as published."""
STAGES = {"hpg": ("dinov2", "maps", "prompts"), "features": ("encoder",), "masks": ("decoder", "selection")}
"""The paper's stages and their parts. A compact model has one encoder for prompts and masks, and no DINOv2."""
OUTPUTS = ("label map", "run-length encoding", "label PNG")
"""Output work of a command; not among the paper's stages and not in the total."""
POINTS = 30
"""Prompts for a model without a prompt generator: as many as the paper's K."""


@dataclass(frozen=True)
class StageTimes:
    """Seconds of one photo."""

    stages: dict[str, Quartiles]
    """``hpg``, ``features``, ``masks`` and ``total``."""
    parts: dict[str, Quartiles]
    """Parts of the stages, and ``OUTPUTS``."""
    prompts: int
    """Number of decoded points."""
    objects: int
    """Number of instances."""

    def as_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        spreads = {"stages_seconds": self.stages, "parts_seconds": self.parts}
        seconds = {key: {name: value.as_json() for name, value in each.items()} for key, each in spreads.items()}
        return {**seconds, "prompts": self.prompts, "objects": self.objects}

    def other_than_networks(self) -> float:
        """Return seconds outside of encoder, prompt generator and decoder, outputs included (medians)."""
        return sum(self.parts[name].median for name in ("prompts", "selection", *OUTPUTS) if name in self.parts)


class _Timed:
    """A network whose calls count towards a part of :func:`~uois_sam.runtime.timing.measured`."""

    def __init__(self, network: Any, part: str, device: torch.device) -> None:
        self.network, self.part, self.device = network, part, device

    def __call__(self, *arguments: Any) -> Any:
        return self._run(self.network, *arguments)

    def predict(self, *arguments: Any) -> Any:
        return self._run(self.network.predict, *arguments)

    def decode_tokens(self, *arguments: Any) -> Any:
        return self._run(self.network.decode_tokens, *arguments)

    def upscale(self, *arguments: Any) -> Any:
        return self._run(self.network.upscale, *arguments)

    def _run(self, function: Any, *arguments: Any) -> Any:
        with stage(self.part, self.device):
            return function(*arguments)


def ready(model: UOISSAM) -> UOISSAM:
    """Return the model ready for timing: a base without heads gets grid prompts and SAM's own scores."""
    return model if model.networks.hpg is not None else model.with_settings(prompts="grid", scores="sam")


def time_stages(model: UOISSAM, image: ImageArray, repeats: int, warm_up: int = WARM_UP) -> StageTimes:
    """Time one photo in memory with a loaded model.

    Args:
        model: model from :func:`ready`.
        image: (H, W, 3) uint8 RGB.
        repeats: number of timed runs.
        warm_up: number of runs before them.
    """
    runs: list[dict[str, float]] = []
    for _ in range(warm_up + repeats):
        seconds, encoded, instances = _run(model, image)
        runs.append(seconds)
    counted = runs[warm_up:]
    parts = {name: Quartiles.of([run[name] for run in counted]) for name in counted[0]}
    sums = {name: [sum(run.get(part, 0.0) for part in of) for run in counted] for name, of in STAGES.items()}
    sums["total"] = [sum(taken) for taken in zip(*sums.values(), strict=True)]
    stages = {name: Quartiles.of(values) for name, values in sums.items()}
    prompts = POINTS if model.networks.hpg is None else len(_decoded(encoded).prompts)
    return StageTimes(stages, parts, prompts, len(instances))


def _run(model: UOISSAM, image: ImageArray) -> tuple[dict[str, float], EncodedImage, Instances]:
    """Time one photo. Stages are lazy and cached, so asking for them in order charges each its own work."""
    device = model.device
    with measured() as seconds:
        seconds["decoder"] = 0.0  # without prompts it is never called
        encoded = _encode(model, image)
        if model.networks.hpg is not None:
            _ = encoded.maps
            with stage("prompts", device):
                _ = encoded.prompts
        in_networks = sum(seconds.values())
        with stage("selection", device):
            instances = encoded.predict(points_for(encoded))
        # A closer look runs encoder and prompt generator once more: that is theirs, as the masks are the decoder's.
        in_networks = sum(seconds.values()) - seconds["selection"] - in_networks
        seconds["selection"] -= in_networks
        with stage("label map", device):
            labels = instances.label_map()
        with stage("run-length encoding", device):
            instances.to_coco()
        with stage("label PNG", device):
            encode_png(labels)
    return seconds, encoded, instances


def _decoded(encoded: EncodedImage) -> EncodedImage:
    """Return what the decoder works on: the zoomed part if there is one, else the photo."""
    return encoded if encoded.zoomed is None else encoded.zoomed[1]


def _encode(model: UOISSAM, image: ImageArray) -> EncodedImage:
    parts, encoder = model.networks, model.networks.encoder
    with parts.computing():
        tensor = as_image(image, model.device)
        if isinstance(encoder, FoundationEncoder):
            with stage("encoder", model.device):
                mask_features, frame = encoder.sam(tensor)
            with stage("dinov2", model.device):
                features = SceneFeatures(encoder.dinov2(tensor), mask_features, frame)
        else:
            with stage("encoder", model.device):
                features = encoder(tensor)
    hpg = None if parts.hpg is None else _Timed(parts.hpg, "maps", model.device)
    timed_encoder: Any = _Timed(parts.encoder, "encoder", model.device)
    timed = replace(parts, encoder=timed_encoder, hpg=hpg, decoder=_Timed(parts.decoder, "decoder", model.device))
    return EncodedImage(timed, features, image, model.settings, model.name)


def points_for(encoded: EncodedImage, count: int = POINTS) -> Any:
    """Return (count, 2) xy points spread over the photo; None for models that generate their own prompts."""
    return None if encoded.networks.hpg is not None else spread_points(encoded.image_hw, count)


def spread_points(image_hw: tuple[int, int], count: int) -> Any:
    """Return evenly spread points: (count, 2) float32 xy in pixels of the photo."""
    side = int(np.ceil(np.sqrt(count)))
    every = grid_points(image_hw, side)
    return every[np.linspace(0, len(every) - 1, count).round().astype(int)]


@dataclass(frozen=True)
class StageBounds:
    """Least seconds by stage, and of all."""

    repeated: dict[str, float]
    """The network's own products, convolutions and attention calls, each repeated alone."""
    roofline: dict[str, float]
    """The same by the machine's measured peaks."""
    peaks: Peaks


def stage_lower_bounds(model: UOISSAM, image: ImageArray) -> StageBounds:
    """Return bounds on the networks' share of a photo."""
    peaks = measure_peaks(model.device, model.networks.precision)
    counting = partial(counting_lower_bound, model.device, peaks)
    with counting() as of_encoder:
        encoded = _encode(model, image)
    with counting() as of_prompts:
        if model.networks.hpg is not None:
            _ = encoded.prompts
    with counting() as of_closer_look:
        view = _decoded(encoded)
    with counting() as of_its_prompts:
        if model.networks.hpg is not None:
            _ = view.prompts
    with counting() as of_masks:
        encoded.predict(points_for(encoded))
    stages = {"hpg": (of_prompts, of_its_prompts), "features": (of_encoder, of_closer_look), "masks": (of_masks,)}
    repeated = {name: sum(bound.seconds for bound in bounds) for name, bounds in stages.items()}
    roofline = {name: sum(bound.roofline_seconds for bound in bounds) for name, bounds in stages.items()}
    return StageBounds(
        {**repeated, "total": sum(repeated.values())}, {**roofline, "total": sum(roofline.values())}, peaks
    )

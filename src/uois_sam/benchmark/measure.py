"""Measurements of ``uois-sam benchmark`` as plain data: stages, lower bound, peers, sweeps and machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch

from uois_sam.benchmark.lower_bound import encoder_lower_bound
from uois_sam.benchmark.peers import OURS, mask_frame, prepared_pixels, sam_peers, sam_size
from uois_sam.benchmark.stages import (
    PAPER_SECONDS,
    POINTS,
    StageBounds,
    spread_points,
    stage_lower_bounds,
    time_stages,
)
from uois_sam.benchmark.sweeps import Sweep, sweep
from uois_sam.geometry import map_points
from uois_sam.models.foundation import FoundationEncoder
from uois_sam.models.networks import as_image
from uois_sam.models.sam.modules import SamImageEncoder, SamPointDecoder
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.progress import SILENT, ProgressCallback
from uois_sam.runtime.provenance import describe_machine
from uois_sam.runtime.timing import WARM_UP, Clock, reading, time_in_turn
from uois_sam.types import ImageArray

SCHEMA = 1
"""Version of the JSON; changes when a key changes its meaning."""


@dataclass(frozen=True)
class Measurement:
    """Settings of a measurement."""

    repeats: int = 20
    warm_up: int = WARM_UP
    against: tuple[str, ...] = ()
    """Peers to time; only for models on SAM."""
    sweeps: tuple[Sweep, ...] = ()
    lower_bound: bool = True
    clock: Clock = "wall"
    """``cpu`` for processor seconds, which other processes on the machine disturb less."""


def measure(
    model: UOISSAM, image: ImageArray, request: Measurement, watch: ProgressCallback = SILENT
) -> dict[str, Any]:
    """Measure everything that is requested; JSON-ready, all times in seconds.

    Args:
        model: model from ``stages.ready``.
        image: (H, W, 3) uint8 RGB.
        request: what to measure.
        watch: told of each part before it is measured.

    Raises:
        UOISError: if a peer is unknown, or is requested for a model without SAM.
        MissingExtraError: if a peer's package is not installed.
    """
    with reading(request.clock):
        return _measure(model, image, request, _Parts(request, watch))


class _Parts:
    """Tells of the parts of a measurement, one after the other."""

    def __init__(self, request: Measurement, watch: ProgressCallback) -> None:
        self.watch, self.begun = watch, 0
        watch.stage("measuring", 1 + request.lower_bound + bool(request.against) + len(request.sweeps))

    def begin(self, name: str) -> None:
        """Tell that a part begins."""
        self.watch.advance(self.begun, name)
        self.begun += 1


def _measure(model: UOISSAM, image: ImageArray, request: Measurement, parts: _Parts) -> dict[str, Any]:
    parts.begin("stages of a photo")
    times = time_stages(model, image, request.repeats, request.warm_up)
    bounds = _lower_bounds(model, image, parts) if request.lower_bound else None
    return {
        "benchmark": "stages",
        "schema": SCHEMA,
        "model": model.name,
        "weights_sha256": model.card.weights_sha256,
        "precision": str(model.networks.precision).removeprefix("torch."),
        "device": str(model.device),
        "image_wh": [image.shape[1], image.shape[0]],
        "clock": request.clock,
        "warm_up": request.warm_up,
        **times.as_json(),
        "other_than_networks_seconds": times.other_than_networks(),
        "paper_seconds": PAPER_SECONDS,
        "floor_seconds": bounds and bounds.repeated,
        "roofline_seconds": bounds and bounds.roofline,
        "machine_peaks": bounds and asdict(bounds.peaks),
        "peers": _peers(model, image, request, parts) if request.against else None,
        "sweeps": {what: _sweep(what, model, image, request, parts) for what in request.sweeps},
        "machine": describe_machine(),
    }


def _sweep(what: Sweep, model: UOISSAM, image: ImageArray, request: Measurement, parts: _Parts) -> list[dict[str, Any]]:
    parts.begin(f"sweep of {what}")
    return sweep(what, model, image, request.repeats)


def _lower_bounds(model: UOISSAM, image: ImageArray, parts: _Parts) -> StageBounds:
    """Lower bounds by stage; for SAM's encoder, of its definition in the library's kernels rather than of our form."""
    parts.begin("lower bounds")
    bounds = stage_lower_bounds(model, image)
    encoder, decoder = model.networks.encoder, model.networks.decoder
    sam = encoder.sam if isinstance(encoder, FoundationEncoder) else None
    if isinstance(sam, SamImageEncoder) and isinstance(decoder, SamPointDecoder):
        features = encoder_lower_bound(sam_size(sam, decoder), model.networks.precision, str(model.device))
        total = bounds.repeated["total"] - bounds.repeated["features"] + features
        return replace(bounds, repeated={**bounds.repeated, "total": total, "features": features})
    return bounds


def _peers(model: UOISSAM, image: ImageArray, request: Measurement, parts: _Parts) -> dict[str, Any]:
    """Time encoder and decoder of all peers in turn, with the same weights, pixels and points."""
    parts.begin("peers")
    peers = sam_peers(model, request.against)
    tensor = as_image(image, model.device)
    pixels = prepared_pixels(model, tensor)
    height, width = image.shape[:2]
    frame = mask_frame(model, (height, width))
    points = torch.from_numpy(spread_points((height, width), POINTS)).to(model.device)
    points_xy = map_points(points, (height, width), frame.content_hw)
    device, repeats, warm_up = model.device, request.repeats, min(1, request.warm_up)
    encode = time_in_turn({name: partial(p.encode, pixels) for name, p in peers.items()}, device, repeats, warm_up)
    decoding = {name: partial(peer.decode, peer.encode(pixels), points_xy) for name, peer in peers.items()}
    decode = time_in_turn(decoding, device, repeats, warm_up)
    return {
        name: {
            "features": encode[name].as_json(),
            "masks": decode[name].as_json(),
            "features_ratio": encode[name].median / encode[OURS].median,
            "masks_ratio": decode[name].median / decode[OURS].median,
        }
        for name in peers
    }


def names_of(against: Sequence[str]) -> tuple[str, ...]:
    """Split names of peers that are given one by one or separated by commas."""
    return tuple(name.strip() for given in against for name in given.split(",") if name.strip())

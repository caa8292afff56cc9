"""A real uvicorn on a free port, in a thread, around a tiny model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import uvicorn
from torch import Tensor

from conftest import TINY
from uois_sam.checkpoints.compact import compact_networks
from uois_sam.checkpoints.folder import card_settings
from uois_sam.io.encoding import encode_png
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.interfaces import SceneFeatures
from uois_sam.pipeline import UOISSAM
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.run import listen, make_server, url_of
from uois_sam.training.train_compact import make_card

LOOSE = {
    "prompts": "grid", "scores": "sam", "score_threshold": -10.0, "grid_side": 4, "max_area_fraction": 1.0,
    "nms_iou": 0.9, "min_area_px": 1,
}  # fmt: skip
"""Settings under which random weights find something."""


def tiny_model() -> UOISSAM:
    """Random weights; answers mean nothing, but are the same every time."""
    torch.manual_seed(0)
    model = CompactModel(TINY)
    card = make_card(model.config, {"random": True}, name="tiny")
    networks = compact_networks(model, "tiny", torch.device("cpu"))
    return UOISSAM(networks, card, card_settings(card)).with_settings(**LOOSE)


def with_encoder(model: UOISSAM, change: Callable[[Tensor], None]) -> UOISSAM:
    """The model, with something that happens before a photo is encoded."""
    encoder = model.networks.encoder

    def changed(image: Tensor) -> SceneFeatures:
        change(image)
        return encoder(image)

    return UOISSAM(replace(model.networks, encoder=changed), model.card, model.settings)


def photo(height: int = 48, width: int = 64, seed: int = 0) -> bytes:
    """The content of a PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3))
    return encode_png(pixels.astype(np.uint8))


@dataclass(frozen=True)
class Live:
    """A server that answers."""

    url: str
    port: int
    server: uvicorn.Server
    thread: threading.Thread


@contextmanager
def live(model: UOISSAM, **limits: Any) -> Iterator[Live]:
    """Run a server until the block ends."""
    config = ServerConfig(**{"port": 0, **limits})
    with listen(config) as taken:
        server = make_server(model, config)
        thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Live(url_of(taken), taken.getsockname()[1], server, thread)
        server.should_exit = True
        thread.join(30)

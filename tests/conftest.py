"""Shared fixtures: tiny models with random weights (for tests only) and tiny labelled images."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# Before torch is imported: its threads, and those of the commands that tests start, sleep while they wait. Spinning
# ones make every test take ten times as long beside a busy process.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has it so for what runs in the background, and commands that tests start would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from tiny_base import BACKBONE, NAME, SPEC, TinyBase, write_tiny_base
from uois_sam.checkpoints.bases import BACKBONES, BASES
from uois_sam.checkpoints.compact import compact_networks
from uois_sam.checkpoints.folder import card_settings
from uois_sam.models.compact.efficientnet import Stage
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel
from uois_sam.pipeline import UOISSAM
from uois_sam.training.train_compact import make_card

settings.register_profile("untimed", deadline=None)  # the first example of a test may load libraries
settings.load_profile("untimed")

torch.set_num_threads(1)  # tiny models gain nothing from more, and lose much on a busy machine

TINY = CompactConfig(
    input_hw=(96, 128),
    stem=8,
    stages=tuple(Stage(1, 3, stride, 2, channels) for stride, channels in ((1, 8), (2, 8), (2, 8), (2, 16), (2, 16))),
    width=16,
    fine_width=8,
    decoder_depth=1,
    heads=2,
    mask_width=8,
    hpg_width=8,
    score_width=8,
)  # fmt: skip
"""The compact architecture at a size that runs in milliseconds."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests of minutes out unless ``-m`` names their marker."""
    if "long" not in str(config.option.markexpr):
        kept = [item for item in items if item.get_closest_marker("long") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


@pytest.fixture
def tiny_model() -> CompactModel:
    """A tiny compact model with random weights."""
    torch.manual_seed(0)
    return CompactModel(TINY)


@pytest.fixture
def tiny_pipeline(tiny_model: CompactModel) -> UOISSAM:
    """The whole pipeline around random weights; its answers mean nothing."""
    card = make_card(tiny_model.config, {"random": True}, name="tiny")
    return UOISSAM(compact_networks(tiny_model, "tiny", torch.device("cpu")), card, card_settings(card))


@pytest.fixture
def tiny_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyBase:
    """Files of a tiny SAM and DINOv2 in Meta's format, and their name among the bases."""
    monkeypatch.setitem(BASES, NAME, SPEC)
    monkeypatch.setitem(BACKBONES, SPEC.prompts, BACKBONE)
    return write_tiny_base(tmp_path / "weights")


@pytest.fixture
def rectangles(tmp_path: Path) -> Path:
    """A folder data set of six images, each with up to three bright rectangles on a dark ground."""
    rng = np.random.default_rng(0)
    root = tmp_path / "rectangles"
    for folder in ("rgb", "label"):
        (root / folder).mkdir(parents=True)
    for index in range(6):
        image = rng.integers(0, 60, (96, 128, 3)).astype(np.uint8)
        labels = np.zeros((96, 128), dtype=np.uint16)
        for value in range(1, index % 4 + 1):
            x, y = int(rng.integers(0, 90)), int(rng.integers(0, 60))
            image[y : y + 30, x : x + 30] = rng.integers(120, 255, 3)
            labels[y : y + 30, x : x + 30] = value
        Image.fromarray(image).save(root / "rgb" / f"{index}.png")
        Image.fromarray(labels).save(root / "label" / f"{index}.png")
    return root

"""What the training tests share: a tiny frozen base and one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from uois_sam.checkpoints.compact import compact_base
from uois_sam.datasets.folder import FolderDataset
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.networks import Networks
from uois_sam.training.distributed import start_processes


@pytest.fixture
def model(tiny_model: CompactModel) -> CompactModel:
    """A tiny compact model, frozen; its encoder and decoder are the base."""
    return tiny_model.eval().requires_grad_(False)


@pytest.fixture
def base(model: CompactModel) -> Networks:
    """Encoder and decoder of the tiny model."""
    return compact_base(model, "tiny", torch.device("cpu"))


@pytest.fixture
def data(rectangles: Path) -> FolderDataset:
    """Six images; the first and the fifth have no object."""
    return FolderDataset(rectangles)


@pytest.fixture
def processes() -> Any:
    """One process of one."""
    return start_processes("cpu")

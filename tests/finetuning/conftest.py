"""What the fine-tuning tests share: a tiny model in a folder, and labelled photos of bright rectangles."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetuning_photos import write_photos
from uois_sam.pipeline import UOISSAM


@pytest.fixture
def start(tiny_pipeline: UOISSAM, tmp_path: Path) -> Path:
    """A folder of a tiny model with random weights that returns masks of whatever it sees."""
    settings = {"score_threshold": -1.0, "foreground_threshold": 0.0, "heatmap_threshold": -1.0, "scores": "hdnet"}
    model = tiny_pipeline.with_settings(**settings, vote_iou=0.0, max_prompts=4, max_area_fraction=1.0)
    model.save_pretrained(tmp_path / "start")
    return tmp_path / "start"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight photos of one to three bright rectangles on a dark ground."""
    return write_photos(tmp_path / "photos", 8)

"""`uois-sam segment` on SAM and DINOv2, from files given on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from tiny_base import NAME, TinyBase, random_photo, write_tiny_base
from uois_sam.checkpoints.heads import save_heads
from uois_sam.cli.main import main


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture on disk."""
    Image.fromarray(random_photo().permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def segment(photo: Path, model: Path | str, base: TinyBase, *options: str) -> int:
    files = ["--sam", str(base.sam), "--dinov2", str(base.dinov2)]
    out = str(photo.parent / "out")
    return main(["segment", str(photo), "--out", out, "--model", str(model), "--device", "cpu", *files, *options])


def test_a_base_runs_sams_automatic_scheme_unasked(tiny_base: TinyBase, photo: Path) -> None:
    assert segment(photo, NAME, tiny_base) == 0
    record = json.loads((photo.parent / "out" / "photo.json").read_text())
    assert record["model"] == NAME
    assert (record["selection"]["prompts"], record["selection"]["scores"]) == ("grid", "sam")


def test_what_needs_heads_fails_once_with_the_command_that_trains_them(
    tiny_base: TinyBase, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(photo, NAME, tiny_base, "--prompts", "heatmap") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: sam-tiny lacks trained heads, which prompts='heatmap' needs")
    assert f"uois-sam train heads --base {NAME}" in told


def test_heads_run_on_their_base_and_refuse_another(
    tiny_base: TinyBase, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tiny_base.load()
    torch.manual_seed(0)
    save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), tmp_path / "heads", training={})
    assert segment(photo, tmp_path / "heads", tiny_base, "--debug-heatmap") == 0
    assert (tmp_path / "out" / "photo_heatmap.jpg").is_file()
    assert segment(photo, tmp_path / "heads", write_tiny_base(tmp_path / "other", seed=7)) == 2
    assert "these heads were trained on sam-tiny with SHA256" in capsys.readouterr().err


def test_swapped_files_are_one_line(tiny_base: TinyBase, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert segment(photo, NAME, TinyBase(tiny_base.dinov2, tiny_base.sam)) == 2
    told = capsys.readouterr().err.strip()
    assert "the file holds DINOv2 with 24 channels" in told
    assert "\n" not in told

"""``uois-sam train heads`` on every family of bases, with random weights in place of published ones, as documented."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest

from tiny_base import TinyBase
from tiny_family import FAMILIES, TINY_BACKBONES
from uois_sam import UOISSAM
from uois_sam.checkpoints.bases import BACKBONES, BASES
from uois_sam.checkpoints.folder import read_folder
from uois_sam.cli.main import main


@pytest.fixture(autouse=True)
def family(tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny bases of all families among the known ones, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name, spec in FAMILIES.items():
        monkeypatch.setitem(BASES, name, spec)
    for name, backbone in TINY_BACKBONES.items():
        monkeypatch.setitem(BACKBONES, name, backbone)


@pytest.mark.parametrize(
    ("base", "backbone"),
    [("sam2-tiny", "dinov3-tiny"), ("edgetam-tiny", None), ("sam3-tiny", "registers-tiny"), ("sam-hq-tiny", None)],
)
def test_a_rehearsal_ends_with_heads_that_segment(
    base: str, backbone: str | None, rectangles: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    options = ["--base", base, "--random-weights", "--data", str(rectangles), "--out", str(out), "--device", "cpu"]
    options += [] if backbone is None else ["--prompts-backbone", backbone]
    assert main(["train", "heads", *options, "--epochs", "1"]) == 0
    assert f"{base}-random has RANDOM weights" in caplog.text
    card, _ = read_folder(out / "model")
    assert card.architecture["base"] == f"{base}-random"
    assert card.architecture["prompts_backbone"] == (backbone or "dinov2-tiny")
    model = UOISSAM.from_pretrained(out / "model", device="cpu")
    loose = {"score_threshold": -9.0, "foreground_threshold": 0.0, "heatmap_threshold": -9.0, "max_prompts": 4}
    found = model.with_settings(**loose, max_area_fraction=1.0).predict(rectangles / "rgb" / "3.png")
    assert found.masks.shape[1:] == (96, 128)


def test_the_published_weights_are_refused_offline_and_by_rehearsed_heads(
    rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(rectangles), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main(["train", "heads", "--base", "sam2-tiny", *options]) == 2
    told = capsys.readouterr().err
    assert "tests/sam2-tiny is not in the cache" in told and "HF_HUB_OFFLINE" in told
    assert main(["train", "heads", "--base", "compact", "--prompts-backbone", "dinov2-base", *options]) == 2
    assert "compact has its own encoder for prompts" in capsys.readouterr().err
    assert main(["train", "heads", "--base", "edgetam-tiny", "--random-weights", "--sam", "x.pt", *options]) == 2
    assert "edgetam-tiny-random has random weights: expected no file, found x.pt" in capsys.readouterr().err

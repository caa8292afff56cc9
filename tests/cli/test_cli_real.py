"""The command run for real, in its own process, on the bundled weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uois_sam", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_real_photo_is_segmented(tmp_path: Path) -> None:
    result = run_command("segment", EXAMPLES / "coffee.jpg", "--out", tmp_path, "--debug-heatmap")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "coffee_label.png", "coffee_overlay.jpg", "coffee.json", "coffee_heatmap.jpg", "coffee_foreground.jpg",
    }  # fmt: skip
    labels = np.asarray(Image.open(tmp_path / "coffee_label.png"))
    found = json.loads((tmp_path / "coffee.json").read_text())
    assert labels.shape == (400, 600)
    assert labels.max() == len(found["instances"]) > 0
    assert found["model"].startswith("compact")
    cup_xy = (260, 150)
    assert labels[cup_xy[1], cup_xy[0]] > 0, "the cup is not found"


def test_the_four_variants_of_table_iv_run(tmp_path: Path) -> None:
    for prompts in ("grid", "foreground-grid", "heatmap"):
        out = tmp_path / prompts
        result = run_command("segment", EXAMPLES / "coffee.jpg", "--out", out, "--prompts", prompts, "--scores", "sam")
        assert result.returncode == 0, result.stderr
        assert json.loads((out / "coffee.json").read_text())["selection"]["prompts"] == prompts


def test_the_closer_look_can_be_turned_off(tmp_path: Path) -> None:
    for zoom in ("on", "off"):
        result = run_command("segment", EXAMPLES / "coffee.jpg", "--out", tmp_path / zoom, "--zoom", zoom)
        assert result.returncode == 0, result.stderr
        assert json.loads((tmp_path / zoom / "coffee.json").read_text())["selection"]["zoom"] == (zoom == "on")


def test_a_blank_wall_gives_an_empty_result_and_success(tmp_path: Path) -> None:
    Image.new("RGB", (320, 240), (128, 128, 128)).save(tmp_path / "wall.png")
    result = run_command("segment", tmp_path / "wall.png", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "out" / "wall.json").read_text())["instances"] == []
    assert np.asarray(Image.open(tmp_path / "out" / "wall_label.png")).max() == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "sam-vit-x"], "compact"),
        (["--device", "abacus"], "cpu"),
    ],
)
def test_unknown_models_and_devices_list_what_there_is(tmp_path: Path, arguments: list[str], told: str) -> None:
    result = run_command("segment", EXAMPLES / "coffee.jpg", "--out", tmp_path, *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_model_is_refused_in_one_line(tmp_path: Path) -> None:
    import uois_sam.checkpoints.loading

    source, broken = uois_sam.checkpoints.loading.BUNDLED["compact"], tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_bytes((source / "model.json").read_bytes())
    (broken / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes()[:100_000])
    result = run_command("segment", EXAMPLES / "coffee.jpg", "--out", tmp_path / "out", "--model", broken)
    assert result.returncode == 2
    assert "truncated or altered" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_help_teaches(tmp_path: Path) -> None:
    result = run_command("segment", "--help")
    assert result.returncode == 0
    for option in ("--out", "--model", "--device", "--prompts", "--scores", "--debug-heatmap"):
        assert option in result.stdout
    for command in ("segment", "generate", "train"):
        assert command in run_command("--help").stdout

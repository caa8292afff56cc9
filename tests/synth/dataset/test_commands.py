"""The commands generate and convert, run for real."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from uois_sam.cli.convert import Convert
from uois_sam.cli.main import main
from uois_sam.datasets.registry import open_dataset

pytestmark = pytest.mark.slow
SMALL = ["--height", "48", "--width", "64", "--samples", "1", "--workers", "1", "--variant", "scalar"]


def test_help_explains_every_knob(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        main(["generate", "--help"])
    assert status.value.code == 0
    told = capsys.readouterr().out
    for option in ("--variety.split", "--variety.most-objects", "--preset", "--from-scenes", "--amodal", "--ray"):
        assert option in told


def test_one_command_makes_uoais_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["generate", "--out", str(tmp_path), "--scenes", "1", "--seed", "8", "--format", "uoais", *SMALL])
    assert status == 0
    told = capsys.readouterr().err
    assert "1 scene made with" in told and "draws thrown away" in told
    assert len(open_dataset("uoais-sim", tmp_path / "uoais")) == 1
    assert json.loads((tmp_path / "dataset.json").read_text())["config"]["amodal"] is True


def test_another_configuration_is_one_line_and_status_2(tiny_scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--out", str(tiny_scenes), "--seed", "8", *SMALL]) == 2
    assert "choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize(("to", "split", "name"), [("uoais", "val", "uoais-sim"), ("bop", "val_pbr", "bop")])
def test_convert_writes_what_loaders_read(tiny_scenes: Path, tmp_path: Path, to: str, split: str, name: str) -> None:
    assert main(["convert", str(tiny_scenes), "--to", to, "--out", str(tmp_path), "--split", "val"]) == 0
    assert len(open_dataset(name, tmp_path, split=split)) == 3


def test_convert_draws_a_sheet(tiny_scenes: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    assert Convert(tiny_scenes, "sheet", tmp_path / "sheet.jpg", scenes=2).run(console) == 0
    assert Image.open(tmp_path / "sheet.jpg").size[0] > 600


def test_convert_refuses_other_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(tmp_path), "--to", "bop", "--out", str(tmp_path / "out")]) == 2
    assert "scenes.jsonl" in capsys.readouterr().err

"""Every script of benchmarks/ and experiments/ starts, whatever was moved or renamed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import uois_sam
from scripts import FOLDERS, ROOT, SCRIPTS, load_script

pytestmark = pytest.mark.skipif(not SCRIPTS, reason="benchmarks/ and experiments/ are not beside these tests")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_script_explains_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script(f"{path.parent.name}/{path.name}")
    monkeypatch.setattr("sys.argv", [path.name, "--help"])
    try:
        status = script.main()
    except SystemExit as error:  # argparse's way to end
        status = error.code
    said = capsys.readouterr().out
    assert not status and said.startswith(f"usage: {path.name}") and f"{path.parent.name}/{path.name}" in said


@pytest.mark.parametrize("name", ["benchmarks/parity.py", "experiments/table5.py"])
def test_scripts_run_from_anywhere(name: str, tmp_path: Path) -> None:
    """As users run them: what they import from beside them is found."""
    environment = {**os.environ, "PYTHONPATH": str(Path(uois_sam.__file__).parents[1])}
    command = [sys.executable, str(ROOT / name), "--help"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0 and result.stdout.startswith("usage: "), result.stderr


def test_every_script_is_in_its_readme() -> None:
    for folder in FOLDERS:
        text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
        assert [path.name for path in SCRIPTS if path.parent.name == folder and f"`{path.name}" not in text] == []

"""The notebooks run from top to bottom, and what is stored of them is small."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MOST_BYTES = 300_000
"""A notebook with its outputs: readable in a change, and no burden for a clone."""


@pytest.mark.skipif(not NOTEBOOKS, reason="an sdist has no notebooks")
def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["fine_tune", "segment_and_prompt"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_there_and_small_and_name_no_folder_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert any(cell["outputs"] for cell in cells)
    assert all(cell["execution_count"] for cell in cells)
    assert len(text) < MOST_BYTES
    assert "/tmp/" not in text
    assert "/home/" not in text


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    import uois_sam

    sources = str(Path(uois_sam.__file__).parents[1])  # the kernel imports what the tests import
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([sources, os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.reads(path.read_text(encoding="utf-8").replace("steps=60", "steps=6"), as_version=4)
    assert path.stem != "fine_tune" or "steps=6," in str(notebook)  # a tenth of the steps, most of its time
    here = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=here).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")

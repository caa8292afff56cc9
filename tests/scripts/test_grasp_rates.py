"""``experiments/grasp_rates.py`` on rounds written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import load_script
from uois_sam.grasping.grasp import Grasp
from uois_sam.grasping.records import RoundStore
from uois_sam.grasping.rounds import Attempt, Round
from uois_sam.grasping.world import Pick

GRASP = Grasp((0.1, 0.0, 0.02), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0), 0.03, 1.5, 0)
LIFTS = Attempt(2, None, Pick(GRASP, "lifted", (0,), ()))
SLIPS = Attempt(2, None, Pick(GRASP, "slipped", (), (), "closed on nothing"))
NOTHING = Attempt(0, None, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tables of two things, cleared with true masks; the model left one of each, and began a third table."""
    store = RoundStore(tmp_path / "pile", {"objects": 2})
    for seed in (0, 1):
        store.keep("true", Round(seed, 2, (LIFTS, LIFTS), 0))
        store.keep("model", Round(seed, 2, (LIFTS, SLIPS, NOTHING), 1))
    store.keep("model", Round(2, 2, (LIFTS, LIFTS), 0))
    return tmp_path / "pile"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    script = load_script("experiments/grasp_rates.py")
    monkeypatch.setattr("sys.argv", ["grasp_rates.py", *map(str, arguments)])
    return int(script.main())


def test_kinds_of_masks_are_compared_on_tables_that_all_have(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert run(monkeypatch, folder, "--out", folder / "record.json") == 0
    said = capsys.readouterr().out
    assert "pile: 2 tables, 1 left out" in said
    assert "2 of 4), -50.0 |" in said  # half of what lay there, and all with true masks
    (found,) = json.loads((folder / "record.json").read_text())["payload"]["runs"]
    assert found["masks"]["model"]["grasps"][:2] == [2, 4]
    assert found["masks"]["model"]["failures"] == {"slipped: closed on nothing": 2}
    assert found["masks"]["model"]["no_grasp"] == 2 and found["masks"]["true"]["no_grasp"] == 0


def test_a_folder_without_rounds_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for path in (folder / "rounds").iterdir():
        path.unlink()
    assert run(monkeypatch, folder) == 2
    assert "expected rounds of uois-sam demo grasp, found none" in capsys.readouterr().err

"""Rounds on disk and the page of picks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from uois_sam.errors import UOISError
from uois_sam.grasping.grasp import Grasp
from uois_sam.grasping.page import outcome_of, picture_name, write_page
from uois_sam.grasping.records import RoundStore
from uois_sam.grasping.rounds import VERSION, Attempt, Round
from uois_sam.grasping.world import Pick

GRASP = Grasp((0.1, 0.0, 0.02), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0), 0.03, 1.5, 0)
DONE = Round(4, 3, (Attempt(3, 1, Pick(GRASP, "lifted", (1,), (2,))), Attempt(2, None, None)), 2)


def test_a_round_comes_back_as_it_was(tmp_path: Path) -> None:
    store = RoundStore(tmp_path, {"objects": 3})
    assert store.find("true", 4) is None
    store.keep("true", DONE)
    again = RoundStore(tmp_path, {"objects": 3})
    assert again.find("true", 4) == DONE
    assert again.find("model", 4) is None and again.find("true", 5) is None


def test_rounds_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    RoundStore(tmp_path, {"objects": 3, "width": 640})
    with pytest.raises(UOISError, match="width 320, found some with 640"):
        RoundStore(tmp_path, {"objects": 3, "width": 320})


def test_rounds_of_another_model_are_not_mixed(tmp_path: Path) -> None:
    RoundStore(tmp_path, {"objects": 3}, {"model": "compact-7"})
    RoundStore(tmp_path, {"objects": 3})  # true masks alone, say
    RoundStore(tmp_path, {"objects": 3}, {"model": "compact-7", "grid": "compact-7"})
    with pytest.raises(UOISError, match="masks of grid compact-8, found some with compact-7"):
        RoundStore(tmp_path, {"objects": 3}, {"grid": "compact-8"})


def test_rounds_that_were_made_in_another_way_are_not_mixed(tmp_path: Path) -> None:
    RoundStore(tmp_path, {"objects": 3})
    path = tmp_path / "settings.json"
    made = json.loads(path.read_text())
    assert made.pop("version") == VERSION
    for earlier, said in ((made, "of an earlier version"), ({**made, "version": VERSION + 1}, f"with {VERSION + 1}")):
        path.write_text(json.dumps(earlier))
        with pytest.raises(UOISError, match=f"expected rounds with version {VERSION}, found some {said}"):
            RoundStore(tmp_path, {"objects": 3})
        assert json.loads(path.read_text()) == earlier


def test_a_broken_round_is_named(tmp_path: Path) -> None:
    store = RoundStore(tmp_path, {})
    store.keep("true", DONE)
    (tmp_path / "rounds" / "true_0004.json").write_text('{"seed": 4}')
    with pytest.raises(UOISError, match="true_0004.json"):
        store.find("true", 4)


def test_the_page_shows_pictures_that_are_there(tmp_path: Path) -> None:
    (tmp_path / picture_name("true", 4, 1)).write_bytes(b"")
    write_page(tmp_path, {"true": [DONE]})
    page = (tmp_path / "index.html").read_text()
    assert 'src="true_0004_01.jpg"' in page and "true_0004_02.jpg" not in page
    assert "1 of 3 taken away" in page and "lifted 1, the named one, moved 1 other" in page


def test_outcomes_in_words() -> None:
    assert outcome_of(DONE.attempts[1]) == "no grasp found on 2 masks"
    assert outcome_of(Attempt(1, 0, Pick(GRASP, "lifted", (1,), ()))) == "lifted 1, not the named one"
    slid = Pick(GRASP, "slipped", (), (), "slid out of both fingers")
    assert outcome_of(Attempt(1, None, slid)) == "slipped (slid out of both fingers)"

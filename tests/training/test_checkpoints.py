"""Checkpoints of interrupted fits: what is damaged is named, and never half used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from uois_sam.errors import UOISError
from uois_sam.training.checkpoints import OtherSettingsError, load_checkpoint, save_checkpoint

CONFIG = {"rate": 0.5}


def parts() -> dict[str, Any]:
    module = torch.nn.Linear(3, 2)
    return {"head": module, "optimiser": torch.optim.AdamW(module.parameters(), 0.1)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, parts(), CONFIG, 7)
    return tmp_path


def test_it_comes_back(folder: Path) -> None:
    assert load_checkpoint(folder, parts(), CONFIG) == 7
    assert load_checkpoint(folder / "none", parts(), CONFIG) == 0


def test_other_settings_are_told_and_leave_the_parts_alone(folder: Path) -> None:
    fresh = parts()
    before = fresh["head"].weight.clone()
    with pytest.raises(OtherSettingsError, match=r"'rate': \(0.25, 0.5\)"):
        load_checkpoint(folder, fresh, {"rate": 0.25})
    assert torch.equal(fresh["head"].weight, before)
    save_checkpoint(folder, fresh, {**CONFIG, "betas": (0.9, 0.99), "muon": True}, 7)
    with pytest.raises(OtherSettingsError, match=r"found\): \{'muon': \(None, True\)\}; choose"):
        load_checkpoint(folder, fresh, {**CONFIG, "betas": (0.9, 0.99)})


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"step": -1}, "step: expected a whole number of at least 0, found -1"),
        ({"step": "7"}, "step: expected a whole number"),
        ({"config": "{"}, "config: expected JSON"),
        ({"states": {}}, "expected states of head, optimiser"),
        (
            {"states": {"head": {"weight": torch.ones(1)}, "optimiser": {}}},
            "the state of head, found one that does not",
        ),
        ({"states": 3}, "states: expected named entries, found 3"),
    ],
)
def test_a_damaged_one_is_an_error_and_no_fresh_start(folder: Path, changes: dict[str, Any], found: str) -> None:
    path = folder / "checkpoint.pt"
    torch.save({**torch.load(path, weights_only=True), **changes}, path)
    with pytest.raises(UOISError, match=found) as caught:
        load_checkpoint(folder, parts(), CONFIG)
    assert not isinstance(caught.value, OtherSettingsError)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02]q\x00."])
def test_a_torn_one_says_what_to_do(folder: Path, content: bytes) -> None:
    (folder / "checkpoint.pt").write_bytes(content)
    with pytest.raises(UOISError, match="found a damaged file .*; delete it to start anew"):
        load_checkpoint(folder, parts(), CONFIG)


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "checkpoint.pt").unlink()
    os.mkfifo(folder / "checkpoint.pt")
    with pytest.raises(UOISError, match="a pipe or device"):
        load_checkpoint(folder, parts(), CONFIG)

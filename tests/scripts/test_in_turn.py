"""``benchmarks/in_turn.py``: every backend gets processes of its own, and their runs are put together."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import numpy as np
import pytest

from scripts import load_script
from uois_sam.errors import UOISError

turns = load_script("benchmarks/in_turn.py")


def test_processes_take_turns_and_their_runs_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def answer(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[2:])
        runs = {name: {"wall": [float(len(asked))], "cpu": [0.5]} for name in turns.PHOTOS}
        return subprocess.CompletedProcess(command, 0, json.dumps(runs), "")

    monkeypatch.setattr(subprocess, "run", answer)
    found = turns.in_turn({"torch": "compact", "onnxruntime": "folder"}, 7)
    each = [["compact", "torch", "--repeats", "3"], ["folder", "onnxruntime", "--repeats", "3"]]
    assert asked == each * turns.ROUNDS
    assert found["torch"]["coffee"] == {"wall": [1.0, 3.0, 5.0], "cpu": [0.5, 0.5, 0.5]}
    assert found["onnxruntime"]["crowded scene"]["wall"] == [2.0, 4.0, 6.0]


def test_runs_that_warm_up_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Model:
        def predict(self, photo: Any) -> None:
            seen.append(photo.shape)

    taken = turns.seconds_of(Model(), np.zeros((4, 6, 3), np.uint8), 2)
    assert seen == [(4, 6, 3)] * (turns.WARM_UP + 2)
    assert sorted(taken) == ["cpu", "wall"] and all(len(seconds) == 2 for seconds in taken.values())


def test_a_process_that_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(UOISError, match=r"a process with openvino to exit with 0, found 2: in_turn: .*nowhere"):
        turns.in_turn({"openvino": "nowhere"}, 1)

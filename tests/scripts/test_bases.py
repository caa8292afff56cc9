"""The table of bases: what it reads from the measurements and what it says of one that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import load_script

bases = load_script("benchmarks/bases.py")


def spread(seconds: float) -> dict[str, float]:
    return {"median": seconds, "q25": seconds, "q75": seconds, "n": 3}


RECORD = {
    "parts_seconds": {"encoder": spread(2.0), "decoder": spread(0.3), "selection": spread(0.01)},
    "stages_seconds": {"hpg": spread(0.1), "total": spread(2.5)},
    "peers": {
        "uois-sam": {"features": spread(2.0), "masks": spread(0.2)},
        "transformers-float32": {
            "features": spread(3.0),
            "masks": spread(0.85),
            "features_ratio": 1.5,
            "masks_ratio": 4.25,
        },
    },
    "prompts": 30,
    "objects": 7,
}


@pytest.mark.parametrize("base", ["sam-vit-b", "sam2.1-hiera-tiny"])
def test_a_row_has_times_memory_and_ratios(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def run(words: list[str], base: str) -> str:
        asked.append(words)
        Path(words[words.index("--out") + 1]).write_text(json.dumps(RECORD))
        return json.dumps({"exit": 0, "peak_mib": 1234.4})

    monkeypatch.setattr(bases, "run", run)
    monkeypatch.setattr("sys.argv", ["bases.py", "--bases", base, "--out", str(tmp_path / "bases.json")])
    assert bases.main() == 0
    row = f"| {base} | 2000 ms | 100 ms | 300 ms | 10 ms | 2500 ms | 30 | 1234 | x 1.50 | x 4.25 | x 1.75 |"
    assert row in capsys.readouterr().out.splitlines()
    times, memory = asked
    assert "--random" in times and times[-2:] == ["--against", "transformers-float32"]
    assert "--against" not in memory and times[times.index("--clock") + 1] == "cpu"
    payload: dict[str, Any] = json.loads((tmp_path / "bases.json").read_text())["payload"]
    assert payload["clock"] == "processor seconds, one thread" and payload["bases"][base]["prompts"] == 30


def test_a_base_that_fails_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bases, "command", lambda *_: ["-c", "raise SystemExit('no such device')"])
    monkeypatch.setattr("sys.argv", ["bases.py", "--bases", "sam-vit-b"])
    assert bases.main() == 2
    assert capsys.readouterr().err == "bases: sam-vit-b: no such device\n"

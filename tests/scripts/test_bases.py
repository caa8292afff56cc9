"""The table of bases: what it reads from the measurements and what it says of one that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import load_hooks, load_script

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


ROW = {
    "seconds": dict.fromkeys(("encoder", "prompts", "decoder", "selection", "total"), 1.0),
    "prompts": 30, "objects": 7, "peak_mib": 100.0, "transformers": None,
}  # fmt: skip


def run_script(monkeypatch: pytest.MonkeyPatch, out: Path, base: str, *options: str, row: dict[str, Any] = ROW) -> int:
    """Run the script with the measurement of a base made up."""
    monkeypatch.setattr(bases, "measure", lambda *_: dict(row))
    monkeypatch.setattr("sys.argv", ["bases.py", "--bases", base, "--out", str(out), *options])
    return int(bases.main())


def record_of(folder: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> Path:
    """A record of one base."""
    assert run_script(monkeypatch, folder / "record.json", base) == 0
    return folder / "record.json"


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
    # The same table on a page of the documentation that asks for it, and a word where there is none yet.
    hooks = load_hooks()
    hooks.RESULTS = tmp_path
    page = hooks.on_page_markdown("# Times\n\n<!-- table of bases.json -->\n\n<!-- table of gpu.json -->\n")
    assert row in page.splitlines() and "Processor seconds, one thread, float32; weights random" in page
    assert "*`gpu.json` has not been measured yet.*" in page and "<!--" not in page


def test_rows_are_added_to_a_record_in_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = record_of(tmp_path, monkeypatch, "sam-vit-b")
    assert run_script(monkeypatch, out, "edgetam", row={**ROW, "objects": 1}) == 0
    assert run_script(monkeypatch, out, "edgetam") == 0
    payload = json.loads(out.read_text())["payload"]
    assert list(payload["bases"]) == ["sam-vit-b", "edgetam"]
    assert payload["bases"]["edgetam"]["objects"] == ROW["objects"]


def test_rows_that_were_measured_otherwise_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = record_of(tmp_path, monkeypatch, "sam-vit-b")
    before = out.read_bytes()
    capsys.readouterr()
    for options, told in [
        (["--wall"], "clock processor seconds, one thread instead of wall clock"),
        (["--precision", "bfloat16"], "precision float32 instead of bfloat16"),
        (["--device", "cuda"], "device cpu instead of cuda"),
    ]:
        assert run_script(monkeypatch, out, "edgetam", *options) == 2
        line = capsys.readouterr().err
        assert line.startswith(f"bases: {out}: holds measurements with ") and told in line and line.count("\n") == 1
    monkeypatch.setattr(bases, "describe_machine", lambda: {"cpu": "another", "cores_usable": 64, "gpu": None})
    assert run_script(monkeypatch, out, "edgetam") == 2
    assert "cpu " in (line := capsys.readouterr().err) and "instead of another, cores_usable " in line
    assert out.read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]", '{"benchmark": "parity", "payload": {"bases": {}}}', '{"payload": 1}'])
def test_what_is_no_record_of_bases_is_told_and_kept(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "record.json"
    out.write_text(content)
    assert run_script(monkeypatch, out, "edgetam") == 2
    assert f"bases: {out}: expected a record of bases, found" in (line := capsys.readouterr().err)
    assert line.count("\n") == 1 and out.read_text() == content


def test_a_base_that_fails_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bases, "command", lambda *_: ["-c", "raise SystemExit('no such device')"])
    monkeypatch.setattr("sys.argv", ["bases.py", "--bases", "sam-vit-b"])
    assert bases.main() == 2
    assert capsys.readouterr().err == "bases: sam-vit-b: no such device\n"

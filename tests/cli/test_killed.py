"""Commands that are interrupted, terminated or killed: nothing is lost, nothing half-written, and the resumed result
equals that of a run that nobody stopped.

CI takes a share; ``pytest -m long tests/cli/test_killed.py`` runs every command with every signal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from killed_runs import labelled_photos, saved
from uois_sam.pipeline import UOISSAM

PATIENCE_SECONDS = 300.0
"""Of a command on a busy machine."""


@dataclass(frozen=True)
class Case:
    """A command, and when to stop it."""

    arguments: tuple[str, ...]
    """All but ``--out OUT``."""
    under_way: Callable[[Path], bool]
    """Whether a run has done some of its work, and not all."""


def finished(case: Case, out: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "uois_sam", *case.arguments, "--out", str(out)],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def stopped(case: Case, out: Path, how: signal.Signals) -> None:
    """Run a command until it is under way, and stop it."""
    command = [sys.executable, "-m", "uois_sam", *case.arguments, "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while not case.under_way(out):
            assert process.poll() is None, "it ended before it could be stopped"
            assert time.monotonic() < end, "waited too long"
            time.sleep(0.01)
        process.send_signal(how)
        _, told = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in told


def check_whole(out: Path) -> None:
    """Every file that has its final name can be read to its end."""
    for path in out.rglob("*"):
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".json":
            json.loads(path.read_bytes())


def leave_a_temporary_file(folder: Path) -> Path:
    """What a process that was killed while it wrote leaves behind."""
    code = "import sys, pathlib; from uois_sam.io import files; print(files._temporary(pathlib.Path(sys.argv[1])))"
    told = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    path = Path(told.stdout.strip())
    path.write_bytes(b"half")
    return path


def leftovers(out: Path) -> list[Path]:
    return list(out.rglob(".*.tmp"))


def contents(out: Path, *patterns: str) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for each in patterns for p in sorted(out.rglob(each))}


@pytest.fixture
def model(tiny_pipeline: UOISSAM, tmp_path: Path) -> Path:
    return saved(tiny_pipeline, tmp_path / "tiny")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return labelled_photos(tmp_path / "photos", 40)


def some(pattern: str, all_of_them: int) -> Callable[[Path], bool]:
    return lambda out: 0 < len(list(out.rglob(pattern))) < all_of_them


ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
LONG = [pytest.param(how, id=how.name, marks=pytest.mark.long) for how in ALL]
IN_CI = [
    pytest.param(signal.SIGKILL, id="SIGKILL", marks=pytest.mark.slow),
    *[pytest.param(how, id=how.name, marks=pytest.mark.long) for how in ALL[:2]],
]


@pytest.mark.parametrize("how", IN_CI)
def test_segment(model: Path, photos: Path, tmp_path: Path, how: signal.Signals) -> None:
    case = Case(("segment", str(photos / "rgb"), "--model", str(model), "--no-overwrite"), some("*_label.png", 40))
    stopped(case, tmp_path / "out", how)
    check_whole(tmp_path / "out")
    assert not leftovers(tmp_path / "out") or how != signal.SIGINT
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*_label.png")}
    leave_a_temporary_file(tmp_path / "out")
    told = finished(case, tmp_path / "out")
    assert f"{len(before)} photos skipped" in told or len(before) == 1, "what is done is done once"
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    finished(case, tmp_path / "whole")
    assert contents(tmp_path / "out", "*") == contents(tmp_path / "whole", "*")
    assert not leftovers(tmp_path / "out")


@pytest.mark.parametrize("how", LONG)
def test_evaluate(model: Path, photos: Path, tmp_path: Path, how: signal.Signals) -> None:
    case = Case(
        ("evaluate", "folder", str(photos), "--model", str(model), "--workers", "1"), some("predictions/*.png", 40)
    )
    stopped(case, tmp_path / "out", how)
    check_whole(tmp_path / "out")
    leave_a_temporary_file(tmp_path / "out" / "predictions")
    finished(case, tmp_path / "out")
    finished(case, tmp_path / "whole")
    assert contents(tmp_path / "out", "*.png") == contents(tmp_path / "whole", "*.png")
    scores = [json.loads((tmp_path / each / "report.json").read_text())["scores"] for each in ("out", "whole")]
    assert scores[0] == scores[1]
    assert not leftovers(tmp_path / "out")


@pytest.mark.parametrize("how", LONG)
def test_generate(tmp_path: Path, how: signal.Signals) -> None:
    pytest.importorskip("mitsuba")
    case = Case(
        ("generate", "--scenes", "4", "--seed", "7", "--height", "48", "--width", "64", "--samples", "1", "--variant",
         "scalar", "--workers", "1", "--variety.most-objects", "4", "--variety.no-distractors",
         "--variety.surroundings", "0"), some("rgb/*.png", 4),
    )  # fmt: skip
    stopped(case, tmp_path / "out", how)
    check_whole(tmp_path / "out")
    leave_a_temporary_file(tmp_path / "out" / "rgb")
    finished(case, tmp_path / "out")
    finished(case, tmp_path / "whole")
    assert contents(tmp_path / "out", "*.png", "*.jsonl") == contents(tmp_path / "whole", "*.png", "*.jsonl")
    assert not leftovers(tmp_path / "out")


@pytest.mark.parametrize("how", LONG)
@pytest.mark.parametrize("sign", ["base/checkpoint.pt", "cache/tokens/*.safetensors", "hdnet/checkpoint.pt"])
def test_train_compact(model: Path, photos: Path, tmp_path: Path, how: signal.Signals, sign: str) -> None:
    case = Case(
        ("train", "compact", "--data", str(photos), "--start", str(model), "--steps", "120", "--name", "tiny"),
        some(sign, 99),
    )  # fmt: skip
    stopped(case, tmp_path / "out", how)
    leave_a_temporary_file(tmp_path / "out" / "base")
    finished(case, tmp_path / "out")
    finished(case, tmp_path / "whole")
    assert contents(tmp_path / "out", "model.safetensors") == contents(tmp_path / "whole", "model.safetensors") != {}
    assert not leftovers(tmp_path / "out")


@pytest.mark.parametrize("how", LONG)
@pytest.mark.parametrize("sign", ["cache/maps/*.safetensors", "hdnet/checkpoint.pt"])
def test_train_heads(photos: Path, tmp_path: Path, how: signal.Signals, sign: str) -> None:
    for path in sorted((photos / "rgb").iterdir())[20:]:
        path.unlink()
        (photos / "label" / path.name).unlink()
    case = Case(
        ("train", "heads", "--data", str(photos), "--base", "compact", "--epochs", "1", "--name", "tiny"),
        some(sign, 99),
    )
    stopped(case, tmp_path / "out", how)
    leave_a_temporary_file(tmp_path / "out" / "cache" / "maps")
    finished(case, tmp_path / "out")
    finished(case, tmp_path / "whole")
    assert contents(tmp_path / "out", "model.safetensors") == contents(tmp_path / "whole", "model.safetensors") != {}
    assert not leftovers(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="locks on folders")
def test_two_runs_do_not_write_into_one_folder(model: Path, photos: Path, tmp_path: Path) -> None:
    case = Case(
        ("evaluate", "folder", str(photos), "--model", str(model), "--workers", "1"), some("predictions/*.png", 40)
    )
    command = [sys.executable, "-m", "uois_sam", *case.arguments, "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as first:
        while not case.under_way(tmp_path / "out"):
            assert first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        first.send_signal(signal.SIGKILL)
    assert second.returncode == 2
    assert "another run is writing into this folder" in second.stderr

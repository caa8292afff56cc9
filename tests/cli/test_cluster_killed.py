"""A Ray cluster that loses a worker, and then its head, in the middle: photos are tried again, and the run that goes
on has the results of one that nobody stopped, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import pytest

from killed_runs import labelled_photos, saved
from uois_sam.cli.main import main
from uois_sam.pipeline import UOISSAM

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")]

PHOTOS, SHARD = 100, 5
PATIENCE_SECONDS = 300.0
HEAD = """
import sys, ray
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the head and the command, which are not of one Ray session."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")  # on a busy machine


@pytest.fixture
def head(environment: None) -> Iterator[subprocess.Popen[str]]:
    """A process that keeps a cluster of two workers on this machine; Ray's processes end with it."""
    pytest.importorskip("ray")
    with subprocess.Popen([sys.executable, "-c", HEAD], stdin=PIPE, stdout=PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.fixture
def model(tiny_pipeline: UOISSAM, tmp_path: Path) -> Path:
    return saved(tiny_pipeline, tmp_path / "tiny")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return labelled_photos(tmp_path / "photos", PHOTOS) / "rgb"


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes], told: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert process.poll() is None, f"it ended before it could be disturbed: {told.read_text()}"
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def started_by(pid: int) -> list[int]:
    """All processes below one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [below for child in found for below in started_by(child)]


def kill_a_busy_worker(head: int) -> bool:
    for process in started_by(head):
        with suppress(OSError):  # it has ended
            if Path(f"/proc/{process}/cmdline").read_text().startswith("ray::attempt"):
                os.kill(process, signal.SIGKILL)
                return True
    return False


def shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("shard*"))}


def test_a_worker_and_then_the_head_are_killed(
    head: subprocess.Popen[str], model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["segment", str(photos), "--model", str(model), "--shards", "tar", "--shard-size", str(SHARD), "--out"]
    assert main([*words, str(tmp_path / "plain")]) == 0
    plain, out = shards(tmp_path / "plain"), tmp_path / "out"
    assert len(plain) == PHOTOS // SHARD + 1

    assert head.stdout is not None
    address = head.stdout.readline().strip()
    assert address, "the head did not start"
    command = [sys.executable, "-m", "uois_sam", *words, str(out), "--ray", address]
    told = tmp_path / "told"
    impatient = {**os.environ, "RAY_gcs_rpc_server_reconnect_timeout_s": "15"}  # of 60 that Ray waits for a lost head
    with told.open("w") as file, subprocess.Popen(command, stderr=file, env=impatient) as process:
        wait_until(lambda: len(shards(out)) > 0, process, told)
        wait_until(lambda: kill_a_busy_worker(head.pid), process, told)
        before = len(shards(out))
        wait_until(lambda: len(shards(out)) > before + 1, process, told)  # with the photo that it was killed over
        head.kill()
        process.wait(timeout=PATIENCE_SECONDS)
    assert process.returncode != 0 and "Traceback" not in told.read_text()
    left = shards(out)
    del left["shards.json"]
    assert 0 < len(left) < PHOTOS // SHARD
    assert all(plain[name] == content for name, content in left.items()), "no photo was lost with the worker"

    capsys.readouterr()
    assert main([*words, str(out), "--no-overwrite"]) == 0
    assert f"{SHARD * len(left)} photos skipped" in capsys.readouterr().err
    assert shards(out) == plain

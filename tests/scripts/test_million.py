"""The bill for many photos, and the processes whose time it is made from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from scripts import load_script

million = load_script("benchmarks/million.py")


def run(workers: int, seconds: float, *, ray: bool = True) -> dict[str, Any]:
    return {
        "workers": workers, "ray": ray, "processor_seconds_a_photo": seconds, "photos_a_second": workers / seconds,
        "start_seconds": 4.0, "start_processor_seconds": 6.0, "peak_mib": 900.0, "bytes_a_photo": 10_000.0,
    }  # fmt: skip


PAYLOAD = {
    "photos": 100, "cores": 2,
    "runs": [run(2, 0.3, ray=False), run(1, 0.32), run(2, 0.36), run(4, 0.5)],
    "empty_jobs": {"wall_seconds_a_photo": 0.002, "processor_seconds_a_photo": 0.004},
    "listing": {"photos": 1000.0, "bytes_a_photo": 2000.0, "processor_seconds_a_photo": 5e-5},
}  # fmt: skip


def test_the_bill_is_of_the_cluster_that_has_a_core_a_worker() -> None:
    one_million, one_billion = million.bill(PAYLOAD, 0.05)
    assert one_million["core_hours"] == pytest.approx(100) and one_million["cost"] == pytest.approx(5)
    assert one_million["hours_by_cores"] == {"2": pytest.approx(50), "64": pytest.approx(100 / 64), "1000": 0.1}
    assert one_million["shards_gb"] == pytest.approx(10) and one_million["names_gb"] == pytest.approx(2)
    assert one_billion["cost"] == pytest.approx(5000)


def test_another_price_is_reckoned_from_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "record.json").write_text(json.dumps({"payload": PAYLOAD}))
    monkeypatch.setattr("sys.argv", ["million.py", "--record", str(tmp_path / "record.json"), "--price", "0.1"])
    assert million.main() == 0
    said = capsys.readouterr().out
    assert "| 1,000,000 | 100 | 10 | 50.0 | 1.6 | 0.1 | 10 GB | 2.0 GB |" in said.splitlines()
    assert "At an assumed 0.1 an hour and core:" in said and "| 2 | Ray | 5.56 | 0.360 |" in said


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_processor_time_of_processes_that_have_ended_counts() -> None:
    processes = million.Processes(os.getpid())
    before = processes.seconds()
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert processes.seconds() - before > 0.25
        process.communicate(b"\n")
    assert processes.seconds() - before > 0.25


def test_shards_that_differ_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter(["a", "b"])
    monkeypatch.setattr(million, "segment", lambda *_: {**run(1, 0.3), "sha256": next(digests)})
    monkeypatch.setattr(million, "make_photos", lambda sources, count, folder: (folder / "a.jpg").write_bytes(b"a"))
    monkeypatch.setattr(million, "cluster", lambda workers: nullcontext("nowhere"))
    with pytest.raises(million.UOISError, match="expected the same shards of every run"):
        million.measure([], 1, [1], "compact")

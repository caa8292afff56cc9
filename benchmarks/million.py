"""`uois-sam segment --ray` beside a plain run: rates and memory by workers, what the cluster adds, and a bill.

    python benchmarks/million.py PHOTO... [--photos 120] [--workers 1 2 4] [--price 0.04] [--out RESULT.json]
    python benchmarks/million.py --record RESULT.json --price 0.04

The photos given are varied as by scale.py, put into one tar file, and segmented into shards: by a plain run, then on a
Ray cluster of as many workers on this machine, each with one core's worth of threads. All shards must be the same,
byte for byte. Rates are taken between the first and the last shard, so that starting is counted apart. Processor
seconds are those of the command, the workers and Ray's own services together, and hold on a machine with other work;
photos a second do not. Memory is the largest sum of proportional set sizes (Linux), in which what processes share
counts once. Empty jobs carry a photo there and its results back, and compute nothing. Listing is what naming a photo of
a tar file takes.

The bill is arithmetic: processor seconds a photo, times photos, times a price an hour and core, which is assumed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError
from uois_sam.runtime.cores import usable_cores
from uois_sam.runtime.executors import as_finished
from uois_sam.runtime.provenance import summary
from uois_sam.runtime.ray import on_ray

sys.path.insert(0, str(Path(__file__).parent))
from scale import make_photos

SECONDS_BETWEEN_SAMPLES = 0.2
SHARDS = 8
"""Of a run: rates begin when the first is there."""
EMPTY_JOBS = 400
LISTED = 100_000
BILLED = (10**6, 10**9)
CORES = (2, 64, 1000)


class Processes:
    """Processor seconds and memory of a process and all that it started, read from /proc."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._seconds: dict[int, float] = {}
        self.most_mib = 0.0

    def seconds(self) -> float:
        """Return processor seconds so far, those of processes that have ended included."""
        tick = os.sysconf("SC_CLK_TCK")
        for pid in self._tree():
            fields = _fields(pid)
            if fields:
                self._seconds[pid] = (int(fields[11]) + int(fields[12])) / tick
        return sum(self._seconds.values())

    def look_at_memory(self) -> None:
        """Take the sum of all proportional set sizes into account."""
        self.most_mib = max(self.most_mib, sum(_pss_mib(pid) for pid in self._tree()))

    def _tree(self) -> set[int]:
        parents = {int(path.name): fields for path in Path("/proc").glob("[0-9]*") if (fields := _fields(path.name))}
        found, new = {self.root}, {self.root}
        while new:
            new = {pid for pid, fields in parents.items() if int(fields[1]) in new} - found
            found |= new
        return found & set(parents)


def _fields(pid: int | str) -> list[str]:
    """Fields of /proc/PID/stat from the state on; none if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
    except OSError:
        return 0.0


def segment(archive: Path, out: Path, photos: int, options: Sequence[str], processes: Processes) -> dict[str, Any]:
    """Run the command once and return its rates.

    Raises:
        UOISError: if it fails.
    """
    size = max(1, photos // SHARDS)
    command = [sys.executable, "-m", "uois_sam", "segment", str(archive), "--out", str(out), "--shards", "tar",
               "--shard-size", str(size), *options]  # fmt: skip
    seen: list[tuple[int, float, float]] = []
    began, before = time.perf_counter(), processes.seconds()
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stderr=said) as process:
        while process.poll() is None:
            time.sleep(SECONDS_BETWEEN_SAMPLES)
            used = processes.seconds() - before
            shards = len(list(out.glob("shard-*.tar"))) if out.exists() else 0
            if shards > (seen[-1][0] if seen else 0):
                seen.append((shards, time.perf_counter() - began, used))
                processes.look_at_memory()
        if process.returncode:
            said.seek(0)
            raise UOISError(f"expected the command to exit with 0, found: {said.read().strip().splitlines()[-1]}")
    if len(seen) < 2:
        raise UOISError(f"expected more shards than {len(seen)} to come one by one: give more --photos")
    (first, wall, used), (last, wall_end, used_end) = seen[0], seen[-1]
    counted = min(last * size, photos) - first * size
    rate = {"wall": (wall_end - wall) / counted, "processor": (used_end - used) / counted}
    return {
        "photos_a_second": 1 / rate["wall"], "processor_seconds_a_photo": rate["processor"],
        "start_seconds": wall - first * size * rate["wall"],
        "start_processor_seconds": used - first * size * rate["processor"],
        "peak_mib": processes.most_mib, "bytes_a_photo": sum(p.stat().st_size for p in out.iterdir()) / photos,
        "sha256": _digest(out),
    }  # fmt: skip


def _digest(out: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(out.iterdir()):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Start a cluster on this machine, below this process, and yield its address."""
    try:
        import ray
    except ImportError as error:
        raise UOISError("expected the extra ray: pip install 'uois-sam[ray]'") from error
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def empty_jobs(content: bytes, answer: int, processes: Processes) -> dict[str, float]:
    """Send a photo there and bytes of results back, again and again: seconds a photo."""
    with on_ray(partial(_answer, answer), "auto", "million") as executor:
        for _ in as_finished(executor, [content] * 20):
            pass
        began, before = time.perf_counter(), processes.seconds()
        for _ in as_finished(executor, [content] * EMPTY_JOBS):
            pass
        return {
            "wall_seconds_a_photo": (time.perf_counter() - began) / EMPTY_JOBS,
            "processor_seconds_a_photo": (processes.seconds() - before) / EMPTY_JOBS,
        }


def _answer(size: int, content: bytes) -> bytes:
    return bytes(size)


_LISTING = """
import sys, time, pathlib
from uois_sam.cli.segment.inputs import find_sources
from uois_sam.io import formats, photo_archives, video
def mib():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))
before, began = mib(), time.process_time()
sources, _ = find_sources([sys.argv[1]], pathlib.Path(sys.argv[2]))
print(len(sources), mib() - before, time.process_time() - began)
"""


def listing(folder: Path) -> dict[str, float]:
    """Name the photos of a tar file in a fresh process, as the command does before it begins."""
    archive = folder / "names.tar"
    with tarfile.open(archive, "w") as tar:
        for index in range(LISTED):
            tar.addfile(tarfile.TarInfo(f"2026/11/{index:09d}.jpg"))
    command = [sys.executable, "-c", _LISTING, str(archive), str(folder / "none")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    count, mib, seconds = map(float, ran.stdout.split())
    return {"photos": count, "bytes_a_photo": mib * 2**20 / count, "processor_seconds_a_photo": seconds / count}


def bill(payload: dict[str, Any], price: float) -> list[dict[str, Any]]:
    """Compute core hours, cost and hours on clusters from measured processor seconds a photo.

    Args:
        payload: of a record; the run on Ray with the most workers that have a core each counts.
        price: of an hour of a core, in any currency: an assumption.
    """
    fitting = [run for run in payload["runs"] if run["ray"] and run["workers"] <= payload["cores"]]
    run = max(fitting, key=lambda run: run["workers"])
    rows = []
    for photos in BILLED:
        core_hours = photos * run["processor_seconds_a_photo"] / 3600
        rows.append({
            "photos": photos, "core_hours": core_hours, "cost": core_hours * price,
            "hours_by_cores": {str(cores): core_hours / cores for cores in CORES},
            "shards_gb": photos * run["bytes_a_photo"] / 1e9,
            "names_gb": photos * payload["listing"]["bytes_a_photo"] / 1e9,
        })  # fmt: skip
    return rows


def measure(sources: Sequence[Path], photos: int, workers: Sequence[int], model: str) -> dict[str, Any]:
    """Run the command plainly and on clusters of each size.

    Raises:
        UOISError: if a run fails, or two give different shards.
    """
    runs: list[dict[str, Any]] = []
    empty: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "photos").mkdir()
        make_photos(sources, photos, folder / "photos")
        files = sorted((folder / "photos").iterdir())
        archive = folder / "photos.tar"
        with tarfile.open(archive, "w") as tar:
            for path in files:
                tar.add(path, arcname=path.name)

        def run(count: int, ray: bool, where: Sequence[str]) -> None:
            processes = Processes(os.getpid())
            options = ["--model", model, *where]
            row = segment(archive, folder / f"out-{count}-{ray}", photos, options, processes)
            runs.append({"workers": count, "ray": ray, **row})
            if row["sha256"] != runs[0]["sha256"]:
                raise UOISError(f"expected the same shards of every run, found others with {count} workers, Ray: {ray}")
            print(f"{count} workers, {'Ray' if ray else 'plain'}: measured", file=sys.stderr, flush=True)

        for count in workers:
            run(count, False, ["--workers", str(count)])
            with cluster(count) as address:
                run(count, True, ["--ray", address])
                if count == workers[-1]:
                    empty = empty_jobs(files[0].read_bytes(), int(runs[-1]["bytes_a_photo"]), Processes(os.getpid()))
        listed = listing(folder)
    return {"photos": photos, "cores": usable_cores(), "runs": runs, "empty_jobs": empty, "listing": listed}


def markdown(payload: dict[str, Any], price: float) -> str:
    """Format rates, what the cluster adds, and the bill."""
    lines = ["| workers | run | photos/s | processor s a photo | start, s | start, processor s | peak MiB |",
             "|--:|:--|--:|--:|--:|--:|--:|"]  # fmt: skip
    for run in payload["runs"]:
        lines.append(
            f"| {run['workers']} | {'Ray' if run['ray'] else 'plain'} | {run['photos_a_second']:.2f} "
            f"| {run['processor_seconds_a_photo']:.3f} | {run['start_seconds']:.1f} "
            f"| {run['start_processor_seconds']:.1f} | {run['peak_mib']:.0f} |"
        )
    empty, listed = payload["empty_jobs"], payload["listing"]
    lines += [
        f"\nEmpty jobs: {1e3 * empty['wall_seconds_a_photo']:.1f} ms and "
        f"{1e3 * empty['processor_seconds_a_photo']:.1f} processor ms a photo. Listing: "
        f"{listed['bytes_a_photo']:.0f} bytes and {1e6 * listed['processor_seconds_a_photo']:.0f} processor µs.",
        f"\nAt an assumed {price:g} an hour and core:\n",
        f"| photos | core hours | cost | {' | '.join(f'hours, {cores} cores' for cores in CORES)} | shards | names |",
        "|--:|--:|--:|" + "--:|" * len(CORES) + "--:|--:|",
    ]
    for row in bill(payload, price):
        hours = " | ".join(f"{each:,.1f}" for each in row["hours_by_cores"].values())
        lines.append(
            f"| {row['photos']:,} | {row['core_hours']:,.0f} | {row['cost']:,.0f} | {hours} "
            f"| {row['shards_gb']:,.0f} GB | {row['names_gb']:,.1f} GB |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="*")
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--model", default="compact")
    parser.add_argument("--price", type=float, required=True, help="assumed, of an hour of a core, in any currency")
    parser.add_argument("--record", type=Path, help="reckon with this record instead of measuring")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    if bool(options.sources) == bool(options.record):
        parser.error("expected photos to measure with, or --record")
    try:
        if options.record:
            print(markdown(json.loads(options.record.read_text())["payload"], options.price))
            return 0
        payload = measure(options.sources, options.photos, options.workers, options.model)
        record = make_record("million", {**payload, "price": options.price, "bill": bill(payload, options.price)})
        if options.out:
            write_record(options.out, record)
    except UOISError as error:
        print(f"million: {error}", file=sys.stderr)
        return 2
    print(markdown(payload, options.price))
    print(f"\n{summary(record['machine'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

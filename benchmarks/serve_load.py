"""Load on `uois-sam serve`: many clients, many photos, and what HTTP adds to the model's own time.

    python benchmarks/serve_load.py PHOTO... [--clients 16] [--photos 200] [--out results.json]

The command runs in a process of its own on a free port. First photos go one after the other: what a request takes
beyond the `seconds` that its answer states is HTTP's part. Then the clients send theirs at the same time, each the next
one when it has its answer. In an ideal queue each of them waits for one photo of every client, which takes the clients
divided by the photos a second.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.images import read_image
from uois_sam.runtime.provenance import summary

SIZE_WH = (640, 480)


@contextmanager
def served(workers: int, queue: int) -> Iterator[str]:
    """Run the command, and yield its address."""
    command = [sys.executable, "-m", "uois_sam", "serve", "--port", "0", "--workers", str(workers)]
    command += ["--queue", str(queue), "--deadline", "600"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found, "the server did not start"
        try:
            yield found[0]
        finally:
            process.terminate()


def ask(client: httpx.Client, photo: bytes) -> tuple[int, float, float]:
    """Status, seconds of a request, and of those the seconds that the server states."""
    began = time.perf_counter()
    answer = client.post("/v1/segment", files={"image": ("a.jpg", photo)})
    taken = time.perf_counter() - began
    return answer.status_code, taken, answer.json().get("seconds", 0.0) if answer.status_code == 200 else 0.0


def measure(url: str, photos: Sequence[bytes], clients: int, count: int, alone: int) -> dict[str, Any]:
    """Ask one by one, then all at the same time."""
    local = threading.local()

    def next_one(index: int) -> tuple[int, float, float]:
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=url, timeout=600)
        return ask(local.client, photos[index % len(photos)])

    with httpx.Client(base_url=url, timeout=600) as client:
        single = [ask(client, photos[index % len(photos)]) for index in range(alone + 3)][3:]
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(next_one, range(count)))
    seconds = time.perf_counter() - began
    taken = [each[1] for each in answers if each[0] == 200]
    return {
        "photos": count,
        "clients": clients,
        "errors": sum(each[0] != 200 for each in answers),
        "photos_per_second": count / seconds,
        "alone_seconds": statistics.median(each[1] for each in single),
        "http_ms": 1000 * statistics.median(each[1] - each[2] for each in single),
        "latency_seconds": {f"p{q}": float(np.percentile(taken, q)) for q in (50, 90, 99)},
        "ideal_seconds": clients * seconds / count,
    }


def main() -> int:
    """Print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="+", type=Path)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--alone", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    pictures = [cv2.resize(read_image(path), SIZE_WH, interpolation=cv2.INTER_AREA) for path in given.photo]
    photos = [encode_jpeg(picture.astype(np.uint8), 92) for picture in pictures]
    with served(given.workers, given.clients) as url:
        found = measure(url, photos, given.clients, given.photos, given.alone)
    found["workers"] = given.workers
    latency = found["latency_seconds"]
    print("| clients | photos | errors | photos/s | one alone | of it HTTP | p50 | p99 | p99 / ideal |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {given.clients} | {given.photos} | {found['errors']} | {found['photos_per_second']:.1f} "
        f"| {found['alone_seconds']:.3f} s | {found['http_ms']:.1f} ms "
        f"| {latency['p50']:.2f} s | {latency['p99']:.2f} s | {latency['p99'] / found['ideal_seconds']:.2f} |"
    )
    record = make_record("serve_load", found)
    print(f"\n{summary(record['machine'])}")
    if given.out:
        write_record(given.out, record)
    return int(found["errors"] > 0)


if __name__ == "__main__":
    sys.exit(main())

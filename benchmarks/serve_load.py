"""Load on `uois-sam serve`: many clients, many photos, and what HTTP adds to the model's own time.

    python benchmarks/serve_load.py PHOTO... [--clients 16] [--photos 200] [--out results.json]

What HTTP adds: a server in this process is asked by a client in another, in turn with the same pixels given to the
same model without a server; the median difference is HTTP's part, with reading the JPEG, run lengths and JSON. By the
clock it has the client's work in it too. Both tell something on a quiet machine only: beside many others a photo's own
processor time varies by more than what is sought.

Then the command runs in a process of its own on a free port, and the clients send their photos at the same time, each
the next one when it has its answer. In an ideal queue each of them waits for one photo of every client, which takes the
clients divided by the photos a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from served import served
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.images import read_image
from uois_sam.runtime.provenance import summary
from uois_sam.runtime.timing import WARM_UP
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.run import listen, make_server, url_of
from uois_sam.types import ImageArray

SIZE_WH = (640, 480)


def ask(client: httpx.Client, photo: bytes) -> tuple[int, float]:
    """Status and seconds of a request."""
    began = time.perf_counter()
    answer = client.post("/v1/segment", files={"image": ("a.jpg", photo)})
    return answer.status_code, time.perf_counter() - began


def ask_on_demand(url: str, pipe: Connection) -> None:
    """Body of the client's process: ask for every photo that comes, until there is an empty one."""
    with httpx.Client(base_url=url, timeout=600) as client:
        while photo := pipe.recv():
            pipe.send(ask(client, photo))


@contextmanager
def served_here(model: UOISSAM) -> Iterator[Connection]:
    """Serve from a thread of this process; yields the pipe to a client in another."""
    config = ServerConfig(port=0, deadline_s=600)
    with listen(config) as taken:
        server = make_server(model, config)
        thread = threading.Thread(target=server.run, args=([taken],))
        thread.start()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        client = context.Process(target=ask_on_demand, args=(url_of(taken), theirs))
        client.start()
        try:
            yield ours
        finally:
            ours.send(b"")
            client.join()
            server.should_exit = True
            thread.join()


def measure_alone(pictures: Sequence[ImageArray], photos: Sequence[bytes], rounds: int) -> dict[str, Any]:
    """Give photos to the model and to the server around it, in turn."""
    model = UOISSAM.from_pretrained("compact")
    readings: list[tuple[float, float, float, float]] = []
    with served_here(model) as client:
        for index in range(rounds + WARM_UP):
            which = index % len(photos)
            began, spent = time.perf_counter(), time.process_time()
            model.predict(pictures[which])
            direct, direct_cpu = time.perf_counter() - began, time.process_time() - spent
            spent = time.process_time()
            client.send(photos[which])
            status, taken = client.recv()
            assert status == 200, status
            readings.append((direct, taken, direct_cpu, time.process_time() - spent))
    direct_s, taken_s, direct_cpu_s, taken_cpu_s = np.array(readings[WARM_UP:]).T
    return {
        "direct_seconds": float(np.median(direct_s)),
        "alone_seconds": float(np.median(taken_s)),
        "http_ms": float(1000 * np.median(taken_s - direct_s)),
        "http_processor_ms": float(1000 * np.median(taken_cpu_s - direct_cpu_s)),
    }


def measure_load(url: str, photos: Sequence[bytes], clients: int, count: int) -> dict[str, Any]:
    """Ask from all clients at the same time."""
    local = threading.local()

    def next_one(index: int) -> tuple[int, float]:
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=url, timeout=600)
        return ask(local.client, photos[index % len(photos)])

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
        "latency_seconds": {f"p{q}": float(np.percentile(taken, q)) for q in (50, 90, 99)},
        "ideal_seconds": clients * seconds / count,
    }


def main() -> int:
    """Print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="+", type=Path)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--alone", type=int, default=20, help="pairs with and without HTTP")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    shrunk = [cv2.resize(read_image(path), SIZE_WH, interpolation=cv2.INTER_AREA) for path in given.photo]
    photos = [encode_jpeg(picture.astype(np.uint8), 92) for picture in shrunk]
    pictures = [read_image(photo) for photo in photos]  # as the server sees them
    found = measure_alone(pictures, photos, given.alone)
    with served("--workers", str(given.workers), "--queue", str(given.clients)) as server:
        found |= measure_load(server.url, photos, given.clients, given.photos)
    found["workers"] = given.workers
    latency = found["latency_seconds"]
    print("| clients | photos | errors | photos/s | one alone | of it HTTP | by processor | p50 | p99 | p99 / ideal |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {given.clients} | {given.photos} | {found['errors']} | {found['photos_per_second']:.1f} "
        f"| {found['alone_seconds']:.3f} s | {found['http_ms']:.1f} ms | {found['http_processor_ms']:.1f} ms "
        f"| {latency['p50']:.2f} s | {latency['p99']:.2f} s | {latency['p99'] / found['ideal_seconds']:.2f} |"
    )
    record = make_record("serve_load", found)
    print(f"\n{summary(record['machine'])}")
    if given.out:
        write_record(given.out, record)
    return int(found["errors"] > 0)


if __name__ == "__main__":
    sys.exit(main())

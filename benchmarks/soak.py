"""Memory of a long run: `uois-sam watch` on a stream without end, and `uois-sam serve` under requests of every kind.

    python benchmarks/soak.py watch PHOTO... [--seconds 600] [--rate 10] [--out results.json]
    python benchmarks/soak.py serve PHOTO... [--requests 3000] [--clients 4] [--out results.json]

The command runs in a process of its own, whose resident memory is read from /proc. The stream is MJPEG over HTTP:
photos of 640x480 that drift to and fro, followed with `--track`. The age of a result is the time from reading a frame
to its line on standard output, which would grow if frames queued up. Requests are whole photos, answered in JSON and as
label maps, photos to keep with clicks on them, half an upload, and something that is no photo.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from served import served
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.images import read_image
from uois_sam.runtime.provenance import summary
from uois_sam.types import ImageArray

SIZE_WH = (640, 480)
DRIFT_PX = 24
_PERIOD = 40
"""Frames of one drift to and fro."""


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def drifting(photos: Sequence[ImageArray]) -> list[bytes]:
    """JPEGs to show over and over: each photo for a while, as if the camera swung."""
    width, height = SIZE_WH
    jpegs = []
    for photo in photos:
        large = cv2.resize(photo, (width + 2 * DRIFT_PX, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
        for number in range(_PERIOD):
            shift = round(DRIFT_PX * (1 + math.sin(2 * math.pi * number / _PERIOD)))
            jpegs.append(encode_jpeg(large[:, shift : shift + width], 90))
    return jpegs


@contextmanager
def stream(photos: Sequence[ImageArray], rate: float) -> Iterator[str]:
    """A camera on the network: MJPEG over HTTP on a free port."""
    jpegs = drifting(photos)

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for jpeg in itertools.cycle(jpegs):
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                try:
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                except OSError:
                    return
                time.sleep(1 / rate)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/camera.mjpg"
        server.shutdown()


def soak_watch(photos: Sequence[ImageArray], model: str, seconds: float, rate: float) -> dict[str, Any]:
    """Watch the stream, and read memory and the age of results ten times."""
    readings: list[dict[str, float]] = []
    with stream(photos, rate) as url:
        command = [sys.executable, "-m", "uois_sam", "watch", url, "--model", model, "--track", "--json-lines"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            began, ages = 0.0, list[float]()
            for frames, line in enumerate(process.stdout, start=1):
                began = began or time.monotonic()  # after the model is loaded
                passed = time.monotonic() - began
                ages.append(time.time() - json.loads(line)["stamp"])
                if passed >= len(readings) * seconds / 10:
                    readings.append(
                        _reading(
                            seconds=passed, frames=frames, mib=resident_mib(process.pid), age_s=statistics.median(ages)
                        )
                    )
                    ages.clear()
                if passed >= seconds:
                    break
            process.terminate()
            _, told = process.communicate()
    return {"readings": readings, "status": process.returncode, "told": told.strip().splitlines()[-3:]}


def soak_serve(photos: Sequence[ImageArray], model: str, requests: int, clients: int) -> dict[str, Any]:
    """Send requests of every kind, and read memory ten times."""
    files = [
        encode_jpeg(cv2.resize(photo, SIZE_WH, interpolation=cv2.INTER_AREA).astype(np.uint8), 92) for photo in photos
    ]
    readings: list[dict[str, float]] = []
    with served("--model", model) as server:
        wrong, began, step = 0, time.monotonic(), max(1, requests // 10)
        with httpx.Client(base_url=server.url, timeout=600) as client, ThreadPoolExecutor(clients) as pool:
            for first in range(0, requests, step):
                numbers = range(first, min(first + step, requests))
                wrong += sum(pool.map(lambda number: not _as_expected(client, files, number), numbers))
                passed, mib = time.monotonic() - began, resident_mib(server.process.pid)
                readings.append(_reading(seconds=passed, requests=first + len(numbers), mib=mib))
    return {"readings": readings, "wrong": wrong, "status": server.process.returncode}


def _as_expected(client: httpx.Client, files: Sequence[bytes], number: int) -> bool:
    """Send one request; whether its status is the one of its kind."""
    file, kind = files[number % len(files)], number % 5
    if kind == 0:
        return client.post("/v1/segment", files={"image": ("a.jpg", file)}).status_code == 200
    if kind == 1:
        fields = {"answer": "label_map"}
        return client.post("/v1/segment", files={"image": ("a.jpg", file)}, data=fields).status_code == 200
    if kind == 2:
        key = client.post("/v1/encode", files={"image": ("a.jpg", file)}).json()["id"]
        asked = {"id": key, "points": [[SIZE_WH[0] / 2, SIZE_WH[1] / 2]]}
        return client.post("/v1/prompt", json=asked).status_code == 200
    broken = file[: len(file) // 2] if kind == 3 else b"no photo"
    status = client.post("/v1/segment", files={"image": ("a.jpg", broken)}).status_code
    return status == 400 if kind == 4 else status in (200, 400)


def _reading(**values: float) -> dict[str, float]:
    reading = {name: round(value, 3) for name, value in values.items()}
    print(" | ".join(f"{name} {value:g}" for name, value in reading.items()), flush=True)
    return reading


def main() -> int:
    """Print the readings and write the record; 1 if the run did not end well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["watch", "serve"])
    parser.add_argument("photo", nargs="+", type=Path)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=10, help="frames a second of the stream")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    photos = [read_image(path) for path in given.photo]
    if given.what == "watch":
        found = soak_watch(photos, given.model, given.seconds, given.rate)
    else:
        found = soak_serve(photos, given.model, given.requests, given.clients)
    first, last = found["readings"][min(1, len(found["readings"]) - 1)], found["readings"][-1]
    print(f"{first['mib']:.0f} MiB after a tenth, {last['mib']:.0f} MiB at the end; status {found['status']}")
    for line in found.get("told", []):
        print(line)
    record = make_record("soak", {"what": given.what, **found})
    print(summary(record["machine"]))
    if given.out:
        write_record(given.out, record)
    return int(found["status"] != 0 or found.get("wrong", 0) > 0)


if __name__ == "__main__":
    sys.exit(main())
